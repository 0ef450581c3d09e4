"""Composed photographs whose truth is known: labelled faces set into soft random backgrounds.

Only pictures are made here; nothing is measured.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 640, 480  # pixels of a scene
FACE_SIDES = (110, 260)  # pixels, smallest and largest side of a single face
GROUP_FACE_SIDES = (110, 150)  # the same where several faces share a scene
JPEG_QUALITY = 70
NOISE = 4.0  # standard deviation in grey levels

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Scene:
    """A composed picture: its JPEG bytes, and for every face its box (x, y, side, side) and source file."""

    jpeg: bytes
    boxes: tuple[Box, ...]
    sources: tuple[Path, ...]


def compose(
    sources: Sequence[Path],
    rng: np.random.Generator,
    *,
    sides: tuple[int, int] = FACE_SIDES,
    feather: float = 0.0,
    draw: Callable[[np.random.Generator], Image.Image] | None = None,
) -> Scene:
    """Set face pictures into one scene of 640×480, none overlapping another, with tint, noise and JPEG.

    Parameters
    ----------
    sources
        Files of tight face crops; may be empty.
    sides
        Range of the pasted faces' sides in pixels.
    feather
        Width of the soft border between face and background, as a fraction of the face's side.
    draw
        What draws the background; `background` unless named.
    """
    canvas = (draw or background)(rng)
    boxes = place(len(sources), rng, sides=sides)
    for path, (x, y, side, _) in zip(sources, boxes, strict=True):
        with Image.open(path) as file:
            face = file.convert("L").resize((side, side), Image.Resampling.BICUBIC)
        tinted = np.asarray(face, np.float32)[:, :, None] * rng.uniform(0.75, 1.0, 3)
        mask = Image.fromarray(_mask(side, feather))
        canvas.paste(Image.fromarray(tinted.round().astype(np.uint8)), (x, y), mask)
    pixels = np.asarray(canvas, np.float32) + rng.normal(0, NOISE, (HEIGHT, WIDTH, 3))
    encoded = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(encoded, "JPEG", quality=JPEG_QUALITY)
    return Scene(encoded.getvalue(), boxes, tuple(sources))


def background(rng: np.random.Generator) -> Image.Image:
    """Draw soft coloured blotches without any face, 640×480 RGB."""
    cells = rng.integers(0, 256, (int(rng.integers(3, 13)), int(rng.integers(4, 17)), 3), dtype=np.uint8)
    blotches = Image.fromarray(cells).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return blotches.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 6))))


def clutter(rng: np.random.Generator) -> Image.Image:
    """Draw shapes, lines and words over soft blotches: edges everywhere, but no face, 640×480 RGB."""
    canvas = background(rng)
    pencil = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(5, 60)):
        left, top, size = (int(rng.integers(*limits)) for limits in ((-50, WIDTH), (-50, HEIGHT), (5, 200)))
        corners = (left, top, left + size, top + round(size * rng.uniform(0.3, 2)))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        match rng.integers(4):
            case 0:
                pencil.rectangle(corners, fill=colour)
            case 1:
                pencil.ellipse(corners, fill=colour)
            case 2:
                pencil.line(corners, fill=colour, width=int(rng.integers(1, 20)))
            case 3:
                pencil.text((left, top), "no face here", fill=colour, font_size=int(rng.integers(10, 80)))
    return canvas


def place(count: int, rng: np.random.Generator, *, sides: tuple[int, int]) -> tuple[Box, ...]:
    """Draw squares inside the scene that do not overlap; starts again when the last ones find no room."""
    while True:
        boxes: list[Box] = []
        for _ in range(200):
            if len(boxes) == count:
                return tuple(boxes)
            side = int(rng.integers(sides[0], sides[1] + 1))
            x, y = int(rng.integers(0, WIDTH - side + 1)), int(rng.integers(0, HEIGHT - side + 1))
            if all(x >= a + s or a >= x + side or y >= b + s or b >= y + side for a, b, s, _ in boxes):
                boxes.append((x, y, side, side))


def _mask(side: int, feather: float) -> np.ndarray:
    if not feather:
        return np.full((side, side), 255, np.uint8)
    ramp = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (feather * side)
    return (np.minimum.outer(ramp, ramp).clip(0, 1) * 255).astype(np.uint8)
