"""The parts of the web page that are plain text: HTML for answers, charts and the model, and the style sheet.

Pure functions, kept out of `app.py` so that the wiring there stays readable. Events and components are in `app.py`.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.drawing import describe
from emotion.predictions.colours import (
    EMOTION_COLOURS,
    NOT_SURE,
    NOT_SURE_COLOUR,
    emotion_colour,
    text_colour,
)

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.predictions.face import FacePrediction
    from emotion.video.tracking import Moment, Timeline, TrackedFace

DASHES = ("none", "7 4", "2 4", "9 3 2 3")  # lines of a chart differ by more than their colour

# As Markdown writes it. No part may hold its own opening bracket, so that a hostile text takes no longer than others.
PICTURE = r"!\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])?"

FEWEST_FACES = 10  # behind a dot of the calibration chart; fewer say nothing

REASONS = {
    "neutral or mixed": "The face looks neutral, or like more than one of the emotions at once.",
    "too small": "The face is too small to judge. Move closer, or use a larger picture.",
    "too blurred": "The face is too blurred to judge. Hold still, focus, or add light.",
}

# A click on a card, or Enter on it, tells the server which face it is.
SELECT_CARD = """element.addEventListener('click', event => {
    const card = event.target.closest('[data-face]');
    if (card) trigger('select', {index: Number(card.dataset.face)});
});"""

PRIVACY = (
    "Your pictures stay in this server’s memory while they are needed: they are not stored and not sent on. "
    "Files that an upload needs on its way are deleted when the request ends."
)

NO_FACE = "I can’t find a face in this picture."
HINTS = (
    "<b>Light</b> – face a window or a lamp rather than having it behind you.",
    "<b>Distance</b> – the face should be at least as large as a thumbnail, not a dot in the background.",
    "<b>Frontal</b> – look towards the camera, with eyes and mouth uncovered.",
)


def header(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return the title, with the model that answers and what a person should know about it."""
    return f"""
<header class="em-header">
  <span class="em-logo" aria-hidden="true">{_logo()}</span>
  <div>
    <h1>Facial emotion</h1>
    <p>How does this face look – {escape(_listing(classifier.labels))}? And when the model can’t tell, it says so.</p>
  </div>
</header>
{model_line(classifier, notice)}"""


def model_line(classifier: EmotionClassifier, notice: str | None = None) -> str:
    """Return one line that names the model and its revision, and the notice below it."""
    revision = f" · revision <code>{escape(classifier.revision[:12])}</code>" if classifier.revision else ""
    texts = dict.fromkeys(text for text in (notice, classifier.notice) if text)
    notes = "".join(f'<p class="em-notice" role="status">{escape(text)}</p>' for text in texts)
    return f'<p class="em-model">Model: <b>{escape(classifier.model_name)}</b>{revision}</p>{notes}'


def welcome() -> str:
    """Return what stands in the place of an answer before there is a picture."""
    return """
<div class="em-hint"><b>Add a picture to begin.</b>
<p>Drop a photo, paste one, take a snapshot, or click an example. Nothing has to be installed, and nothing is
stored.</p></div>"""


def no_face() -> str:
    """Return the hint for a picture without a face, with what helps."""
    tips = "".join(f"<li>{tip}</li>" for tip in HINTS)
    return (
        f'<div class="em-hint" role="status"><b>{NO_FACE}</b><p>What usually helps:</p><ul>{tips}</ul></div>'
    )


def problem(message: str) -> str:
    """Return what went wrong, in the words of one of the package's own errors."""
    return f'<div class="em-hint" role="alert"><b>That did not work.</b><p>{escape(message)}</p></div>'


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


