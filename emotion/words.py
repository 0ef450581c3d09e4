"""Numbers and lists in plain English, for page, card and terminal alike."""

from __future__ import annotations

from collections.abc import Sequence


def alternatives(words: Sequence[str]) -> str:
    """Return "angry, happy or sad"."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def listed(words: Sequence[str]) -> str:
    """Return "angry, happy and sad"."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def counted(number: int, noun: str) -> str:
    """Return "1 face" or "2 faces"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def percent(share: float | None, missing: str = "–") -> str:
    """Return "87.5%"; `missing` where there is no share."""
    return missing if share is None else f"{share:.1%}"


def points(share: float) -> str:
    """Return a difference of two shares in percentage points, "+12" or "−3"."""
    number = round(100 * share)
    return f"{number:+d}".replace("-", "−") if number else "0"
