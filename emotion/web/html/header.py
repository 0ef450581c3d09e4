"""The title of the page, and the model that answers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import alternatives, emotion_colour

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier


def header(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return the title, with the model that answers and what a person should know about it."""
    return f"""
<header class="em-header">
  <span class="em-logo" aria-hidden="true">{_logo()}</span>
  <div>
    <h1>Facial emotion</h1>
    <p>How does this face look – {escape(alternatives(classifier.labels))}?
    And when the model can’t tell, it says so.</p>
  </div>
</header>
{model_line(classifier, notice)}"""


def model_line(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return one line that names the model and its revision, and the notice below it."""
    revision = f" · revision <code>{escape(classifier.revision[:12])}</code>" if classifier.revision else ""
    texts = dict.fromkeys(text for text in (notice, classifier.notice) if text)
    notes = "".join(f'<p class="em-notice" role="status">{escape(text)}</p>' for text in texts)
    return f'<p class="em-model">Model: <b>{escape(classifier.model_name)}</b>{revision}</p>{notes}'


def _logo() -> str:
    """Draw three small faces: angry, happy, sad."""
    features = (
        ("angry", "M7 9l4 2M17 9l-4 2M8 17q4-3 8 0"),
        ("happy", "M8 9v1.5M16 9v1.5M7 14q5 5 10 0"),
        ("sad", "M8 10v1.5M16 10v1.5M8 17.5q4-3.5 8 0"),
    )
    return "".join(
        f'<svg viewBox="0 0 24 24" width="34" height="34">'
        f'<circle cx="12" cy="12" r="11" fill="{emotion_colour(name)}"/>'
        f'<path d="{path}" fill="none" stroke="white" stroke-width="2" stroke-linecap="round"/></svg>'
        for name, path in features
    )
