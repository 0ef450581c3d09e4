"""Whether a model does as well for one group of people, or of cameras, as for another; also in words.

The groups come from a CSV; here each is measured, and the gaps between them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emotion.predictions.display import decimal, percent
from emotion.report.metrics import (
    CALIBRATION_BINS,
    Interval,
    bin_index,
    bootstrap,
    expected_calibration_error,
    gap_p_values,
    interval_around,
    wilson_interval,
)

FEWEST_FACES = 30  # of a group that is judged: with fewer, an accuracy may be off by a sixth either way
SIGNIFICANT = 0.05
MEASURED = ("accuracy", "not_sure", "calibration_error")
GROUP_HEAD = ("faces", "accuracy", "“not sure”", "calibration error")
# Name of a figure in a sentence, and whether its gaps are given in percentage points.
FIGURE_NAMES = {
    "accuracy": ("accuracy", True),
    "not_sure": ("“not sure”", True),
    "calibration_error": ("calibration error", False),
}


@dataclass(frozen=True)
class GroupFigures:
    """How a model does on the labelled faces of one group, with 95% intervals."""

    faces: int = 0
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    not_sure: float | None = None
    not_sure_interval: Interval | None = None
    calibration_error: float | None = None
    calibration_error_interval: Interval | None = None


@dataclass(frozen=True)
class Gap:
    """How two groups differ in one of `MEASURED`; `p_value` is corrected for groups, columns and figures."""

    figure: str
    lower: str
    higher: str
    gap: float
    p_value: float


@dataclass(frozen=True)
class GroupColumn:
    """One way to tell faces apart, such as by age.

    `too_small` counts the faces of groups below `FEWEST_FACES`; `gaps` are the largest of every figure, then
    all others that are unlikely to be chance.
    """

    groups: dict[str, GroupFigures] = field(default_factory=dict)
    too_small: dict[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class PeopleFigures:
    """What was counted on groups of people in pictures from elsewhere; `about` says which pictures these are.

    `counts` maps a group to its figures, such as "anger recognised", each as hits and faces.
    """

    title: str = ""
    about: str = ""
    counts: dict[str, dict[str, tuple[int, int]]] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the figures that any group has, in order."""
        return list(dict.fromkeys(name for figures in self.counts.values() for name in figures))

    def largest_gap(self, name: str) -> tuple[str, str, float, Interval] | None:
        """Return the two groups that differ most in a figure, lower first, and the gap with its 95% interval.

        Groups of fewer than `FEWEST_FACES` are left out.

        The interval is Newcombe's ("Interval estimation for the difference between independent proportions",
        1998); it is not corrected for having picked the largest gap.
        """
        shares = {
            group: (figures[name][0] / figures[name][1], wilson_interval(*figures[name]))
            for group, figures in self.counts.items()
            if name in figures and FEWEST_FACES <= figures[name][1] >= figures[name][0]
        }
        if len(shares) < 2:
            return None
        low = min(shares, key=lambda group: shares[group][0])
        high = max(shares, key=lambda group: shares[group][0])
        (p, (p_low, p_high)), (q, (q_low, q_high)) = shares[low], shares[high]
        if p == q:
            return None
        interval = q - p - math.hypot(q - q_low, p_high - p), q - p + math.hypot(q_high - q, p - p_low)
        return low, high, q - p, interval


def measure_groups(
    columns: Mapping[str, Sequence[str | None]],
    *,
    probability: np.ndarray,
    correct: np.ndarray,
    sure: np.ndarray,
) -> dict[str, GroupColumn]:
    """Measure every group of every column, and the gaps between them.

    `columns` maps a column to the group of each face, None where it is unknown; the arrays (faces,) are the
    probability of each answer, whether it is right, and whether it was given.
    """
    found: dict[str, GroupColumn] = {}
    for name, groups in columns.items():
        members = {
            group: np.array([index for index, own in enumerate(groups) if own == group], np.int64)
            for group in sorted({own for own in groups if own is not None}, key=_in_order)
        }
        judged = {group: faces for group, faces in members.items() if len(faces) >= FEWEST_FACES}
        found[name] = GroupColumn(
            groups={
                group: _figures(probability[faces], correct[faces], sure[faces])
                for group, faces in judged.items()
            },
            too_small={group: len(faces) for group, faces in members.items() if group not in judged},
            gaps=_gaps(judged, probability, correct, ~sure),
        )
    families = sum(len(column.groups) > 1 for column in found.values()) * len(MEASURED)
    return {name: replace(column, gaps=_corrected(column.gaps, families)) for name, column in found.items()}


def _figures(probability: np.ndarray, correct: np.ndarray, sure: np.ndarray) -> GroupFigures:
    faces, unsure = len(correct), int((~sure).sum())
    error = expected_calibration_error(probability, correct)
    replicates = bootstrap(
        lambda chosen: np.array(expected_calibration_error(probability[chosen], correct[chosen])),
        np.zeros(faces, np.int64),
    )
    return GroupFigures(
        faces=faces,
        accuracy=round(float(correct.mean()), 6),
        accuracy_interval=_rounded(wilson_interval(int(correct.sum()), faces)),
        not_sure=round(unsure / faces, 6),
        not_sure_interval=_rounded(wilson_interval(unsure, faces)),
        calibration_error=round(error, 6),
        calibration_error_interval=_rounded(interval_around(error, replicates)),
    )


