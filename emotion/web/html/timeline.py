"""Answers over time as a line chart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from emotion.predictions.display import counted, emotion_colour
from emotion.web.html.answer import label

if TYPE_CHECKING:
    from emotion.video.tracking import Moment, Timeline

# Lines of a chart differ by more than their colour.
DASHES = ("none", "7 4", "2 4", "9 3 2 3")


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