def face_cards(predictions: Sequence[FacePrediction], portraits: Sequence[str], selected: int) -> str:
    """Return one button per face with its number, portrait, answer and bars; empty for a single face."""
    if len(predictions) < 2:
        return ""
    cards = []
    for index, (prediction, portrait) in enumerate(zip(predictions, portraits, strict=True)):
        answer = prediction.label or NOT_SURE
        cards.append(
            f'<button type="button" class="em-card" data-face="{index}" aria-pressed="{str(index == selected).lower()}"'
            f' style="--em: {emotion_colour(prediction.label)}">'
            f'<img src="{portrait}" alt="" width="64" height="64">'
            f"<span><b>{index + 1}</b> {escape(answer)}</span>{bars(prediction.probabilities)}</button>"
        )
    return f'<div class="em-cards" role="group" aria-label="Choose a face">{"".join(cards)}</div>'


def bars(probabilities: dict[str, float]) -> str:
    """Return probability bars in the order of the labels, so that moving bars keep their place."""
    rows = "".join(
        f'<span class="em-bar"><span>{escape(label)}</span>'
        f'<span class="em-track"><span style="width: {value:.1%}; background: {emotion_colour(label)}"></span></span>'
        f"<span>{value:.0%}</span></span>"
        for label, value in probabilities.items()
    )
    return f'<span class="em-bars">{rows}</span>'


def live_faces(faces: Sequence[TrackedFace]) -> str:
    """Return the answer and bars of every face that is being followed."""
    if not faces:
        return '<div class="em-hint"><b>No face in sight.</b><p>Look at the camera, with light from the front.</p></div>'
    cards = "".join(
        f'<div class="em-card" style="--em: {emotion_colour(face.label)}">'
        f"<span><b>{face.id}</b> {escape(face.label or NOT_SURE)}"
        f"{f' <small>{escape(face.reason)}</small>' if face.reason and not face.label else ''}</span>"
        f"{bars(face.probabilities)}</div>"
        for face in faces
    )
    return f'<div class="em-cards em-wide">{cards}</div>'


def live_overlay(faces: Sequence[TrackedFace], size: tuple[int, int]) -> str:
    """Return boxes to lay over the camera's picture of `size` (width, height), placed in percent of it.

    They are drawn in the browser, so that its own smooth video stays visible and no picture is sent back.
    """
    width, height = size
    boxes = "".join(
        f'<div class="em-box" style="left: {100 * x / width:.1f}%; top: {100 * y / height:.1f}%; '
        f"width: {100 * w / width:.1f}%; height: {100 * h / height:.1f}%; --em: {emotion_colour(face.label)}; "
        f'--em-text: {text_colour(emotion_colour(face.label))}"><span>{face.id} {escape(describe(face))}</span></div>'
        for face in faces
        for x, y, w, h in (face.box,)
    )
    return f'<div class="em-overlay" style="--ratio: {width / height:.4f}" aria-hidden="true">{boxes}</div>'


def live_welcome() -> str:
    """Return what stands beside the camera before it runs."""
    return """
<div class="em-hint"><b>Turn on the camera</b>
<p>Click the camera, allow it in the browser, then press “Record”. Nothing is recorded: every frame is looked at and
forgotten. When the server is busy, it skips frames instead of falling behind.</p></div>"""


def timeline_chart(
    timeline: Timeline,
    *,
    seconds: float | None = None,
    only: Collection[int] | None = None,
    most_faces: int = 3,
) -> str:
    """Return a line chart of the probabilities over time for every face.

    Parameters
    ----------
    timeline
        What was seen; an empty one gives an empty text.
    seconds
        Show only this many last seconds; None shows everything from the first frame on.
    only
        Numbers of the faces to show; None shows all.
    most_faces
        Only so many faces, those seen most often, get a chart.
    """
    moments = [moment for moment in timeline.moments if only is None or moment.face.id in only]
    if not moments:
        return ""
    end = timeline.moments[-1].time
    start = max(0.0, end - seconds) if seconds else 0.0
    span = seconds or max(end - start, 1e-6)
    shown: dict[int, list[Moment]] = {}
    for moment in moments:
        if moment.time >= start:
            shown.setdefault(moment.face.id, []).append(moment)
    busiest = sorted(sorted(shown, key=lambda face: -len(shown[face]))[:most_faces])
    ticks = (f"{span:.0f} s ago", "now") if seconds else ("0 s", f"{end:.0f} s")
    charts = "".join(_face_chart(face, shown[face], timeline.labels, end - span, span) for face in busiest)
    more = len(shown) - len(busiest)
    note = f"<p><small>{_count(more, 'more face')} without a chart.</small></p>" if more else ""
    return f"""
<div class="em-timeline">{_legend(timeline.labels)}{charts}
<div class="em-ticks"><span>{ticks[0]}</span><span>{ticks[1]}</span></div>{note}</div>"""


