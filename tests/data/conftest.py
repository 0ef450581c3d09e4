"""A small data set with a background class, and one of two sources."""

from pathlib import Path

import pytest

from emotion.data.dataset import Dataset
from tests.data.pictures import LABELS, fill_splits, load, load_several


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return load(
        fill_splits(tmp_path / "small", labels=(*LABELS, "neutral"), train=3, validation=4),
        background=("neutral",),
    )


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders, the second with a background class that the first lacks."""
    web = fill_splits(tmp_path / "web", train=6, validation=4)
    press = fill_splits(tmp_path / "press", labels=(*LABELS, "neutral"), train=4, test=2, validation=2)
    return web, press


@pytest.fixture
def both(sources: tuple[Path, Path]) -> Dataset:
    return load_several(sources, background=("*",))
