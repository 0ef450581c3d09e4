"""Data sets on Kaggle are found whatever they are packed in, and refusals say what to do."""

import sys
import types
from pathlib import Path

import kagglehub
import pytest
import requests

from tests.data.pictures import LABELS, fill, fill_splits, load, refusal


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kaggle answers."""
    monkeypatch.setattr("emotion.data.sources.is_reachable", lambda _: True)


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-in for kagglehub as it behaves for the default data set; returns what was asked for."""
    monkeypatch.setattr("emotion.data.sources.is_reachable", lambda _: True)
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


@pytest.mark.usefixtures("network")
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


@pytest.mark.usefixtures("network")
def test_kaggle_without_its_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert "pip install -r requirements.txt" in refusal("kaggle:owner/emotions")


def test_without_a_network_the_latest_copy_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("emotion.data.sources.is_reachable", lambda _: False)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    data_set = tmp_path / "datasets/owner/emotions"
    for version, pictures in ((2, 4), (10, 6), (11, 9)):
        fill_splits(data_set / f"versions/{version}", train=pictures, test=4)
        if version < 11:  # the last one was not downloaded to its end
            (data_set / f"{version}.complete").touch()

    assert len(load("kaggle:owner/emotions").train) == 18
