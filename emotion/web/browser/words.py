"""What the pages say: one table a language, and pieces of HTML that name the words of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path

WORDS = Path(__file__).with_name("words")
# The language that stands in a page before its script has run, and where a visitor's own is not there.
DEFAULT_LANGUAGE = "en"


def languages() -> list[str]:
    """Return the languages that there is a table for, the default first."""
    names = [path.stem for path in WORDS.glob("*.json")]
    return sorted(names, key=lambda name: (name != DEFAULT_LANGUAGE, name))


def table(language: str = DEFAULT_LANGUAGE) -> dict[str, str]:
    """Return the words of a language by their keys."""
    return json.loads((WORDS / f"{language}.json").read_text("utf-8"))


def worded(html: str, words: Mapping[str, str]) -> str:
    """Write the words into the elements that name them in `data-word` and `data-word-label`.

    A script writes them again in the visitor's language; they stand there from the start, so nothing moves.
    """
    html = re.sub(
        r'(data-word="([\w.-]+)"[^>]*>)<', lambda match: f"{match[1]}{escape(words[match[2]])}<", html
    )
    return re.sub(
        r'data-word-label="([\w.-]+)"',
        lambda match: f'{match[0]} aria-label="{escape(words[match[1]])}"',
        html,
    )
