"""Networks that nobody trained: `model.tflite` changed by its schema, so that it stays well formed.

Each is run in the process that strangers' networks are run in. That process is kept from one file to the
next, because starting it takes far longer than most files last; one in many goes the whole way.
"""

from __future__ import annotations

import importlib.util
import random
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np

from benchmarks.fuzz.changes import EDGES, damaged
from benchmarks.fuzz.pictures import check_message
from emotion.errors import EmotionError, ModelLoadError
from emotion.model.loading import EMBEDDED
from emotion.untrusted import networks
from emotion.untrusted.networks import STOPPED, VISITORS, load_visitors_model
from emotion.untrusted.process import Header, LimitedProcess, Message

FACES = 2
# One of so many is a folder that a visitor named, in a process of its own from the first to the last.
WHOLE_WAY = 50


class Networks:
    """Runs changed networks apart."""

    name = "networks"

    def __init__(self, folder: Path) -> None:
        self._content = (EMBEDDED / "model.tflite").read_bytes()
        self._model = unpacked(self._content)
        self._folder = folder / "network"
        shutil.copytree(EMBEDDED, self._folder)
        self._worker = LimitedProcess(__name__, VISITORS, error=ModelLoadError, stopped=STOPPED)

    def try_one(self, chance: random.Random) -> str:
        """Run one network; return what became of it."""
        content = self._changed(chance)
        if chance.randrange(WHOLE_WAY) == 0:
            return self._whole_way(content)
        try:
            self._worker.ask({}, np.frombuffer(content, np.uint8))
        except ModelLoadError as error:
            check_message(str(error))
            return "stopped" if str(error) == STOPPED else "refused"
        return "ran"

    def close(self) -> None:
        """End the process that runs them."""
        self._worker.close()

    def _whole_way(self, content: bytes) -> str:
        (self._folder / "model.tflite").write_bytes(content)
        description = self._folder / "emotion.json"
        # Without hashes, as an attacker would publish it.
        description.write_text(description.read_text().replace('"files"', '"were"'))
        try:
            classifier = load_visitors_model(self._folder, seconds=60)
            try:
                classifier.predict_faces([np.zeros((48, 48), np.uint8)] * FACES)
            finally:
                classifier.close()
        except EmotionError as error:
            check_message(str(error))
            return "stopped" if "was stopped" in str(error) else "refused"
        return "ran"

    def _changed(self, chance: random.Random) -> bytes:
        if chance.random() < 0.1:
            return damaged_network(self._content, chance)
        undo: list[Callable[[], None]] = []
        try:
            for _ in range(chance.choice((1, 1, 2, 4))):
                undo.append(self._change(chance))
            return packed(self._model)
        # A number that its field cannot hold: the file stays as it was.
        except (TypeError, ValueError, OverflowError, AttributeError, struct.error):
            return damaged_network(self._content, chance)
        finally:
            for step in reversed(undo):
                step()

    def _change(self, chance: random.Random) -> Callable[[], None]:
        """Change one field somewhere in the network; return how to take it back."""
        graph = self._model.subgraphs[0]
        owner = chance.choice(
            (
                *(chance.choice(graph.tensors), chance.choice(graph.tensors)),
                *(chance.choice(graph.operators), chance.choice(graph.operators)),
                *(chance.choice(self._model.operatorCodes), chance.choice(self._model.buffers), graph),
            )
        )
        options = getattr(owner, "builtinOptions", None)
        if options is not None and chance.random() < 0.5:
            owner = options
        quantization = getattr(owner, "quantization", None)
        if quantization is not None and chance.random() < 0.2:
            owner = quantization
        fields = [name for name in vars(owner) if not name.startswith("_")]
        if not fields:
            return lambda: None
        name = chance.choice(fields)
        old = getattr(owner, name)
        setattr(owner, name, other_value(old, chance))
        return lambda: setattr(owner, name, old)


def other_value(old: Any, chance: random.Random) -> Any:
    """Return another value of the same kind: a number at an edge, a list with one item changed."""
    if isinstance(old, bool):
        return not old
    if isinstance(old, (int, np.integer)):
        return chance.choice((int(old) + 1, int(old) - 1, chance.randrange(-5, 160), chance.choice(EDGES)))
    if isinstance(old, float):
        return chance.choice((0.0, -1.0, float("nan"), float("inf"), 1e30))
    if isinstance(old, np.ndarray) and old.dtype == np.uint8:
        return chance.choice((old[: len(old) // 2], old[:0], np.repeat(old[:4096], 2)))
    if isinstance(old, (list, np.ndarray)) and len(old) and isinstance(old[0], (int, np.integer)):
        values = [int(value) for value in old]
        place = chance.randrange(len(values))
        match chance.randrange(4):
            case 0:
                values[place] = chance.choice((*EDGES, -1, -2)) % 2**31
            case 1:
                values[place] = chance.randrange(800)
            case 2:
                del values[place]
            case _:
                values.insert(place, values[place])
        return values
    return None


def damaged_network(content: bytes, chance: random.Random) -> bytes:
    """Damage the structure of a file blindly: its first and last bytes, where no weights are."""
    edge = 4096
    start, end = content[:edge], content[-64 * edge :]
    if chance.random() < 0.3:
        return damaged(start, end, chance) + content[edge:]
    return content[: -64 * edge] + damaged(end, start, chance)


def unpacked(content: bytes) -> Any:
    """Return a network as objects whose fields can be changed."""
    tflite = schema()
    return tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(content, 0))


def packed(model: Any) -> bytes:
    """Return the file of a network."""
    builder = flatbuffers.Builder(2**20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def schema() -> ModuleType:
    """Load the schema that TensorFlow brings along, without TensorFlow.

    Raises
    ------
    RuntimeError
        If it is not installed.
    """
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        raise RuntimeError("The schema of .tflite comes with TensorFlow. Type: make install")
    path = Path(found.origin).parent / "lite" / "python" / "schema_py_generated.py"
    loaded = importlib.util.spec_from_file_location("tflite_schema", path)
    module = importlib.util.module_from_spec(loaded)
    sys.modules["tflite_schema"] = module
    loaded.loader.exec_module(module)
    return module


# What follows runs inside the process: one network after the other, each as its first.


class Work:
    """Loads a network, and runs it on some faces if it could be loaded."""

    def __init__(self) -> None:
        self._work = networks.Work()

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        # Each network is the first of its process, which could not be prepared again.
        self._work._network = None
        told, _ = self._work.answer(header, arrays)
        return self._work.answer({}, [np.zeros((FACES, *told["input_shape"]), np.float32)])
