"""Ctrl-C ends training even where Python loses it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

import keras


class Interruption(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` at the next batch if Ctrl-C was pressed before.

    Python prints an exception inside a callback of its garbage collector, and JAX has one there, or inside
    `__del__`, and goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note every Ctrl-C inside the `with` block; it raises at once as it does elsewhere, if it can."""
        before = signal.getsignal(signal.SIGINT)
        # Only the main thread may ask, and who has another handler means it.
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def on_train_batch_begin(self, *_: object, **__: object) -> None:
        """Make up for a Ctrl-C that was lost; Keras calls this."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> NoReturn:
        self._asked = True
        signal.default_int_handler(number, frame)
