"""A model fine-tuned to a person's face: its last layer is fitted in memory, without TensorFlow and files."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import (
    CARD_FILE,
    DESCRIPTION_FILE,
    KERAS_FILES,
    LITERT_FILE,
    WEIGHTS_FILE,
)
from emotion.model.engines import LiteRTNetwork
from emotion.teaching.last_layer import Gain, Head, Judge, LastLayer, teach
from emotion.vision.litert import litert_is_installed

# An output of this name can be taught too: a face at rest should be "not sure".
AT_REST = "neutral"
# Largest difference between the mean of the last layers and the network's own answer; 8 bits round.
MOST_ROUNDING = 0.05
# Largest difference between the weights of a model's two files, as a share of the largest; 8 bits round.
SAME_WEIGHTS = 0.02
FOLDER_NAME = "taught-model"
# Follows the name of the model that was taught.
TAUGHT = ", taught by you"
# The first bytes of a LiteRT file, after its offset.
IDENTIFIER = b"TFL3"


def taught_names(classifier: EmotionClassifier) -> tuple[str, ...]:
    """Return what a model can be taught: its labels, and a face at rest if the network has that output."""
    return (*classifier.labels, *(name for name in classifier.outputs if name == AT_REST))


class FeatureNetwork(LiteRTNetwork):
    """A `model.tflite` that also gives the features of a face, the input of its last layers.

    ModelLoadError if it ends in anything but the mean of dense layers with softmax.
    """

    def __init__(self, content: bytes) -> None:
        opened = LiteRTFile(content)
        self.head = opened.head
        super().__init__(opened.with_features())
        details = self._interpreter.get_output_details()
        self._features = [detail["index"] for detail in details[1:]]
        faces = np.random.default_rng(0).uniform(0, 255, (4, *self.input_shape)).astype(np.float32)
        if np.abs(self.head.answer(self.features(faces)) - self(faces)).max() > MOST_ROUNDING:
            raise ModelLoadError("It answers with something else than the mean of its last layers.")

    def features(self, faces: np.ndarray) -> np.ndarray:
        """Return the features of faces, float32 (n, passes, features)."""
        return np.stack(self.tensors(faces, self._features), axis=1)


class TaughtNetwork:
    """A network with its own last layers; see `emotion.model.engines.Network`."""

    def __init__(self, network: FeatureNetwork, head: Head) -> None:
        self.network, self.head = network, head
        self.input_shape, self.outputs = network.input_shape, network.outputs

    def __call__(self, faces: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, outputs) of faces (n, size, size, channels) in 0..255."""
        if not len(faces):
            return np.empty((0, self.outputs), np.float32)
        return self.head.answer(self.network.features(faces))


