"""Folders of pictures of every shape, and every bad folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.pictures import LABELS, draw, fill, fill_splits, labels_of, load, refusal


@pytest.mark.parametrize(
    ("train", "held_out", "report_split"),
    [
        ("train", "validation", "half of validation"),
        ("Train", "val", "half of validation"),
        ("TRAIN", "Valid", "half of validation"),
        ("training", "Test", "half of test"),
    ],
)
def test_split_folders_whatever_their_names(train: str, held_out: str, report_split: str, tmp_path: Path):
    fill_splits(tmp_path, **{train: 6, held_out: 4})

    dataset = load(tmp_path)

    assert dataset.labels == dataset.outputs == LABELS
    assert dataset.report_split == report_split
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [18, 6, 6]
    assert np.bincount(dataset.report.targets).tolist() == [2, 2, 2]
    for identifier, target in zip(dataset.train.identifiers, dataset.train.targets, strict=True):
        assert identifier.split("/")[:2] == [train, LABELS[target]]


def test_examples_give_the_pixels_of_their_files(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4)

    train = load(tmp_path).train
    faces = train.load(np.array([5, 0]), 48, 1)

    assert faces.shape == (2, 48, 48, 1)
    assert faces.dtype == np.uint8
    for face, index in zip(faces, (5, 0), strict=True):
        np.testing.assert_array_equal(face[..., 0], Image.open(tmp_path / train.identifiers[index]))
    colour = train.load(np.array([5]), 24, 3)
    assert colour.shape == (1, 24, 24, 3)
    assert abs(colour.mean() - faces[0].mean()) < 2


def test_jpeg_files_of_other_sizes_and_modes_become_square_faces(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4, suffix=".JPG")
    rng = np.random.default_rng(0)
    Image.fromarray(np.stack([draw(rng, 96)] * 3, -1)[:80]).save(tmp_path / "train/happy/wide.jpeg")

    dataset = load(tmp_path, framing="whole")

    assert len(dataset.train) == 13
    assert dataset.train.load(np.arange(13), 48, 1).std() > 20


def test_labels_are_picked_ordered_and_matched_whatever_their_case(tmp_path: Path):
    fill_splits(tmp_path, labels=("Happy", "SAD", "angry", "neutral", "fear"), train=4, validation=4)

    dataset = load(tmp_path, labels=("sad", "happy"), background=("neutral",))

    assert dataset.labels == ("sad", "happy")
    assert dataset.outputs == ("sad", "happy", "neutral")
    folders = {
        name.split("/")[1]: target
        for name, target in zip(dataset.train.identifiers, dataset.train.targets, strict=True)
    }
    assert folders == {"SAD": 0, "Happy": 1, "neutral": 2}


def test_without_labels_all_folders_count_but_the_background(tmp_path: Path):
    fill_splits(tmp_path, labels=("joy", "Anger", "neutral"), train=4, validation=4)

    dataset = load(tmp_path, labels=(), background=("neutral",))

    assert dataset.labels == ("Anger", "joy")
    assert dataset.outputs == ("Anger", "joy", "neutral")


def test_a_star_makes_all_other_folders_background(tmp_path: Path):
    fill_splits(tmp_path, labels=("Happy", "SAD", "neutral", "Fear"), train=4, validation=4)

    assert load(tmp_path, labels=("sad", "happy"), background=("*",)).outputs == (
        "sad",
        "happy",
        "Fear",
        "neutral",
    )
    assert load(tmp_path, labels=(), background=("*",)).outputs == ("Fear", "Happy", "neutral", "SAD")


def test_hidden_folders_and_files_that_are_no_pictures_are_passed_over(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4)
    (tmp_path / "train/happy/notes.txt").write_text("not a picture")
    (tmp_path / "train/happy/.hidden.png").write_bytes(b"not a picture")
    fill(tmp_path / "__MACOSX/train/happy", 2)

    dataset = load(tmp_path)

    assert len(dataset.train) == 12
    assert dataset.audit["unreadable"]["count"] == 0


def test_missing_and_empty_folders(tmp_path: Path):
    assert "Check the path" in refusal(tmp_path / "nowhere")
    assert "needs a folder per label" in refusal(tmp_path)
    (tmp_path / "train/happy").mkdir(parents=True)
    assert "needs a folder per label" in refusal(tmp_path)


def test_files_that_are_no_data_set(tmp_path: Path):
    (tmp_path / "faces.zip").write_bytes(b"PK")
    assert "Unpack it" in refusal(tmp_path / "faces.zip")
    (tmp_path / "face.jpg").write_bytes(b"")
    assert "Pass a folder" in refusal(tmp_path / "face.jpg")


def test_one_class_only(tmp_path: Path):
    fill_splits(tmp_path, labels=("happy",), train=4, validation=4)
    message = refusal(tmp_path)
    assert "no folder angry and no folder sad" in message
    assert "It holds: happy" in message
    assert "two folders or more" in refusal(tmp_path, labels=("happy",))
    assert "two folders or more" in refusal(tmp_path, labels=())


def test_a_label_without_folder_names_those_there_are(tmp_path: Path):
    fill_splits(tmp_path, labels=("happy", "sad", "surprised"), train=4, validation=4)
    message = refusal(tmp_path, labels=("happy", "bored"))
    assert "no folder bored" in message
    assert "happy, sad, surprised" in message
    assert "--labels" in message


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_class_absent_from_a_split(split: str, tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4)
    shutil.rmtree(tmp_path / split / "sad")
    assert f"no readable picture of 'sad' in its {split} split" in refusal(tmp_path)


def test_background_is_needed_for_training_only(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4)
    fill(tmp_path / "validation/neutral", 4)
    assert "'neutral' in its train split" in refusal(tmp_path, background=("neutral",))
    fill(tmp_path / "train/neutral", 4)
    shutil.rmtree(tmp_path / "validation/neutral")
    assert labels_of(load(tmp_path, background=("neutral",))) == {*LABELS, "neutral"}


def test_only_broken_files(tmp_path: Path):
    for split in ("train", "validation"):
        for label in LABELS:
            (tmp_path / split / label).mkdir(parents=True)
            (tmp_path / split / label / "text.jpg").write_text("This is a text file.")
    message = refusal(tmp_path)
    assert "None of the 6 files" in message
    assert "text.jpg" in message


def test_no_training_pictures(tmp_path: Path):
    fill_splits(tmp_path, validation=4)
    assert "none to train on" in refusal(tmp_path)


def test_too_few_different_pictures(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=1)
    assert "too few different pictures" in refusal(tmp_path)
    for label in LABELS:
        shutil.copy(tmp_path / f"validation/{label}/000.png", tmp_path / f"validation/{label}/copy.png")
    assert "too few different pictures" in refusal(tmp_path)
