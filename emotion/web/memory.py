"""What the app remembers for its visitors, within one budget for all of them together."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Kept(Generic[T]):
    """What a `gr.State` holds: a value that may have been forgotten meanwhile; ask `Memory.recall` for it.

    Attributes
    ----------
    value : object
        None once it was forgotten.
    size : int
        What it takes, in bytes.
    """

    value: T | None
    size: int


class Memory:
    """Keeps values as long as all of them fit; the one that was asked for longest ago is forgotten first.

    A value also goes when nobody holds its `Kept` any more, as Gradio's sessions do.

    Parameters
    ----------
    most : int
        Bytes of all values together.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        # Asked for last comes last.
        self._kept: list[weakref.ref[Kept[Any]]] = []

    def keep(self, value: T, size: int) -> Kept[T]:
        """Remember a value of so many bytes."""
        kept = Kept(value, size)
        with self._lock:
            alive = self._alive()
            excess = sum(each.size for each in alive) + size - self.most
            for each in alive:
                if excess <= 0:
                    break
                each.value = None
                excess -= each.size
            self._kept = [weakref.ref(each) for each in (*alive, kept) if each.value is not None]
        return kept

    def recall(self, kept: Kept[T] | None) -> T | None:
        """Return a value that was kept; None where there was none, or it was forgotten."""
        if kept is None or kept.value is None:
            return None
        with self._lock:
            others = [each for each in self._alive() if each is not kept]
            self._kept = [weakref.ref(each) for each in (*others, kept)]
        return kept.value

    @property
    def taken(self) -> int:
        """Bytes of all that is remembered now."""
        with self._lock:
            return sum(each.size for each in self._alive())

    def _alive(self) -> list[Kept[Any]]:
        found = (reference() for reference in self._kept)
        return [each for each in found if each is not None and each.value is not None]
