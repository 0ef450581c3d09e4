"""Augmentation changes faces in every way it is asked to, and repeatably."""

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.training.augmentation import augment, frame_matrix, reframe, reframe_all
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


@pytest.mark.parametrize("channels", [1, 3])
def test_many_faces_are_reframed_like_one(channels):
    """Bilinear or bicubic is hard to tell apart where a face changes slowly."""
    wave = np.sin(np.arange(48) / 6)
    face = (
        (128 + 60 * wave[:, None] + 50 * wave[None, :]).astype(np.uint8)[..., None].repeat(channels, axis=2)
    )
    frames = [(0.0, (0.0, 0.0), 1.0), (15.0, (0.05, -0.1), 1.2), (-40.0, (0.2, 0.2), 0.8)]
    matrix = np.array([frame_matrix(48, *frame) for frame in frames], np.float32).T

    found = reframe_all(np.stack([face] * 3), matrix)

    np.testing.assert_array_equal(found[0], face)
    for mine, (angle, shift, zoom) in zip(found, frames, strict=True):
        expected = reframe(face, angle=angle, shift=shift, zoom=zoom)
        np.testing.assert_allclose(mine.astype(int), expected.astype(int), atol=3)


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
