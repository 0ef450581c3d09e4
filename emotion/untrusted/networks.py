"""Models that an app serves: a visitor's network runs in a process for good, the host's for its first face.

LiteRT is not a sandbox: a crafted file can crash the process that runs it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NoReturn

import numpy as np

from emotion.errors import ModelLoadError, in_one_line
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import LITERT_FILE, Description
from emotion.model.engines import LiteRTNetwork, Network, load_network, try_on_one_face
from emotion.model.loading import load
from emotion.untrusted.process import Header, LimitedProcess, Limits, Message
from emotion.untrusted.pulls import pull_within
from emotion.vision.detector import FaceNetwork
from emotion.vision.litert import litert_is_installed

# The embedded network stays within them (tests/untrusted/test_networks.py). No network for faces of 48 pixels
# needs a larger file.
VISITORS, VISITORS_LARGEST = Limits(memory=400_000_000, seconds=2.0), 64 * 2**20
HOSTS, HOSTS_LARGEST = Limits(memory=2**32, seconds=60.0), 2**30
STOPPED = "This model crashed, or took too much time or memory, and was stopped. Use another one."


class VisitorsClassifier(EmotionClassifier):
    """A classifier whose network runs in a separate process."""

    def close(self) -> None:
        """End the process; the next picture starts a new one."""
        if isinstance(self.network, IsolatedNetwork):
            self.network.close()

    def __reduce__(self) -> NoReturn:
        """Stay in this program: elsewhere, nothing would keep the network apart."""
        raise ModelLoadError("A visitor's model cannot be handed to another process.")


def load_visitors_model(reference: str | Path, *, seconds: float) -> VisitorsClassifier:
    """Load a model that a visitor names: without a token, so never a private one."""
    fetch = functools.partial(pull_within, seconds, serving_only=True)
    return VisitorsClassifier.of(load(reference, token=False, fetch=fetch, open_network=_isolated))


def load_hosts_model(
    reference: str | None, *, revision: str | None = None, seconds: float
) -> EmotionClassifier:
    """Load the model that an app serves: its network runs once in a process that may crash, then here."""
    fetch = functools.partial(pull_within, seconds)
    return EmotionClassifier.of(load(reference, revision=revision, fetch=fetch, open_network=_rehearsed))


def _isolated(folder: Path, _: Description) -> Network:
    return IsolatedNetwork(folder / LITERT_FILE)


def _rehearsed(folder: Path, description: Description) -> Network:
    if (folder / LITERT_FILE).is_file() and litert_is_installed():
        network = IsolatedNetwork(folder / LITERT_FILE, largest=HOSTS_LARGEST, limits=HOSTS)
        try:
            try_on_one_face(network, description.input_size, description.channels)
        finally:
            network.close()
    return load_network(folder)


class IsolatedNetwork:
    """A stranger's `model.tflite`; see `emotion.model.engines.Network`.

    ModelLoadError if there is no such file, it is not a network that takes faces and returns probabilities,
    or its process crashed or took too long.
    """

    def __init__(self, path: Path, *, largest: int = VISITORS_LARGEST, limits: Limits = VISITORS) -> None:
        if not path.is_file() or path.stat().st_size > largest:
            raise ModelLoadError(
                f"A model that is tried here needs a {LITERT_FILE} of at most {largest // 2**20} MiB. "
                "Save it where TensorFlow is installed and publish it again."
            )
        self._process = LimitedProcess(
            __name__,
            limits,
            error=ModelLoadError,
            stopped=STOPPED,
            first=lambda: ({}, [np.frombuffer(path.read_bytes(), np.uint8)]),
        )
        header, _ = self._process.start()
        try:
            self.input_shape = tuple(None if side is None else int(side) for side in header["input_shape"])
            self.outputs = int(header["outputs"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelLoadError(STOPPED) from error

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        _, answers = self._process.ask({}, np.asarray(faces, np.float32))
        if len(answers) != 1 or answers[0].shape != (len(faces), self.outputs):
            raise ModelLoadError("This model does not answer with probabilities. Use another one.")
        return np.asarray(answers[0], np.float32)

    def close(self) -> None:
        """End the process."""
        self._process.close()


class Work:
    """Runs one network in the process."""

    def __init__(self) -> None:
        # Opens every file that is needed before files are locked out.
        FaceNetwork()(np.zeros((64, 64, 3), np.uint8), 1.0)
        self._network: LiteRTNetwork | None = None

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        """Load the network, then answer for its faces."""
        del header
        try:
            if self._network is None:
                self._network = LiteRTNetwork(arrays[0].tobytes())
                return {"input_shape": self._network.input_shape, "outputs": self._network.outputs}, []
            return {}, [self._network(arrays[0]).astype(np.float32)]
        except (ValueError, RuntimeError, MemoryError) as error:
            said = in_one_line(error) or "it takes too much memory"
            raise ModelLoadError(f"This model cannot be run: {said}. Use another one.") from error
