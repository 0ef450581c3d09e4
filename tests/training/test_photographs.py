"""Runs over whole photographs: what is learned, measured and said is about the faces in them."""

import json
from pathlib import Path

import pytest
from PIL import Image

from emotion.config import TrainingConfig
from emotion.data import framing
from emotion.report.report import FIGURES
from emotion.training.evaluation import summary
from emotion.training.folder import load_run_config
from emotion.training.runs import evaluate_model, train_model
from tests.conftest import TINY_RUN
from tests.data.photographs import EXAMPLES, write_photographs

pytestmark = pytest.mark.slow


def test_a_run_over_photographs_says_how_many_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = write_photographs(tmp_path / "data")
    with Image.open(EXAMPLES / "6-no-face.jpg") as landscape:
        for split in ("train", "test"):
            landscape.save(data / split / "sad" / f"{split}.png")
    config = TrainingConfig(data=str(data), keep_copies=True, **TINY_RUN | {"initial_weights": ""})

    classifier = train_model(config, tmp_path / "runs" / "first")

    audit = json.loads((tmp_path / "runs" / "first" / "audit.json").read_text())
    assert audit["framing"]["without_face"]["count"] == 2
    report = classifier.report
    assert report is not None
    found, right = FIGURES["found"].read(report), FIGURES["found_and_right"].read(report)
    assert found == report.accuracy.faces / (report.accuracy.faces + (report.data.without_face or 0))
    assert right == found * report.accuracy.value
    assert f"A face was found in {found:.1%} of the held-out pictures" in summary(report)
    monkeypatch.setattr(framing, "detect_faces", None)  # nothing is searched again
    measured = evaluate_model(str(tmp_path / "runs" / "first"), str(data), tmp_path / "runs" / "second")
    assert measured.accuracy == report.accuracy


def test_a_run_of_a_version_without_framing_goes_on_as_it_began(tmp_path: Path):
    (tmp_path / "training.json").write_text(json.dumps({"epochs": 3}))
    assert load_run_config(tmp_path).framing == "whole"
