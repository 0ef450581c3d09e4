"""Every source of pictures, every bad folder, the splits, soft targets and batches."""

import shutil
import sys
import tracemalloc
import types
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data.audit import take_prints
from emotion.data.dataset import Dataset, Examples, FaceBatches, load_dataset, load_soft_targets, summarise
from emotion.data.sources import FolderReader
from emotion.errors import DataError
from tests.hub_server import HubServer

LABELS = ("angry", "happy", "sad")


def draw(rng: np.random.Generator, side: int = 48) -> np.ndarray:
    """A picture unlike any other: uint8 (side, side)."""
    noise = Image.fromarray(rng.normal(size=(9, 9)).astype(np.float32))
    pixels = np.asarray(noise.resize((side, side), Image.Resampling.BICUBIC))
    return np.clip(128 + 50 * pixels + rng.normal(0, 12, (side, side)), 0, 255).astype(np.uint8)


def fill(folder: Path, count: int, *, suffix: str = ".png", seed: int = 0) -> Path:
    """Write `count` different pictures into a folder; the same folder name and seed give the same ones."""
    rng = np.random.default_rng([seed, *folder.as_posix()[-24:].encode()])
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(draw(rng)).save(folder / f"{index:03d}{suffix}")
    return folder


def fill_splits(root: Path, *, labels=LABELS, suffix: str = ".png", **counts: int) -> Path:
    for split, count in counts.items():
        for label in labels:
            fill(root / split / label, count, suffix=suffix)
    return root


def load(data: Path | str, **settings) -> Dataset:
    return load_dataset(TrainingConfig(data=str(data), **settings), progress=False)


def refusal(data: Path | str, **settings) -> str:
    with pytest.raises(DataError) as caught:
        load(data, **settings)
    return str(caught.value)


def labels_of(dataset: Dataset, split: str = "train") -> set[str]:
    return {dataset.outputs[target] for target in getattr(dataset, split).targets}


def faces_of(dataset: Dataset, split: str) -> set[bytes]:
    examples = getattr(dataset, split)
    return {face.tobytes() for face in examples.load(np.arange(len(examples)), 48, 1)}


# Folders


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

    assert faces.shape == (2, 48, 48, 1) and faces.dtype == np.uint8
    for face, index in zip(faces, (5, 0), strict=True):
        np.testing.assert_array_equal(face[..., 0], Image.open(tmp_path / train.identifiers[index]))
    colour = train.load(np.array([5]), 24, 3)
    assert colour.shape == (1, 24, 24, 3)
    assert abs(colour.mean() - faces[0].mean()) < 2


def test_jpeg_files_of_other_sizes_and_modes_become_square_faces(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=4, suffix=".JPG")
    rng = np.random.default_rng(0)
    Image.fromarray(np.stack([draw(rng, 96)] * 3, -1)[:80]).save(tmp_path / "train/happy/wide.jpeg")

    dataset = load(tmp_path)

    assert len(dataset.train) == 13
    assert dataset.train.load(np.arange(13), 48, 1).std() > 20


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


# Splits and copies


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
    assert not names[0] & names[1] and not names[0] & names[2] and not names[1] & names[2]
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
    text = "\n".join(summarise(dataset.audit))
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

    assert len(dataset.train) == 12 and len(dataset.calibration) + len(dataset.report) == 12
    listed = [entry["file"] for entry in dataset.audit["unreadable"]["files"]]
    assert listed == ["train/sad/text.jpg", "validation/sad/empty.png"]


def test_evaluation_does_without_training_pictures_and_background(tmp_path: Path):
    fill_splits(tmp_path, test=6)
    config = TrainingConfig(data=str(tmp_path), background=("neutral",), keep_copies=True)

    dataset = load_dataset(config, evaluation=True, progress=False)

    assert dataset.outputs == (*LABELS, "neutral")
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [0, 9, 9]
    with pytest.raises(DataError, match="neutral"):
        load_dataset(config, progress=False)


# FER2013 CSV


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
    assert "no bored" in message and "surprise" in message


# Kaggle and the Hub


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """kagglehub as it behaves for the default data set; returns what was asked for."""
    root = tmp_path / "kaggle/datasets/owner/emotions/versions/1"
    fill_splits(root / "Emotions Dataset/Emotions Dataset", train=5, test=4)
    for label in (*LABELS, "fear"):
        fill(root / "EmotionsDataset/data" / label, 12, seed=1)
    asked = []

    def dataset_download(handle: str) -> str:
        asked.append(handle)
        if handle != "owner/emotions":
            raise RuntimeError("404 Client Error.")
        return str(root)

    monkeypatch.setitem(sys.modules, "kagglehub", types.SimpleNamespace(dataset_download=dataset_download))
    return asked


