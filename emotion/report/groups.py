"""Whether a model does as well for one group of people, or of cameras, as for another.

Which groups there are, somebody says; here each is measured, and the gaps between them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emotion.report.metrics import CALIBRATION_BINS, bin_index, expected_calibration_error, wilson_interval
from emotion.report.statistics import Interval, bootstrap, gap_p_values, interval_around

FEWEST_FACES = 30  # of a group that is judged: with fewer, an accuracy may be off by a sixth either way
HARDLY_CHANCE = 0.05
MEASURED = ("accuracy", "not_sure", "calibration_error")


@dataclass(frozen=True)
class GroupFigures:
    """How a model does on the labelled faces of one group, with 95 % intervals."""

    faces: int = 0
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    not_sure: float | None = None
    not_sure_interval: Interval | None = None
    calibration_error: float | None = None
    calibration_error_interval: Interval | None = None


@dataclass(frozen=True)
class Gap:
    """A difference between two groups.

    Attributes
    ----------
    figure : str
        One of `MEASURED`.
    lower, higher : str
        The groups.
    gap : float
        Above or equal to 0.
    p_value : float
        How likely chance alone makes one so large anywhere: corrected for the number of groups, of columns
        and of figures.
    """

    figure: str
    lower: str
    higher: str
    gap: float
    p_value: float


@dataclass(frozen=True)
class GroupColumn:
    """One way to tell faces apart, such as by age.

    Attributes
    ----------
    groups : dict
        Name → figures, of groups with `FEWEST_FACES` or more.
    too_small : dict
        Name → faces, of the others.
    gaps : tuple of Gap
        For every figure the largest gap, then all others that are hardly chance.
    """

    groups: dict[str, GroupFigures] = field(default_factory=dict)
    too_small: dict[str, int] = field(default_factory=dict)
    gaps: tuple[Gap, ...] = ()


def measure_groups(
    columns: Mapping[str, Sequence[str | None]],
    *,
    probability: np.ndarray,
    correct: np.ndarray,
    sure: np.ndarray,
) -> dict[str, GroupColumn]:
    """Measure every group of every column, and the gaps between them.

    Parameters
    ----------
    columns : mapping
        Column → the group of each face, None where nobody said.
    probability : np.ndarray
        float, shape (n,), 0..1: what the answer of each face was given.
    correct, sure : np.ndarray
        bool, shape (n,): whether the answer is right, and whether it was given.
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
        told += own[:1] + [gap for gap in own[1:] if gap.p_value < HARDLY_CHANCE]
    return tuple(told)


def _rounded(interval: Interval) -> Interval:
    return round(interval[0], 6), round(interval[1], 6)


def _in_order(name: str) -> tuple[float, str]:
    """Sort names that begin with a number by it, before the others by the alphabet."""
    number = re.match(r"-?\d+(\.\d+)?", name)
    return (float(number[0]) if number else math.inf), name
