"""Networks of others: a `.keras` or `.tflite` file that came without `emotion.json`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import Description
from emotion.model.engines import MOST_ROUNDING, LiteRTNetwork, Network
from emotion.predictions.calibration import Calibration
from emotion.vision.crop import CHANNELS, LARGEST_CROP, SMALLEST_CROP

if TYPE_CHECKING:
    import keras

FILE_TYPES = (".keras", ".tflite")
PIXEL_RANGE = (0.0, 255.0)
# Pixels: the side of faces for a network that takes any; what FER2013 has.
ANY_SIZE = 48
# What the layers of a file may not be: they run code that comes with it, or load what lies elsewhere.
FOREIGN_CODE = {"FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"}
KERAS_MODULES = {
    "keras",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.regularizers",
    "keras.src.models.functional",
    "keras.src.models.sequential",
    "keras.src.ops.image",
    "keras.src.ops.math",
    "keras.src.ops.nn",
    "keras.src.ops.numpy",
}


class ForeignNetwork:
    """A network of others, asked as ours are: pixels of 0..255 in, probabilities out.

    Parameters
    ----------
    network : Network
        As the file has it.
    pixel_range : tuple of float
        What black and white are for it.
    """

    def __init__(self, network: Network, pixel_range: tuple[float, float]) -> None:
        self._network = network
        self._low, self._high = pixel_range

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        scaled = np.asarray(faces, np.float32) / 255 * (self._high - self._low) + self._low
        answers = np.asarray(self._network(scaled.astype(np.float32)), np.float32)
        if (answers >= 0).all() and (np.abs(answers.sum(axis=1) - 1) <= MOST_ROUNDING).all():
            return answers
        # Scores before a softmax.
        powers = np.exp(answers - answers.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Height, width and channels of the faces that it takes."""
        return self._network.input_shape

    @property
    def outputs(self) -> int:
        """Number of probabilities per face."""
        return self._network.outputs


def is_foreign(reference: str | None) -> bool:
    """Tell whether a reference names a file of somebody's network rather than a saved folder or the Hub."""
    return (
        reference is not None and Path(reference).suffix.lower() in FILE_TYPES and Path(reference).is_file()
    )


def load_foreign(
    path: str, outputs: Sequence[str], pixel_range: tuple[float, float] = PIXEL_RANGE
) -> EmotionClassifier:
    """Open a `.keras` or `.tflite` file; no code that came with it is run.

    It is not calibrated and always answers.

    Parameters
    ----------
    path : str
        The file. It takes square faces, grey or in colour, and gives one number per emotion.
    outputs : sequence of str
        What the numbers mean, in their order; two or more.
    pixel_range : tuple of float
        What black and white pixels are for the network.

    Raises
    ------
    ModelLoadError
        If it cannot be opened or run, or has another number of outputs.
    """
    file = Path(path)
    network: Network = LiteRTNetwork(file) if file.suffix.lower() == ".tflite" else _load_keras_file(file)
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
            f"{path} takes pictures of {height}×{width} pixels with {channels} channels. What can be asked "
            f"takes square faces of {SMALLEST_CROP} to {LARGEST_CROP} pixels, with 1 or 3 channels."
        )
    description = Description(
        labels=tuple(outputs),
        outputs=tuple(outputs),
        input_size=size,
        channels=channels,
        calibration=Calibration(temperature=1.0, threshold=0.0, fitted_on=0),
        training={},
        data={},
        versions={},
    )
    classifier = EmotionClassifier(ForeignNetwork(network, pixel_range), description, model_name=path)
    try:
        classifier.network(np.full((1, size, size, channels), 128, np.float32))
    except (ValueError, RuntimeError, MemoryError) as error:
        raise ModelLoadError(f"The network in {path} cannot be run: {error}. Save it again.") from error
    return classifier


def _load_keras_file(path: Path) -> Network:
    from emotion.model.keras_engine import KerasNetwork, named_objects

    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        for module, name in named_objects(_without_training(config)):
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
            f"{path} needs Keras with a backend ({error}). Type `pip install -r requirements.txt`."
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelLoadError(f"{path} cannot be opened: {error}. Save it again with Keras 3.") from error
    return KerasNetwork(model)


def _without_training(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without its optimizer and losses, which are not built."""
    return {key: value for key, value in config.items() if key != "compile_config"}
