"""What the page says around an answer: its title, hints, problems, totals, and files to save."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import alternatives, counted, emotion_colour

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

PRIVACY = (
    "Your pictures stay in this server’s memory while they are needed. They are not stored or passed on. "
    "Files that an upload needs on the way are deleted when the request ends."
)
ONLY_YOU = "Only you get answers from this model; other visitors keep theirs."
LOST = "The clip could not be fetched. Send it again."
NO_FACE = "I can’t find a face in this picture."
HINTS = (
    "<b>Light</b> – face a window or a lamp instead of having it behind you.",
    "<b>Distance</b> – the face should be at least as large as a thumbnail.",
    "<b>Angle</b> – look towards the camera, with eyes and mouth uncovered.",
)
# Three small faces: angry, happy, sad.
FEATURES = (
    ("angry", "M7 9l4 2M17 9l-4 2M8 17q4-3 8 0"),
    ("happy", "M8 9v1.5M16 9v1.5M7 14q5 5 10 0"),
    ("sad", "M8 10v1.5M16 10v1.5M8 17.5q4-3.5 8 0"),
)
LOGO = "".join(
    '<svg viewBox="0 0 24 24" width="34" height="34">'
    f'<circle cx="12" cy="12" r="11" fill="{emotion_colour(name)}"/>'
    f'<path d="{path}" fill="none" stroke="white" stroke-width="2" stroke-linecap="round"/></svg>'
    for name, path in FEATURES
)


def header(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return the title, the model that answers and its notices."""
    return f"""
<header class="em-header">
  <span class="em-logo" aria-hidden="true">{LOGO}</span>
  <div>
    <h1>Facial emotion</h1>
    <p>Does a face look {escape(alternatives(classifier.labels))}? If the model can’t tell, it says so.</p>
  </div>
</header>
{model_line(classifier, notice)}"""


def model_line(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return the name and revision of a model, with notices below."""
    revision = f" · revision <code>{escape(classifier.revision[:12])}</code>" if classifier.revision else ""
    texts = dict.fromkeys(text for text in (notice, classifier.notice) if text)
    notes = "".join(f'<p class="em-notice" role="status">{escape(text)}</p>' for text in texts)
    return f'<p class="em-model">Model: <b>{escape(classifier.model_name)}</b>{revision}</p>{notes}'


def welcome() -> str:
    """Return the hint that is shown instead of an answer before there is a picture."""
    return """
<div class="em-hint"><b>Add a picture to begin.</b>
<p><span class="em-mouse">Drop or paste a photo</span><span class="em-touch">Choose a photo</span>, take a
snapshot, or click an example. There is nothing to install, and nothing is stored.</p></div>"""


def no_face() -> str:
    """Return the hint for a picture without a face."""
    tips = "".join(f"<li>{tip}</li>" for tip in HINTS)
    return (
        f'<div class="em-hint" role="status"><b>{NO_FACE}</b><p>What usually helps:</p><ul>{tips}</ul></div>'
    )


def problem(message: str) -> str:
    """Return the message of an error."""
    return (
        '<div class="em-hint em-problem" role="alert"><b>That did not work.</b>'
        f"<p>{escape(message)}</p></div>"
    )


def many_summary(pictures: int, faces: int, problems: Sequence[tuple[str, str]]) -> str:
    """Return the number of pictures and faces, and for each picture left out its name and the reason."""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(message)}</li>" for name, message in problems)
    wrong = f'<div class="em-hint" role="alert"><b>Left out</b><ul>{items}</ul></div>' if problems else ""
    return (
        f'<p role="status"><b>{counted(pictures, "picture")}</b>, <b>{counted(faces, "face")}</b>.</p>{wrong}'
    )


def csv_link(text: str, name: str, caption: str) -> str:
    """Return a link that saves a CSV file, with the mark that tells Excel its encoding."""
    return _link(f"data:text/csv;charset=utf-8;base64,{_base64(text.encode('utf-8-sig'))}", name, caption)


def zip_link(content: bytes, name: str, caption: str) -> str:
    """Return a link that saves a ZIP file."""
    return _link(f"data:application/zip;base64,{_base64(content)}", name, caption)


def video_player(result: str) -> str:
    """Return a player for the result of this name, an MP4, and a link that saves it; see `inside.results`."""
    link = _link("#", "emotions.mp4", "Download the clip").replace("<a ", "<a hidden ")
    return (
        '<video class="em-video" controls playsinline aria-label="The clip with a box around every face"'
        f' data-result="{escape(result)}" data-failed="{LOST}"></video>{link}'
    )


def _link(source: str, name: str, caption: str) -> str:
    return f'<a class="em-download" download="{escape(name)}" href="{source}">{escape(caption)}</a>'


def _base64(content: bytes) -> str:
    # As part of the page: no file exists on the server.
    return base64.b64encode(content).decode()
