"""Engines that turn face crops into raw probabilities: LiteRT for serving, Keras where LiteRT is missing."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from emotion.errors import ModelLoadError, in_one_line
from emotion.model.description import LITERT_FILE
from emotion.model.keras_engine import KerasNetwork, batches, load_keras
from emotion.vision.crop import LARGEST_CROP
from emotion.vision.litert import allocate, litert_is_installed, new_interpreter

# How far from 1 the probabilities of a face may sum; half precision rounds.
MOST_ROUNDING = 0.01


class Network(Protocol):
    """Turns face crops into raw probabilities; may be called from several threads."""

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return softmax, float32 (n, outputs), of float32 faces (n, size, size, channels) in 0..255."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Height, width and channels of its faces; None where any number will do."""

    @property
    def outputs(self) -> int:
        """Number of probabilities per face."""


def load_network(folder: str | os.PathLike[str]) -> Network:
    """Load a saved folder's network into the fastest engine of this platform; raises ModelLoadError."""
    folder = Path(folder)
    if (folder / LITERT_FILE).is_file() and litert_is_installed():
        return LiteRTNetwork(folder / LITERT_FILE)
    return KerasNetwork(load_keras(folder))


def try_on_one_face(network: Network, size: int, channels: int) -> None:
    """Run a network on one grey face; raise ModelLoadError if it fails or answers no probabilities."""
    try:
        answer = network(np.full((1, size, size, channels), 128, np.float32))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ModelLoadError(
            f"The network cannot be run: {in_one_line(error)}. Save or download the model again."
        ) from error
    if not np.isfinite(answer).all() or answer.min() < 0 or abs(answer.sum() - 1) > MOST_ROUNDING:
        raise ModelLoadError(
            "The network does not answer with probabilities: its weights are damaged. "
            "Save or download it again."
        )


class LiteRTNetwork:
    """A `model.tflite`, by path or content, run by LiteRT without TensorFlow; raises ModelLoadError."""

    # Of the faces that the file takes.
    pixel_types: tuple[type, ...] = (np.float32,)

    def __init__(self, source: str | os.PathLike[str] | bytes) -> None:
        name = "The network" if isinstance(source, bytes) else source
        try:
            # Bytes rather than the path: the file may be replaced while it is in use.
            content = source if isinstance(source, bytes) else Path(source).read_bytes()
            self._interpreter = new_interpreter(content)
            self._input = self._interpreter.get_input_details()[0]
            self._output = self._interpreter.get_output_details()[0]
            self.input_shape = tuple(map(int, self._input["shape"][1:]))
            if len(self.input_shape) != 3 or self._input["dtype"] not in self.pixel_types:
                kinds = " or ".join(kind.__name__ for kind in self.pixel_types)
                raise ValueError(f"it does not take faces as {kinds}")
            # Before memory is set aside for them.
            if max(self.input_shape) > LARGEST_CROP:
                raise ValueError(f"it takes faces of more than {LARGEST_CROP} pixels")
            self._allocate(1)
            self.outputs = int(self._output["shape"][-1])
        except (OSError, ValueError, RuntimeError, IndexError) as error:
            raise ModelLoadError(
                f"{name} cannot be run: {in_one_line(error)}. Save or download the model again."
            ) from error
        self._lock = threading.Lock()

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        parts = [self._run(batch) for batch in batches(faces)]
        return np.concatenate(parts) if parts else np.empty((0, self.outputs), np.float32)

    def tensors(self, faces: np.ndarray, indices: Sequence[int]) -> list[np.ndarray]:
        """Return outputs of the graph by index, for one face or more: a list of arrays (n, …)."""
        parts = [self._invoke(batch, indices) for batch in batches(faces)]
        return [np.concatenate(tensors) for tensors in zip(*parts, strict=True)]

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._invoke(batch, [self._output["index"]])[0]

    def _invoke(self, batch: np.ndarray, indices: Sequence[int]) -> list[np.ndarray]:
        with self._lock:
            if len(batch) != self._allocated:
                self._allocate(len(batch))
            self._interpreter.set_tensor(self._input["index"], batch)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index in indices]

    def _allocate(self, count: int) -> None:
        allocate(self._interpreter, (count, *self._input["shape"][1:]))
        self._allocated = count
