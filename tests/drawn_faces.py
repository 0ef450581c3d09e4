"""Faces drawn with a few lines: enough for a small network to learn from, and nobody's portrait."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EMOTIONS = ("angry", "happy", "sad", "neutral")
OVERSAMPLING = 4

# Mouth bend and brow slope: a smile bends up, a frown down; angry brows fall towards the nose.
MOUTH_BEND = {"angry": -0.25, "happy": 1.0, "sad": -1.0, "neutral": 0.0}
BROW_SLOPE = {"angry": 1.0, "happy": -0.2, "sad": -0.9, "neutral": 0.0}


def draw_face(emotion: str, rng: np.random.Generator, size: int = 48) -> np.ndarray:
    """Draw one face that fills the picture: uint8 (size, size), grey."""
    side = size * OVERSAMPLING
    background, skin = rng.integers(20, 110), rng.integers(150, 240)
    ink = int(skin * rng.uniform(0.05, 0.3))
    image = Image.new("L", (side, side), int(background))
    draw = ImageDraw.Draw(image)
    x, y = (side * (0.5 + rng.uniform(-0.04, 0.04)) for _ in range(2))
    scale = side * rng.uniform(0.42, 0.5)
    draw.ellipse((x - 0.8 * scale, y - scale, x + 0.8 * scale, y + scale), fill=int(skin))
    width = max(1, round(0.09 * scale))
    slope = BROW_SLOPE[emotion] + rng.normal(0, 0.12)
    bend = MOUTH_BEND[emotion] + rng.normal(0, 0.12)
    for sign in (-1, 1):
        eye_x, eye_y = x + sign * 0.36 * scale, y - 0.2 * scale
        draw.ellipse(
            (eye_x - 0.11 * scale, eye_y - 0.09 * scale, eye_x + 0.11 * scale, eye_y + 0.09 * scale), fill=ink
        )
        inner, outer = eye_x - sign * 0.18 * scale, eye_x + sign * 0.2 * scale
        brow_y = eye_y - 0.26 * scale
        draw.line(
            (inner, brow_y + slope * 0.12 * scale, outer, brow_y - slope * 0.12 * scale),
            fill=ink,
            width=width,
        )
    draw.line((x, y - 0.1 * scale, x - 0.05 * scale, y + 0.14 * scale), fill=ink, width=max(1, width // 2))
    across = np.linspace(-1, 1, 13)
    mouth = [(x + 0.36 * scale * t, y + 0.5 * scale + 0.2 * bend * scale * (0.5 - t**2)) for t in across]
    draw.line(mouth, fill=ink, width=width, joint="curve")
    image = image.rotate(rng.uniform(-6, 6), Image.Resampling.BILINEAR, fillcolor=int(background))
    pixels = np.asarray(image.resize((size, size), Image.Resampling.BOX)).astype(float)
    return np.clip(pixels + rng.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)


def write_faces(
    folder: Path, emotions: Iterable[str], count: int, rng: np.random.Generator, *, suffix: str = ".jpg"
) -> None:
    """Write `count` drawn faces per emotion to `folder/<emotion>/`."""
    for emotion in emotions:
        (folder / emotion).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.fromarray(draw_face(emotion, rng)).save(folder / emotion / f"{emotion}_{index:03d}{suffix}")


def write_data_set(
    folder: Path,
    *,
    train: int = 60,
    validation: int = 40,
    emotions: Iterable[str] = EMOTIONS[:3],
    seed: int = 0,
) -> Path:
    """Write `train/<emotion>/*` and `validation/<emotion>/*` and return the folder."""
    rng = np.random.default_rng(seed)
    write_faces(folder / "train", emotions, train, rng)
    write_faces(folder / "validation", emotions, validation, rng)
    return folder
