"""Whether a face can be judged at all: large enough, sharp enough."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

# Pixels: the square root of the box's area.
SMALLEST_FACE = 20
# Spread of the Laplacian over that of the grey levels: 0.86 in training faces, 0.1 after a blur of 2 pixels.
LEAST_SHARPNESS = 0.1
# Pixels: sharpness is measured at the training faces' size.
JUDGED_SIDE = 48


def quality_problem(box: tuple[int, int, int, int], crop: np.ndarray) -> str | None:
    """Say why a face cannot be judged by its box in the picture and its crop, or None if it can."""
    if math.sqrt(box[2] * box[3]) < SMALLEST_FACE:
        return "too small"
    if sharpness(crop) < LEAST_SHARPNESS:
        return "too blurred"
    return None


def sharpness(crop: np.ndarray) -> float:
    """Measure the detail in a crop: the Laplacian's spread over that of the grey levels, 0 or more."""
    image = Image.fromarray(crop).convert("L")
    if image.width != JUDGED_SIDE:
        image = image.resize((JUDGED_SIDE, JUDGED_SIDE), Image.Resampling.BICUBIC)
    grey = np.asarray(image, np.float32)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.std() / max(grey.std(), 1.0))
