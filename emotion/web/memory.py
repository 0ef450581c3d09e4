"""What the app remembers for its visitors, within one memory budget for all of them."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(eq=False)
class Kept(Generic[T]):
    """A handle in a `gr.State` for a value of `size` bytes, which becomes None once it is forgotten."""

    value: T | None
    size: int


class Memory:
    """Keeps values of up to `most` bytes in total; the least recently used one is forgotten first.

    A value is also dropped when its `Kept` is garbage collected, as when Gradio drops a session.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        # Most recently used last.
        self._kept: list[weakref.ref[Kept[Any]]] = []

    def keep(self, value: T, size: int) -> Kept[T]:
        """Remember a value of `size` bytes."""
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
        """Return a remembered value; None if there was none or it was forgotten."""
        if kept is None or kept.value is None:
            return None
        with self._lock:
            others = [each for each in self._alive() if each is not kept]
            self._kept = [weakref.ref(each) for each in (*others, kept)]
        return kept.value

    @property
    def taken(self) -> int:
        """Bytes of everything remembered now."""
        with self._lock:
            return sum(each.size for each in self._alive())

    def _alive(self) -> list[Kept[Any]]:
        found = (reference() for reference in self._kept)
        return [each for each in found if each is not None and each.value is not None]
