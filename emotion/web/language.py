"""The page in the visitor's language: which one that is, and what the page says in it.

One table a language lies in `browser/words`, for this page and the static one. `gr.I18n` translates six
properties of components, once they are drawn and without values, and knows no Italian; here the page arrives
in its language, alternative texts and numbers included. Tables hold no character that HTML or JSON would read
as its own, so a text with escaped values is escaped.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import fastapi
    import gradio as gr

TABLES = Path(__file__).with_name("browser") / "words"
# In the order of the switch: each by its own name, and what Gradio calls it (it has no Italian).
LANGUAGES = {
    "en": ("English", "en"),
    "es": ("Español", "es"),
    "fr": ("Français", "fr"),
    "de": ("Deutsch", "de"),
    "pt": ("Português", "pt-BR"),
    "it": ("Italiano", "en"),
    "hi": ("हिन्दी", "hi"),
    "ja": ("日本語", "ja"),
    "zh": ("简体中文", "zh-CN"),
    "ar": ("العربية", "ar"),
}
DEFAULT = "en"
RIGHT_TO_LEFT = ("ar",)
# What the font of drawings can write.
DRAWN = ("en", "es", "fr", "de", "pt", "it")
# Holds the language that a visitor chose.
COOKIE = "language"
# Characters of a header that are looked at.
LONGEST_HEADER = 200


class Words:
    """What the page says in one language."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._table = table(code)

    def __call__(self, key: str, **values: object) -> str:
        """Return a text of the table with its placeholders filled in."""
        return _filled(self._table[key], values)

    def label(self, name: str | None) -> str:
        """Return an emotion's name, "not sure" for None, and a model's own labels as they are."""
        if name is None:
            return self("notSure")
        return self(f"label.{name}") if f"label.{name}" in table() else name

    def alternatives(self, names: Sequence[str]) -> str:
        """Return "angry, happy or sad"."""
        *first, last = map(self.label, names) if names else [""]
        return self("or", first=self("comma").join(first), last=last) if first else last

    def listed(self, names: Sequence[str | None]) -> str:
        """Return "angry, happy, sad"."""
        return self("comma").join(map(self.label, names))

    def percent(self, share: float, digits: int = 0) -> str:
        """Return "87%" as the language writes it."""
        return self("percent", number=f"{100 * share:.{digits}f}")

    def reason(self, reason: str | None) -> str:
        """Return why there is no label, as a sentence."""
        if not reason:
            return self("reason.unknown")
        if f"reason.{reason}" in table():
            return self(f"reason.{reason}")
        return f"{reason[0].upper()}{reason[1:].rstrip('.')}."

    def error(self, error: Exception | str) -> str:
        """Return the message of an error; one that no table knows stays English."""
        said = str(error)
        for key, pattern in _error_patterns():
            if match := pattern.fullmatch(said):
                return self(key, **match.groupdict())
        return said


class _Marks(Words):
    """Writes marks in the place of texts, for a page that is built once and sent in many languages."""

    def __call__(self, key: str, **values: object) -> str:
        """Return the mark of a text; values may hold marks."""
        filled = "".join(f"|{name}={_plain(value)}" for name, value in values.items())
        return f"⟦{key}{filled}⟧"


def _plain(value: object) -> str:
    """Return a value without what ends it inside a mark; marks stay."""
    return str(value) if isinstance(value, str) and "⟦" in value else str(value).replace("|", "¦")


MARK = re.compile(r"⟦([^⟦⟧|]+)((?:\|\w+=[^⟦⟧|]*)*)⟧")


def resolved(text: str, words: Words) -> str:
    """Write the words into a text that holds marks, the innermost first."""

    def said(match: re.Match[str]) -> str:
        values = dict(value.split("=", 1) for value in match[2].split("|")[1:])
        return words(match[1], **values) if match[1] in table() else ""

    while MARK.search(text):
        text = MARK.sub(said, text)
    return text


def language_of(headers: Mapping[str, str]) -> str:
    """Return the language that was chosen here before, or else the first of the browser's that there is."""
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        chosen = None
    if chosen and chosen.value in LANGUAGES:
        return chosen.value
    wanted = headers.get("accept-language", "")[:LONGEST_HEADER].split(",")
    codes = (part.partition(";")[0].strip().split("-")[0].lower() for part in wanted)
    return next((code for code in codes if code in LANGUAGES), DEFAULT)


def words_of(request: gr.Request | fastapi.Request | None) -> Words:
    """Return what the page says to the visitor who asks."""
    return spoken(language_of(request.headers) if request else DEFAULT)


@functools.cache
def spoken(code: str) -> Words:
    """Return the words of a language."""
    return Words(code)


@functools.cache
def table(code: str = DEFAULT) -> Mapping[str, str]:
    """Return the texts of a language by their keys."""
    return json.loads((TABLES / f"{code}.json").read_text("utf-8"))


@functools.cache
def _error_patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return how the messages of errors look, by key; the English table holds them as they are raised."""
    return [(key, _pattern(text)) for key, text in table().items() if key.startswith("error.")]


def _pattern(text: str) -> re.Pattern[str]:
    def parts() -> Iterator[str]:
        for index, part in enumerate(re.split(r"\{(\w+)\}", text)):
            yield f"(?P<{part}>.+)" if index % 2 else re.escape(part)

    return re.compile("".join(parts()), re.DOTALL)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], match[0])), text)


ENGLISH, LATER = Words(DEFAULT), _Marks(DEFAULT)
