"""A run goes from pictures to a saved model, names no file of anyone; finished models are measured again."""

import csv
import json

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.errors import DataError
from emotion.report.report import read_report
from emotion.training.evaluation import summary
from emotion.training.runs import evaluate_model, train_model
from tests.conftest import SMALL_RUN, TINY_RUN
from tests.drawn_faces import write_faces

pytestmark = pytest.mark.slow


def test_a_small_network_learns_to_tell_drawn_faces_apart(trained_model):
    report = json.loads((trained_model / "report.json").read_text())
    low, _ = report["accuracy"]["interval"]
    assert low > 0.6, "chance is 0.33"
    assert report["not_sure"]["background_not_sure"]["neutral"] is not None
    history = report["history"]
    assert history["loss"][-1] < history["loss"][0]
    assert len(history["val_accuracy"]) == SMALL_RUN["epochs"]


def test_a_run_leaves_logs_and_a_report_behind(trained_model):
    with open(trained_model / "history.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(SMALL_RUN["epochs"]))
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} <= rows[0].keys()
    assert list((trained_model / "tensorboard").rglob("events.out.tfevents.*"))
    assert {path.name for path in (trained_model / "plots").iterdir()} >= {
        "training.png",
        "confusion_matrix.png",
    }
    assert (trained_model / "wrong_faces.png").exists() or json.loads(
        (trained_model / "report.json").read_text()
    )["accuracy"]["value"] == 1.0


def test_what_is_published_names_no_file_of_the_training_data(drawn_data, trained_model):
    audit = json.loads((trained_model / "audit.json").read_text())
    assert audit["files"]["train"]["happy"] == 60
    published = [trained_model / name for name in ("report.json", "emotion.json", "README.md")]
    for text in (path.read_text() for path in published):
        assert str(drawn_data.parent) not in text
        assert "happy_0" not in text


def test_training_can_start_from_a_trained_model(trained_model, drawn_data, tmp_path):
    names = [path.relative_to(drawn_data).as_posix() for path in (drawn_data / "validation").rglob("*.jpg")]
    (tmp_path / "cameras.csv").write_text("image,camera\n" + "".join(f"{name},phone\n" for name in names))
    settings = SMALL_RUN | {"epochs": 1, "learning_rate": 1e-4, "initial_weights": str(trained_model)}
    settings |= {"groups": str(tmp_path / "cameras.csv")}
    config = TrainingConfig(data=str(drawn_data), background=("neutral",), **settings)
    classifier = train_model(config, tmp_path)
    low, _ = classifier.report.accuracy.interval
    assert low > 0.6, "one epoch at so low a rate teaches nothing: chance is 0.33"
    assert classifier.description.training["initial_weights"] == trained_model.name, (
        "no folder of this computer"
    )
    assert "Training started from the weights of" in classifier.card
    assert classifier.report.groups["camera"].groups["phone"].faces == classifier.report.accuracy.faces
    assert classifier.description.training["groups"] == "cameras.csv"


def test_on_its_own_data_the_same_faces_are_reported(trained_model, drawn_data, tmp_path):
    report = evaluate_model(str(trained_model), str(drawn_data), tmp_path / "evaluation")
    first = read_report(trained_model / "report.json")
    assert report.accuracy == first.accuracy
    assert report.confusion_matrix == first.confusion_matrix
    assert report.calibration.temperature == first.calibration.temperature
    assert json.loads((tmp_path / "evaluation" / "report.json").read_text()) == report.to_dict()
    assert (tmp_path / "evaluation" / "plots" / "confusion_matrix.png").exists()


def test_groups_are_measured_on_the_reported_faces(trained_model, drawn_data, tmp_path):
    path = tmp_path / "groups.csv"
    names = [
        f"validation/{label}/{label}_{k:03d}.jpg" for label in ("angry", "happy", "sad") for k in range(60)
    ]
    path.write_text("image,camera\n" + "".join(f"{name},{'ab'[k % 2]}\n" for k, name in enumerate(names)))
    report = evaluate_model(str(trained_model), str(drawn_data), tmp_path / "measured", groups=str(path))
    column = report.groups["camera"]
    assert sum(figures.faces for figures in column.groups.values()) == report.accuracy.faces
    assert read_report(tmp_path / "measured" / "report.json") == report
    assert "Largest gap in accuracy by camera" in summary(report)


def test_a_wrong_file_of_groups_is_refused_before_any_epoch(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), groups=str(tmp_path / "nowhere.csv"), **TINY_RUN)
    with pytest.raises(DataError, match="--groups"):
        train_model(config, tmp_path / "run")
    assert not (tmp_path / "run" / "history.csv").exists()


def test_on_other_faces_all_of_them_count(trained_model, tmp_path):
    write_faces(tmp_path / "others", ("angry", "happy", "sad"), 12, np.random.default_rng(99))
    report = evaluate_model(str(trained_model), str(tmp_path / "others"), tmp_path / "evaluation")
    assert report.accuracy.faces == 36
    assert report.data.report_split == "all faces"
    assert "on 36 faces" in summary(report)


def test_faces_with_other_labels_are_refused(trained_model, tmp_path):
    write_faces(tmp_path / "others", ("angry", "happy"), 5, np.random.default_rng(99))
    with pytest.raises(DataError, match="sad"):
        evaluate_model(str(trained_model), str(tmp_path / "others"), tmp_path / "evaluation")
