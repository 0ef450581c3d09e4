"""Copies are found however they were altered, and look-alikes are not."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from emotion.data.copies import copy_groups, exact_groups, take_prints
from emotion.data.examples import Examples
from emotion.data.folders import FolderReader
from tests.data.scenes import SIDE, collect, draw_scene, partners, recompress
from tests.drawn_faces import draw_face

ALTERATIONS = {
    "turned a little": lambda picture: picture.rotate(4, Image.Resampling.BILINEAR),
    "turned more": lambda picture: picture.rotate(-13, Image.Resampling.BICUBIC),
    "mirrored": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "mirrored and turned": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(8),
    "brighter, burnt out": lambda picture: ImageEnhance.Brightness(picture).enhance(1.5),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.6),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.6),
    "recompressed": lambda picture: recompress(picture, 40),
    "larger": lambda picture: picture.resize((120, 120), Image.Resampling.BICUBIC),
    "in colour": lambda picture: Image.merge("RGB", (picture, picture.point(lambda v: v * 0.9), picture)),
    "framed otherwise": lambda picture: picture.crop((1, 2, 47, 48)).resize((SIDE, SIDE)),
}


ORIGINALS = 40  # that a copy is made of, for every alteration


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> list[set[int]]:
    """For every picture, the ones that it was grouped with: first all originals, then their copies."""
    rng = np.random.default_rng(3)
    originals = [[draw_scene(rng) for _ in range(ORIGINALS)] for _ in ALTERATIONS]
    copies = [
        [recompress(alter(original), 90) for original in pictures]
        for alter, pictures in zip(ALTERATIONS.values(), originals, strict=True)
    ]
    single = [draw_scene(rng) for _ in range(ORIGINALS)]
    pictures = list(itertools.chain(*originals, *copies, single))
    examples = collect(tmp_path_factory.mktemp("copies"), pictures)
    return partners(copy_groups(examples, take_prints(examples)))


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_near_copies_are_grouped_with_their_original(alteration: str, grouped: list[set[int]]):
    first = list(ALTERATIONS).index(alteration) * ORIGINALS
    copies = len(ALTERATIONS) * ORIGINALS

    found = sum(grouped[index] == {index, copies + index} for index in range(first, first + ORIGINALS))

    assert found >= 38


def test_nothing_else_is_grouped(grouped: list[set[int]]):
    copies = len(ALTERATIONS) * ORIGINALS

    assert len(grouped) == 2 * copies + ORIGINALS
    assert all(
        group <= {index % copies, copies + index % copies}
        for index, group in enumerate(grouped[: 2 * copies])
    )
    assert all(group == {index} for index, group in enumerate(grouped[2 * copies :], start=2 * copies))


def test_chains_of_copies_are_one_group(tmp_path: Path):
    rng = np.random.default_rng(5)
    scenes = [draw_scene(rng) for _ in range(40)]
    turned = [scenes[0].rotate(turn, Image.Resampling.BICUBIC) for turn in (5, 10, 15, 20)]
    examples = collect(tmp_path, scenes + turned)

    groups = partners(copy_groups(examples, take_prints(examples)))

    assert groups[0] == {0, 40, 41, 42, 43}


def test_look_alikes_are_not_copies(tmp_path: Path):
    rng = np.random.default_rng(0)
    faces = [Image.fromarray(draw_face(emotion, rng)) for emotion in ("happy", "sad") for _ in range(80)]
    examples = collect(tmp_path, faces, [0] * 80 + [1] * 80)

    groups = copy_groups(examples, take_prints(examples))

    assert len(set(groups.tolist())) >= 156


def test_blank_pictures_are_copies_only_when_equal(tmp_path: Path):
    blanks = [Image.new("L", (SIDE, SIDE), level) for level in (0, 255, 0, 128)]
    examples = collect(tmp_path, blanks)

    assert copy_groups(examples, take_prints(examples)).tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_pictures_are_no_problem(count: int, tmp_path: Path):
    examples = collect(tmp_path, [draw_scene(np.random.default_rng(seed)) for seed in range(count)])

    assert copy_groups(examples, take_prints(examples)).tolist() == list(range(count))


def test_exact_copies_have_equal_pixels_whatever_the_file(tmp_path: Path):
    scene, other = (draw_scene(np.random.default_rng(seed)) for seed in (0, 1))
    scene.save(tmp_path / "a.png")
    scene.convert("RGB").save(tmp_path / "b.bmp")
    other.save(tmp_path / "c.png")
    scene.save(tmp_path / "d.png", compress_level=1)
    examples = Examples(["a.png", "b.bmp", "c.png", "d.png"], np.zeros(4, np.int64), FolderReader(tmp_path))

    assert exact_groups(take_prints(examples).digests).tolist() == [0, 0, 2, 0]
