"""Augmentation changes faces in every way it is asked to, and repeatably."""

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.training.augmentation import augment
from tests.drawn_faces import draw_face

NO_AUGMENTATION = {
    "flip": False,
    **dict.fromkeys(["rotation", "shift", "zoom", "brightness", "contrast", "degrade", "erasing"], 0),
}


def test_augmentation_can_be_switched_off_and_is_repeatable():
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face("happy", rng) for _ in range(40)])[..., None]
    unchanged = augment(faces, np.random.default_rng(1), TrainingConfig(**NO_AUGMENTATION))
    np.testing.assert_array_equal(unchanged, faces)

    first, second, other = (
        augment(faces, np.random.default_rng(seed), TrainingConfig()) for seed in (1, 1, 2)
    )
    assert first.dtype == np.uint8
    assert first.shape == faces.shape
    np.testing.assert_array_equal(first, second)
    assert (first != faces).any(axis=(1, 2, 3)).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    "setting",
    [
        {"flip": True},
        {"rotation": 20.0},
        {"shift": 0.2},
        {"zoom": 0.3},
        {"brightness": 0.5},
        {"contrast": 0.5},
        {"degrade": 1.0},
        {"erasing": 1.0},
    ],
)
def test_every_augmentation_changes_faces_in_colour_too(setting):
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face("sad", rng) for _ in range(20)])[..., None].repeat(3, axis=3)
    changed = augment(faces, np.random.default_rng(1), TrainingConfig(**NO_AUGMENTATION | setting))
    assert changed.shape == faces.shape
    assert (changed != faces).any()
