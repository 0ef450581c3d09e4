"""Augmentation changes faces in every way it is asked to, and repeatably."""

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.training.augmentation import CONDITIONS, augment, frame_matrix, reframe, reframe_all
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


@pytest.fixture(scope="module")
def face():
    rows, columns = np.mgrid[0:48, 0:48]
    grey = 120 + 60 * np.sin(rows / 2) * np.cos(columns / 3) + 0.5 * columns
    return grey.astype(np.uint8)[..., None]


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_damage_is_repeatable_visible_and_leaves_the_original(face, name, channels):
    crop = np.repeat(face, channels, axis=2)
    before = crop.copy()
    damaged = CONDITIONS[name](crop)
    assert damaged.dtype == np.uint8
    assert damaged.shape == crop.shape
    assert np.array_equal(damaged, CONDITIONS[name](crop))
    assert np.array_equal(crop, before)
    assert 0.5 < np.abs(damaged.astype(int) - crop).mean() < 100


def test_damage_does_what_its_name_says(face):
    damaged = {name: damage(face).astype(float) for name, damage in CONDITIONS.items()}
    assert damaged["darker"].mean() == pytest.approx(0.5 * face.mean(), abs=1)
    assert damaged["brighter"].mean() > 1.2 * face.mean()
    assert damaged["low contrast"].std() == pytest.approx(0.4 * face.std(), rel=0.05)
    assert (damaged["noise"] - face).std() == pytest.approx(15, rel=0.1)
    assert damaged["blur"].std() < face.std()
    assert (damaged["bar over the eyes"][15:20] == 0).all()
    assert (damaged["bar over the mouth"][35:40] == 0).all()
    assert np.array_equal(damaged["bar over the eyes"][24:], face[24:])


def test_rotation_turns_about_the_centre_and_the_two_sides_mirror_each_other():
    bar = np.zeros((48, 48, 1), np.uint8)
    bar[22:26, 8:40] = 255
    left, right = CONDITIONS["rotated 15° left"](bar), CONDITIONS["rotated 15° right"](bar)
    assert np.abs(left.astype(int) - right[:, ::-1]).max() <= 1
    rows, columns = np.nonzero(left[..., 0] > 128)
    assert rows.mean() == pytest.approx(23.5, abs=0.2)
    assert columns.mean() == pytest.approx(23.5, abs=0.2)
    slope = np.polyfit(columns, rows, 1)[0]  # rows grow downwards: against the clock means falling rows
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(-15, abs=1)
