"""How often an epoch shows the faces of a class, or of a source, is what `--sampling` asks for."""

from pathlib import Path

import numpy as np
import pytest

from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset
from emotion.errors import DataError
from emotion.training.fit import sampling_weights

pytestmark = pytest.mark.slow


def test_an_epoch_shows_a_class_of_a_source_as_often_as_asked(both: Dataset):
    weights = sampling_weights(both, {"press/sad": 3.0, "happy": 0.5, "press/happy": 1.0})
    assert weights is not None
    batches = FaceBatches(
        both.train, outputs=4, batch_size=8, size=24, channels=1, shuffle=True, seed=0, weights=weights
    )
    counts = np.zeros(len(both.train))
    for epoch in range(4):
        batches.set_epoch(epoch)
        seen = np.concatenate([batches[index][0] for index in range(len(batches))])
        faces = both.train.load(np.arange(len(both.train)), 24, 1).astype(np.float32)
        for face in seen:
            counts[np.flatnonzero((faces == face).all(axis=(1, 2, 3)))] += 1
    names = np.array([Path(identifier).parent.as_posix() for identifier in both.train.identifiers])
    assert set(counts[names == "press/train/sad"]) == {12}
    assert set(counts[names == "web/train/sad"]) == {4}
    assert counts[names == "web/train/happy"].sum() == 12, "6 faces, half of them in each of 4 epochs"
    assert set(counts[names == "press/train/happy"]) == {4}


def test_sampling_of_a_class_that_is_not_there_is_refused(both: Dataset):
    with pytest.raises(DataError, match=r"--sampling names film/sad\. There are: angry, .*press/neutral"):
        sampling_weights(both, {"film/sad": 2.0})
