"""Faces changed while a network trains, and damaged in fixed ways to measure how much that costs.

Training changes faces the way detectors, webcams and rooms do. Each damage is a pure function of one crop,
uint8 (size, size, channels), so that a damaged face is the same in every run and in every batch.
"""

import io
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

from emotion.config import TrainingConfig

# Pixels that are looked up at once: their coordinates stay in the processor's cache.
PIXELS_TOGETHER = 2**14


def augment(pictures: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Change faces, uint8 (n, size, size, channels), the way detectors, webcams and rooms do."""
    if not len(pictures):
        return pictures
    changed = _reframe_randomly(pictures, rng, config)
    for index in np.flatnonzero(rng.random(len(changed)) < config.degrade):
        changed[index] = _degrade(changed[index], rng)
    changed = _relight_randomly(changed, rng, config)
    for index in np.flatnonzero(rng.random(len(changed)) < config.erasing):
        _erase(changed[index], rng)
    return changed


def reframe(
    face: np.ndarray, *, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0), zoom: float = 1.0
) -> np.ndarray:
    """Return a face, uint8 (size, size, channels), under another frame, interpolated bicubically.

    `angle`, `shift` and `zoom` are as in `frame_matrix`; the edges of the face are repeated outwards.
    """
    size = len(face)
    margin = size // 2
    padded = np.pad(face, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    a, b, c, d, e, f = map(float, frame_matrix(size, angle, shift, zoom))
    matrix = (a, b, c + margin, d, e, f + margin)
    framed = to_image(padded).transform(
        (size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    return np.asarray(framed).reshape(face.shape)


def reframe_all(faces: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return faces, uint8 (n, size, size, channels), each under its own frame, interpolated bilinearly.

    `matrix`, float32 (6, n), is what `frame_matrix` returns for each face; edges are repeated outwards.
    Several times as fast as `reframe`, and releases the interpreter's lock meanwhile.
    """
    count, size, _, channels = faces.shape
    middle = np.arange(size, dtype=np.float32) + np.float32(0.5)
    a, b, c, d, e, f = matrix[:, :, None, None]
    across, down = middle[None, None, :], middle[None, :, None]
    x = np.clip(a * across + (b * down + (c - 0.5)), 0, size - 1)
    y = np.clip(d * across + (e * down + (f - 0.5)), 0, size - 1)
    # The pixel above and to the left; the last row and column have no pixel below or to the right.
    column, row = np.minimum(x, size - 2).astype(np.int32), np.minimum(y, size - 2).astype(np.int32)
    right, low = (x - column)[..., None], (y - row)[..., None]
    first = np.arange(count, dtype=np.int32)[:, None, None] * size**2 + row * size + column
    first = first[..., None] * channels + np.arange(channels, dtype=np.int32)
    pixels = faces.astype(np.float32).ravel()
    upper, lower = (_blended(pixels, first + step * channels, channels, right) for step in (0, size))
    return (upper + low * (lower - upper) + np.float32(0.5)).astype(np.uint8)


def frame_matrix(
    size: int, angle: float | np.ndarray, shift: tuple[float, float] | np.ndarray, zoom: float | np.ndarray
) -> tuple[float | np.ndarray, ...]:
    """Return a, b, c, d, e, f: the point (x, y) of a changed frame shows (a x + b y + c, d x + e y + f).

    `size` is the side in pixels. `angle` turns the face counterclockwise, in degrees; `shift` moves the frame
    right and down, in shares of its side; `zoom` above 1 enlarges the frame and so makes the face smaller.
    """
    turn = np.deg2rad(angle)
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    half = size / 2
    centre_x, centre_y = half + shift[0] * size, half + shift[1] * size
    left, top = centre_x - half * (cosine - sine), centre_y - half * (cosine + sine)
    return cosine, -sine, left, sine, cosine, top


def to_image(face: np.ndarray) -> Image.Image:
    """Return a face, uint8 (size, size, 1 or 3), as a picture."""
    return Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face)


def _reframe_randomly(faces: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Mirror, rotate, zoom and shift every face: another array of the same shape."""
    count, size = faces.shape[:2]
    mirrored = rng.random(count) < (0.5 if config.flip else 0)
    faces = np.where(mirrored[:, None, None, None], faces[:, :, ::-1], faces)
    angle = rng.uniform(-config.rotation, config.rotation, count)
    zoom = 1 + rng.uniform(-config.zoom, config.zoom, count)
    shift = rng.uniform(-config.shift, config.shift, (2, count))
    matrix = np.stack(frame_matrix(size, angle, shift, zoom)).astype(np.float32)
    framed = np.empty_like(faces)
    together = max(1, PIXELS_TOGETHER // size**2)
    for start in range(0, count, together):
        some = slice(start, start + together)
        framed[some] = reframe_all(faces[some], matrix[:, some])
    return framed


def _blended(pixels: np.ndarray, left: np.ndarray, channels: int, share: np.ndarray) -> np.ndarray:
    """Blend pixels, given by their positions, with their right neighbours."""
    # No position is out of range; "clip" spares NumPy from looking.
    values = pixels.take(left, mode="clip")
    return values + share * (pixels.take(left + channels, mode="clip") - values)


def _degrade(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give a face one of the faults of a cheap camera: low resolution, blur, JPEG artefacts or noise."""
    size = picture.shape[0]
    image = to_image(picture)
    fault = rng.integers(4)
    if fault == 0:
        small = int(size * rng.uniform(0.4, 0.8))
        image = image.resize((small, small), Image.Resampling.BOX)
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    elif fault == 1:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5) * size / 48))
    elif fault == 2:
        image = _as_jpeg(image, quality=int(rng.integers(20, 70)))
    changed = np.asarray(image).reshape(picture.shape)
    if fault == 3:
        noise = rng.uniform(4, 20) * rng.standard_normal(picture.shape, np.float32)
        changed = np.clip(changed + noise, 0, 255).astype(np.uint8)
    return changed


