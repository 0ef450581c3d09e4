"""Networks from other programs: `.keras` or `.tflite` files that come without `emotion.json`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion.errors import ModelLoadError, in_one_line
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import Description
from emotion.model.engines import MOST_ROUNDING, LiteRTNetwork, Network
from emotion.model.keras_engine import BATCH_SIZE, KerasNetwork, named_objects
from emotion.predictions.calibration import Calibration, softmax
from emotion.program import INSTALL_TRAINING
from emotion.vision.crop import CHANNELS, LARGEST_CROP, SMALLEST_CROP

if TYPE_CHECKING:
    import keras

FILE_TYPES = (".keras", ".tflite")
PIXEL_RANGE = (0.0, 255.0)
# Pixels: the side of faces for a network that takes any; what FER2013 has.
ANY_SIZE = 48
# Layers that run code from the file, or load something else.
FOREIGN_CODE = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}
KERAS_MODULES = {
    "keras", "keras.constraints", "keras.initializers", "keras.layers", "keras.regularizers",
    "keras.src.models.functional", "keras.src.models.sequential", "keras.src.ops.image", "keras.src.ops.math",
    "keras.src.ops.nn", "keras.src.ops.numpy",
}  # fmt: skip


class WholeNumbersNetwork(LiteRTNetwork):
    """A `.tflite` file whose input and output may be quantised to whole numbers."""

    pixel_types = (np.float32, np.uint8, np.int8)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        kind, (scale, zero) = self._input["dtype"], self._input["quantization"]
        if kind != np.float32:
            limits = np.iinfo(kind)
            levels = np.round(batch / (scale or 1) + zero)
            batch = np.clip(levels, limits.min, limits.max).astype(kind)
        answers = super()._run(batch)
        scale, zero = self._output["quantization"]
        return answers if answers.dtype == np.float32 else (answers.astype(np.float32) - zero) * (scale or 1)


class ForeignNetwork:
    """A network from another program behind our interface, asked about `most` faces at a time."""

    def __init__(self, network: Network, pixel_range: tuple[float, float], most: int) -> None:
        self._network = network
        self.input_shape, self.outputs = network.input_shape, network.outputs
        self._low, self._high = pixel_range
        self._most = most

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        scaled = np.asarray(faces, np.float32) / 255 * (self._high - self._low) + self._low
        starts = range(0, max(1, len(scaled)), self._most)
        parts = [self._network(scaled[start : start + self._most].astype(np.float32)) for start in starts]
        answers = np.concatenate(parts).astype(np.float32)
        if (answers >= 0).all() and (np.abs(answers.sum(axis=1) - 1) <= MOST_ROUNDING).all():
            return answers
        # Scores before a softmax.
        return softmax(answers)


def is_foreign(reference: str | None) -> bool:
    """Whether a reference names a network file rather than a saved folder or a model on the Hub."""
    return (
        reference is not None and Path(reference).suffix.lower() in FILE_TYPES and Path(reference).is_file()
    )


def load_foreign(
    path: str, outputs: Sequence[str], pixel_range: tuple[float, float] = PIXEL_RANGE
) -> EmotionClassifier:
    """Open a `.keras` or `.tflite` file without running code from it; it is not calibrated.

    The network takes square faces, grey or in colour, whose black and white pixels have the values of
    `pixel_range`, and gives one number for each of the names in `outputs`. Raises ModelLoadError.
    """
    file = Path(path)
    load = WholeNumbersNetwork if file.suffix.lower() == ".tflite" else _load_keras_file
    network: Network = load(file)
    if network.outputs != len(outputs) or len(set(outputs)) < max(2, len(outputs)):
        given = f"{len(outputs)} names" if outputs else "none"
        raise ModelLoadError(
            f"{path} has {network.outputs} outputs. Name what each means, in order, with --outputs; {given} "
            "were given."
        )
    height, width, channels = network.input_shape
    size = height or width or ANY_SIZE
    if (width or size) != size or not SMALLEST_CROP <= size <= LARGEST_CROP or channels not in CHANNELS:
        raise ModelLoadError(
            f"{path} takes pictures of {height}×{width} pixels with {channels} channels. It must "
            f"take square faces of {SMALLEST_CROP} to {LARGEST_CROP} pixels, with 1 or 3 channels."
        )
    description = Description(
        labels=tuple(outputs),
        outputs=tuple(outputs),
        input_size=size,
        channels=channels,
        calibration=Calibration(temperature=1.0, threshold=0.0, fitted_on=0),
    )
    faces = np.full((2, size, size, channels), 128, np.float32)
    try:
        try:
            network(faces)
            most = BATCH_SIZE
        except (ValueError, RuntimeError):
            # Some files hold on to the number of faces that they were converted with, which is one.
            network, most = load(file), 1
            network(faces[:1])
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ModelLoadError(
            f"The network in {path} cannot be run: {in_one_line(error)}. Save it again."
        ) from error
    return EmotionClassifier(ForeignNetwork(network, pixel_range, most), description, model_name=path)


def _load_keras_file(path: Path) -> Network:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        config.pop("compile_config", None)  # its optimizer and losses are not built
        for module, name in named_objects(config):
            if module not in KERAS_MODULES or name in FOREIGN_CODE:
                raise ModelLoadError(
                    f"{path} is built with {module}.{name}, which may run code of its author. Convert it to "
                    ".tflite, which cannot."
                )
        import keras

        model: keras.Model = keras.saving.load_model(path, compile=False, safe_mode=True)
        if [len(tensor.shape) for tensor in (*model.inputs, *model.outputs)] != [4, 2]:
            raise ValueError("it does not take faces and give one number per emotion")
    except ImportError as error:
        raise ModelLoadError(
            f"{path} needs Keras with a backend ({error}). Type: {INSTALL_TRAINING}"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelLoadError(
            f"{path} cannot be opened: {in_one_line(error)}. Save it again with Keras 3."
        ) from error
    return KerasNetwork(model)
