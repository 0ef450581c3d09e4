"""LiteRT's interpreter, from its own package or TensorFlow's. It knows nothing of what networks mean."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import sys
from collections.abc import Iterator
from typing import Any

from emotion.program import silent_stderr


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
    with _first_time_silent():
        interpreter.allocate_tensors()


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


_silenced: list[bool] = []


@contextlib.contextmanager
def _first_time_silent() -> Iterator[None]:
    """Keep LiteRT's greeting, once in a process, out of the terminal."""
    with contextlib.nullcontext() if _silenced else silent_stderr():
        _silenced.append(True)
        yield
