"""What a face looks like, in few numbers: enough to know it again after a few seconds, no more."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

# Numbers along each side; the blur that stands for the light, as a part of the crop's side.
SIDE, LIGHT = 12, 1 / 8
# Grey levels that are added to the light, so that dark parts do not count for more than they show.
DARK = 20.0


def look(crop: np.ndarray) -> np.ndarray:
    """Describe the features of a face crop, uint8 (size, size[, 3]), without the light on it.

    The result is float32 (144,) of length 1: the product of two of them is their likeness, -1 to 1.
    """
    image = Image.fromarray(crop).convert("L")
    light = image.filter(ImageFilter.GaussianBlur(LIGHT * image.width))
    features, around = (
        np.asarray(part.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) for part in (image, light)
    )
    values = ((features - around) / (around + DARK)).ravel()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-9)
