"""Data sets in the shapes people keep them in: all pictures are used, or a message says which are not."""

import logging
import shutil
import unicodedata
from pathlib import Path

import pytest

from emotion.data.examples import Wanted
from emotion.data.people import load_groups
from emotion.data.sources import open_source
from emotion.report.pictures import audit_in_words
from tests.data.pictures import LABELS, fill, fill_splits, load, refusal


def used(root: Path, labels: tuple[str, ...] = LABELS) -> int:
    return sum(map(len, open_source(str(root), Wanted(labels)).splits.values()))


def test_labels_and_other_folders_nest_either_way(tmp_path: Path):
    for label in LABELS:
        for subject in ("S000", "S001", "S002"):
            fill(tmp_path / "inside" / label / subject, 2)
            fill(tmp_path / "outside" / subject / label, 2)
        fill(tmp_path / "parts/part1" / label, 3)
        fill(tmp_path / "parts/part2" / label, 4)
        fill(tmp_path / "below" / label, 2)
        fill(tmp_path / "below" / label / "more/and more", 3)

    assert used(tmp_path / "inside") == used(tmp_path / "outside") == 18
    assert used(tmp_path / "parts") == 21
    assert used(tmp_path / "below") == 15
    assert open_source(str(tmp_path / "outside"), Wanted(())).labels == LABELS
    assert open_source(str(tmp_path / "inside"), Wanted(())).labels == LABELS


def test_a_folder_that_stands_twice_counts_once_and_others_are_left_out_by_name(tmp_path: Path):
    fill_splits(tmp_path / "faces", train=3, test=2)
    shutil.copytree(tmp_path / "faces", tmp_path / "archive/faces")
    shutil.copytree(tmp_path / "faces", tmp_path / "__MACOSX/faces")
    shutil.copytree(tmp_path / "faces", tmp_path / ".trash/faces")

    source = open_source(str(tmp_path), Wanted(LABELS))

    assert sum(map(len, source.splits.values())) == 15
    assert source.passed_over == {"in a folder that stands twice": 15}


@pytest.mark.parametrize("names", [("anger", "Happiness", "SADNESS"), ("0angry", "1_Happy", "2 - sad")])
def test_other_words_and_leading_numbers(
    names: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    for name in names:
        fill(tmp_path / name, 3)

    source = open_source(str(tmp_path), Wanted(LABELS))

    assert [len(source.splits["all"]), source.outputs] == [9, LABELS]
    assert ("Taking folder 'anger' for angry." in caplog.messages) == (names[0] == "anger")


def test_names_in_composed_and_decomposed_form_are_one(tmp_path: Path):
    labels = ("wütend", "fröhlich", "traurig")
    for label in labels:
        fill(tmp_path / "faces" / unicodedata.normalize("NFD", label), 20)
    rows = [f"{label}/{number:03}.png,{number % 2}" for label in labels for number in range(20)]
    (tmp_path / "groups.csv").write_text("\n".join(["image,age", *rows]), "utf-8")

    dataset = load(tmp_path / "faces", labels=labels)

    assert used(tmp_path / "faces", labels) == 60
    assert None not in load_groups(tmp_path / "groups.csv", dataset.train)["age"]


def test_files_are_what_they_hold_and_not_how_they_are_called(tmp_path: Path):
    for label in LABELS:
        for number, path in enumerate(sorted(fill(tmp_path / label, 4).iterdir())):
            path.rename(path.with_name(f"{number}{('', '.jxl', '.png', '.photo')[number]}"))
    (tmp_path / "sad/notes.txt").write_text("no picture")
    (tmp_path / "sad/.hidden").write_text("no picture")

    source = open_source(str(tmp_path), Wanted(LABELS))

    assert len(source.splits["all"]) == 12
    assert source.passed_over == {"hidden": 1, "no picture (.txt)": 1}


def test_what_was_passed_over_is_said_in_one_line(tmp_path: Path):
    fill_splits(tmp_path, labels=(*LABELS, "fear"), train=4, validation=4)
    (tmp_path / "notes.txt").write_text("no picture")

    dataset = load(tmp_path)

    assert dataset.audit["passed_over"] == {"no picture (.txt)": 1, "in folders of other labels": 8}
    said = "9 files were passed over: 8 in folders of other labels; 1 no picture (.txt)."
    assert said in audit_in_words(dataset.audit)


def test_a_label_without_pictures_is_told_from_one_that_is_missing(tmp_path: Path):
    for label in ("angry", "happy"):
        fill(tmp_path / label, 4)
    (tmp_path / "sad").mkdir()
    assert f"The folder sad of {tmp_path} is empty." in refusal(tmp_path)
    (tmp_path / "sad/notes.txt").write_text("no picture")
    assert f"The folder sad of {tmp_path} holds no picture: none of its 1 files opens" in refusal(tmp_path)
    shutil.rmtree(tmp_path / "sad")
    assert "has no folder sad. It holds: angry, happy." in refusal(tmp_path)
