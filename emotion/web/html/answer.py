"""The answer for faces: in words, as cards with bars, and in a lesson."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.model.explain import REGIONS
from emotion.predictions.display import emotion_colour, points
from emotion.web.language import ENGLISH, Words

# Pixels.
HEAT_SIDE = 320
# Lines of a chart differ by more than their colour.
DASHES = ("none", "7 4", "2 4", "9 3 2 3")

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction
    from emotion.teaching.last_layer import Gain
    from emotion.video.tracking import Moment, Timeline


def verdict(prediction: FacePrediction, number: int, faces: int, portrait: str, say: Words = ENGLISH) -> str:
    """Return the answer for one face in words beside its portrait (a data URL)."""
    title = say("verdict.several", number=number, faces=faces) if faces > 1 else say("verdict.one")
    shown = f"<strong>{label(prediction.label, say)}</strong>"
    if prediction.label is not None:
        answer = say("verdict.looks", label=shown)
        detail = say("verdict.sure", confidence=say.percent(prediction.confidence))
        if prediction.reason:
            detail += f" {escape(prediction.reason.capitalize())}."
    else:
        answer = shown
        detail = escape(say.reason(prediction.reason))
    return f"""
<div class="em-verdict" style="--em: {emotion_colour(prediction.label)}">
  <img src="{portrait}" alt="{say("photo.portrait", number=number)}" width="96" height="96">
  <div><span>{title}</span><p>{answer}</p><small>{detail}</small></div>
</div>"""


def face_cards(
    predictions: Sequence[FacePrediction], portraits: Sequence[str], selected: int, say: Words = ENGLISH
) -> str:
    """Return a button for each face with its number, portrait, answer and bars; nothing for a single face."""
    if len(predictions) < 2:
        return ""
    cards = "".join(
        f'<button type="button" class="em-card" data-face="{index}"'
        f' aria-pressed="{str(index == selected).lower()}"'
        f' style="--em: {emotion_colour(prediction.label)}">'
        f'<img src="{portrait}" alt="" width="64" height="64">'
        f"<span><b>{index + 1}</b> {label(prediction.label, say)}</span>"
        f"{bars(prediction.probabilities, say)}</button>"
        for index, (prediction, portrait) in enumerate(zip(predictions, portraits, strict=True))
    )
    return f'<div class="em-cards" role="group" aria-label="{say("photo.choose-face")}">{cards}</div>'


def bars_panel(prediction: FacePrediction, say: Words = ENGLISH) -> str:
    """Return the bars of a face, which add up to one, and what they assume: the confidence counts more."""
    names = escape(say.alternatives(list(prediction.probabilities)))
    return (
        f'<div class="bars-panel"><p class="bars-caption">{say("bars", labels=names)}</p>'
        f"{bars(prediction.probabilities, say)}</div>"
    )


def before_and_after(
    before: FacePrediction, after: FacePrediction, portrait: str, say: Words = ENGLISH
) -> str:
    """Return the answers of two models for one face side by side; `portrait` is a data URL."""
    cards = "".join(
        f'<div class="em-card" style="--em: {emotion_colour(face.label)}">'
        f"<span><b>{say(title)}</b> {label(face.label, say)}</span>{bars(face.probabilities, say)}</div>"
        for title, face in (("teach.before", before), ("teach.after", after))
    )
    return (
        f'<div class="em-compared"><img src="{portrait}" alt="{say("teach.face")}" width="96" height="96">'
        f"<div>{cards}</div></div>"
    )


def evidence(best: str, heat: str, regions: Sequence[str], say: Words = ENGLISH) -> str:
    """Return what the answer for a face rests on: the heatmap (a data URL) over it, and in words.

    `regions` are those of `emotion.model.explain.hottest_regions`.
    """
    where = say("comma").join(say(f"region.{name}") for name in regions)
    if len(regions) in (0, len(REGIONS)):
        where = say("why.all" if regions else "why.none")
    rests = say("why.rests", label=label(best, say), regions=where)
    return (
        f'<figure class="em-heat"><img src="{heat}" alt="{rests}" width="{HEAT_SIDE}" height="{HEAT_SIDE}">'
        f"<figcaption><b>{rests}</b> {say('why.read')}</figcaption></figure>"
    )


def bars(probabilities: Mapping[str, float] | Mapping[str | None, float], say: Words = ENGLISH) -> str:
    """Return probability bars in the order of the labels, so that moving bars keep their place."""
    rows = "".join(
        f'<span class="em-bar"><span>{label(name, say)}</span>'
        f'<span class="em-track">'
        f'<span style="width: {value:.1%}; background: {emotion_colour(name)}"></span></span>'
        f"<span>{say.percent(value)}</span></span>"
        for name, value in probabilities.items()
    )
    return f'<span class="em-bars">{rows}</span>'


def label(name: str | None, say: Words = ENGLISH) -> str:
    """Return a label as HTML shows it, as strangers name them, and "not sure" for none."""
    return escape(say.label(name))


def snapshots(
    names: Sequence[str], taken: Sequence[tuple[str, str]], needed: int, say: Words = ENGLISH
) -> str:
    """Return the snapshots (expression, data URL) by expression: a meter, and a button to remove each."""
    rows = []
    for name in names:
        portraits = [(index, portrait) for index, (shown, portrait) in enumerate(taken) if shown == name]
        remove = say("teach.remove", label=label(name, say))
        buttons = "".join(
            f'<button type="button" data-face="{index}" aria-label="{remove}" title="{remove}">'
            f'<img src="{portrait}" alt="" width="48" height="48"></button>'
            for index, portrait in portraits
        )
        count = len(portraits)
        state = f"{count}" if count >= needed else say("teach.count", count=count, needed=needed)
        rows.append(
            f'<div class="em-taken" style="--em: {emotion_colour(name)}">'
            f"<span><b>{label(name, say)}</b> {state}"
            f'<span class="em-track"><span style="width: {min(count / needed, 1):.0%}; '
            f'background: {emotion_colour(name)}"></span></span></span><div>{buttons}</div></div>'
        )
    return f'<div class="em-lesson" role="group" aria-label="{say("teach.taken")}">{"".join(rows)}</div>'


def what_is_gained(gain: Gain, *, kept: bool, say: Words = ENGLISH) -> str:
    """Return the gain in words; `kept`: no lesson was better, so the model is as it was."""
    low, high = (points(end) for end in gain.interval)
    before, after = gain.right_before, gain.right_after
    counts = say(
        "gain.counts",
        after=after,
        faces=gain.faces,
        before=before,
        gain=points((after - before) / gain.faces),
        low=low,
        high=high,
    )
    if before == gain.faces:
        title = "gain.known"
    elif kept:
        title = "gain.none"
    elif gain.is_sure:
        title = "gain.sure"
    else:
        title = "gain.luck"
        counts += " " + say("gain.more")
    return f"""
