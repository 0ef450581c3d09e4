"""Faces changed the way detectors, webcams and rooms change them, while a network trains.

The frame of a face is changed in one place, `reframe`, which the damage in `robustness` uses as well.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

from emotion.config import TrainingConfig


def augment(pictures: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Change faces the way detectors, webcams and rooms do.

    Parameters
    ----------
    pictures : uint8 array (n, size, size, channels)
    rng : numpy.random.Generator
        Source of all randomness.
    config : TrainingConfig
        Its augmentation fields.

    Returns
    -------
    uint8 array (n, size, size, channels)
    """
    if not len(pictures):
        return pictures
    changed = np.stack(
        [_degrade(_reframe_randomly(picture, rng, config), rng, config) for picture in pictures]
    )
    changed = changed.astype(np.float32)
    count = (len(pictures), 1, 1, 1)
    contrast = 1 + config.contrast * rng.uniform(-1, 1, count).astype(np.float32)
    brightness = 255 * config.brightness * rng.uniform(-1, 1, count).astype(np.float32)
    middle = changed.mean(axis=(1, 2, 3), keepdims=True)
    changed = (changed - middle) * contrast + middle + brightness
    changed = np.clip(changed, 0, 255).astype(np.uint8)
    for index in np.flatnonzero(rng.random(len(changed)) < config.erasing):
        _erase(changed[index], rng)
    return changed


def reframe(
    face: np.ndarray,
    *,
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    zoom: float = 1.0,
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """Return the same face under another frame; its edges are repeated outwards.

    Parameters
    ----------
    face : np.ndarray
        uint8, shape (size, size, channels).
    angle : float
        Turns the face against the clock, in degrees.
    shift : tuple of float
        Moves the frame to the right and down, in shares of its side.
    zoom : float
        Above 1 the frame is larger, and so the face smaller.
    resample : PIL.Image.Resampling
        How pixels between pixels are made.

    Returns
    -------
    np.ndarray
        uint8, same shape.
    """
    size = len(face)
    margin = size // 2
    padded = np.pad(face, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
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
    framed = to_image(padded).transform((size, size), Image.Transform.AFFINE, matrix, resample)
    return np.asarray(framed).reshape(face.shape)


def to_image(face: np.ndarray) -> Image.Image:
    """Return a face, uint8 (size, size, 1 or 3), as a picture."""
    return Image.fromarray(face[..., 0] if face.shape[-1] == 1 else face)


def _reframe_randomly(face: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Mirror, rotate, zoom and shift one face."""
    if config.flip and rng.random() < 0.5:
        face = face[:, ::-1]
    angle = rng.uniform(-config.rotation, config.rotation)
    zoom = 1 + rng.uniform(-config.zoom, config.zoom)
    right, down = rng.uniform(-config.shift, config.shift, 2)
    return reframe(face, angle=angle, zoom=zoom, shift=(right, down))


def _degrade(picture: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Give some faces the faults of a cheap camera: low resolution, blur, noise or JPEG artefacts."""
    if rng.random() >= config.degrade:
        return picture
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
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(20, 70)))
        image = Image.open(buffer)
    changed = np.asarray(image).reshape(picture.shape)
    if fault == 3:
        noise = rng.normal(0, rng.uniform(4, 20), picture.shape)
        changed = np.clip(changed + noise, 0, 255).astype(np.uint8)
    return changed


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
