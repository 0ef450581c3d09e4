"""A run goes from pictures to a saved model, names no file of anyone; finished models are measured again."""

import csv
import json
import shlex

import numpy as np
import pytest

from emotion.config import EMBEDDED, FINE_TUNING, TrainingConfig
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.report.card import training_command
from emotion.report.report import read_report
from emotion.training.arguments import parse
from emotion.training.command import chosen_config
from emotion.training.evaluation import summary
from emotion.training.runs import evaluate_model, starting_config, train_model
from tests.conftest import SMALL_RUN, TINY_RUN
from tests.drawn_faces import draw_face, write_faces

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
    assert "guessing reaches 33.3%" in summary(classifier.report)
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


@pytest.mark.parametrize(
    ("given", "start", "background"),
    [
        ({}, EMBEDDED, EMBEDDED),
        ({"background": ("neutral",)}, EMBEDDED, None),
        ({"labels": ("joy", "rage"), "blocks": (1, 2, 2)}, EMBEDDED, EMBEDDED),
        ({"architecture": "lenet5"}, None, None),
        ({"width": 8}, None, None),
        ({"initial_weights": ""}, None, None),
        ({"initial_weights": EMBEDDED, "freeze": True}, EMBEDDED, None),
    ],
)
def test_a_run_starts_from_what_is_known_unless_another_network_is_asked_for(given, start, background):
    config = starting_config(None, {}, given)
    assert (config.initial_weights, config.background_teacher) == (start, background)
    fine_tuned = start is not None and not config.freeze
    assert (config.epochs == FINE_TUNING["epochs"]) == fine_tuned
    # The command on the card gives the same settings.
    typed = shlex.split(training_command(config.to_dict()))[2:]
    assert chosen_config(parse(typed)) == config


def test_recipes_and_settings_of_other_runs_say_where_they_start():
    assert starting_config("best", {}, {}).initial_weights == "teacher"
    assert starting_config(None, TrainingConfig(epochs=7).to_dict(), {}).initial_weights is None


@pytest.mark.long
def test_a_default_run_keeps_what_the_embedded_model_knows_of_faces_at_rest(tmp_path):
    rng = np.random.default_rng(5)
    write_faces(tmp_path / "few", ("angry", "happy", "sad"), 16, rng)
    given = {"data": (str(tmp_path / "few"),), "epochs": 1, "learning_rate": 1e-4, "workers": 1}
    classifier = train_model(starting_config(None, {}, given), tmp_path / "run")
    embedded = EmotionClassifier.from_pretrained("embedded")
    assert classifier.outputs == embedded.outputs
    assert classifier.threshold >= embedded.threshold, (
        "chosen on labels alone, it would let everything through"
    )
    answers = classifier.predict_faces([draw_face(name, rng) for name in 20 * ["happy"] + 20 * ["neutral"]])
    confidence = np.array([answer.confidence for answer in answers])
    assert confidence[:20].mean() > confidence[20:].mean() + 0.05
    assert "Training started from the weights of the model embedded in emotion-faces" in classifier.card
    assert classifier.report.model["base_model"][0].startswith("the model embedded in emotion-faces")
