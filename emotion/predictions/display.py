"""How answers are displayed: each emotion's fixed colour; numbers and lists in words and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

# The colours of Okabe and Ito ("Color Universal Design", 2008), darkened where needed so that every one keeps
# a contrast of 3:1 on a white and on a near-black page. People with any colour vision can tell them apart.
EMOTION_COLOURS = {
    "angry": "#D55E00",
    "happy": "#009E73",
    "sad": "#0072B2",
    "surprise": "#B07A00",
    "fear": "#B25C93",
    "disgust": "#7A7A00",
    "neutral": "#767676",
    "contempt": "#8A5A44",
}
NOT_SURE_COLOUR = "#767676"
# For labels that are not listed above.
SPARE_COLOURS = ("#3D8FB8", "#B25C93", "#B07A00", "#7A7A00", "#8A5A44")
NOT_SURE = "not sure"


def emotion_colour(label: str | None) -> str:
    """Return the fixed colour of a label as `#rrggbb`; None is the colour of "not sure"."""
    if label is None:
        return NOT_SURE_COLOUR
    if label in EMOTION_COLOURS:
        return EMOTION_COLOURS[label]
    return SPARE_COLOURS[sum(label.encode()) % len(SPARE_COLOURS)]


def text_colour(background: str) -> str:
    """Return black or white, whichever is easier to read on `background` (`#rrggbb`)."""
    luminance = _luminance(background)
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def _luminance(colour: str) -> float:
    """Return the relative luminance, 0..1 (WCAG 2.2)."""
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


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


def decimal(value: float | None) -> str:
    """Return a number as `0.824`, and None as a dash."""
    return "–" if value is None else f"{value:.3f}"