def download_link(text: str, name: str, caption: str) -> str:
    """Return a link that saves `text` as a CSV file; it is part of the page, no file exists on the server."""
    content = base64.b64encode(text.encode("utf-8-sig")).decode()
    return (
        f'<a class="em-download" download="{escape(name)}" href="data:text/csv;charset=utf-8;base64,{content}">'
        f"{escape(caption)}</a>"
    )


def video_player(clip: bytes) -> str:
    """Return a player for an MP4 clip that is part of the page; no file exists on the server."""
    content = base64.b64encode(clip).decode()
    return (
        '<video class="em-video" controls playsinline muted loop aria-label="The clip with a box around every face" '
        f'src="data:video/mp4;base64,{content}"></video>'
        f'<a class="em-download" download="emotions.mp4" href="data:video/mp4;base64,{content}">Download the clip</a>'
    )


def predictions_csv(rows: Sequence[tuple[str, Sequence[FacePrediction]]], labels: Sequence[str]) -> str:
    """Return one line per face of every picture as CSV; a picture without a face has one line with face 0.

    Names come from strangers: one that a spreadsheet would run as a formula is defused with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["picture", "face", "x", "y", "width", "height", "label", "confidence", "reason", *labels]
    )
    for name, predictions in rows:
        safe = f"'{name}" if name[:1] in "=+-@\t\r" else name
        if not predictions:
            writer.writerow([safe, 0, "", "", "", "", "", "", "no face", *("" for _ in labels)])
        for number, face in enumerate(predictions, start=1):
            shown = [f"{face.probabilities[label]:.4f}" for label in labels]
            box = face.box or ("", "", "", "")
            writer.writerow(
                [safe, number, *box, face.label or "", f"{face.confidence:.4f}", face.reason or "", *shown]
            )
    return buffer.getvalue()


def many_summary(pictures: int, faces: int, problems: Sequence[tuple[str, str]]) -> str:
    """Return how many pictures and faces there were, and what was wrong with the others (name, message)."""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(message)}</li>" for name, message in problems)
    wrong = f'<div class="em-hint" role="alert"><b>Left out</b><ul>{items}</ul></div>' if problems else ""
    return (
        f'<p role="status"><b>{_count(pictures, "picture")}</b>, <b>{_count(faces, "face")}</b>.</p>{wrong}'
    )


def model_summary(classifier: EmotionClassifier) -> str:
    """Return what the report says about a model: figures, confusion matrix, calibration and limits."""
    if classifier.report is None:
        return _no_report("This model came without a report.")
    if not classifier.report.has_figures:  # strangers write it
        return _no_report("The report of this model cannot be read.")
    report = classifier.report.to_dict()
    parts = [
        _figures(report),
        _confusion(report),
        _calibration(report),
        _per_class(report),
        _limits(classifier, report),
    ]
    return f'<div class="em-report">{"".join(parts)}</div>'


def card_text(card: str | None) -> str:
    """Return a model card as Markdown without its metadata block, pictures and sections of nothing but pictures.

    Pictures would be fetched from other machines (or point to files that are not served), and raw HTML in a
    stranger's card is not ours to show; only folding sections stay.
    """
    if not card:
        return "This model came without a card."
    text = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    text = re.sub(rf"^#+ [^\n]*\n(?:\s*{PICTURE})+\s*(?=^#|\Z)", "", text, flags=re.MULTILINE)
    text = re.sub(PICTURE, " ", text)  # a space, so that what stood around it cannot become a picture
    text = re.sub(r"(?<!!)!+\[", "[", text)  # whatever else may be a picture becomes a link
    return re.sub(r"<(?!/?(?:details|summary)>)[^<>]*>", " ", text).strip()


def style_sheet(*, camera_height: int) -> str:
    """Return the page's CSS: what Gradio's theme cannot say. The camera's height is in pixels."""
    meters = "\n".join(
        f'[data-testid="{label}-confidence-set"] {{ --stat-background-fill: {colour}; }}'
        for label, colour in {**EMOTION_COLOURS, NOT_SURE: NOT_SURE_COLOUR}.items()
    )
    return f"{meters}\n{_CSS}".replace("LIVE_HEIGHT", f"{camera_height}px")