def _gaps(
    members: Mapping[str, np.ndarray], probability: np.ndarray, correct: np.ndarray, unsure: np.ndarray
) -> tuple[Gap, ...]:
    """Return the gap between every two groups in every figure, p-values corrected for the groups alone."""
    if len(members) < 2:
        return ()
    names = list(members)
    faces = np.concatenate(list(members.values()))
    codes = np.repeat(np.arange(len(names)), [len(own) for own in members.values()])
    correct, unsure, difference = correct[faces], unsure[faces], probability[faces] - correct[faces]
    sizes, bins = np.bincount(codes), bin_index(probability[faces])

    def measure(codes: np.ndarray) -> np.ndarray:
        cells = np.bincount(
            codes * CALIBRATION_BINS + bins, difference, minlength=len(names) * CALIBRATION_BINS
        )
        errors = np.abs(cells.reshape(len(names), CALIBRATION_BINS)).sum(axis=1)
        return np.array([np.bincount(codes, correct), np.bincount(codes, unsure), errors]) / sizes

    observed, p_values = measure(codes), gap_p_values(measure, codes)
    gaps = []
    for row, figure in enumerate(MEASURED):
        order = np.argsort(observed[row], kind="stable")
        for lower, higher in ((a, b) for place, a in enumerate(order) for b in order[place + 1 :]):
            size = float(observed[row, higher] - observed[row, lower])
            p_value = float(p_values[row, lower, higher])
            gaps.append(Gap(figure, names[lower], names[higher], round(size, 6), p_value))
    return tuple(gaps)


def _corrected(gaps: Sequence[Gap], families: int) -> tuple[Gap, ...]:
    """Correct p-values for further columns and figures (Bonferroni), and keep what should be told."""
    told: list[Gap] = []
    for figure in MEASURED:
        own = [
            replace(gap, p_value=round(min(1.0, gap.p_value * families), 6))
            for gap in sorted(gaps, key=lambda gap: -gap.gap)
            if gap.figure == figure
        ]
        told += own[:1] + [gap for gap in own[1:] if gap.p_value < SIGNIFICANT]
    return tuple(told)


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], 6), round(interval[1], 6)


def _in_order(name: str) -> tuple[float, str]:
    """Sort names that begin with a number by it, before the others by the alphabet."""
    number = re.match(r"-?\d+(\.\d+)?", name)
    return (float(number[0]) if number else math.inf), name


def group_row(figures: GroupFigures) -> tuple[str, ...]:
    """Return the cells of `GROUP_HEAD`, with 95% intervals in brackets."""
    return (
        str(figures.faces),
        percent(figures.accuracy) + _between(figures.accuracy_interval, 1, 100),
        percent(figures.not_sure) + _between(figures.not_sure_interval, 1, 100),
        decimal(figures.calibration_error) + _between(figures.calibration_error_interval, 3, 1),
    )


def gaps_in_words(name: str, column: GroupColumn) -> list[str]:
    """Return what the gaps of a column mean, one sentence each, and which groups were too small to judge."""
    lines: list[str] = []
    seen: set[str] = set()
    for gap in column.gaps:
        if gap.figure not in FIGURE_NAMES:
            continue
        title, points = FIGURE_NAMES[gap.figure]
        size = f"{100 * gap.gap:.1f} points" if points else f"{gap.gap:.3f}"
        verdict = "unlikely to be chance" if gap.p_value < SIGNIFICANT else "may be chance"
        lines.append(
            f"{'Another gap' if gap.figure in seen else 'Largest gap'} in {title} by {name}: {size}, "
            f"{gap.lower} below {gap.higher}; {p_in_words(gap.p_value)}: {verdict}."
        )
        seen.add(gap.figure)
    if column.too_small:
        small = ", ".join(f"{group} ({faces})" for group, faces in column.too_small.items())
        lines.append(f"Too small to judge by {name}, with fewer than {FEWEST_FACES} faces: {small}.")
    return lines


def people_row(figures: PeopleFigures, group: str) -> tuple[str, ...]:
    """Return each figure of a group as a share with its 95% interval and the number of faces."""
    cells = []
    for name in figures.names():
        hits, faces = figures.counts[group].get(name, (0, 0))
        if not 0 < faces >= hits:
            cells.append("–")
            continue
        interval = _between(wilson_interval(hits, faces), 1, 100)
        cells.append(f"{percent(hits / faces)}{interval} of {faces}")
    return tuple(cells)


def people_gaps(figures: PeopleFigures) -> list[str]:
    """Return the largest gap in every figure, one sentence each."""
    lines = []
    for name in figures.names():
        if found := figures.largest_gap(name):
            low, high, gap, (least, most) = found
            lines.append(
                f"Largest gap, {name}: {100 * gap:.1f} points ({100 * least:.1f} to {100 * most:.1f}), "
                f"{low} below {high}."
            )
    return lines


def groups_text(groups: Mapping[str, GroupColumn], before: str = "") -> str:
    """Return a table and sentences for every column, for the terminal; `before` stands before each name."""
    parts = []
    for name, column in groups.items():
        rows = [(group, *group_row(figures)) for group, figures in column.groups.items()]
        table = [aligned([(f"{before}{name}", *GROUP_HEAD), *rows])] if rows else []
        parts.append("\n".join([*table, *gaps_in_words(name, column)]))
    return "\n\n".join(parts)


def aligned(rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells as lines whose columns stand below each other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def p_in_words(value: float) -> str:
    """Return a p-value as `p = 0.031`, and a very small one as `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _between(interval: Interval | None, digits: int, scale: float) -> str:
    return f" ({scale * interval[0]:.{digits}f}–{scale * interval[1]:.{digits}f})" if interval else ""
