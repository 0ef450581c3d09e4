"""What happens to faces outside a laboratory: bad light, bad cameras, bad crops, covered faces.

Each condition is a pure function of one crop, uint8 (size, size, channels), so that a damaged face is the
same in every run and in every batch.
"""

import io
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from emotion.training.augmentation import reframe, to_image

# Where a face crop shows what, as shares of its height (measured on the mean FER2013 face).
EYES = (0.27, 0.47)
MOUTH = (0.69, 0.89)


def darker(crop: np.ndarray) -> np.ndarray:
    """Give it half the light."""
    return _clipped(crop * 0.5)


def brighter(crop: np.ndarray) -> np.ndarray:
    """Give it half as much light again; what is too bright is lost."""
    return _clipped(crop * 1.5)


def low_contrast(crop: np.ndarray) -> np.ndarray:
    """Leave 40 % of the contrast around the mean."""
    mean = crop.mean()
    return _clipped(mean + 0.4 * (crop - mean))


def noisy(crop: np.ndarray) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of 15 grey levels."""
    return _clipped(crop + _generator(crop).normal(0, 15, crop.shape))


def blurred(crop: np.ndarray) -> np.ndarray:
    """Blur it; the standard deviation is 1/40 of the face (1.2 of 48 pixels)."""
    return _array(to_image(crop).filter(ImageFilter.GaussianBlur(len(crop) / 40)), crop)


def jpeg_30(crop: np.ndarray) -> np.ndarray:
    """Store it as JPEG with quality 30."""
    file = io.BytesIO()
    to_image(crop).save(file, "JPEG", quality=30)
    return _array(Image.open(file), crop)


def small_24(crop: np.ndarray) -> np.ndarray:
    """Reduce it to 24 pixels, and enlarge it again."""
    small = to_image(crop).resize((24, 24), Image.Resampling.BOX)
    return _array(small.resize((len(crop), len(crop)), Image.Resampling.BICUBIC), crop)


def rotated_left(crop: np.ndarray) -> np.ndarray:
    """Turn it by 15° against the clock."""
    return _framed(crop, angle=15)


def rotated_right(crop: np.ndarray) -> np.ndarray:
    """Turn it by 15° with the clock."""
    return _framed(crop, angle=-15)


def crop_jitter(crop: np.ndarray) -> np.ndarray:
    """Put the face box up to 15 % off in each direction, and make it up to 15 % too large or too small."""
    right, down, growth = _generator(crop).uniform(-0.15, 0.15, 3)
    return _framed(crop, shift=(right, down), zoom=1 + growth)


def covered_eyes(crop: np.ndarray) -> np.ndarray:
    """Put a black bar over the eyes."""
    return _covered(crop, EYES)


def covered_mouth(crop: np.ndarray) -> np.ndarray:
    """Put a black bar over the mouth."""
    return _covered(crop, MOUTH)


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "darker": darker,
    "brighter": brighter,
    "low contrast": low_contrast,
    "noise": noisy,
    "blur": blurred,
    "JPEG quality 30": jpeg_30,
    "24-pixel face": small_24,
    "rotated 15° left": rotated_left,
    "rotated 15° right": rotated_right,
    "crop jitter 15 %": crop_jitter,
    "bar over the eyes": covered_eyes,
    "bar over the mouth": covered_mouth,
}


def _generator(crop: np.ndarray) -> np.random.Generator:
    """Return random numbers that depend on the face alone."""
    return np.random.default_rng(zlib.crc32(crop.tobytes()))


def _clipped(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _array(picture: Image.Image, like: np.ndarray) -> np.ndarray:
    return np.asarray(picture).reshape(like.shape)


def _framed(
    crop: np.ndarray, *, angle: float = 0, shift: tuple[float, float] = (0, 0), zoom: float = 1
) -> np.ndarray:
    return reframe(crop, angle=angle, shift=shift, zoom=zoom)


def _covered(crop: np.ndarray, rows: tuple[float, float]) -> np.ndarray:
    covered = crop.copy()
    covered[round(rows[0] * len(crop)) : round(rows[1] * len(crop))] = 0
    return covered
