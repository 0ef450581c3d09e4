"""What the page says around an answer: its title, hints, problems, totals, and files to save."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import emotion_colour
from emotion.web.html.answer import bars
from emotion.web.language import ENGLISH, LANGUAGES, Words

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

HINTS = ("light", "distance", "frontal")
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


def header(classifier: EmotionClassifier, notice: str | None = None, say: Words = ENGLISH) -> str:
    """Return the title, the model that answers and its notices."""
    labels = escape(say.alternatives(classifier.labels))
    return f"""
<header class="em-header">
  <span class="em-logo" aria-hidden="true">{LOGO}</span>
  <div>
    <h1>{say("title")}</h1>
    <p>{say("question", labels=labels)}</p>
  </div>
</header>
{model_line(classifier, notice, say)}"""


def language_switch(say: Words = ENGLISH) -> str:
    """Return the choice of languages, each by its own name."""
    options = "".join(
        f'<option value="{code}" lang="{code}">{name}</option>' for code, (name, _) in LANGUAGES.items()
    )
    return f'<label><span>{say("language.choose")}</span> <select id="language">{options}</select></label>'


def model_line(classifier: EmotionClassifier, notice: str | None = None, say: Words = ENGLISH) -> str:
    """Return the name and revision of a model, with notices below."""
    line = say("model", name=f"<b>{escape(classifier.model_name)}</b>")
    if classifier.revision:
        revision = f"<code>{escape(classifier.revision[:12])}</code>"
        line += f" · {say('revision', revision=revision)}"
    texts = dict.fromkeys(text for text in (notice, classifier.notice) if text)
    notes = "".join(f'<p class="em-notice">{escape(text)}</p>' for text in texts)
    return f'<p class="em-model">{line}</p>{notes}'


def welcome(say: Words = ENGLISH) -> str:
    """Return what stands in the place of an answer before there is a picture."""
    return f"""
<div class="em-hint"><b>{say("photo.welcome")}</b><p>{say("photo.welcome.how")}</p></div>"""


def shown_picture(source: str, say: Words = ENGLISH, *, name: str = "") -> str:
    """Return a picture (a data URL) with what can be done with it; one with a name can be saved under it."""
    saved = _link(source, name, say("photo.download")) if name else ""
    return (
        f'<img class="em-shown" src="{source}" alt="{say("photo.picture")}">'
        f'<p class="buttons"><button type="button" data-another>{say("photo.another")}</button>{saved}</p>'
    )


def no_face(say: Words = ENGLISH) -> str:
    """Return the hint for a picture without a face."""
    tips = "".join(f"<li>{say(f'noface.{tip}')}</li>" for tip in HINTS)
    return f'<div class="em-hint"><b>{say("noface")}</b><p>{say("noface.helps")}</p><ul>{tips}</ul></div>'


def problem(message: Exception | str, say: Words = ENGLISH) -> str:
    """Return the message of an error."""
    return (
        f'<div class="em-hint em-problem" role="alert"><b>{say("problem")}</b>'
        f"<p>{escape(say.error(message))}</p></div>"
    )


def many_summary(pictures: int, faces: int, problems: Sequence[tuple[str, str]], say: Words = ENGLISH) -> str:
    """Return the number of pictures and faces, and for each picture left out its name and the reason."""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(message)}</li>" for name, message in problems)
    left = f'<div class="em-hint em-problem"><b>{say("many.left")}</b><ul>{items}</ul></div>'
    return f"<p><b>{say('many.total', pictures=pictures, faces=faces)}</b></p>{left if problems else ''}"


def shares(answers: Counter[str | None], say: Words = ENGLISH) -> str:
    """Return how often each answer was given, as bars, the most frequent first."""
    if not answers:
        return ""
    parts = {name: count / answers.total() for name, count in answers.most_common()}
    return f'<div class="bars-panel"><p class="bars-caption">{say("many.shares")}</p>{bars(parts, say)}</div>'


def gallery(pictures: Sequence[tuple[str, str, str]]) -> str:
    """Return pictures (data URL, answers, name), the answers before the name."""
    figures = "".join(
        f'<figure><img src="{source}" alt="{escape(name)}"><figcaption><b>{escape(answers)}</b>'
        f"<small>{escape(name)}</small></figcaption></figure>"
        for source, answers, name in pictures
    )
    return f'<div class="em-gallery">{figures}</div>' if pictures else ""


def csv_link(text: str, name: str, caption: str) -> str:
    """Return a link that saves a CSV file, with the mark that tells Excel its encoding."""
    return _link(f"data:text/csv;charset=utf-8;base64,{_base64(text.encode('utf-8-sig'))}", name, caption)


def zip_link(content: bytes, name: str, caption: str) -> str:
    """Return a link that saves a ZIP file."""
    return _link(f"data:application/zip;base64,{_base64(content)}", name, caption)


def video_player(result: str, name: str, say: Words = ENGLISH) -> str:
    """Return a player for the result of this name, an MP4, and a link that saves it; see `inside.results`."""
    link = _link("#", name, say("video.download")).replace("<a ", "<a hidden ")
    return (
        f'<video class="em-video" controls playsinline aria-label="{say("video.player")}"'
        f' data-result="{escape(result)}" data-failed="{say("video.lost")}"></video>{link}'
    )


def _link(source: str, name: str, caption: str) -> str:
    return f'<a class="em-download" download="{escape(name)}" href="{source}">{escape(caption)}</a>'


def _base64(content: bytes) -> str:
    # As part of the page: no file exists on the server.
    return base64.b64encode(content).decode()
