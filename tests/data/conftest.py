"""A small data set with a background class."""

from pathlib import Path

import pytest

from emotion.data.dataset import Dataset
from tests.data.pictures import LABELS, fill_splits, load


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return load(
        fill_splits(tmp_path / "small", labels=(*LABELS, "neutral"), train=3, validation=4),
        background=("neutral",),
    )
