"""Composed photographs whose truth is known: labelled faces set into soft random backgrounds.

Only pictures are made here; nothing is measured.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = (640, 480)  # pixels, width and height of a scene unless another size is named
FACE_SIDES = (110, 260)  # pixels, smallest and largest side of a single face
GROUP_FACE_SIDES = (110, 150)  # the same where several faces share a scene
JPEG_QUALITY = 70
CAMERA_QUALITY = 92  # of large pictures, so that files are about as long as a camera's
NOISE = 4.0  # standard deviation in grey levels
SWAY = 20  # pixels that a film's scene moves to every side
NOISE_TILE = 1024  # pixels: larger scenes repeat a square of noise of this side, which is far quicker
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp"})

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
    size: tuple[int, int] = SIZE,
    sides: tuple[int, int] = FACE_SIDES,
    feather: float = 0.0,
    lean: float = 0.0,
    colour: bool = False,
    shuffled: bool = False,
    quality: int = JPEG_QUALITY,
    draw: Callable[[np.random.Generator, tuple[int, int]], Image.Image] | None = None,
) -> Scene:
    """Set face pictures into one scene, none overlapping another, with tint, noise and JPEG.

    Parameters
    ----------
    sources
        Files of tight face crops; may be empty.
    size
        Width and height of the scene in pixels.
    sides
        Range of the pasted faces' sides in pixels.
    feather
        Width of the soft border between face and background, as a fraction of the face's side.
    lean
        Degrees by which the faces are turned clockwise, borders included.
    colour
        Keep the faces' colours. Without it they are made grey, then tinted.
    shuffled
        Cut every face into sixteen pieces and change their order: skin and edges, but no face any more.
    quality
        Of the JPEG, 1..95.
    draw
        What draws the background; `background` unless named.
    """
    canvas = (draw or background)(rng, size)
    slant = math.radians(abs(lean))
    growth = math.sin(slant) + math.cos(slant)  # of a turned square's bounding box
    places = place(len(sources), rng, size=size, sides=tuple(math.ceil(side * growth) for side in sides))
    boxes = []
    for path, (left, top, outer, _) in zip(sources, places, strict=True):
        side = round(outer / growth)
        with Image.open(path) as file:
            face = file.convert("RGB" if colour else "L").resize((side, side), Image.Resampling.BICUBIC)
        pixels = np.asarray(face, np.float32)
        if shuffled:
            pixels = _shuffled(pixels, rng)
        if not colour:
            pixels = pixels[:, :, None] * rng.uniform(0.75, 1.0, 3)
        pasted = Image.fromarray(pixels.round().astype(np.uint8))
        mask = Image.fromarray(_mask(side, feather))
        if lean:
            pasted, mask = (
                image.rotate(-lean, Image.Resampling.BICUBIC, expand=True) for image in (pasted, mask)
            )
        middle_x, middle_y = left + outer / 2, top + outer / 2
        canvas.paste(pasted, (round(middle_x - pasted.width / 2), round(middle_y - pasted.height / 2)), mask)
        boxes.append((round(middle_x - side / 2), round(middle_y - side / 2), side, side))
    noise = _noise(rng, size)
    pixels = np.add(canvas, noise, dtype=noise.dtype)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return Scene(_jpeg(picture, quality), tuple(boxes), tuple(sources))


def film(path: Path, rng: np.random.Generator, *, frames: int, colour: bool = False) -> list[bytes]:
    """Compose the frames of a camera that is not held still, as JPEG: one scene goes round in a circle."""
    with Image.open(io.BytesIO(compose([path], rng, colour=colour).jpeg)) as scene:
        still = np.pad(np.asarray(scene), ((SWAY, SWAY), (SWAY, SWAY), (0, 0)), mode="edge")
    pictures = []
    for frame in range(frames):
        angle = 2 * math.pi * frame / frames
        x, y = round(SWAY * (1 + math.cos(angle))), round(SWAY * (1 + math.sin(angle)))
        pictures.append(_jpeg(Image.fromarray(still[y : y + SIZE[1], x : x + SIZE[0]])))
    return pictures


def tight(path: Path, rng: np.random.Generator, *, sides: tuple[int, int]) -> Scene:
    """Give a face crop as a picture of its own: no background at all, scaled to a side within `sides`."""
    side = int(rng.integers(sides[0], sides[1] + 1))
    with Image.open(path) as file:
        face = file.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    return Scene(_jpeg(face), ((0, 0, side, side),), (path,))


def background(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw soft coloured blotches without any face, RGB."""
    cells = rng.integers(0, 256, (int(rng.integers(3, 13)), int(rng.integers(4, 17)), 3), dtype=np.uint8)
    blotches = Image.fromarray(cells).resize(SIZE, Image.Resampling.BICUBIC)
    blurred = blotches.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 6))))
    return blurred if size == SIZE else blurred.resize(size, Image.Resampling.BICUBIC)


