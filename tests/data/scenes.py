"""Pictures with structure at every scale, as photographs have, and how copies of them are listed."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from emotion.data.examples import Examples
from emotion.data.folders import FolderReader

SIDE = 48


def draw_scene(rng: np.random.Generator, side: int = SIDE) -> Image.Image:
    """A picture with structure at every scale, as photographs have, unlike any other one."""
    pixels = np.zeros((side, side))
    for cells in (3, 6, 12, 24):
        noise = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        pixels += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) * 2 / cells**0.5
    return Image.fromarray(np.clip(128 + 42 * pixels / pixels.std(), 0, 255).astype(np.uint8))


def recompress(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def collect(folder: Path, pictures: Sequence[Image.Image], targets: Sequence[int] | None = None) -> Examples:
    """Write pictures as PNG files and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:04d}.png" for index in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        picture.save(folder / name)
    return Examples(names, np.array(targets or [0] * len(names), np.int64), FolderReader(folder))


def partners(groups: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(groups == group).tolist()) for group in groups]
