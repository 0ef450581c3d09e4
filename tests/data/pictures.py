"""Folders of drawn pictures, each unlike any other, and what loading them gives or refuses."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError

LABELS = ("angry", "happy", "sad")


def draw(rng: np.random.Generator, side: int = 48) -> np.ndarray:
    """A picture unlike any other: uint8 (side, side)."""
    noise = Image.fromarray(rng.normal(size=(9, 9)).astype(np.float32))
    pixels = np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(128 + 50 * pixels + rng.normal(0, 12, (side, side)), 0, 255).astype(np.uint8)


def fill(folder: Path, count: int, *, suffix: str = ".png", seed: int = 0) -> Path:
    """Write `count` different pictures into a folder; the same folder name and seed give the same ones."""
    rng = np.random.default_rng([seed, *folder.as_posix()[-24:].encode()])
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(draw(rng)).save(folder / f"{index:03d}{suffix}")
    return folder


def fill_splits(root: Path, *, labels=LABELS, suffix: str = ".png", **counts: int) -> Path:
    for split, count in counts.items():
        for label in labels:
            fill(root / split / label, count, suffix=suffix)
    return root


def two_sources(root: Path) -> tuple[Path, Path]:
    """Two folders, the second with a background class that the first lacks."""
    web = fill_splits(root / "web", train=6, validation=4)
    return web, fill_splits(root / "press", labels=(*LABELS, "neutral"), train=4, test=2, validation=2)


def load(data: Path | str, **settings) -> Dataset:
    return load_dataset(TrainingConfig(data=str(data), **settings))


def refusal(data: Path | str, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load(data, **settings)
    return str(caught.value)


def labels_of(dataset: Dataset, split: str = "train") -> set[str]:
    return {dataset.outputs[target] for target in getattr(dataset, split).targets}


def faces_of(dataset: Dataset, split: str) -> set[bytes]:
    examples = getattr(dataset, split)
    return {face.tobytes() for face in examples.load(np.arange(len(examples)), 48, 1)}


def load_several(folders: Sequence[Path], **settings) -> Dataset:
    config = TrainingConfig(data=tuple(map(str, folders)), **settings)
    return load_dataset(config)
