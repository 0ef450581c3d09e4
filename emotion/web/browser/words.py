"""Pieces of HTML that name their words, for scripts that write them again in the visitor's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape


def worded(html: str, say: Callable[[str], str]) -> str:
    """Write the words into the elements that name them in `data-word` and `data-word-label`.

    They stand there from the start, so nothing moves.
    """
    html = re.sub(
        r'(data-word="([\w.-]+)"[^>]*>)<', lambda match: f"{match[1]}{escape(say(match[2]))}<", html
    )
    return re.sub(
        r'data-word-label="([\w.-]+)"',
        lambda match: f'{match[0]} aria-label="{escape(say(match[1]))}"',
        html,
    )
