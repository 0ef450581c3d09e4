"""Votes per picture become targets, and bad files of votes are refused."""

from pathlib import Path

import numpy as np
import pytest

from emotion.data.dataset import Dataset
from emotion.data.examples import Examples
from emotion.data.soft_targets import load_majorities, load_soft_targets
from emotion.errors import DataError


def test_soft_targets_follow_the_votes(small: Dataset, tmp_path: Path):
    votes = tmp_path / "votes.csv"
    votes.write_text(
        "image,neutral,happiness,surprise,sadness,anger\n"
        "train/angry/000.png,2,0,3,1,1\n"
        "train\\happy\\001.png,0,0.8,0,0.2,0\n"
        "train/sad/002.png,0,0,10,0,0\n"
        "train/neutral/001.png,6,0,0,4,0\n"
        "validation/sad/000.png,0,10,0,0,0\n"
    )

    targets = load_soft_targets(votes, small)

    assert targets.shape == (len(small.train), 4)
    assert targets.dtype == np.float32
    row = small.train.identifiers.index
    np.testing.assert_allclose(targets[row("train/angry/000.png")], [0.25, 0, 0.25, 0.5])
    np.testing.assert_allclose(targets[row("train/happy/001.png")], [0, 0.8, 0.2, 0])
    np.testing.assert_allclose(targets[row("train/sad/002.png")], [0, 0, 1, 0])
    np.testing.assert_allclose(targets[row("train/neutral/000.png")], [0, 0, 0, 1])
    np.testing.assert_allclose(targets[row("train/neutral/001.png")], [0, 0, 0.4, 0.6])
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)


def test_votes_for_a_class_without_voted_pictures_stay_with_the_label(small: Dataset, tmp_path: Path):
    votes = tmp_path / "votes.csv"
    votes.write_text("image,neutral,sadness,anger\ntrain/sad/000.png,6,3,1\ntrain/angry/000.png,1,2,1\n")

    targets = load_soft_targets(votes, small)

    row = small.train.identifiers.index
    np.testing.assert_allclose(targets[row("train/sad/000.png")], [0.1, 0, 0.9, 0])
    np.testing.assert_allclose(targets[row("train/angry/000.png")], [0.5, 0, 0.5, 0])


def test_a_majority_is_more_than_half_of_all_votes_for_one_label(tmp_path: Path):
    votes = tmp_path / "votes.csv"
    votes.write_text(
        "image,neutral,happiness,surprise,sadness,anger,remark\n"
        "validation/happy/a.jpg,0,10,0,0,0,clear\n"
        "validation/angry/b.jpg,1,0,0,6,3,\n"
        "validation/sad/c.jpg,5,0,0,5,0,\n"
        "validation/sad/d.jpg,9,0,0,1,0,\n"
        "elsewhere/e.jpg,0,0,0,0,10,\n"
    )
    names = [
        "validation/angry/b.jpg",
        "validation/happy/a.jpg",
        "validation/sad/c.jpg",
        "validation/sad/d.jpg",
    ]
    examples = Examples([*names, "validation/sad/without_votes.jpg"], np.zeros(5, np.int64), read=np.load)
    assert load_majorities(votes, examples, ("angry", "happy", "sad")).tolist() == [2, 1, -1, -1, -1]
    with pytest.raises(DataError, match="--votes"):
        load_majorities(tmp_path / "nowhere.csv", examples, ("angry", "happy"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("image,joy\ntrain/sad/000.png,1\n", "one column per network output: angry, happy, sad, neutral"),
        ("file,happy\ntrain/sad/000.png,1\n", "It needs 'image'"),
        ("image,happy\ntrain/sad/000.png,many\n", "not a CSV of votes"),
        ("image,happy\ntrain/sad/000.png,-1\n", "not a CSV of votes"),
        ("image,happy\n/home/me/000.png,1\n", "names no training picture"),
        ("", "It needs 'image'"),
        ("\xff\xfe\x00", "It needs 'image'"),
    ],
)
def test_bad_soft_labels_are_refused(content: str, message: str, small: Dataset, tmp_path: Path):
    (tmp_path / "votes.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load_soft_targets(tmp_path / "votes.csv", small)


def test_missing_soft_labels_are_refused(small: Dataset, tmp_path: Path):
    with pytest.raises(DataError, match="--soft-labels"):
        load_soft_targets(tmp_path / "nowhere.csv", small)
