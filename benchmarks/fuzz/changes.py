"""Damage that fits any file and any JSON: bytes, numbers, texts and types that nobody expects."""

from __future__ import annotations

import random
from typing import Any

# Where programs count wrong: around zero, and at the ends of bytes, words and signs.
EDGES = (
    0,
    1,
    2,
    3,
    4,
    15,
    16,
    127,
    128,
    255,
    256,
    1000,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
)
MOST_BYTES = 200_000

ODD_TEXTS = (
    *("", " ", "\0", "a" * 10_000, "\u202egpj.exe", "🙂", "\ud800", "../../etc/passwd", "/proc/self/environ"),
    *(
        "<script>alert(1)</script>",
        "{0}",
        "%s%n",
        "NaN",
        "-1",
        "1e999",
        "null",
        "C:\\con",
        "data:,",
        "a\nb\r\n",
    ),
)
ODD_NUMBERS = (
    0,
    -1,
    1,
    48.9,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    2**31,
    2**63,
    -(2**63),
    10**400,
)


def damaged(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Damage a file in one to six places, sometimes with a part of another one."""
    result = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not result or not other:
            break
        _damage(result, other, chance)
    return bytes(result[:MOST_BYTES])


def _damage(content: bytearray, other: bytes, chance: random.Random) -> None:
    # Headers are short and decide most: half of the damage goes there.
    end = len(content) if chance.random() < 0.5 else min(len(content), 64)
    place = chance.randrange(end)
    length = min(len(content) - place, chance.choice((1, 2, 4, 16, 256, 4096)))
    match chance.randrange(8):
        case 0:
            content[place] ^= 1 << chance.randrange(8)
        case 1:
            content[place] = chance.randrange(256)
        case 2:
            width = chance.choice((1, 2, 4, 8))
            number = chance.choice(EDGES) % 256**width
            content[place : place + width] = number.to_bytes(width, chance.choice(("little", "big")))
        case 3:
            del content[place : place + length]
        case 4:
            content[place:place] = content[place : place + length] * chance.choice((1, 2, 20))
        case 5:
            del content[chance.randrange(len(content)) :]
        case 6:
            start = chance.randrange(len(other))
            content[place : place + length] = other[start : start + length]
        case 7:
            content[place : place + length] = chance.randbytes(length)


def odd(chance: random.Random, depth: int = 0) -> Any:
    """Make a value that nobody expects."""
    kinds = 5 if depth > 3 else 8
    match chance.randrange(kinds):
        case 0:
            return chance.choice((None, True, False))
        case 1 | 2:
            return chance.choice(ODD_NUMBERS)
        case 3 | 4:
            return chance.choice(ODD_TEXTS)
        case 5:
            return [odd(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 3, 50)))]
        case 6:
            return {chance.choice(ODD_TEXTS[:-1]): odd(chance, depth + 1) for _ in range(chance.randrange(4))}
        case _:
            nested: Any = []
            for _ in range(chance.choice((20, 200))):
                nested = [nested]
            return nested


def changed(value: Any, chance: random.Random) -> Any:
    """Change one place of a JSON value: another value, a missing one, one more."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.05:
        return odd(chance)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = chance.choice(keys)
    result = value.copy()
    match chance.randrange(12):
        case 0:
            del result[key]
        case 1 if isinstance(value, list):
            result.insert(key, odd(chance))
        case 1:
            result[chance.choice(ODD_TEXTS)] = odd(chance)
        case 2:
            result[key] = value[chance.choice(keys)]
        case 3 if isinstance(value, list):
            result = value * chance.choice((2, 100))
        case _:
            result[key] = changed(value[key], chance)
    return result
