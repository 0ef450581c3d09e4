"""The CSV of FER2013, in the shapes it is passed on in, and with bad rows."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.pictures import draw, load, refusal


def write_csv(path: Path, rows: list[tuple[int, np.ndarray, str]], *, header="emotion,pixels,Usage") -> Path:
    columns = [name.strip() for name in header.split(",")]
    with open(path, "w") as file:
        print(header, file=file)
        for emotion, face, usage in rows:
            cells = {"emotion": emotion, "pixels": " ".join(map(str, face.ravel())), "Usage": usage}
            print(",".join(str(cells[name]) for name in columns), file=file)
    return path


@pytest.fixture(scope="module")
def csv_rows() -> list[tuple[int, np.ndarray, str]]:
    rng = np.random.default_rng(4)
    usages = ["Training"] * 6 + ["PublicTest"] * 3 + ["PrivateTest"] * 3
    return [(emotion, draw(rng), usage) for usage in usages for emotion in range(7)]


def test_a_star_makes_the_other_emotions_of_a_csv_background(csv_rows, tmp_path: Path):
    dataset = load(write_csv(tmp_path / "fer2013.csv", csv_rows), background=("*",))

    assert dataset.outputs == ("angry", "happy", "sad", "disgust", "fear", "surprise", "neutral")


@pytest.mark.parametrize("header", ["emotion,pixels,Usage", "emotion, Usage, pixels"])
def test_fer2013_csv(header: str, csv_rows, tmp_path: Path):
    path = write_csv(tmp_path / "fer2013.csv", csv_rows, header=header)

    dataset = load(path, background=("neutral",))

    assert dataset.outputs == ("angry", "happy", "sad", "neutral")
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [24, 12, 12]
    assert dataset.report_split == "test"
    numbers = {"angry": 0, "happy": 3, "sad": 4, "neutral": 6}
    for identifier, target, face in zip(
        dataset.report.identifiers,
        dataset.report.targets,
        dataset.report.load(np.arange(12), 48, 1),
        strict=True,
    ):
        emotion, pixels, usage = csv_rows[int(identifier.removeprefix("row "))]
        assert (emotion, usage) == (numbers[dataset.outputs[target]], "PrivateTest")
        np.testing.assert_array_equal(face[..., 0], pixels)


def test_csv_in_a_folder_without_usage_is_split_like_one_folder(csv_rows, tmp_path: Path):
    write_csv(tmp_path / "faces.csv", csv_rows, header="emotion,pixels")

    dataset = load(tmp_path, labels=())

    assert dataset.labels == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert dataset.report_split == "half of held-out"
    assert len(dataset.train) + len(dataset.calibration) + len(dataset.report) == 84


def test_bad_rows_of_a_csv_are_left_out_and_listed(csv_rows, tmp_path: Path):
    path = write_csv(tmp_path / "fer2013.csv", csv_rows)
    with open(path, "a") as file:
        file.write("0,1 2 3,Training\n3,one two three four,Training\n4,0 0 0 999,Training\n\n")

    dataset = load(path)

    assert len(dataset.train) == 18
    assert [entry["file"] for entry in dataset.audit["unreadable"]["files"]] == ["row 84", "row 85", "row 86"]


def test_bad_csv_files_are_refused(csv_rows, tmp_path: Path):
    other = tmp_path / "other.csv"
    other.write_text("name,age\nAnna,3\n")
    assert "emotion, pixels and Usage" in refusal(other)
    other.write_text("emotion,pixels,Usage\n")
    assert "no rows of angry, happy, sad" in refusal(other)
    fer2013 = write_csv(tmp_path / "fer2013.csv", csv_rows)
    message = refusal(fer2013, labels=("happy", "bored"))
    assert "no emotion bored" in message
    assert "surprise" in message
