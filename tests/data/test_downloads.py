"""Data sets on Kaggle and the Hub are found whatever they are packed in, and refusals say what to do."""

import sys
import types
import zipfile
from pathlib import Path

import kagglehub
import pytest
import requests

from tests.data.pictures import LABELS, fill, fill_splits, labels_of, load, refusal
from tests.hub_server import HubServer


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-in for kagglehub as it behaves for the default data set; returns what was asked for."""
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


@pytest.mark.usefixtures("kaggle")
def test_labels_that_only_the_other_tree_has_choose_it():
    dataset = load("kaggle:owner/emotions", labels=("fear", "happy"))

    assert all(name.startswith("EmotionsDataset/data/") for name in dataset.train.identifiers)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, ["Kaggle has no data set owner/nothing", "Check the name"]),
        (401, ["to people with an account only", "KAGGLE_API_TOKEN", "unpack it and pass the folder"]),
        (403, ["Agree to its terms at https://www.kaggle.com/datasets/owner/nothing"]),
        (500, ["Kaggle did not give the data set owner/nothing: Server broke", "Check the network"]),
    ],
)
def test_kaggle_refusals_say_what_to_do(status: int, words: list[str], monkeypatch: pytest.MonkeyPatch):
    def refuse(_: str) -> str:
        response = requests.Response()
        response.status_code = status
        raise kagglehub.exceptions.KaggleApiHTTPError("Server\n\nbroke.", response=response)

    monkeypatch.setattr(kagglehub, "dataset_download", refuse)
    message = refusal("kaggle:owner/nothing")
    assert all(word in message for word in words)
    assert len(message.splitlines()) == 1


@pytest.mark.slow
def test_without_a_network_kaggles_real_client_gives_up_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    message = refusal("kaggle:owner/emotions")
    assert message.startswith(
        "Kaggle did not give the data set owner/emotions: no connection. Check the network."
    )
    assert "download it at https://www.kaggle.com/datasets/owner/emotions, unpack it" in message


def test_kaggle_without_its_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install -r requirements.txt" in refusal("kaggle:owner/emotions")


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
    hub.add_repository("owner/sounds", {"1.wav": b"RIFF", "banner.png": b"PNG"}, repo_type="dataset")

    assert "hf auth login" in refusal("hf:owner/nothing")
    assert "holds no pictures in folders, zip files, CSV or Parquet" in refusal("hf:owner/sounds")
