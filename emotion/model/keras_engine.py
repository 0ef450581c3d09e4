"""The Keras engine: opening a published model safely, running it, and writing the formats that are served."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model.description import KERAS_FILES, LITERT_FILE
from emotion.program import INSTALL_TRAINING
from emotion.quiet import silent_stderr

if TYPE_CHECKING:
    import h5py
    import keras

# Weights of a layer; what compression adds to a file costs more than it saves below.
LEAST_COMPRESSED = 1024
# Faces per call: enough to keep a processor busy, little enough to stay small in memory.
BATCH_SIZE = 64

# What a published network may be made of: Keras's safe mode refuses lambdas, this list the rest.
ALLOWED_LAYERS = {
    "Activation", "Add", "Average", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv2D",
    "Dense", "DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D",
    "InputLayer", "LayerNormalization", "MaxPooling2D", "Multiply", "ReLU", "Rescaling", "Resizing",
    "SeparableConv2D",
}  # fmt: skip
ALLOWED_OBJECTS = {
    ("keras", "DTypePolicy"),
    ("keras.src.models.functional", "Functional"),
    ("keras.src.ops.image", "Resize"),
    ("keras.src.ops.numpy", "Flip"),
    ("keras.regularizers", "L2"),
}


class KerasNetwork:
    """A Keras model in memory, on whatever backend Keras runs."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        if not len(faces):
            return np.empty((0, self.outputs), np.float32)
        return self.model.predict(np.asarray(faces, np.float32), batch_size=BATCH_SIZE, verbose=0)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Height, width and channels of the faces that it takes; None where any number will do."""
        return tuple(self.model.input_shape[1:])

    @property
    def outputs(self) -> int:
        """Number of probabilities per face."""
        return int(self.model.output_shape[-1])


def load_keras(folder: str | os.PathLike[str]) -> keras.Model:
    """Open the Keras model of a saved folder in safe mode, if it is made of known layers only.

    Raises
    ------
    ModelLoadError
        If files are missing or damaged, a layer is not allowed, or Keras has no backend here.
    """
    folder = Path(folder)
    missing = [name for name in KERAS_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelLoadError(
            f"{folder} has neither a {LITERT_FILE} that runs here nor a whole Keras model "
            f"({', '.join(missing)} missing). Name a folder that train.py saved, or download the model again."
        )
    try:
        check_layers(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        with silent_stderr():
            import keras

        model = keras.saving.load_model(folder, compile=False, safe_mode=True)
        if [len(tensor.shape) for tensor in (*model.inputs, *model.outputs)] != [4, 2]:
            raise ValueError("it does not take faces and give probabilities")
        return model
    except ImportError as error:
        raise ModelLoadError(
            f"{folder} needs Keras with a backend ({error}). Type: {INSTALL_TRAINING}"
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelLoadError(
            f"The Keras model in {folder} cannot be opened: {error}. Save it again."
        ) from error


def check_layers(config: object) -> None:
    """Refuse a `config.json` that names anything but the layers this project uses.

    Raises
    ------
    ModelLoadError
        Naming the first thing that is not allowed.
    """
    for module, name in named_objects(config):
        if module == "keras.layers" and name in ALLOWED_LAYERS:
            continue
        if module == "keras.initializers" or (module, name) in ALLOWED_OBJECTS:
            continue
        raise ModelLoadError(
            f"This model is built with {module}.{name}, which is not on the list of layers that are safe "
            "to load. If you trust its author, open it with keras.saving.load_model yourself."
        )


def export_litert(
    model: keras.Model, path: str | os.PathLike[str], *, size: int, precision: str = "float32"
) -> None:
    """Write a Keras model as a LiteRT file with a free batch size and built-in operators only.

    Parameters
    ----------
    model : keras.Model
        Takes faces of any size.
    path : path
        Ends with ".tflite".
    size : int
        Side of the faces that the file takes, in pixels.
    precision : {"float32", "float16", "int8"}
        float16 halves the weights; tests/test_classifier.py holds the probabilities to 0.005 of float32's.
        int8 quarters them and quantises activations as they come ("dynamic range"); held to 0.05.

    Raises
    ------
    ModelLoadError
        If Keras does not run on TensorFlow, which does the conversion.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelLoadError(f"Writing {path} needs TensorFlow, and Keras runs on {keras.backend.backend()}.")
    import tensorflow as tf

    # Keras's own export writes a SavedModel first, which takes four times as long.
    faces = tf.TensorSpec((None, size, size, model.input_shape[-1]), tf.float32, name="face")
    answer = tf.function(functools.partial(model, training=False), input_signature=[faces])
    holder = tf.Module()
    # What it holds is known as weights, which become constants of the file.
    # pyrefly: ignore [missing-attribute]
    holder.weights = [variable.value for variable in model.variables]
    # TensorFlow loads tf.lite late, which hides it from type checkers.
    # pyrefly: ignore [missing-attribute]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function()], holder)
    # pyrefly: ignore [missing-attribute]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "float32":
        # pyrefly: ignore [missing-attribute]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    Path(path).write_bytes(converter.convert())


def compress_weights(path: str | os.PathLike[str]) -> None:
    """Round the weights of a Keras file to 10 bits of fraction, float16's, and compress them.

    Keras reads it as before.

    Parameters
    ----------
    path : path
        An HDF5 file that `keras.Model.save_weights` wrote, its weights float32. It becomes about half as
        large.
    """
    import h5py

    path = Path(path)
    beside = path.with_name("compressed." + path.name)
    with h5py.File(path) as full, h5py.File(beside, "w") as compressed:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                target = compressed.require_group(name)
            else:
                values = item[()]
                large = values.size >= LEAST_COMPRESSED
                options = {"compression": "gzip", "shuffle": True} if large else {}
                target = compressed.create_dataset(name, data=_rounded(values), **options)
            target.attrs.update(item.attrs)

        compressed.attrs.update(full.attrs)
        full.visititems(copy)
    os.replace(beside, path)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Round float32 to 10 bits of fraction; the exponent keeps its range: no overflow as in float16."""
    if values.dtype != np.float32:
        return values
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.round(fraction * 2**11) / 2**11, exponent).astype(np.float32)


def named_objects(config: object) -> Iterator[tuple[str, str]]:
    """Yield module and class of everything that a Keras configuration would build."""
    if isinstance(config, dict):
        name = config.get("class_name")
        if name is not None and name != "__keras_tensor__":
            yield str(config.get("module")), str(config.get("registered_name") or name)
            yield str(config.get("module")), str(name)
        for value in config.values():
            yield from named_objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from named_objects(value)
