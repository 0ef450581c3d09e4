"""A comparison in words and aligned columns, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from emotion.report.comparison import AGREED, COMPARED, SIGNIFICANT, Comparison, Estimate, Pair
from emotion.report.group_text import aligned, groups_text, p_in_words
from emotion.report.report import FIGURES

MEBIBYTE = 2**20


def comparison_text(comparison: Comparison) -> str:
    """Return what was compared, the table, a sentence on every pair, and the gaps between groups."""
    letters = letters_of(comparison)
    others = comparison.data.faces - comparison.labelled_faces
    background = f", and {others} that show none of them" if others else ""
    where = f" ({comparison.data.report_split})" if comparison.data.report_split else ""
    pairs = [(f"{letters[pair.first]} − {letters[pair.second]}", pair) for pair in comparison.pairs]
    together = len(pairs) == 1
    parts = [
        f"{comparison.labelled_faces} faces of {', '.join(comparison.labels)}{background}, from "
        f"{comparison.data.source}{where}. In brackets: 95 % intervals, those of differences by a paired "
        "bootstrap.",
        "\n".join(f"{letter}: {name}" for name, letter in letters.items()),
        _table(comparison, letters, pairs if together else []),
        "" if together else aligned([["", *(title for title, _ in pairs)], *_differences(comparison, pairs)]),
        "\n".join(verdict(pair, letters) for _, pair in pairs),
        "\n\n".join(
            groups_text(model.report.groups, f"{letters[model.name]}: ") for model in comparison.models
        ),
        "\n".join(f"Note: {note}" for note in comparison.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def letters_of(comparison: Comparison) -> dict[str, str]:
    """Return the letter that stands for each model in tables, plots and sheets, by name."""
    return {model.name: chr(ord("A") + index) for index, model in enumerate(comparison.models)}


def verdict(pair: Pair, letters: dict[str, str]) -> str:
    """Return which of two models is right more often, if that is known; `letters` stand for names."""
    first, second = letters[pair.first], letters[pair.second]
    corrected = (
        f", {p_in_words(pair.corrected_p_value)} corrected for the number of pairs"
        if pair.corrected_p_value != pair.p_value
        else ""
    )
    finding = (
        "These faces do not tell which of them is right more often."
        if pair.better is None
        else f"{letters[pair.better]} is right more often, and that is hardly chance (p < {SIGNIFICANT})."
    )
    return (
        f"{first} alone is right on {pair.only_first} faces, {second} alone on {pair.only_second}; McNemar's "
        f"exact test: {p_in_words(pair.p_value)}{corrected}. {finding}"
    )


def _table(comparison: Comparison, letters: dict[str, str], pairs: Sequence[tuple[str, Pair]]) -> str:
    models = comparison.models
    rows = [["", *letters.values(), *(title for title, _ in pairs)]]
    differences = {row[0]: row[1:] for row in _differences(comparison, pairs)}
    for key in COMPARED:
        estimates = [model.figures[key] for model in models]
        if any(estimate.value is not None for estimate in estimates):
            title = _title(key, comparison)
            rows.append([title, *(_shown(key, estimate) for estimate in estimates), *differences[title]])
    rest = [""] * len(pairs)
    if any(model.bytes for model in models):
        sizes = [f"{model.bytes / MEBIBYTE:.2f} MiB" if model.bytes else "–" for model in models]
        rows.append(["Size", *sizes, *rest])
    if all(model.seconds_per_face for model in models):
        times = [model.seconds_per_face or 0.0 for model in models]
        shown = [f"{1000 * time:.2f} ms ({time / times[0]:.2f}×)" for time in times]
        rows.append(["Time a face, measured in turn", *shown, *rest])
    return aligned(rows)


def _differences(comparison: Comparison, pairs: Sequence[tuple[str, Pair]]) -> list[list[str]]:
    """Return one row per figure that can be compared, a cell per pair."""
    return [
        [_title(key, comparison), *(_difference(key, pair.differences[key]) for _, pair in pairs)]
        for key in COMPARED
        if any(model.figures[key].value is not None for model in comparison.models)
    ]


def _title(key: str, comparison: Comparison) -> str:
    return (
        f"… {comparison.agreed_faces} of them that most voters agree on"
        if key == AGREED
        else FIGURES[key].title
    )


def _is_share(key: str) -> bool:
    return key == AGREED or FIGURES[key].percent


def _shown(key: str, estimate: Estimate) -> str:
    if estimate.value is None or estimate.interval is None:
        return "–"
    low, high = estimate.interval
    if _is_share(key):
        return f"{100 * estimate.value:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
    return f"{estimate.value:.3f} ({low:.3f}–{high:.3f})"


def _difference(key: str, estimate: Estimate) -> str:
    if estimate.value is None or estimate.interval is None:
        return "–"
    low, high = estimate.interval
    if _is_share(key):
        text = f"{100 * estimate.value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    else:
        text = f"{estimate.value:+.3f} ({low:+.3f} to {high:+.3f})"
    return text.replace("-", "−")
