"""Nothing that is reported on is trained on or chosen on, copies included."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError
from emotion.report.pictures import audit_in_words
from tests.data.pictures import LABELS, faces_of, fill, fill_splits, load


def test_with_validation_and_test_folders_nothing_is_chosen_on_test(tmp_path: Path):
    fill_splits(tmp_path, train=5, validation=3, test=4)

    dataset = load(tmp_path)

    assert dataset.report_split == "test"
    assert {name.split("/")[0] for name in dataset.calibration.identifiers} == {"validation"}
    assert {name.split("/")[0] for name in dataset.report.identifiers} == {"test"}
    assert [len(dataset.calibration), len(dataset.report)] == [9, 12]


def test_one_folder_is_split_by_class(tmp_path: Path):
    for label, count in zip(LABELS, (60, 40, 20), strict=True):
        fill(tmp_path / label, count)

    dataset = load(tmp_path, validation_fraction=0.2)

    assert dataset.report_split == "half of held-out"
    assert np.bincount(dataset.train.targets).tolist() == [48, 32, 16]
    assert np.bincount(dataset.calibration.targets).tolist() == [6, 4, 2]
    assert np.bincount(dataset.report.targets).tolist() == [6, 4, 2]
    everything = dataset.train.identifiers + dataset.calibration.identifiers + dataset.report.identifiers
    assert len(set(everything)) == 120


def test_a_training_folder_alone_is_split_too(tmp_path: Path):
    fill_splits(tmp_path, train=20)

    dataset = load(tmp_path)

    assert dataset.report_split == "half of held-out"
    assert len(dataset.train) + len(dataset.calibration) + len(dataset.report) == 60


def test_the_split_depends_on_the_pictures_and_not_on_seed_or_names(tmp_path: Path):
    for label in LABELS:
        fill(tmp_path / "a" / label, 30)
        for index, file in enumerate(sorted((tmp_path / "a" / label).iterdir())):
            (tmp_path / "b" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "b" / label / f"{97 - index}.png")

    first, second = load(tmp_path / "a", seed=1), load(tmp_path / "b", seed=2)

    for split in ("train", "calibration", "report"):
        assert faces_of(first, split) == faces_of(second, split)
    assert first.fingerprint == second.fingerprint
    fill(tmp_path / "b" / "sad", 1, seed=9)
    assert load(tmp_path / "b").fingerprint != first.fingerprint


def test_copies_stay_on_one_side_of_every_split(tmp_path: Path):
    for label in LABELS:
        fill(tmp_path / label, 30)
        for file in sorted((tmp_path / label).iterdir()):
            shutil.copy(file, file.with_name(f"copy_{file.name}"))
            Image.open(file).rotate(5, Image.Resampling.BICUBIC).save(file.with_name(f"turned_{file.name}"))

    dataset = load(tmp_path, validation_fraction=0.3)

    sides = [{name[-7:] for name in part.identifiers} for part in (dataset.calibration, dataset.report)]
    names = [
        {(name.split("/")[0], name[-7:]) for name in part.identifiers}
        for part in (dataset.train, dataset.calibration, dataset.report)
    ]
    assert all(sides)
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert not names[1] & names[2]
    assert len(dataset.train) + len(dataset.calibration) + len(dataset.report) == 270
    assert dataset.audit["copies"]["exact"]["pictures"] == 90
    assert dataset.audit["copies"]["exact_and_near"]["pictures"] == 180


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Train, validation and test folders of which two pictures each also stand elsewhere."""
    root = fill_splits(tmp_path / "leaking", train=20, validation=10, test=10)
    shutil.copy(root / "test/happy/000.png", root / "train/happy/copy.png")
    turned = Image.open(root / "validation/sad/000.png").rotate(-7, Image.Resampling.BICUBIC)
    turned.save(root / "train/sad/turned.png")
    shutil.copy(root / "test/angry/001.png", root / "validation/sad/copy.png")
    return root


def test_what_is_held_out_is_removed_from_training(leaking: Path):
    dataset = load(leaking)

    assert dataset.audit["removed"] == {"from_train": 2, "from_calibration": 1}
    assert dataset.audit["used"]["train"] == {"angry": 20, "happy": 20, "sad": 20}
    assert not {"train/happy/copy.png", "train/sad/turned.png"} & set(dataset.train.identifiers)
    assert "validation/sad/copy.png" not in dataset.calibration.identifiers
    assert len(dataset.report) == 30
    text = "\n".join(audit_in_words(dataset.audit))
    assert "1 of 30 test pictures (3.3%) also stand in train (1 with equal pixels)" in text
    assert "2 pictures were removed from train" in text


def test_copies_are_kept_on_request_and_still_reported(leaking: Path):
    dataset = load(leaking, keep_copies=True)

    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [62, 31, 30]
    assert dataset.audit["removed"] == {"from_train": 0, "from_calibration": 0}
    assert dataset.audit["copies"]["exact_and_near"]["across"] == {
        "train/validation": 1,
        "train/test": 1,
        "validation/test": 1,
    }


def test_broken_files_are_left_out_and_listed(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4)
    (tmp_path / "train/sad/text.jpg").write_text("This is a text file.")
    (tmp_path / "validation/sad/empty.png").write_bytes(b"")

    dataset = load(tmp_path)

    assert len(dataset.train) == 12
    assert len(dataset.calibration) + len(dataset.report) == 12
    listed = [entry["file"] for entry in dataset.audit["unreadable"]["files"]]
    assert listed == ["train/sad/text.jpg", "validation/sad/empty.png"]


def test_evaluation_does_without_training_pictures_and_background(tmp_path: Path):
    fill_splits(tmp_path, test=6)
    config = TrainingConfig(data=str(tmp_path), background=("neutral",), keep_copies=True)

    dataset = load_dataset(config, evaluation=True)

    assert dataset.outputs == (*LABELS, "neutral")
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [0, 9, 9]
    with pytest.raises(DataError, match="neutral"):
        load_dataset(config)


def test_the_data_set_can_be_narrowed_for_another_use(small: Dataset):
    """`replace` and `subset` are how evaluation asks for other faces."""
    half = small.train.subset(np.arange(0, 12, 2))
    narrowed = replace(small, report=half)

    assert len(narrowed.report) == 6
    assert narrowed.report.identifiers == small.train.identifiers[::2]
    np.testing.assert_array_equal(narrowed.report.targets, small.train.targets[::2])