def _no_report(what: str) -> str:
    return f'<div class="em-hint"><b>{what}</b><p>Its accuracy is unknown.</p></div>'


def _figures(report: dict) -> str:
    accuracy = report.get("accuracy") or {}
    interval = accuracy.get("interval") or ()
    between = f"95% interval {interval[0]:.1%} to {interval[1]:.1%}" if len(interval) == 2 else ""
    doubt = report.get("not_sure") or {}
    calibration = report.get("calibration") or {}
    rows = (
        ("Accuracy", accuracy.get("value"), between),
        ("Macro F1", report.get("macro_f1"), "the mean over the emotions"),
        ("Answers given", doubt.get("coverage"), "for the other faces it says “not sure”"),
        ("Wrong among the answers", doubt.get("error_among_answered"), "lower is better"),
        (
            "Calibration error",
            calibration.get("expected_calibration_error_after"),
            "how far “80% sure” is off",
        ),
    )
    cells = "".join(
        f"<div><dt>{name}</dt><dd>{value:.1%}</dd><small>{note}</small></div>"
        for name, value, note in rows
        if isinstance(value, (int, float))
    )
    faces = accuracy.get("faces")
    measured = f"<p>Measured on {int(faces):,} faces that were not used for training.</p>" if faces else ""
    return f'<section><h3>How good is it?</h3><dl class="em-figures">{cells}</dl>{measured}</section>'


def _confusion(report: dict) -> str:
    matrix = report.get("confusion_matrix") or {}
    labels, counts = matrix.get("labels"), matrix.get("counts")
    if not labels or not counts:
        return ""
    head = "".join(f'<th scope="col">{escape(str(label))}</th>' for label in labels)
    body = ""
    for label, row in zip(labels, counts, strict=False):
        total = max(sum(row), 1)
        cells = "".join(
            f'<td style="--share: {count / total:.0%}"><b>{count / total:.0%}</b><small>{int(count):,}</small></td>'
            for count in row
        )
        body += f'<tr><th scope="row">{escape(str(label))}</th>{cells}</tr>'
    return f"""
<section><h3>What does it mix up?</h3><div class="em-scroll"><table class="em-matrix">
<caption>Each row is what the face was labelled, each column what the model answered.</caption>
<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"""


def _calibration(report: dict) -> str:
    bins = [
        (float(item["confidence"]), float(item["accuracy"]), int(item["faces"]))
        for item in (report.get("calibration") or {}).get("bins") or ()
        if (item.get("faces") or 0) >= FEWEST_FACES
    ]
    if not bins:
        return ""
    line = " ".join(f"{100 * x:.1f},{100 - 100 * y:.1f}" for x, y, _ in bins)
    dots = "".join(f'<circle cx="{100 * x:.1f}" cy="{100 - 100 * y:.1f}" r="1.8"/>' for x, y, _ in bins)
    spoken = "; ".join(f"{x:.0%} sure: {y:.0%} right" for x, y, _ in bins)
    return f"""
<section><h3>Can its confidence be trusted?</h3><figure class="em-calibration">
<svg viewBox="-2 -2 104 104" role="img" aria-label="Calibration. {spoken}">
<path d="M0 100 100 0" class="em-ideal"/><path d="M0 0V100H100" class="em-axis"/>
<polyline points="{line}" class="em-line"/>{dots}</svg>
<figcaption>Right: how sure the model was. Up: how often it was right. On the dashed line, “80% sure” is right
80% of the time; below it, the model is too sure of itself. Every dot stands for {FEWEST_FACES} faces or
more.</figcaption></figure></section>"""


