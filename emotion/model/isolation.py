"""Networks of strangers: run in a process of its own, whose end is noticed by nobody but who asked for it.

LiteRT is no sandbox: a changed file can crash the process that runs it. What holds here is what
`vision.sandbox` limits: memory, time, files, connections and the rights of a user.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion.errors import ModelLoadError, in_one_line
from emotion.model.description import LITERT_FILE
from emotion.vision.sandbox import Sandbox, SandboxError

if TYPE_CHECKING:
    from emotion.model.engines import LiteRTNetwork

# Bytes and seconds of processor time; the embedded network stays within them (tests/model/test_isolation.py).
MOST_MEMORY = 400_000_000
MOST_SECONDS = 2.0
# Bytes: a larger file is no network for faces of 48 pixels.
LARGEST_FILE = 64 * 2**20

# A question is the file, then batches: number of faces and float32 pixels. An answer is one byte, well or
# failed; then the shape as JSON, float32 probabilities, or a message.
COUNT = struct.Struct("<I")
WELL, FAILED = b"o", b"x"


class IsolatedNetwork:
    """A stranger's `model.tflite`; see `emotion.model.engines.Network`.

    Parameters
    ----------
    path : Path
        The file.
    largest : int
        Bytes of the file.
    memory, seconds : int, float
        Limits of the process; see `emotion.vision.sandbox.Sandbox`.

    Raises
    ------
    ModelLoadError
        If the folder has no such file, or it is not a network that takes faces and gives probabilities.
    """

    def __init__(
        self,
        path: Path,
        *,
        largest: int = LARGEST_FILE,
        memory: int = MOST_MEMORY,
        seconds: float = MOST_SECONDS,
    ) -> None:
        if not path.is_file() or path.stat().st_size > largest:
            raise ModelLoadError(
                f"A model that is tried here needs a {LITERT_FILE} of at most {largest // 2**20} MiB. "
                "Save it where TensorFlow is installed and publish it again."
            )
        self._worker = Sandbox(__name__, first=path.read_bytes, memory=memory, seconds=seconds)
        shape = json.loads(self._well(self._worker.first_answer))
        self.input_shape = tuple(shape["input_shape"])
        self.outputs = int(shape["outputs"])

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255.

        Raises
        ------
        ModelLoadError
            If the process crashed, took too long, or answered anything else.
        """
        content = np.ascontiguousarray(faces, np.float32).tobytes()
        answer = self._well(lambda: self._worker.ask(COUNT.pack(len(faces)) + content))
        if len(answer) != 4 * len(faces) * self.outputs:
            raise ModelLoadError(
                "This model answers with something else than probabilities. Use another one."
            )
        return np.frombuffer(answer, np.float32).reshape(len(faces), self.outputs)

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _well(self, ask: Callable[[], bytes]) -> bytes:
        try:
            answer = ask()
        except SandboxError as error:
            raise ModelLoadError(
                "This model crashed, or took too much time or memory, and was stopped. Use another one."
            ) from error
        if answer[:1] != WELL:
            raise ModelLoadError(answer[1:].decode(errors="replace") or "This model cannot be run.")
        return answer[1:]


_network: list[LiteRTNetwork] = []


def prepare() -> None:
    """Import LiteRT, and run a network of ours once so that nothing is left to be opened."""
    import emotion.model.engines  # noqa: F401
    from emotion.vision.detector import FaceNetwork

    FaceNetwork()(np.zeros((64, 64, 3), np.uint8), 1.0)


def answer(question: bytes) -> bytes:
    """Load the network inside the process, then answer for its faces."""
    from emotion.model.engines import LiteRTNetwork

    try:
        if not _network:
            network = LiteRTNetwork(question)
            _network.append(network)
            return (
                WELL + json.dumps({"input_shape": network.input_shape, "outputs": network.outputs}).encode()
            )
        [network] = _network
        (count,) = COUNT.unpack_from(question)
        faces = np.frombuffer(question, np.float32, offset=COUNT.size).reshape(count, *network.input_shape)
        return WELL + network(faces).astype(np.float32).tobytes()
    except ModelLoadError as error:
        return FAILED + str(error).encode()
    except (ValueError, RuntimeError, MemoryError) as error:
        said = in_one_line(error) or "it takes too much memory"
        return FAILED + f"This model cannot be run: {said}. Use another one.".encode()
