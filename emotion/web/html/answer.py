"""The answer for faces: in words, as cards with bars, and in a lesson."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, counted, emotion_colour, points

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction
    from emotion.teaching.last_layer import Gain
    from emotion.video.tracking import Moment, Timeline

REASONS = {
    "neutral or mixed": "The face looks neutral, or like more than one of the emotions at once.",
    "too small": "The face is too small to judge. Move closer, or use a larger picture.",
    "too blurred": "The face is too blurred to judge. Hold still, focus, or add light.",
}
# Lines of a chart differ by more than their colour.
DASHES = ("none", "7 4", "2 4", "9 3 2 3")


def verdict(prediction: FacePrediction, number: int, faces: int, portrait: str) -> str:
    """Return the answer for one face in words beside its portrait (a data URL)."""
    title = f"Face {number} of {faces} – click another one to see it" if faces > 1 else "This face"
    if prediction.label is not None:
        answer = f"looks <strong>{label(prediction.label)}</strong>"
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
    """Return why the model is not sure, as a sentence."""
    if not reason:
        return "The model can’t tell."
    return REASONS.get(reason, f"{reason[0].upper()}{reason[1:].rstrip('.')}.")


def face_cards(predictions: Sequence[FacePrediction], portraits: Sequence[str], selected: int) -> str:
    """Return a button for each face with its number, portrait, answer and bars; nothing for a single face."""
    if len(predictions) < 2:
        return ""
    cards = "".join(
        f'<button type="button" class="em-card" data-face="{index}"'
        f' aria-pressed="{str(index == selected).lower()}"'
        f' style="--em: {emotion_colour(prediction.label)}">'
        f'<img src="{portrait}" alt="" width="64" height="64">'
        f"<span><b>{index + 1}</b> {label(prediction.label)}</span>{bars(prediction.probabilities)}</button>"
        for index, (prediction, portrait) in enumerate(zip(predictions, portraits, strict=True))
    )
    return f'<div class="em-cards" role="group" aria-label="Choose a face">{cards}</div>'


def before_and_after(before: FacePrediction, after: FacePrediction, portrait: str) -> str:
    """Return the answers of two models for one face side by side; `portrait` is a data URL."""
    cards = "".join(
        f'<div class="em-card" style="--em: {emotion_colour(face.label)}">'
        f"<span><b>{title}</b> {label(face.label)}</span>{bars(face.probabilities)}</div>"
        for title, face in (("Before", before), ("After", after))
    )
    return (
        f'<div class="em-compared" role="status"><img src="{portrait}" alt="The face" width="96" height="96">'
        f"<div>{cards}</div></div>"
    )


def evidence(best: str, where: str, how_to_read: str) -> str:
    """Return what the answer for a face rests on, in words."""
    return f"<p>“{label(best)}” rests most <b>{escape(where)}</b>. {escape(how_to_read)}</p>"


def bars(probabilities: dict[str, float]) -> str:
    """Return probability bars in the order of the labels, so that moving bars keep their place."""
    rows = "".join(
        f'<span class="em-bar"><span>{label(name)}</span>'
        f'<span class="em-track">'
        f'<span style="width: {value:.1%}; background: {emotion_colour(name)}"></span></span>'
        f"<span>{value:.0%}</span></span>"
        for name, value in probabilities.items()
    )
    return f'<span class="em-bars">{rows}</span>'


def label(name: str | None) -> str:
    """Return a label as HTML shows it, as strangers name them, and "not sure" for none."""
    return escape(NOT_SURE if name is None else name)


def snapshots(names: Sequence[str], taken: Sequence[tuple[str, str]], needed: int) -> str:
    """Return the snapshots taken (expression, data URL) by expression, each a button that removes it."""
    rows = []
    for name in names:
        portraits = [(index, portrait) for index, (shown, portrait) in enumerate(taken) if shown == name]
        buttons = "".join(
            f'<button type="button" data-face="{index}" aria-label="Remove this snapshot of {escape(name)}"'
            f' title="Remove it"><img src="{portrait}" alt="" width="48" height="48"></button>'
            for index, portrait in portraits
        )
        count = len(portraits)
        state = f"{count}" if count >= needed else f"{count} of {needed}"
        rows.append(
            f'<div class="em-taken" style="--em: {emotion_colour(name)}">'
            f"<span><b>{label(name)}</b> {state}</span><div>{buttons}</div></div>"
        )
    return f'<div class="em-lesson" role="group" aria-label="Your snapshots">{"".join(rows)}</div>'


def what_is_gained(gain: Gain, *, kept: bool) -> str:
    """Return the gain in words; `kept`: no lesson was better, so the model is as it was."""
    low, high = (points(end) for end in gain.interval)
    before, after = gain.right_before, gain.right_after
    counts = (
        "Each snapshot was left out once while the model learned from the others. It was right on "
        f"{after} of {gain.faces}; before, on {before}. The gain is {points((after - before) / gain.faces)} "
        f"points (95% interval: {low} to {high})."
    )
    if before == gain.faces:
        title = "It already knew your face: there is nothing to gain on these snapshots."
    elif kept:
        title = "No gain: none of the lessons tried suits your face better, so the model stays as it is."
    elif gain.is_sure:
        title = "It knows your face better now."
    else:
        title = "This gain may be luck."
        counts += " More snapshots, in other light and from other sides, would tell."
    return f"""
<div class="em-hint" role="status"><b>{title}</b><p>{counts}</p>
<p><small>An answer is right if it names the emotion, or says “{NOT_SURE}” for a face at rest. Snapshots taken
in one sitting look alike, so the gain may be smaller on another day.</small></p></div>"""


def timeline_chart(
    timeline: Timeline,
    *,
    seconds: float | None = None,
    only: Collection[int] | None = None,
    most_faces: int = 3,
) -> str:
    """Return a chart of the probabilities over time for each of the faces seen most often.

    `seconds` limits it to the last ones, `only` to faces with these numbers.
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
    note = f"<p><small>{counted(more, 'more face')}, without a chart.</small></p>" if more else ""
    return f"""
<div class="em-timeline">{_legend(timeline.labels)}{charts}
<div class="em-ticks"><span>{ticks[0]}</span><span>{ticks[1]}</span></div>{note}</div>"""


def _face_chart(
    face: int, moments: Sequence[Moment], labels: Sequence[str], start: float, span: float
) -> str:
    lines = ""
    for number, name in enumerate(labels):
        points = " ".join(
            f"{100 * (moment.time - start) / span:.2f},{100 - 100 * moment.face.probabilities[name]:.1f}"
            for moment in moments
        )
        lines += (
            f'<polyline points="{points}" stroke="{emotion_colour(name)}"'
            f' stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
        )
    answers = [moment.face.label for moment in moments]
    most = max(dict.fromkeys(answers), key=answers.count)
    return f"""
<div class="em-chart"><span>Face {face}</span>
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
 aria-label="Face {face} over time, mostly {label(most)}">
<path d="M0 0H100M0 50H100M0 100H100" class="em-grid"/>{lines}</svg></div>"""


def _legend(labels: Sequence[str]) -> str:
    items = "".join(
        f'<span><svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><path d="M0 4H30"'
        f' stroke="{emotion_colour(name)}" stroke-dasharray="{DASHES[number % len(DASHES)]}"/></svg>'
        f"{label(name)}</span>"
        for number, name in enumerate(labels)
    )
    return f'<div class="em-legend">{items}</div>'
