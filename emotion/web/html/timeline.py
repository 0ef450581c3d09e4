"""Answers over time as a line chart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import NOT_SURE, counted, emotion_colour

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
    note = f"<p><small>{counted(more, 'more face')} without a chart.</small></p>" if more else ""
    return f"""
<div class="em-timeline">{_legend(timeline.labels)}{charts}
<div class="em-ticks"><span>{ticks[0]}</span><span>{ticks[1]}</span></div>{note}</div>"""


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
        f' stroke="{emotion_colour(label)}" stroke-dasharray="{DASHES[number % len(DASHES)]}"/></svg>'
        f"{escape(label)}</span>"
        for number, label in enumerate(labels)
    )
    return f'<div class="em-legend">{items}</div>'
