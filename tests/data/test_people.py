"""No person is trained on and measured, where a table or a pattern says who is who."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError
from emotion.report.pictures import audit_in_words

PEOPLE = [f"{sex}{number:02d}" for sex in "FM" for number in range(1, 11)]
LABELS = {"AN": "angry", "HA": "happy", "SA": "sad"}


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory) -> Path:
    """Two pictures of each person and label, named as KDEF does; noise, so that none is a copy."""
    folder, rng = tmp_path_factory.mktemp("laboratory"), np.random.default_rng(0)
    for code, label in LABELS.items():
        (folder / label).mkdir()
        for person in PEOPLE:
            for session in "AB":
                pixels = rng.integers(0, 256, (48, 48), np.uint8)
                Image.fromarray(pixels).save(folder / label / f"{session}{person}{code}S.png")
    return folder


def load(folder: Path, people: str | None) -> Dataset:
    return load_dataset(TrainingConfig(data=str(folder), people=people, framing="whole"))


def people_in(dataset: Dataset) -> list[set[str]]:
    parts = (dataset.train, dataset.calibration, dataset.report)
    return [{Path(name).name[1:4] for name in part.identifiers} for part in parts]


def test_without_a_word_people_recur_and_a_pattern_is_proposed(laboratory, caplog):
    trained, _, reported = people_in(load(laboratory, None))
    assert trained & reported
    assert "look like KDEF's: --people '^[AB]([FM]\\d\\d)[A-Z]{2}'" in caplog.text


def test_a_pattern_keeps_each_person_on_one_side(laboratory, caplog):
    caplog.set_level(logging.INFO)
    dataset = load(laboratory, r"^[AB]([FM]\d\d)[A-Z]{2}")
    trained, chosen, reported = people_in(dataset)
    assert trained.isdisjoint(chosen | reported)
    assert chosen.isdisjoint(reported)
    assert trained | chosen | reported == set(PEOPLE)
    for part in (dataset.train, dataset.calibration, dataset.report):
        assert set(part.targets) == {0, 1, 2}
    assert dataset.audit["people"] == {"known": 20, "in_training_and_held_out": 0}
    assert "20 people in 120 of 120 pictures" in caplog.text


def test_a_table_does_the_same(laboratory, tmp_path):
    rows = [
        f"{path.relative_to(laboratory).as_posix()},{path.name[1:4]}" for path in laboratory.rglob("*.png")
    ]
    (tmp_path / "people.csv").write_text("\n".join(["image,person", *rows]))
    trained, chosen, reported = people_in(load(laboratory, str(tmp_path / "people.csv")))
    assert trained.isdisjoint(chosen | reported)
    assert chosen.isdisjoint(reported)


def test_folders_that_put_a_person_on_both_sides_are_named(laboratory, tmp_path):
    for path in laboratory.rglob("*.png"):
        split = "train" if path.name[0] == "A" else "validation"
        target = tmp_path / split / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    dataset = load(tmp_path, r"^[AB]([FM]\d\d)")
    assert dataset.audit["people"]["in_training_and_held_out"] == 20
    assert "People both in training and in held-out pictures: 20." in " ".join(audit_in_words(dataset.audit))


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ("(", "nor a valid regular expression"),
        ("^[AB]", "needs one group in brackets"),
        (r"^(XX\d+)", "fits no file name, such as"),
        ("nowhere.csv", "nowhere.csv cannot be read.*--people"),
    ],
)
def test_what_names_nobody_is_refused(people, message, laboratory):
    with pytest.raises(DataError, match=message):
        load(laboratory, people)