def _per_class(report: dict) -> str:
    rows = ""
    for label, figures in (report.get("per_class") or {}).items():
        cells = "".join(f"<td>{_percent(figures.get(name))}</td>" for name in ("precision", "recall", "f1"))
        rows += f'<tr><th scope="row">{escape(str(label))}</th>{cells}<td>{int(figures.get("support") or 0):,}</td></tr>'
    if not rows:
        return ""
    return f"""
<section><h3>Emotion by emotion</h3><div class="em-scroll"><table class="em-table">
<thead><tr><td></td><th scope="col">Precision</th><th scope="col">Recall</th><th scope="col">F1</th>
<th scope="col">Faces</th></tr></thead><tbody>{rows}</tbody></table></div></section>"""


def _limits(classifier: EmotionClassifier, report: dict) -> str:
    source = (report.get("data") or {}).get("source")
    data = f" It was measured on {escape(str(source))}." if source else ""
    return f"""
<section><h3>Limits</h3><ul>
<li>It knows {escape(_listing(classifier.labels))}, and says “{NOT_SURE}” below a confidence of
{classifier.threshold:.0%}.{data}</li>
<li>It judges what a face <em>looks</em> like in one picture, not what a person feels.</li>
<li>Photos unlike its training data (sideways or covered faces, drawings, very dark scenes) make it worse, and it
may be worse for some groups of people than for others.</li>
<li>Do not use it to decide about people: not for hiring, schools, policing, medicine or insurance.</li></ul></section>"""


def _face_chart(
    face: int, moments: Sequence[Moment], labels: Sequence[str], start: float, span: float
) -> str:
    lines = ""
    for number, label in enumerate(labels):
        points = " ".join(
            f"{100 * (moment.time - start) / span:.2f},{100 - 100 * moment.face.probabilities[label]:.1f}"
            for moment in moments
        )
        lines += (
            f'<polyline points="{points}" stroke="{emotion_colour(label)}"'
            f' stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
        )
    answers = [moment.face.label or NOT_SURE for moment in moments]
    most = max(dict.fromkeys(answers), key=answers.count)
    return f"""
<div class="em-chart"><span>Face {face}</span>
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
 aria-label="Face {face} over time, mostly {escape(most)}">
<path d="M0 0H100M0 50H100M0 100H100" class="em-grid"/>{lines}</svg></div>"""


def _legend(labels: Sequence[str]) -> str:
    items = "".join(
        f'<span><svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><path d="M0 4H30"'
        f' stroke="{emotion_colour(label)}" stroke-dasharray="{DASHES[number % len(DASHES)]}"/></svg>{escape(label)}</span>'
        for number, label in enumerate(labels)
    )
    return f'<div class="em-legend">{items}</div>'


def _logo() -> str:
    """Draw three small faces: angry, happy, sad."""
    features = (
        ("angry", "M7 9l4 2M17 9l-4 2M8 17q4-3 8 0"),
        ("happy", "M8 9v1.5M16 9v1.5M7 14q5 5 10 0"),
        ("sad", "M8 10v1.5M16 10v1.5M8 17.5q4-3.5 8 0"),
    )
    return "".join(
        f'<svg viewBox="0 0 24 24" width="34" height="34"><circle cx="12" cy="12" r="11" fill="{emotion_colour(name)}"/>'
        f'<path d="{path}" fill="none" stroke="white" stroke-width="2" stroke-linecap="round"/></svg>'
        for name, path in features
    )