def clutter(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw shapes, lines and words over soft blotches: edges everywhere, but no face, RGB."""
    canvas = background(rng, size)
    pencil = ImageDraw.Draw(canvas)
    width, height = size
    for _ in range(rng.integers(5, 60)):
        left, top, extent = (int(rng.integers(*limits)) for limits in ((-50, width), (-50, height), (5, 200)))
        extent = extent * width // SIZE[0]
        corners = (left, top, left + extent, top + round(extent * rng.uniform(0.3, 2)))
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


def place(
    count: int, rng: np.random.Generator, *, size: tuple[int, int] = SIZE, sides: tuple[int, int]
) -> tuple[Box, ...]:
    """Draw squares inside the scene that do not overlap; starts again when the last ones find no room."""
    while True:
        boxes: list[Box] = []
        for _ in range(200):
            if len(boxes) == count:
                return tuple(boxes)
            side = int(rng.integers(sides[0], sides[1] + 1))
            x, y = (int(rng.integers(0, extent - side + 1)) for extent in size)
            if all(x >= a + s or a >= x + side or y >= b + s or b >= y + side for a, b, s, _ in boxes):
                boxes.append((x, y, side, side))


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)


def face_files(folder: Path | None) -> list[Path]:
    """List the pictures at any depth of a folder of face crops; without one, the portraits in examples/.

    Raises
    ------
    ValueError
        If there are none.
    """
    if folder is None:
        return [path for path in pictures_in(EXAMPLES) if not re.search("several|no-face", path.stem)]
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not paths:
        raise ValueError(f"{folder} has no pictures in it. Name a folder of face crops.")
    return paths


def _mask(side: int, feather: float) -> np.ndarray:
    if not feather:
        return np.full((side, side), 255, np.uint8)
    ramp = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (feather * side)
    return (np.minimum.outer(ramp, ramp).clip(0, 1) * 255).astype(np.uint8)


def _shuffled(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut (side, side[, 3]) into four by four pieces and change their order; a rest at the edges stays."""
    shuffled, piece = pixels.copy(), len(pixels) // 4
    corners = [(row * piece, column * piece) for row in range(4) for column in range(4)]
    for (top, left), place_of in zip(corners, rng.permutation(len(corners)), strict=True):
        y, x = corners[place_of]
        shuffled[top : top + piece, left : left + piece] = pixels[y : y + piece, x : x + piece]
    return shuffled


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    width, height = size
    if max(size) <= SIZE[0]:
        return rng.normal(0, NOISE, (height, width, 3))
    tile = (rng.standard_normal((NOISE_TILE, NOISE_TILE, 3), np.float32) * NOISE).round().astype(np.int16)
    repeats = (-(-height // NOISE_TILE), -(-width // NOISE_TILE), 1)
    return np.tile(tile, repeats)[:height, :width]


def _jpeg(image: Image.Image, quality: int = JPEG_QUALITY) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return encoded.getvalue()
