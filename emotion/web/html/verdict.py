"""The answer for one face in words."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, emotion_colour

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction

REASONS = {
    "neutral or mixed": "The face looks neutral, or like more than one of the emotions at once.",
    "too small": "The face is too small to judge. Move closer, or use a larger picture.",
    "too blurred": "The face is too blurred to judge. Hold still, focus, or add light.",
}


def verdict(prediction: FacePrediction, number: int, faces: int, portrait: str) -> str:
    """Return the answer for one face in words beside its portrait (a data URL)."""
    title = f"Face {number} of {faces} – click another one to see it" if faces > 1 else "This face"
    if prediction.label is not None:
        answer = f"looks <strong>{escape(prediction.label)}</strong>"
        detail = f"{prediction.confidence:.0%} sure that this is right."
        if prediction.reason:
            detail += f" {escape(prediction.reason.capitalize())}."
    else:
        answer = f"<strong>{NOT_SURE}</strong>"
        detail = escape(explain_reason(prediction.reason))
    return f"""
<div class="em-verdict" role="status" style="--em: {emotion_colour(prediction.label)}">
  <img src="{portrait}" alt="Portrait of face {number}" width="96" height="96">
  <div><span>{title}</span><p>{answer}</p><small>{detail}</small></div>
</div>"""


def explain_reason(reason: str | None) -> str:
    """Return why the model is not sure as a sentence."""
    if not reason:
        return "The model cannot tell."
    return REASONS.get(reason, f"{reason[0].upper()}{reason[1:].rstrip('.')}.")