def _listing(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


_CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto !important; }
.dark { --color-accent: #60a5fa; }
.em-header { display: flex; gap: 16px; align-items: center; flex-wrap: wrap; }
.em-header h1 { margin: 0; font-size: 1.7rem; line-height: 1.2; }
.em-header p { margin: 2px 0 0; color: var(--body-text-color-subdued); }
.em-logo { display: flex; }
.em-logo svg + svg { margin-left: -7px; }
.em-model { margin: 8px 0 0 !important; font-size: .875rem; color: var(--body-text-color-subdued); }
.em-model b, .em-model code { color: var(--body-text-color); overflow-wrap: anywhere; }
.em-notice { margin: 8px 0 0 !important; padding: 8px 12px; border-left: 4px solid #B07A00; border-radius: 6px;
  background: var(--background-fill-secondary); }
.html-container { padding: 0 !important; }
.icon-button-wrapper:not(:has(button)) { display: none !important; }
#examples .grid-container { grid-template-columns: repeat(auto-fill, minmax(96px, 1fr)); grid-auto-rows: auto; }
#examples .grid-wrap, #gallery .grid-wrap { height: auto !important; min-height: 0; }
#examples .caption-label { max-width: 94%; padding: 1px 6px; font-size: .75rem; white-space: normal; right: 3%; bottom: 3%; left: auto; }
#probabilities *, #shares * { font-family: inherit; }
.em-privacy { font-size: .875rem; color: var(--body-text-color-subdued); text-align: center; }
.em-hint { padding: 14px 18px; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--background-fill-secondary); }
.em-hint p { margin: 4px 0 0; }
.em-hint ul { margin: 6px 0 0; padding-left: 1.2em; list-style: disc; }
.em-hint li { overflow-wrap: anywhere; }
.em-verdict { display: flex; gap: 14px; align-items: center; padding: 12px; border-radius: 12px;
  border: 1px solid var(--border-color-primary); border-left: 8px solid var(--em);
  background: var(--background-fill-secondary); }
.em-verdict img { border-radius: 10px; width: 96px; height: 96px; margin: 0; object-fit: cover; }
.em-verdict span { font-size: .875rem; color: var(--body-text-color-subdued); }
.em-verdict p { margin: 0; font-size: 1.45rem; line-height: 1.25; }
.em-verdict small { font-size: .9rem; }
.em-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 10px; }
.em-cards.em-wide { grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); }
.em-card { display: flex; flex-direction: column; gap: 6px; padding: 10px; border-radius: 12px; text-align: left;
  border: 1px solid var(--border-color-primary); border-top: 6px solid var(--em);
  background: var(--background-fill-secondary); color: var(--body-text-color); }
.em-card img { border-radius: 8px; width: 64px; height: 64px; margin: 0; object-fit: cover; }
.em-card b { display: inline-block; min-width: 1.4em; padding: 0 .3em; border-radius: 5px; text-align: center;
  background: var(--body-text-color); color: var(--background-fill-primary); }
button.em-card { cursor: pointer; font-weight: 400; box-shadow: none; }
button.em-card:hover { border-color: var(--em); }
button.em-card[aria-pressed="true"] { outline: 3px solid var(--em); outline-offset: 1px; }
button.em-card:focus-visible { outline: 3px solid var(--body-text-color); outline-offset: 2px; }
.em-bars { display: flex; flex-direction: column; gap: 3px; font-size: .85rem; }
.em-bar { display: grid; grid-template-columns: 4.2em 1fr 2.9em; gap: 6px; align-items: center; }
.em-bar > span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.em-track { height: 10px; border-radius: 5px; overflow: hidden; background: var(--border-color-primary); }
.em-track > span { display: block; height: 100%; border-radius: 5px; transition: width .15s linear; }
#live-stage { position: relative; gap: 0; container-type: inline-size; }
#live-overlay { position: absolute; inset: 0 0 auto 0; pointer-events: none; z-index: 2; }
.em-overlay { position: absolute; inset: 0 0 auto 0; margin: 0 auto; aspect-ratio: var(--ratio);
  width: min(100%, calc(LIVE_HEIGHT * var(--ratio))); top: calc((LIVE_HEIGHT - min(100cqw / var(--ratio), LIVE_HEIGHT)) / 2); }
