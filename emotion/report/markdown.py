"""Figures and foreign text as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; an empty string where it would have no rows."""
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def harmless(value: object) -> str:
    """Return anything as text that Markdown shows as it is."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(harmless, value)) or "–"
    text = " ".join(str(value).split())
    for character in "\\`*<>|[]":
        text = text.replace(character, "\\" + character)
    return text


def words(key: str) -> str:
    """Return a name of a setting or finding as words."""
    return harmless(key.replace("_", " "))


def decimal(value: float | None, missing: str = "–") -> str:
    """Return a number as `0.824`, and None as `missing`."""
    return missing if value is None else f"{value:.3f}"
