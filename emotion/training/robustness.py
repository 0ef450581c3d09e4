"""What happens to faces outside a laboratory: bad light, bad cameras, bad crops, covered faces.

Each condition is a pure function of one crop, uint8 (size, size, channels), so that a damaged face is the
same in every run and in every batch."""

import io
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

# Where a face crop shows what, as shares of its height (measured on the mean FER2013 face).
EYES = (0.27, 0.47)
MOUTH = (0.69, 0.89)


def darker(crop: np.ndarray) -> np.ndarray:
    """Half the light."""
    return _clipped(crop * 0.5)


def brighter(crop: np.ndarray) -> np.ndarray:
    """Half as much light again; what is too bright is lost."""
    return _clipped(crop * 1.5)


def low_contrast(crop: np.ndarray) -> np.ndarray:
    """40 % of the contrast around the mean."""
    mean = crop.mean()
    return _clipped(mean + 0.4 * (crop - mean))


def noisy(crop: np.ndarray) -> np.ndarray:
    """Gaussian noise with a standard deviation of 15 grey levels."""
    return _clipped(crop + _generator(crop).normal(0, 15, crop.shape))


def blurred(crop: np.ndarray) -> np.ndarray:
    """Gaussian blur; its standard deviation is 1/40 of the face (1.2 of 48 pixels)."""
    return _array(_picture(crop).filter(ImageFilter.GaussianBlur(len(crop) / 40)), crop)


def jpeg_30(crop: np.ndarray) -> np.ndarray:
    """Stored as JPEG with quality 30."""
    file = io.BytesIO()
    _picture(crop).save(file, "JPEG", quality=30)
    return _array(Image.open(file), crop)


def small_24(crop: np.ndarray) -> np.ndarray:
    """A face of 24 pixels, enlarged again."""
    small = _picture(crop).resize((24, 24), Image.Resampling.BOX)
    return _array(small.resize((len(crop), len(crop)), Image.Resampling.BICUBIC), crop)


def rotated_left(crop: np.ndarray) -> np.ndarray:
    """Turned by 15° against the clock."""
    return _framed(crop, angle=15)


def rotated_right(crop: np.ndarray) -> np.ndarray:
    """Turned by 15° with the clock."""
    return _framed(crop, angle=-15)


def crop_jitter(crop: np.ndarray) -> np.ndarray:
    """A face box up to 15 % off in each direction, and up to 15 % too large or too small."""
    right, down, growth = _generator(crop).uniform(-0.15, 0.15, 3)
    return _framed(crop, shift=(right, down), zoom=1 + growth)


def covered_eyes(crop: np.ndarray) -> np.ndarray:
    """A black bar over the eyes."""
    return _covered(crop, EYES)


def covered_mouth(crop: np.ndarray) -> np.ndarray:
    """A black bar over the mouth."""
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
    """Random numbers that depend on the face alone."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(crop)))


def _clipped(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _picture(crop: np.ndarray) -> Image.Image:
    return Image.fromarray(crop[..., 0] if crop.shape[-1] == 1 else crop)


def _array(picture: Image.Image, like: np.ndarray) -> np.ndarray:
    return np.asarray(picture).reshape(like.shape)


def _framed(
    crop: np.ndarray, *, angle: float = 0, shift: tuple[float, float] = (0, 0), zoom: float = 1
) -> np.ndarray:
    """The same face under another frame; its edges are repeated outwards.

    `angle` turns the face against the clock, in degrees; `shift` moves the frame by shares of its side;
    `zoom` above 1 makes the frame larger, and so the face smaller.
    """
    size = len(crop)
    margin = size // 2
    padded = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    turn = np.deg2rad(angle)
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    half = size / 2
    centre_x, centre_y = margin + half + shift[0] * size, margin + half + shift[1] * size
    # Output pixel (x, y) looks at (a x + b y + c, d x + e y + f) of the padded face.
    matrix = (
        cosine,
        -sine,
        centre_x - half * (cosine - sine),
        sine,
        cosine,
        centre_y - half * (cosine + sine),
    )
    framed = _picture(padded).transform(
        (size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    return _array(framed, crop)


def _covered(crop: np.ndarray, rows: tuple[float, float]) -> np.ndarray:
    covered = crop.copy()
    covered[round(rows[0] * len(crop)) : round(rows[1] * len(crop))] = 0
    return covered