<div class="em-hint"><b>{say(title)}</b><p>{counts}</p>
<p><small>{say("gain.right")}</small></p></div>"""


def timeline_chart(timeline: Timeline, *, most_faces: int = 3, say: Words = ENGLISH) -> str:
    """Return a chart of the probabilities over time for each of the faces seen most often."""
    if not timeline.moments:
        return ""
    end = max(timeline.moments[-1].time, 1e-6)
    shown: dict[int, list[Moment]] = {}
    for moment in timeline.moments:
        shown.setdefault(moment.face.id, []).append(moment)
    busiest = sorted(sorted(shown, key=lambda face: -len(shown[face]))[:most_faces])
    charts = "".join(_face_chart(face, shown[face], timeline.labels, end, say) for face in busiest)
    ticks = say("seconds", seconds=0), say("seconds", seconds=f"{end:.0f}")
    more = len(shown) - len(busiest)
    note = f"<p><small>{say('live.more', number=more)}</small></p>" if more else ""
    return f"""
<div class="em-timeline">{_legend(timeline.labels, say)}{charts}
<div class="em-ticks"><span>{ticks[0]}</span><span>{ticks[1]}</span></div>{note}</div>"""


def _face_chart(face: int, moments: Sequence[Moment], labels: Sequence[str], end: float, say: Words) -> str:
    lines = ""
    for number, name in enumerate(labels):
        points = " ".join(
            f"{100 * moment.time / end:.2f},{100 - 100 * moment.face.probabilities[name]:.1f}"
            for moment in moments
        )
        lines += (
            f'<polyline points="{points}" stroke="{emotion_colour(name)}"'
            f' stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
        )
    answers = [moment.face.label for moment in moments]
    most = max(dict.fromkeys(answers), key=answers.count)
    return f"""
<div class="em-chart"><span>{say("live.face", number=face)}</span>
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img"
 aria-label="{say("live.chart", number=face, label=label(most, say))}">
<path d="M0 0H100M0 50H100M0 100H100" class="em-grid"/>{lines}</svg></div>"""


def _legend(labels: Sequence[str], say: Words) -> str:
    items = "".join(
        f'<span><svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><path d="M0 4H30"'
        f' stroke="{emotion_colour(name)}" stroke-dasharray="{DASHES[number % len(DASHES)]}"/></svg>'
        f"{label(name, say)}</span>"
        for number, name in enumerate(labels)
    )
    return f'<div class="em-legend">{items}</div>'
