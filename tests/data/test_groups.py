"""A CSV of groups: matched to pictures by name, ages put into ranges, and refused with what to do."""

from pathlib import Path

import numpy as np
import pytest

from emotion.data.dataset import Dataset
from emotion.data.examples import Examples
from emotion.data.people import load_groups
from emotion.errors import DataError


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_pictures_are_found_by_name_and_others_belong_to_no_group(small: Dataset, tmp_path: Path):
    names = small.report.identifiers
    path = write(
        tmp_path / "groups.csv",
        "image,glasses,camera",
        f"{names[0]},yes,phone",
        names[1].replace("/", "\\") + ", no ,",
        "elsewhere/1.png,yes,phone",
    )
    groups = load_groups(path, small.report)
    rest = [None] * (len(names) - 2)
    assert groups == {"glasses": ["yes", "no", *rest], "camera": ["phone", None, *rest]}


def test_many_different_numbers_become_ranges_and_few_stay_as_they_are(tmp_path: Path):
    ages = [4, 9, 18, 23, 31, 46, 46, 70, 88, 90, 50, 51]
    names = [f"sad/{number}.png" for number in range(len(ages))]
    lines = [f"{name},{age},{age % 3},{age}" for name, age in zip(names, ages, strict=True)]
    lines[0] = lines[0].removesuffix("4") + "none"
    examples = Examples(names, np.zeros(len(names), np.int64), read=np.load)
    groups = load_groups(write(tmp_path / "groups.csv", "image,age,tone,words", *lines), examples)
    assert set(groups["tone"]) == {"0", "1", "2"}
    assert groups["words"] == ["none", *map(str, ages[1:])]
    assert set(groups["age"]) == {"4–18", "23–31", "46–51", "70–90"}
    assert groups["age"][ages.index(31)] == "23–31"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,age", "a.png,3"], "It needs 'image' and a column or more"),
        (["image", "NAME"], "It needs 'image' and a column or more"),
        (["image,age", "/home/me/000.png,3"], "names no picture that is measured"),
        (["image,age", '"' + "x" * 200_000 + '",3'], "is not a CSV"),
    ],
)
def test_bad_groups_are_refused(lines: list[str], message: str, small: Dataset, tmp_path: Path):
    lines = [line.replace("NAME", small.report.identifiers[0]) for line in lines]
    with pytest.raises(DataError, match=message):
        load_groups(write(tmp_path / "groups.csv", *lines), small.report)
    with pytest.raises(DataError, match="--groups"):
        load_groups(tmp_path / "nowhere.csv", small.report)


def test_a_name_per_picture_is_no_group_of_people(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("emotion.data.people.MOST_GROUPS", 2)
    lines = [f"{name},person {k}" for k, name in enumerate(small.report.identifiers)]
    with pytest.raises(DataError, match=r"by 'person', and at most 2 .* leave the column out"):
        load_groups(write(tmp_path / "groups.csv", "image,person", *lines), small.report)