class FineTuner:
    """Fine-tunes a model that was loaded from a folder, for any number of people; or ModelLoadError."""

    def __init__(self, classifier: EmotionClassifier) -> None:
        self.classifier = classifier
        file = classifier.folder / LITERT_FILE if classifier.folder else None
        try:
            if file is None or not file.is_file() or not litert_is_installed():
                raise ModelLoadError(f"It is not served from a {LITERT_FILE}.")
            self.network = FeatureNetwork(file.read_bytes())
        except ModelLoadError as error:
            raise ModelLoadError(
                f"This model cannot be taught. {error} Every model that this program trains can."
            ) from error

    def features(self, crop: np.ndarray) -> np.ndarray:
        """Return the features of a crop from `EmotionClassifier.crop`: float32 (passes, features)."""
        size, channels = self.classifier.input_size, self.classifier.channels
        return self.network.features(crop.reshape(1, size, size, channels).astype(np.float32))[0]

    def teach(self, features: np.ndarray, shown: Sequence[str]) -> tuple[EmotionClassifier, Gain]:
        """Fit the last layer to faces, and measure by cross-validation what that brings.

        `features` (n, passes, features) are in the order in which the faces came; `shown` says what each face
        shows, of `taught_names`, with at least `last_layer.FOLDS` of each that occurs. If nothing was better,
        the taught model answers as before.
        """
        base = self.classifier
        targets = np.array([base.outputs.index(name) for name in shown])
        head, gain = teach(features, targets, self.network.head, self.judge(shown))
        taught = f"{len(targets)} snapshots of one person, in the app"
        training = base.description.training | {"taught": taught}
        # The report is about the model as it was.
        classifier = EmotionClassifier(
            TaughtNetwork(self.network, head),
            replace(base.description, training=training, files={}),
            model_name=f"{base.model_name}{TAUGHT}",
            revision=base.revision,
        )
        return classifier, gain

    def judge(self, shown: Sequence[str]) -> Judge:
        """Return which answers are right: the emotion's name, or "not sure" for a face without a label."""
        labels, calibration = self.classifier.labels, self.classifier.description.calibration
        wanted = np.array([labels.index(name) if name in labels else -1 for name in shown])

        def right(answers: np.ndarray) -> np.ndarray:
            probabilities, confidence = calibration.apply(answers, len(labels))
            named = np.where(confidence >= calibration.threshold, probabilities.argmax(axis=1), -1)
            return named == wanted

        return right

    def changed(self, taught: EmotionClassifier) -> bool:
        """Whether a model that was taught here answers differently from before."""
        return isinstance(taught.network, TaughtNetwork) and taught.network.head is not self.network.head

    def pack(self, taught: EmotionClassifier) -> bytes:
        """Return a taught model as a ZIP of one folder; ModelLoadError if its files hold other layers."""
        folder, network = self.classifier.folder, taught.network
        if folder is None or not isinstance(network, TaughtNetwork):
            raise ModelLoadError("Only a model that was taught here can be packed.")
        files = {LITERT_FILE: LiteRTFile((folder / LITERT_FILE).read_bytes()).with_head(network.head)}
        if all((folder / name).is_file() for name in KERAS_FILES):
            files |= {name: (folder / name).read_bytes() for name in KERAS_FILES}
            files[WEIGHTS_FILE] = with_keras_head(files[WEIGHTS_FILE], self.network.head, network.head)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        described = EmotionClassifier(network, replace(taught.description, files=hashes))
        files[DESCRIPTION_FILE] = json.dumps(described.description.to_dict(), indent=1).encode()
        files[CARD_FILE] = described.render_card().encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            for name, content in files.items():
                packed.writestr(f"{FOLDER_NAME}/{name}", content)
        return buffer.getvalue()


def with_keras_head(content: bytes, published: Head, head: Head) -> bytes:
    """Return a `model.weights.h5` with `head` for its last layers `published`; or ModelLoadError."""
    import h5py

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        groups: list[h5py.Group] = []

        def collect(_: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group) and item.keys() == {"0", "1"} and item["0"].ndim == 2:
                groups.append(item)

        file.visititems(collect)
        for old, new in zip(published.layers, head.layers, strict=True):
            same = [group for group in groups if _differ(group["0"][()], old.kernel) < SAME_WEIGHTS]
            if len(same) != 1:
                raise ModelLoadError(
                    f"{WEIGHTS_FILE} and {LITERT_FILE} of this model do not belong together."
                )
            same[0]["0"][...], same[0]["1"][...] = new.kernel, new.bias
    return buffer.getvalue()


