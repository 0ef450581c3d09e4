"""How a hyperparameter is declared beside its default, and how a value of it is checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, dataclass, field, replace
from typing import Any


def option(
    default: Any,
    explanation: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[Any] | None = None,
    search: Search | None = None,
    name: str | None = None,
) -> Any:
    """Declare one hyperparameter, with the sentence that `train.py --help` prints.

    Its range includes `minimum` and `maximum` and excludes `above` and `below`; for a tuple it holds for
    every entry, of which there must be one. `choices` are the values allowed, `search` is where `train.py
    --search` looks (without it, the value stays), and `name` is how it is typed if not by the field's name.
    """
    limits = Range(minimum, maximum, above, below)
    metadata = {"help": explanation, "range": limits, "choices": choices, "search": search, "option": name}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Search:
    """Where a search looks for a good value of a hyperparameter, ends included.

    `log`: orders of magnitude count rather than differences; then `low` is above 0.
    """

    low: float
    high: float
    log: bool = False

    def around(self, value: float) -> Search:
        """Return a range that holds `value` too, where it can."""
        if self.log and value <= 0:
            return self
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Range:
    """The numbers that a hyperparameter may be: from `minimum` to `maximum`, or between the other two."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def __contains__(self, value: float) -> bool:
        return (
            math.isfinite(value)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        ends = (
            ("at least", self.minimum),
            ("above", self.above),
            ("at most", self.maximum),
            ("below", self.below),
        )
        return " and ".join(f"{words} {end}" for words, end in ends if end is not None) or "a finite number"


def typed_name(item: Field[Any]) -> str:
    """Return the command-line spelling of a field: `image_size` → `--image-size`."""
    return item.metadata["option"] or "--" + item.name.replace("_", "-")


def check_value(item: Field[Any], value: Any) -> None:
    """Reject a value of the wrong type or out of range with a ValueError that names the option.

    A list will do where the default is a tuple.
    """
    default: Any = item.default
    kind, many = type(default), isinstance(default, tuple)
    if many and not isinstance(value, (list, tuple)):
        raise ValueError(f"{typed_name(item)} must be a list, not {value!r}.")
    if many and default:
        kind = type(default[0])
    if many and kind is int and not value:
        raise ValueError(f"{typed_name(item)} needs one number or more.")
    for entry in value if many else (value,):
        if problem := _problem(kind, entry, item.metadata["range"], item.metadata["choices"]):
            raise ValueError(f"{typed_name(item)} must be {problem}, not {entry!r}.")


def _problem(kind: type, value: Any, limits: Range, choices: Sequence[Any] | None) -> str | None:
    """Return what a value should be instead, None if it is valid; `kind` is a number, bool or text."""
    if choices and value not in choices:
        return f"one of {', '.join(map(str, choices))}"
    if kind is bool:
        return None if isinstance(value, bool) else "true or false"
    if kind not in (int, float):
        return None if isinstance(value, str) or (kind is type(None) and value is None) else "text"
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return "a whole number" if kind is int else "a number"
    return None if value in limits else str(limits)
