"""A `model.tflite` opened as data: where its last layers are, what feeds them, and other weights for them.

Nothing is run here. The format is FlatBuffers with the schema that comes with LiteRT.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from emotion.errors import ModelLoadError
from emotion.model.last_layer import Head, LastLayer

IDENTIFIER = b"TFL3"


class LiteRTFile:
    """The content of a `model.tflite` whose answer is the mean of one or more softmaxes of dense layers.

    Parameters
    ----------
    content : bytes
        The file.

    Raises
    ------
    ModelLoadError
        If it is no such file, or ends in something else.

    Attributes
    ----------
    head : Head
        The last layers.
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
        # What a damaged file makes of the reader is anybody's guess.
        except (ImportError, ValueError, TypeError, IndexError, AttributeError, struct.error) as error:
            raise ModelLoadError(f"Its last layer cannot be found ({error}).") from error

    def with_features(self) -> bytes:
        """Return the file with the features of every pass as further outputs, in the order of the passes."""
        outputs = self._graph.outputs
        self._graph.outputs = np.append(outputs, [dense.inputs[0] for dense in self._dense]).astype(np.int32)
        content = self._packed()
        self._graph.outputs = outputs
        return content

    def with_head(self, head: Head) -> bytes:
        """Return the file with other weights in its last layers, as float32 whatever they were before."""
        replaced = [dense.inputs for dense in self._dense]
        kinds, added = len(self._model.buffers), len(self._graph.tensors)
        tensors = [
            (self._constant(layer.kernel.T, "taught_kernel"), self._constant(layer.bias, "taught_bias"))
            for layer in head.layers
        ]
        for dense, number in zip(self._dense, head.passes, strict=True):
            dense.inputs = np.array([dense.inputs[0], *tensors[number]], np.int32)
        content = self._packed()
        for dense, inputs in zip(self._dense, replaced, strict=True):
            dense.inputs = inputs
        del self._model.buffers[kinds:], self._graph.tensors[added:]
        return content

    def _last_dense_layers(self) -> list[Any]:
        """Return the dense layers whose result goes straight into a softmax."""
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
        names = list(dict.fromkeys(kernels))
        biases = {int(dense.inputs[1]): int(dense.inputs[2]) for dense in self._dense}
        layers = tuple(
            LastLayer(np.ascontiguousarray(self._values(kernel).T), self._values(biases[kernel]))
            for kernel in names
        )
        if len({layer.kernel.shape for layer in layers}) > 1:
            raise ValueError("its last layers differ in shape")
        if any(layer.bias.shape != layer.kernel.shape[1:] for layer in layers):
            raise ValueError("its last layer and bias differ in shape")
        return Head(layers, tuple(names.index(kernel) for kernel in kernels))

    def _values(self, index: int) -> np.ndarray:
        """Return the values of a constant as float32, whatever they are stored as."""
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