.em-box { position: absolute; border: 3px solid var(--em); border-radius: 4px;
  box-shadow: 0 0 0 2px white, inset 0 0 0 1px white; transition: all .12s linear; }
.em-box span { position: absolute; left: -3px; bottom: 100%; padding: 2px 7px; border-radius: 4px 4px 0 0;
  white-space: nowrap; font-size: .9rem; font-weight: 600; background: var(--em); color: var(--em-text); }
.em-timeline { padding: 12px 14px; border: 1px solid var(--border-color-primary); border-radius: 12px;
  background: var(--background-fill-secondary); }
.em-legend { display: flex; gap: 16px; flex-wrap: wrap; font-size: .875rem; }
.em-legend span { display: inline-flex; gap: 6px; align-items: center; }
.em-legend path, .em-chart polyline { fill: none; stroke-width: 2.5; vector-effect: non-scaling-stroke; }
.em-chart { position: relative; margin-top: 10px; }
.em-chart svg { display: block; width: 100%; height: 110px; overflow: visible; }
.em-chart > span { font-size: .8rem; color: var(--body-text-color-subdued); }
.em-grid { stroke: var(--border-color-primary); stroke-width: 1; vector-effect: non-scaling-stroke; }
.em-ticks { display: flex; justify-content: space-between; margin-top: 4px; font-size: .8rem;
  color: var(--body-text-color-subdued); }
.em-video { width: 100%; border-radius: 12px; margin-bottom: 8px; }
.em-download { display: inline-block; margin: 4px 8px 4px 0; padding: 8px 14px; border-radius: 8px; font-weight: 600;
  border: 1px solid var(--border-color-primary); background: var(--button-secondary-background-fill);
  color: var(--button-secondary-text-color) !important; text-decoration: none !important; }
.em-report { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 22px; }
.em-report section { min-width: 0; }
.em-report h3 { margin: 0 0 8px; font-size: 1.1rem; }
.em-report ul { padding-left: 1.2em; list-style: disc; }
.em-figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 10px; margin: 0; }
.em-figures div { padding: 10px; border-radius: 10px; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); }
.em-figures dt { font-size: .85rem; }
.em-figures dd { margin: 0; font-size: 1.5rem; font-weight: 700; }
.em-figures small, .em-matrix small { color: var(--body-text-color-subdued); }
.em-scroll { overflow-x: auto; }
.em-matrix, .em-table { border-collapse: separate; border-spacing: 3px; width: 100%; }
.em-report table { border: 0 !important; margin: 0 !important; }
.em-matrix caption { caption-side: bottom; text-align: left; font-size: .85rem; padding-top: 6px;
  color: var(--body-text-color-subdued); }
.em-matrix td, .em-matrix th, .em-table td, .em-table th { padding: 6px 8px; text-align: center; border: 0; }
.em-matrix tbody th, .em-table tbody th { text-align: left; }
.em-matrix tbody td { border-radius: 8px;
  background: color-mix(in srgb, #0072B2 calc(var(--share) * .55), var(--background-fill-secondary)); }
.em-matrix td small { display: block; color: inherit; }
.em-calibration { display: flex; gap: 14px; align-items: center; flex-wrap: wrap; margin: 0; }
.em-calibration svg { width: 210px; height: 210px; flex: none; overflow: visible; }
.em-calibration figcaption { flex: 1 1 180px; font-size: .9rem; }
.em-calibration path, .em-calibration polyline { fill: none; stroke: var(--body-text-color-subdued); }
.em-calibration .em-ideal { stroke-dasharray: 3 3; }
.em-calibration .em-line { stroke: #0072B2; stroke-width: 2; }
.em-calibration circle { fill: #0072B2; }
@media (max-width: 640px) {
  .em-header h1 { font-size: 1.35rem; }
  .em-verdict { align-items: flex-start; }
  .em-report table { font-size: .85rem; border-spacing: 2px; }
  .em-matrix td, .em-matrix th, .em-table td, .em-table th { padding: 5px 3px !important; }
}
@media (prefers-reduced-motion: reduce) { .em-track > span, .em-box { transition: none; } }
"""