def _differ(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far two kernels are apart, as a share of the largest weight."""
    if one.shape != other.shape:
        return np.inf
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-9))


class LiteRTFile:
    """A `model.tflite`, read as FlatBuffers, whose answer is the mean of softmaxes of dense layers.

    `head` holds these last layers. Nothing is run here. Raises ModelLoadError if the file ends in anything
    else. `with_features` and `with_head` change what was read, so only one of them can be called.
    """

    def __init__(self, content: bytes) -> None:
        try:
            from ai_edge_litert import schema_py_generated as schema

            self._schema: Any = schema
            self._model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(content), 0))
            self._graph: Any
            [self._graph] = self._model.subgraphs or []
            self._dense = self._last_dense_layers()
            self.head = self._read_head()
        # A damaged file can make the reader raise any of these.
        except (ImportError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
            raise ModelLoadError(f"Its last layer cannot be found ({error}).") from error

    def with_features(self) -> bytes:
        """Return the file with the features of every pass as further outputs, in order."""
        features = [dense.inputs[0] for dense in self._dense]
        self._graph.outputs = np.append(self._graph.outputs, features).astype(np.int32)
        return self._packed()

    def with_head(self, head: Head) -> bytes:
        """Return the file with other weights in its last layers, as float32."""
        tensors = [
            (self._constant(layer.kernel.T, "taught_kernel"), self._constant(layer.bias, "taught_bias"))
            for layer in head.layers
        ]
        for dense, number in zip(self._dense, head.passes, strict=True):
            dense.inputs = np.array([dense.inputs[0], *tensors[number]], np.int32)
        return self._packed()

    def _last_dense_layers(self) -> list[Any]:
        """Return the dense layers that feed a softmax."""
        operators, codes = self._graph.operators, self._model.operatorCodes
        kinds = [codes[operator.opcodeIndex].builtinCode for operator in operators]
        made_by = {int(operator.outputs[0]): operator for operator in operators}
        builtin = self._schema.BuiltinOperator
        dense = [
            made_by.get(int(operator.inputs[0]))
            for operator, kind in zip(operators, kinds, strict=True)
            if kind == builtin.SOFTMAX
        ]
        if not dense or any(
            layer is None
            or codes[layer.opcodeIndex].builtinCode != builtin.FULLY_CONNECTED
            or len(layer.inputs) != 3
            or layer.inputs[2] < 0
            for layer in dense
        ):
            raise ValueError("it ends in something else than dense layers with softmax")
        return dense

    def _read_head(self) -> Head:
        kernels = [int(dense.inputs[1]) for dense in self._dense]
        biases = {kernel: int(dense.inputs[2]) for kernel, dense in zip(kernels, self._dense, strict=True)}
        layers = tuple(
            LastLayer(np.ascontiguousarray(self._values(kernel).T), self._values(bias))
            for kernel, bias in biases.items()
        )
        if len({layer.kernel.shape for layer in layers}) > 1:
            raise ValueError("its last layers differ in shape")
        if any(layer.bias.shape != layer.kernel.shape[1:] for layer in layers):
            raise ValueError("its last layer and bias differ in shape")
        return Head(layers, tuple(list(biases).index(kernel) for kernel in kernels))

    def _values(self, index: int) -> np.ndarray:
        """Return the values of a constant as float32."""
        tensor, types = self._graph.tensors[index], self._schema.TensorType
        data = self._model.buffers[tensor.buffer].data
        if data is None:
            # Half precision: an operator makes float32 of what is stored.
            [source] = [each for each in self._graph.operators if index in each.outputs]
            return self._values(int(source.inputs[0]))
        stored = {types.FLOAT32: np.float32, types.FLOAT16: np.float16, types.INT8: np.int8}[tensor.type]
        values = np.asarray(data, np.uint8).view(stored).reshape(tensor.shape).astype(np.float32)
        if tensor.type == types.INT8:
            scale = np.asarray(tensor.quantization.scale, np.float32)
            values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
        return values

    def _constant(self, values: np.ndarray, name: str) -> int:
        """Add a constant and return its index."""
        buffer, tensor = self._schema.BufferT(), self._schema.TensorT()
        values = np.ascontiguousarray(values, np.float32)
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        tensor.shape = np.array(values.shape, np.int32)
        tensor.type = self._schema.TensorType.FLOAT32
        tensor.buffer = len(self._model.buffers)
        tensor.name = name.encode()
        tensor.hasRank = True
        self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _packed(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(2**20)
        builder.Finish(self._model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())
