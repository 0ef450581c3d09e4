"""Reading untrusted JSON: what fits a dataclass is taken, the rest is left out, and nothing is raised."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

LARGEST_FILE = 2**20  # bytes; a report takes about 30 kB
MOST_ITEMS = 10_000  # of one list or dictionary
LONGEST_TEXT = 10_000  # characters
DEEPEST = 8  # levels of a dictionary whose content is free

T = TypeVar("T")
_UNFIT = object()


def read_json(path: Path) -> object:
    """Return the content of a JSON file; None where it is missing, too large or no JSON."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
        return None if len(content) > LARGEST_FILE else loads(content)
    except (OSError, ValueError, RecursionError):
        return None


def loads(content: bytes) -> Any:
    """Return JSON's values with texts that can be encoded again; else ValueError or RecursionError."""
    values = json.loads(content)
    return json.loads(json.dumps(values, ensure_ascii=False).encode(errors="replace"))


def read_fields(kind: type[T], values: object) -> T:
    """Fill a dataclass, whose fields all have defaults, from JSON; what does not fit becomes the default.

    Fields may be str, bool, int, float, Any, None, tuples, dictionaries with text keys, and dataclasses of
    such fields. Numbers are finite; a list or dictionary loses entries that do not fit, unless its length is
    fixed.
    """
    return _dataclass(kind, values if isinstance(values, dict) else {})


def _dataclass(kind: type, values: dict[str, Any]) -> Any:
    """Return an instance of a dataclass, or `_UNFIT` when a field without default is missing."""
    found = {}
    for item in fields(kind):
        value = _value(_hints(kind)[item.name], values.get(item.name, _UNFIT))
        if value is not _UNFIT:
            found[item.name] = value
        elif item.default is MISSING and item.default_factory is MISSING:
            return _UNFIT
    return kind(**found)


def _value(kind: Any, value: object) -> Any:
    """Return a value as `kind`, or `_UNFIT`."""
    if value is _UNFIT:
        return value
    if isinstance(kind, UnionType):
        fitting = (_value(option, value) for option in get_args(kind))
        return next((found for found in fitting if found is not _UNFIT), _UNFIT)
    if kind is NoneType:
        return None if value is None else _UNFIT
    if kind is Any:
        return _anything(value, DEEPEST)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind), value)
    if get_origin(kind) is dict:
        return _dictionary(get_args(kind)[1], value)
    if is_dataclass(kind):
        return _dataclass(kind, value) if isinstance(value, dict) else _UNFIT
    return _scalar(kind, value)


def _scalar(kind: type, value: object) -> Any:
    if isinstance(value, bool):
        return value if kind is bool else _UNFIT
    if kind is str:
        return value if isinstance(value, str) and len(value) <= LONGEST_TEXT else _UNFIT
    if not isinstance(value, int | float) or abs(value) > 1e15 or not math.isfinite(value):
        return _UNFIT
    if kind is int:
        return int(value) if value == int(value) and value >= 0 else _UNFIT
    return value if kind is float else _UNFIT


def _tuple(kinds: tuple[Any, ...], value: object) -> Any:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        return _UNFIT
    if kinds[-1] is not Ellipsis:
        kinds = kinds if len(value) == len(kinds) else ()
        items = [_value(kind, item) for kind, item in zip(kinds, value, strict=False)]
        return _UNFIT if not items or any(item is _UNFIT for item in items) else tuple(items)
    items = [_value(kinds[0], item) for item in value]
    # Curves and rows must be complete; lists of dataclasses only lose the entries that do not fit.
    if not is_dataclass(kinds[0]) and any(item is _UNFIT for item in items):
        return _UNFIT
    return tuple(item for item in items if item is not _UNFIT)


def _dictionary(kind: Any, value: object) -> Any:
    if not isinstance(value, dict) or len(value) > MOST_ITEMS:
        return _UNFIT
    items = {str(key)[:LONGEST_TEXT]: _value(kind, item) for key, item in value.items()}
    return {key: item for key, item in items.items() if item is not _UNFIT}


def _anything(value: object, levels: int) -> Any:
    """Return JSON values of few levels and finite numbers; `_UNFIT` for others."""
    if isinstance(value, (dict, list)):
        if not levels or len(value) > MOST_ITEMS:
            return _UNFIT
        if isinstance(value, dict):
            items = {str(key): _anything(item, levels - 1) for key, item in value.items()}
            return {key: item for key, item in items.items() if item is not _UNFIT}
        return [item for item in (_anything(item, levels - 1) for item in value) if item is not _UNFIT]
    if isinstance(value, float) and not math.isfinite(value):
        return _UNFIT
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return _UNFIT
    return value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
