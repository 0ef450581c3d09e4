"""Damage does what its name says, the same in every run."""

import numpy as np
import pytest

from emotion.training.robustness import CONDITIONS


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
