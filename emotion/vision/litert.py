"""LiteRT's interpreter, from its own package or TensorFlow's. It knows nothing of what networks mean."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
import threading
from typing import Any

from emotion.program import silent_stderr

_has_greeted = threading.Event()


def litert_is_installed() -> bool:
    """Whether LiteRT itself can run networks here, without TensorFlow."""
    return sys.modules.get("ai_edge_litert", True) is not None and bool(
        importlib.util.find_spec("ai_edge_litert")
    )


def new_interpreter(content: bytes, *, threads: int = 1) -> Any:
    """Make an interpreter of a `.tflite` file; ValueError or RuntimeError if it cannot be run."""
    return _interpreter_class()(model_content=content, num_threads=threads)


def allocate(interpreter: Any, shape: tuple[int, ...]) -> None:
    """Resize an interpreter's only input and allocate memory; ValueError or RuntimeError if it cannot."""
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape)
    # The first time in a process, LiteRT greets on the terminal.
    with contextlib.nullcontext() if _has_greeted.is_set() else silent_stderr():
        interpreter.allocate_tensors()
    _has_greeted.set()


@functools.cache
def _interpreter_class() -> type:
    if litert_is_installed():
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter
    # No wheel for this platform: TensorFlow carries the same engine.
    import tensorflow

    # It loads this part late, which hides it from type checkers.
    # pyrefly: ignore [missing-attribute]
    return tensorflow.lite.Interpreter