def test_kaggle_data_set_is_found_beside_an_unrelated_tree(kaggle: list[str]):
    dataset = load("kaggle:owner/emotions")

    assert kaggle == ["owner/emotions"]
    assert dataset.source == "kaggle:owner/emotions"
    assert dataset.report_split == "half of test"
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [15, 6, 6]
    assert all(
        name.startswith("Emotions Dataset/Emotions Dataset/train/") for name in dataset.train.identifiers
    )


def test_labels_that_only_the_other_tree_has_choose_it(kaggle: list[str]):
    dataset = load("kaggle:owner/emotions", labels=("fear", "happy"))

    assert all(name.startswith("EmotionsDataset/data/") for name in dataset.train.identifiers)


def test_kaggle_refusals_say_what_to_do(kaggle: list[str], monkeypatch: pytest.MonkeyPatch):
    message = refusal("kaggle:owner/nothing")
    assert "404 Client Error" in message and "https://www.kaggle.com/datasets/owner/nothing" in message
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install kagglehub" in refusal("kaggle:owner/emotions")


def test_image_folders_from_the_hub(hub: HubServer, tmp_path: Path):
    fill_splits(tmp_path / "v1", train=4, test=4, suffix=".jpg")
    repository = hub.add_repository("owner/faces", tmp_path / "v1", repo_type="dataset")
    first = repository.branches["main"].sha
    more = fill(tmp_path / "more/train/happy", 3, suffix=".jpg")
    files = {f"train/happy/more_{path.name}": path.read_bytes() for path in more.iterdir()}
    hub.add_commit(repository, files)

    assert len(load("hf:owner/faces").train) == 15
    dataset = load(f"hf:owner/faces@{first}")
    assert [len(dataset.train), len(dataset.calibration), len(dataset.report)] == [12, 6, 6]
    assert labels_of(dataset) == set(LABELS)


def test_zipped_pictures_from_the_hub(hub: HubServer, tmp_path: Path):
    fill_splits(tmp_path / "faces", train=4, test=4)
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for path in sorted((tmp_path / "faces").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path))
    content = {"faces.zip": (tmp_path / "faces.zip").read_bytes(), "README.md": b"# Faces"}
    hub.add_repository("owner/zipped", content, repo_type="dataset")
    hub.add_repository("owner/broken", {"faces.zip": b"no archive"}, repo_type="dataset")

    assert len(load("hf:owner/zipped").train) == 12
    assert len(load("hf:owner/zipped").train) == 12, "the second time from what is unpacked"
    assert "cannot be unpacked" in refusal("hf:owner/broken")


def test_hub_refusals_say_what_to_do(hub: HubServer):
    hub.add_repository("owner/tables", {"data.parquet": b"PAR1"}, repo_type="dataset")

    assert "hf auth login" in refusal("hf:owner/nothing")
    assert "holds no picture files" in refusal("hf:owner/tables")


# Bad folders


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
    assert "no folder angry and no folder sad" in message and "It holds: happy" in message
    assert "two folders or more" in refusal(tmp_path, labels=("happy",))
    assert "two folders or more" in refusal(tmp_path, labels=())


def test_a_label_without_folder_names_those_there_are(tmp_path: Path):
    fill_splits(tmp_path, labels=("happy", "sad", "surprised"), train=4, validation=4)
    message = refusal(tmp_path, labels=("happy", "surprise"))
    assert "no folder surprise" in message and "happy, sad, surprised" in message and "--labels" in message


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
    assert "None of the 6 files" in message and "text.jpg" in message


def test_no_training_pictures(tmp_path: Path):
    fill_splits(tmp_path, validation=4)
    assert "none to train on" in refusal(tmp_path)


def test_too_few_different_pictures(tmp_path: Path):
    fill_splits(tmp_path, train=4, validation=1)
    assert "too few different pictures" in refusal(tmp_path)
    for label in LABELS:
        shutil.copy(tmp_path / f"validation/{label}/000.png", tmp_path / f"validation/{label}/copy.png")
    assert "too few different pictures" in refusal(tmp_path)


# Soft labels


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    return load(
        fill_splits(tmp_path / "small", labels=(*LABELS, "neutral"), train=3, validation=4),
        background=("neutral",),
    )


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

    assert targets.shape == (len(small.train), 4) and targets.dtype == np.float32
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


# Batches


def batches_of(dataset: Dataset, **settings) -> FaceBatches:
    settings = {
        "outputs": 4,
        "batch_size": 5,
        "size": 48,
        "channels": 1,
        "shuffle": True,
        "seed": 7,
    } | settings
    return FaceBatches(dataset.train, **settings)


