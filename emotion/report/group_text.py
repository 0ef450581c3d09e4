"""Figures of groups in words and aligned columns, for card, page and terminal alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from emotion.report.groups import FEWEST_FACES, HARDLY_CHANCE, GroupColumn, GroupFigures
from emotion.report.markdown import decimal, percent
from emotion.report.statistics import Interval

GROUP_HEAD = ("faces", "accuracy", "“not sure”", "calibration error")
# Name of a figure in a sentence, and whether gaps of it are told in points of percent.
FIGURE_NAMES = {
    "accuracy": ("accuracy", True),
    "not_sure": ("“not sure”", True),
    "calibration_error": ("calibration error", False),
}


def group_row(figures: GroupFigures) -> tuple[str, ...]:
    """Return the cells of `GROUP_HEAD`, with 95 % intervals in brackets."""
    return (
        str(figures.faces),
        percent(figures.accuracy, "–") + _between(figures.accuracy_interval, 1, 100),
        percent(figures.not_sure, "–") + _between(figures.not_sure_interval, 1, 100),
        decimal(figures.calibration_error, "–") + _between(figures.calibration_error_interval, 3, 1),
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
        verdict = "hardly chance" if gap.p_value < HARDLY_CHANCE else "may be chance"
        lines.append(
            f"{'Another gap' if gap.figure in seen else 'Largest gap'} in {title} by {name}: {size}, "
            f"{gap.lower} below {gap.higher}; {p_in_words(gap.p_value)}: {verdict}."
        )
        seen.add(gap.figure)
    if column.too_small:
        small = ", ".join(f"{group} ({faces})" for group, faces in column.too_small.items())
        lines.append(f"Too small to judge by {name}, with fewer than {FEWEST_FACES} faces: {small}.")
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
