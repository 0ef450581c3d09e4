"""The curves that a report holds, as small charts: calibration, ROC and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from emotion.predictions.display import emotion_colour
from emotion.web.html.timeline import DASHES

if TYPE_CHECKING:
    from emotion.report.report import CalibrationBin, Curve, History, RocCurve

# Behind a dot of the calibration chart; fewer say nothing.
FEWEST_FACES = 10
# Points of one line; strangers write reports.
MOST_POINTS = 200
DIAGONAL = '<path d="M0 100 100 0" class="em-ideal"/>'


@dataclass(frozen=True)
class Line:
    """One line of a chart: points with x and y in 0..1, what it is called, and its CSS colour."""

    name: str
    x: Curve
    y: Curve
    colour: str


def calibration(bins: Sequence[CalibrationBin]) -> str:
    """Return how often the model was right by how sure it was; nothing without enough faces."""
    points = [(item.confidence, item.accuracy) for item in bins if item.faces >= FEWEST_FACES]
    if not points:
        return ""
    dots = "".join(f'<circle cx="{100 * x:.1f}" cy="{100 - 100 * y:.1f}" r="1.8"/>' for x, y in points)
    across, up = zip(*points, strict=True)
    spoken = "; ".join(f"{x:.0%} sure: {y:.0%} right" for x, y in points)
    chart = _chart([Line("", across, up, "var(--em-line)")], f"Calibration. {spoken}", DIAGONAL + dots)
    return f"""
<section><h3>Can its confidence be trusted?</h3><figure class="em-plot">{chart}
<figcaption>Right: how sure the model was. Up: how often it was right. On the dashed line, “80% sure” is right
80% of the time; below it, the model is too sure of itself. Every dot stands for {FEWEST_FACES} faces or
more.</figcaption></figure></section>"""


def roc(curves: dict[str, RocCurve]) -> str:
    """Return how well the model tells every emotion from the others; nothing without curves."""
    lines = [
        Line(
            f"{label}, area {curve.auc:.3f}",
            curve.false_positive_rate,
            curve.true_positive_rate,
            emotion_colour(label),
        )
        for label, curve in curves.items()
        if curve.auc is not None and curve.false_positive_rate and curve.true_positive_rate
    ]
    if not lines:
        return ""
    chart = _chart(lines, f"ROC. {'; '.join(line.name for line in lines)}", DIAGONAL)
    return f"""
<section><h3>Does it tell one emotion from the others?</h3><figure class="em-plot">{chart}
<figcaption>{_legend(lines)}The ROC curve of each emotion against the rest, with the area under it. Right:
faces of another emotion that are taken for it. Up: its own faces that are found. 1.000 would be perfect;
guessing gives the dashed line, 0.500.</figcaption></figure></section>"""


def training(history: History | None) -> str:
    """Return loss and accuracy of every epoch; nothing where the report holds none."""
    if history is None:
        return ""
    panels = [
        _epochs("Loss", history.loss, history.val_loss),
        _epochs("Accuracy", history.accuracy, history.val_accuracy),
    ]
    if not any(panels):
        return ""
    return f"""
<section class="em-whole"><h3>How did it learn?</h3><div class="em-pair">{"".join(panels)}</div>
<p>From the first epoch on the left to the last. Training is measured on faces that were changed at random
and over all outputs, so it looks worse than validation, which is measured on plain faces.</p></section>"""


def _epochs(title: str, trained: Curve | None, validated: Curve | None) -> str:
    """Return one panel: a value by epoch, from zero to the largest."""
    named = [
        ("training", trained or (), "var(--em-quiet)"),
        ("validation", validated or (), "var(--em-line)"),
    ]
    values = [value for _, curve, _ in named for value in curve]
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    lines = [
        Line(
            f"{name}, {curve[-1]:.3f} at the end",
            tuple(epoch / max(len(curve) - 1, 1) for epoch in range(len(curve))),
            tuple((value - low) / span for value in curve),
            colour,
        )
        for name, curve, colour in named
        if curve
    ]
    spoken = f"{title} by epoch, between {low:.3f} and {high:.3f}. {'; '.join(line.name for line in lines)}"
    return f"""<figure class="em-plot">{_chart(lines, spoken)}
<figcaption><b>{title}</b>, {low:.3f} (bottom) to {high:.3f} (top){_legend(lines)}</figcaption></figure>"""


def _chart(lines: Sequence[Line], spoken: str, behind: str = "") -> str:
    drawn = "".join(
        f'<polyline points="{_points(line)}" style="stroke: {line.colour}"'
        f' stroke-dasharray="{DASHES[number % len(DASHES)]}"/>'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg viewBox="-2 -2 104 104" role="img" aria-label="{escape(spoken)}">'
        f'{behind}<path d="M0 0V100H100" class="em-axis"/>{drawn}</svg>'
    )


def _points(line: Line) -> str:
    step = -(-len(line.x) // MOST_POINTS)
    points = list(zip(line.x, line.y, strict=True))
    shown = [*points[::step], points[-1]]
    return " ".join(f"{100 * _share(x):.1f},{100 - 100 * _share(y):.1f}" for x, y in shown)


def _share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _legend(lines: Sequence[Line]) -> str:
    items = "".join(
        f'<span><svg viewBox="0 0 30 8" width="30" height="8" aria-hidden="true"><path d="M0 4H30"'
        f' style="stroke: {line.colour}" stroke-dasharray="{DASHES[number % len(DASHES)]}"/></svg>'
        f"{escape(line.name)}</span>"
        for number, line in enumerate(lines)
    )
    return f'<div class="em-legend">{items}</div>'
