"""What came of many pictures, in words."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from emotion.predictions.display import counted


def many_summary(pictures: int, faces: int, problems: Sequence[tuple[str, str]]) -> str:
    """Return how many pictures and faces there were, and what was wrong with the others (name, message)."""
    items = "".join(f"<li><b>{escape(name)}</b>: {escape(message)}</li>" for name, message in problems)
    wrong = f'<div class="em-hint" role="alert"><b>Left out</b><ul>{items}</ul></div>' if problems else ""
    return (
        f'<p role="status"><b>{counted(pictures, "picture")}</b>, <b>{counted(faces, "face")}</b>.</p>{wrong}'
    )
