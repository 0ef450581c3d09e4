"""Copies are found however they were altered, look-alikes are not, and the report says what there is."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from emotion.data.audit import copy_groups, describe, exact_groups, take_prints
from emotion.data.sources import Examples, FolderReader
from tests.drawn_faces import draw_face

SIDE = 48


def draw_scene(rng: np.random.Generator, side: int = SIDE) -> Image.Image:
    """A picture with structure at every scale, as photographs have, unlike any other one."""
    pixels = np.zeros((side, side))
    for cells in (3, 6, 12, 24):
        noise = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        pixels += np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC)) * 2 / cells**0.5
    return Image.fromarray(np.clip(128 + 42 * pixels / pixels.std(), 0, 255).astype(np.uint8))


def recompress(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def collect(folder: Path, pictures: Sequence[Image.Image], targets: Sequence[int] | None = None) -> Examples:
    """Write pictures as PNG files and list them."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{index:04d}.png" for index in range(len(pictures))]
    for name, picture in zip(names, pictures, strict=True):
        picture.save(folder / name)
    return Examples(names, np.array(targets or [0] * len(names), np.int64), FolderReader(folder))


def partners(groups: np.ndarray) -> list[set[int]]:
    return [set(np.flatnonzero(groups == group).tolist()) for group in groups]


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


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_near_copies_are_grouped_with_their_original_and_nothing_else(
    alter: Callable[[Image.Image], Image.Image], tmp_path: Path
):
    rng = np.random.default_rng(3)
    originals = [draw_scene(rng) for _ in range(80)]
    examples = collect(tmp_path, originals + [recompress(alter(original), 90) for original in originals[:40]])

    groups = partners(copy_groups(examples, take_prints(examples)))

    found = sum(groups[index] == {index, 80 + index} for index in range(40))
    assert found >= 38
    assert all(len(group) <= 2 for group in groups), "different pictures were called copies"
    assert all(group == {index} for index, group in enumerate(groups[40:80], start=40))


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


def test_exact_copies_have_equal_pixels_whatever_the_file(tmp_path: Path):
    scene, other = (draw_scene(np.random.default_rng(seed)) for seed in (0, 1))
    scene.save(tmp_path / "a.png")
    scene.convert("RGB").save(tmp_path / "b.bmp")
    other.save(tmp_path / "c.png")
    scene.save(tmp_path / "d.png", compress_level=1)
    examples = Examples(["a.png", "b.bmp", "c.png", "d.png"], np.zeros(4, np.int64), FolderReader(tmp_path))

    assert exact_groups(take_prints(examples).digests).tolist() == [0, 0, 2, 0]


def test_blank_pictures_are_copies_only_when_equal(tmp_path: Path):
    blanks = [Image.new("L", (SIDE, SIDE), level) for level in (0, 255, 0, 128)]
    examples = collect(tmp_path, blanks)

    assert copy_groups(examples, take_prints(examples)).tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_pictures_are_no_problem(count: int, tmp_path: Path):
    examples = collect(tmp_path, [draw_scene(np.random.default_rng(seed)) for seed in range(count)])

    assert copy_groups(examples, take_prints(examples)).tolist() == list(range(count))


def test_unreadable_files_are_listed_with_a_reason(tmp_path: Path):
    examples = collect(tmp_path, [draw_scene(np.random.default_rng(seed)) for seed in range(4)])
    (tmp_path / "0001.png").write_text("This is a text file.")
    (tmp_path / "0002.png").write_bytes(b"")

    prints = take_prints(examples)
    audit = describe(("happy",), examples, np.array(["all"] * 4), prints, copy_groups(examples, prints))

    assert [digest is None for digest in prints.digests] == [False, True, True, False]
    assert audit["files"] == {"all": {"happy": 2}}
    assert audit["unreadable"]["count"] == 2
    assert [entry["file"] for entry in audit["unreadable"]["files"]] == ["0001.png", "0002.png"]
    assert all(entry["reason"] for entry in audit["unreadable"]["files"])


def test_the_audit_counts_copies_within_and_across_splits_and_clashing_labels(tmp_path: Path):
    rng = np.random.default_rng(7)
    scenes = [draw_scene(rng) for _ in range(60)]
    pictures = [
        *scenes[:40],  # train
        scenes[0],  # train: equal to another training picture, other label
        scenes[1].rotate(6, Image.Resampling.BICUBIC),  # train: near copy
        *scenes[40:],  # test
        scenes[2],  # test: equal to a training picture
        scenes[3].rotate(-6, Image.Resampling.BICUBIC),  # test: near copy of a training picture
    ]
    targets = [0] * 40 + [1, 0] + [0] * 22
    examples = collect(tmp_path, pictures, targets)
    splits = np.array(["train"] * 42 + ["test"] * 22)

    prints = take_prints(examples)
    audit = describe(("happy", "sad"), examples, splits, prints, copy_groups(examples, prints))

    assert audit["files"] == {"train": {"happy": 41, "sad": 1}, "test": {"happy": 22, "sad": 0}}
    assert audit["copies"] == {
        "exact": {"pictures": 2, "within": {"train": 1, "test": 0}, "across": {"train/test": 1}},
        "exact_and_near": {"pictures": 4, "within": {"train": 2, "test": 0}, "across": {"train/test": 2}},
    }
    assert audit["clashing_labels"] == {"groups": 1, "pictures": 2, "files": [["0000.png", "0040.png"]]}
    assert json.loads(json.dumps(audit)) == audit