def _relight_randomly(faces: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Change brightness and contrast of every face."""
    count = (len(faces), 1, 1, 1)
    contrast = 1 + config.contrast * rng.uniform(-1, 1, count).astype(np.float32)
    brightness = 255 * config.brightness * rng.uniform(-1, 1, count).astype(np.float32)
    middle = faces.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float32)
    lit = faces * contrast
    lit += middle * (1 - contrast) + brightness
    return np.clip(lit, 0, 255, out=lit).astype(np.uint8)


def _erase(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Paint one rectangle over a face, in place (Zhong et al., "Random erasing data augmentation", 2017).

    Half of the rectangles reach from side to side, as sunglasses, masks and scarves do.
    """
    size = picture.shape[0]
    if rng.random() < 0.5:
        height, width = int(size * rng.uniform(0.12, 0.3)), size
    else:
        height, width = (int(size * rng.uniform(0.15, 0.5)) for _ in range(2))
    top, left = int(rng.integers(size - height + 1)), int(rng.integers(size - width + 1))
    grey = (
        rng.integers(256) if rng.random() < 0.7 else rng.integers(0, 256, (height, width, picture.shape[-1]))
    )
    picture[top : top + height, left : left + width] = grey


# Where a face crop shows what, as shares of its height (measured on the mean FER2013 face).
EYES = (0.27, 0.47)
MOUTH = (0.69, 0.89)


def lit(crop: np.ndarray, *, light: float) -> np.ndarray:
    """Multiply the light, clipped."""
    return _clipped(crop * light)


def low_contrast(crop: np.ndarray) -> np.ndarray:
    """Keep 40 % of the contrast around the mean."""
    mean = crop.mean()
    return _clipped(mean + 0.4 * (crop - mean))


def noisy(crop: np.ndarray) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of 15 grey levels."""
    return _clipped(crop + _generator(crop).normal(0, 15, crop.shape))


def blurred(crop: np.ndarray) -> np.ndarray:
    """Blur it; the standard deviation is 1/40 of the face (1.2 of 48 pixels)."""
    return _array(to_image(crop).filter(ImageFilter.GaussianBlur(len(crop) / 40)), crop)


def jpeg_30(crop: np.ndarray) -> np.ndarray:
    """Save it as JPEG with quality 30."""
    return _array(_as_jpeg(to_image(crop), quality=30), crop)


def small_24(crop: np.ndarray) -> np.ndarray:
    """Reduce it to 24 pixels and enlarge it again."""
    small = to_image(crop).resize((24, 24), Image.Resampling.BOX)
    return _array(small.resize((len(crop), len(crop)), Image.Resampling.BICUBIC), crop)


def crop_jitter(crop: np.ndarray) -> np.ndarray:
    """Put the face box up to 15 % off in each direction, and make it up to 15 % too large or too small."""
    right, down, growth = _generator(crop).uniform(-0.15, 0.15, 3)
    return reframe(crop, shift=(right, down), zoom=1 + growth)


def covered(crop: np.ndarray, *, rows: tuple[float, float]) -> np.ndarray:
    """Put a black bar over rows, given as shares of the height."""
    changed = crop.copy()
    changed[round(rows[0] * len(crop)) : round(rows[1] * len(crop))] = 0
    return changed


CONDITIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "darker": partial(lit, light=0.5),
    "brighter": partial(lit, light=1.5),
    "low contrast": low_contrast,
    "noise": noisy,
    "blur": blurred,
    "JPEG quality 30": jpeg_30,
    "24-pixel face": small_24,
    "rotated 15° left": partial(reframe, angle=15),
    "rotated 15° right": partial(reframe, angle=-15),
    "crop jitter 15 %": crop_jitter,
    "bar over the eyes": partial(covered, rows=EYES),
    "bar over the mouth": partial(covered, rows=MOUTH),
}


def _generator(crop: np.ndarray) -> np.random.Generator:
    """Return random numbers that depend on the face alone."""
    return np.random.default_rng(zlib.crc32(crop.tobytes()))


def _as_jpeg(image: Image.Image, *, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


def _clipped(values: np.ndarray) -> np.ndarray:
    return values.round().clip(0, 255).astype(np.uint8)


def _array(picture: Image.Image, like: np.ndarray) -> np.ndarray:
    return np.asarray(picture).reshape(like.shape)
