"""Batches hold every face once, in an order that a resumed run repeats, and no more memory than they need."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from emotion.data.batches import FaceBatches
from emotion.data.copies import take_prints
from emotion.data.dataset import Dataset
from emotion.data.examples import CachedExamples, Examples
from emotion.data.folders import FolderReader
from emotion.errors import DataError
from tests.data.pictures import draw

pytestmark = pytest.mark.slow


def batches_of(dataset: Dataset, **settings) -> FaceBatches:
    settings = {
        "outputs": 4,
        "batch_size": 5,
        "size": 48,
        "channels": 1,
        "shuffle": True,
        "seed": 7,
    } | settings
    return FaceBatches(dataset.train, **settings)


def test_batches_hold_every_face_once_with_its_target(small: Dataset):
    batches = batches_of(small)
    faces, targets = map(np.concatenate, zip(*batches, strict=True))

    assert len(batches) == 3
    assert [len(batches[index][0]) for index in range(3)] == [5, 5, 2]
    assert faces.dtype == targets.dtype == np.float32
    assert 1 < faces.max() <= 255
    assert faces.min() >= 0
    expected = small.train.load(np.arange(12), 48, 1)
    for face, target in zip(faces, targets, strict=True):
        index = int(np.flatnonzero((expected == face).all(axis=(1, 2, 3)))[0])
        np.testing.assert_array_equal(target, np.eye(4)[small.train.targets[index]])
    assert len({face.tobytes() for face in faces}) == 12


def test_soft_targets_stay_with_their_faces(small: Dataset):
    soft = np.random.default_rng(0).dirichlet(np.ones(4), size=12)
    faces, targets = map(np.concatenate, zip(*batches_of(small, soft_targets=soft), strict=True))

    expected = small.train.load(np.arange(12), 48, 1)
    for face, target in zip(faces, targets, strict=True):
        index = int(np.flatnonzero((expected == face).all(axis=(1, 2, 3)))[0])
        np.testing.assert_allclose(target, soft[index], rtol=1e-6)


def add_noise(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    assert faces.dtype == np.uint8
    return np.clip(faces + rng.normal(0, 5, faces.shape), 0, 255)


def epochs_of(batches: FaceBatches, count: int) -> list[np.ndarray]:
    result = []
    for _ in range(count):
        result.append(np.concatenate([faces for faces, _ in batches]))
        batches.on_epoch_end()
    return result


def test_epochs_differ_and_a_resumed_run_sees_the_same_ones(small: Dataset):
    whole = epochs_of(batches_of(small, augment=add_noise), 3)
    resumed = batches_of(small, augment=add_noise)
    resumed.set_epoch(1)

    assert not np.array_equal(whole[0], whole[1])
    np.testing.assert_array_equal(whole[1:], epochs_of(resumed, 2))
    assert not np.array_equal(whole[0], epochs_of(batches_of(small, augment=add_noise, seed=8), 1)[0])


def test_without_shuffling_the_order_is_that_of_the_examples(small: Dataset):
    first, second = epochs_of(batches_of(small, shuffle=False), 2)

    np.testing.assert_array_equal(first, small.train.load(np.arange(12), 48, 1))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("workers", [1, 2])
def test_keras_fits_on_the_batches_in_their_order(small: Dataset, workers: int):
    class Recorder(keras.layers.Layer):
        """Counts what it is shown; the sum of all pixels tells which faces there were."""

        def build(self, shape):  # noqa: ARG002
            self.total = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="float64")

        def call(self, faces):
            self.total.assign_add(keras.ops.sum(keras.ops.cast(faces, "float64")))
            return keras.ops.mean(faces, axis=(1, 2)) / 255

    recorder = Recorder()
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), recorder, keras.layers.Dense(4, activation="softmax")]
    )
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    recorder.total.assign(0)  # building may show it something

    history = model.fit(batches_of(small, workers=workers), epochs=2, shuffle=False, verbose=0)

    assert np.isfinite(history.history["loss"]).all()
    expected = 2 * small.train.load(np.arange(12), 48, 1).astype(np.float64).sum()
    assert float(recorder.total) == pytest.approx(expected)


def test_a_picture_is_decoded_once_as_far_as_memory_allows(small: Dataset):
    asked: list[str] = []

    def read(identifier: str) -> np.ndarray:
        asked.append(identifier)
        return small.train.read(identifier)

    examples = Examples(small.train.identifiers, small.train.targets, read)
    cached = CachedExamples.of(examples, 48, 1, limit=7 * 48 * 48 + 1)
    expected = epochs_of(batches_of(small), 2)
    found = epochs_of(batches_of(replace(small, train=cached)), 2)

    np.testing.assert_array_equal(found, expected)
    times = [asked.count(identifier) for identifier in small.train.identifiers]
    assert times == [1] * 7 + [2] * 5
    np.testing.assert_array_equal(cached.load(np.arange(3), 32, 3), examples.load(np.arange(3), 32, 3))


def test_devices_share_every_batch_evenly(small: Dataset):
    whole = [faces for faces, _ in batches_of(small, batch_size=8, devices=1)]
    shared = batches_of(replace(small, train=small.train.subset(np.arange(11))), batch_size=8, devices=2)
    parts = [
        batches_of(small, batch_size=8, devices=2, part=(number, 2), augment=add_noise) for number in range(2)
    ]
    together = batches_of(small, batch_size=8, devices=2, augment=add_noise)

    assert [len(faces) for faces in whole] == [8, 4]
    assert [len(faces) for faces, _ in shared] == [8, 2], "one of eleven is left out"
    for index in range(2):
        joined = np.concatenate([part[index][0] for part in parts])
        np.testing.assert_array_equal(joined, together[index][0])
    for settings in ({"batch_size": 5}, {"batch_size": 26, "devices": 13}):
        with pytest.raises(DataError, match=r"cannot share batches .* evenly.*--batch-size"):
            batches_of(small, **{"devices": 2, **settings})


def test_memory_does_not_hold_the_pictures(tmp_path: Path):
    rng = np.random.default_rng(0)
    texture = np.stack([draw(rng, 400)] * 3, -1)
    names = [f"{index}.jpg" for index in range(96)]
    for name in names:
        Image.fromarray(np.roll(texture, rng.integers(400, size=2), axis=(0, 1))).save(tmp_path / name)
    examples = Examples(names, np.zeros(96, np.int64), FolderReader(tmp_path))
    batches = FaceBatches(examples, outputs=2, batch_size=8, size=48, channels=3, shuffle=True, seed=0)

    tracemalloc.start()
    take_prints(examples)
    shapes = {faces.shape for faces, _ in batches}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert shapes == {(8, 48, 48, 3)}
    assert peak < 96 * texture.nbytes / 4