def test_batches_hold_every_face_once_with_its_target(small: Dataset):
    batches = batches_of(small)
    faces, targets = map(np.concatenate, zip(*batches, strict=True))

    assert len(batches) == 3 and [len(batches[index][0]) for index in range(3)] == [5, 5, 2]
    assert faces.dtype == targets.dtype == np.float32
    assert 1 < faces.max() <= 255 and faces.min() >= 0
    expected = small.train.load(np.arange(12), 48, 1)
    for face, target in zip(faces, targets, strict=True):
        index = int(np.flatnonzero((expected == face).all(axis=(1, 2, 3)))[0])
        np.testing.assert_array_equal(target, np.eye(4)[small.train.targets[index]])
    assert len({face.tobytes() for face in faces}) == 12


def test_soft_targets_stay_with_their_faces(small: Dataset):
    soft = np.random.default_rng(0).dirichlet(np.ones(4), size=12)
    faces, targets = map(np.concatenate, zip(*batches_of(small, soft_targets=soft), strict=True))

    expected = small.train.load(np.arange(12), 48, 1)
    for face, target in zip(faces, targets, strict=True):
        index = int(np.flatnonzero((expected == face).all(axis=(1, 2, 3)))[0])
        np.testing.assert_allclose(target, soft[index], rtol=1e-6)


def add_noise(faces: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    assert faces.dtype == np.uint8
    return np.clip(faces + rng.normal(0, 5, faces.shape), 0, 255)


def epochs_of(batches: FaceBatches, count: int) -> list[np.ndarray]:
    result = []
    for _ in range(count):
        result.append(np.concatenate([faces for faces, _ in batches]))
        batches.on_epoch_end()
    return result


def test_epochs_differ_and_a_resumed_run_sees_the_same_ones(small: Dataset):
    whole = epochs_of(batches_of(small, augment=add_noise), 3)
    resumed = batches_of(small, augment=add_noise)
    resumed.set_epoch(1)

    assert not np.array_equal(whole[0], whole[1])
    np.testing.assert_array_equal(whole[1:], epochs_of(resumed, 2))
    assert not np.array_equal(whole[0], epochs_of(batches_of(small, augment=add_noise, seed=8), 1)[0])


def test_without_shuffling_the_order_is_that_of_the_examples(small: Dataset):
    first, second = epochs_of(batches_of(small, shuffle=False), 2)

    np.testing.assert_array_equal(first, small.train.load(np.arange(12), 48, 1))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("workers", [1, 2])
def test_keras_fits_on_the_batches_in_their_order(small: Dataset, workers: int):
    class Recorder(keras.layers.Layer):
        """Counts what it is shown; the sum of all pixels tells which faces there were."""

        def build(self, shape):
            self.total = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="float64")

        def call(self, faces):
            self.total.assign_add(keras.ops.sum(keras.ops.cast(faces, "float64")))
            return keras.ops.mean(faces, axis=(1, 2)) / 255

    recorder = Recorder()
    model = keras.Sequential(
        [keras.Input((48, 48, 1)), recorder, keras.layers.Dense(4, activation="softmax")]
    )
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    recorder.total.assign(0)  # building may show it something

    history = model.fit(batches_of(small, workers=workers), epochs=2, shuffle=False, verbose=0)

    assert np.isfinite(history.history["loss"]).all()
    expected = 2 * small.train.load(np.arange(12), 48, 1).astype(np.float64).sum()
    assert float(recorder.total) == pytest.approx(expected)


def test_memory_does_not_hold_the_pictures(tmp_path: Path):
    rng = np.random.default_rng(0)
    texture = np.stack([draw(rng, 400)] * 3, -1)
    names = [f"{index}.jpg" for index in range(96)]
    for name in names:
        Image.fromarray(np.roll(texture, rng.integers(400, size=2), axis=(0, 1))).save(tmp_path / name)
    examples = Examples(names, np.zeros(96, np.int64), FolderReader(tmp_path))
    batches = FaceBatches(examples, outputs=2, batch_size=8, size=48, channels=3, shuffle=True, seed=0)

    tracemalloc.start()
    take_prints(examples)
    shapes = {faces.shape for faces, _ in batches}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert shapes == {(8, 48, 48, 3)}
    assert peak < 96 * texture.nbytes / 4


def test_the_data_set_can_be_narrowed_for_another_use(small: Dataset):
    """`replace` and `subset` are how evaluation asks for other faces."""
    half = small.train.subset(np.arange(0, 12, 2))
    narrowed = replace(small, report=half)

    assert len(narrowed.report) == 6
    assert narrowed.report.identifiers == small.train.identifiers[::2]
    np.testing.assert_array_equal(narrowed.report.targets, small.train.targets[::2])
