"""What a benchmark prints: one row per figure, ours beside a peer's and the ratio. Measures nothing."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure, None where there is nothing to tell, and what a peer reached in the same run, if any."""

    figure: str
    unit: str
    ours: float | None
    peer: float | None = None
    beside: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's."""
        return self.ours / self.peer if self.peer and self.ours is not None else None


def in_turn(
    ours: Callable[[], float], peer: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    """Measure ours and the peer's alternately, so that other work on the machine affects both."""
    pairs = [(ours(), peer()) for _ in range(rounds)]
    return [first for first, _ in pairs], [second for _, second in pairs]


def medians(figure: str, unit: str, ours: Sequence[float], peer: Sequence[float], beside: str) -> Row:
    """Make a row of two medians."""
    return Row(figure, unit, statistics.median(ours), statistics.median(peer), beside)


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1000) * len(ordered) // 1000) - 1)]


def print_rows(rows: Iterable[Row]) -> None:
    """Print one line per row, aligned, as soon as it is measured."""
    print(f"{'figure':<66}{'ours':>10}{'peer':>10}{'ratio':>8}  unit; peer", flush=True)
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
        said = "; ".join(filter(None, (row.unit, row.beside)))
        print(f"{row.figure:<66}{_short(row.ours):>10}{_short(row.peer):>10}{ratio:>8}  {said}", flush=True)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that `hand_out` reads."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--output", type=Path, help="write the JSON to this file too")


def hand_out(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Print the rows as the options say, and write them to a file if one is named."""
    print(as_json(rows)) if options.json else print_rows(rows)
    if options.output:
        options.output.write_text(as_json(rows) + "\n")


def print_groups(
    groups: Mapping[str, Callable[[argparse.Namespace], list[Row]]], options: argparse.Namespace
) -> int:
    """Measure the groups that `options.only` names and hand out what there is; return the exit status."""
    rows: list[Row] = []
    status = 0
    try:
        for group in options.only:
            rows += groups[group](options)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    hand_out(rows, options)
    return status


def as_json(rows: Sequence[Row]) -> str:
    """Return the rows as a JSON list, ratios included."""
    return json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=1, ensure_ascii=False)


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
