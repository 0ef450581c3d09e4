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
from emotion.program import INSTALL_TRAINING, silent_stderr

if TYPE_CHECKING:
    import h5py
    import keras

# Faces per call: enough to keep a processor busy without much memory.
BATCH_SIZE = 64
# Weights of a layer; compressing fewer makes the file larger.
LEAST_COMPRESSED = 1024
# Layers of a published network: Keras's safe mode rejects lambdas, these lists everything else.
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
    """A Keras model in memory, on any backend."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self.input_shape: tuple[int | None, ...] = tuple(model.input_shape[1:])
        self.outputs = int(model.output_shape[-1])

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        # Not `predict`: it makes a tf.data pipeline each time, which costs more than a small batch does.
        answers = map(self.model.predict_on_batch, batches(faces))
        return np.concatenate([np.empty((0, self.outputs), np.float32), *answers])


def batches(faces: np.ndarray) -> Iterator[np.ndarray]:
    """Yield faces as float32, `BATCH_SIZE` at a time."""
    faces = np.ascontiguousarray(faces, np.float32)
    for start in range(0, len(faces), BATCH_SIZE):
        yield faces[start : start + BATCH_SIZE]


def load_keras(folder: str | os.PathLike[str]) -> keras.Model:
    """Open a saved folder's Keras model in safe mode if it has only known layers; raises ModelLoadError."""
    folder = Path(folder)
    missing = [name for name in KERAS_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelLoadError(
            f"{folder} has neither a {LITERT_FILE} that runs here nor a whole Keras model "
            f"({', '.join(missing)} missing). Name another folder, or download the model again."
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
    """Raise ModelLoadError if a `config.json` names anything but the layers that this project uses."""
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
    """Write a Keras model for faces of `size` pixels as a LiteRT file; ModelLoadError without TensorFlow.

    float16 halves the weights; int8 quarters them and quantises activations at run time ("dynamic range").
    tests/model/test_classifier.py holds their probabilities to 0.005 and 0.05 of float32's.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelLoadError(f"Writing {path} needs TensorFlow, and Keras runs on {keras.backend.backend()}.")
    import tensorflow as tf

    # Keras's own export writes a SavedModel first, which takes four times as long.
    faces = tf.TensorSpec((None, size, size, model.input_shape[-1]), tf.float32, name="face")
    answer = tf.function(functools.partial(model, training=False), input_signature=[faces])
    holder = tf.Module()
    # Its variables become constants of the file.
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
    """Halve a Keras HDF5 file: round its float32 weights to 10 bits of fraction, and compress them."""
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
    """Round float32 to 10 bits of fraction and keep its exponent, which float16 could not hold."""
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
