"""A run learns from small drawn faces, can be killed, interrupted and resumed, and is repeatable."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion.classifier import EMBEDDED, EmotionClassifier
from emotion.config import TrainingConfig
from emotion.data.dataset import FaceBatches, load_dataset
from emotion.errors import DataError
from emotion.runtime import load_keras
from emotion.training.fit import (
    adopt_weights,
    augment,
    correct_frequencies,
    estimate_normalization,
    load_run_config,
    train,
)
from emotion.training.networks import build_network
from emotion.training.runs import train_model
from tests.conftest import SMALL_RUN
from tests.drawn_faces import draw_face

ROOT = Path(__file__).parents[2]
NO_AUGMENTATION = {
    "flip": False, "rotation": 0, "shift": 0, "zoom": 0, "brightness": 0, "contrast": 0, "degrade": 0, "erasing": 0
}  # fmt: skip
# Python code after which TensorFlow cannot be found, as if it were not installed.
HIDE_TENSORFLOW = (
    "from importlib.machinery import PathFinder; find = PathFinder.find_spec; PathFinder.find_spec = classmethod("
    "lambda _, name, *rest: None if name.split('.')[0] == 'tensorflow' else find(name, *rest))"
)


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


def test_the_learning_rate_warms_up_and_falls_to_zero(trained_model):
    with open(trained_model / "history.csv") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert max(rates) == pytest.approx(SMALL_RUN["learning_rate"], rel=0.05)
    assert rates.index(max(rates)) == 0, "one warm-up epoch"
    assert rates[-1] < 0.01 * max(rates)


def test_the_same_seed_gives_the_same_model(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **SMALL_RUN | {"epochs": 1})
    dataset = load_dataset(config, progress=False)
    first, second = (train(config, dataset, tmp_path / name) for name in ("first", "second"))
    for one, other in zip(first.network.get_weights(), second.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_killed_run_goes_on_where_it_was(drawn_data, tmp_path):
    output = tmp_path / "run"
    process = _start_run(drawn_data, output, epochs=6)
    _wait_for_epoch(output, process, 2)
    process.kill()
    process.wait()
    done = json.loads((output / "checkpoint" / "state.json").read_text())["epoch"]
    assert done < 6, "the run ended before it could be killed"

    resumed = _train("--resume", "--output", output)
    assert resumed.returncode == 0, resumed.stderr
    assert f"Epoch {done + 1}/6" in resumed.stdout
    assert f"Epoch {done}/6" not in resumed.stdout
    report = json.loads((output / "report.json").read_text())
    assert len(report["history"]["loss"]) == 6
    assert EmotionClassifier.from_pretrained(output).labels == ("angry", "happy", "sad")


def test_ctrl_c_keeps_what_was_trained_and_says_where(drawn_data, tmp_path):
    output = tmp_path / "run"
    process = _start_run(drawn_data, output, epochs=500)
    _wait_for_epoch(output, process, 1)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert str(output) in printed
    assert EmotionClassifier.from_pretrained(output).report["model"]["epochs_trained"] < 500


def test_early_stopping_ends_a_run_that_gets_no_better(drawn_data, tmp_path):
    config = TrainingConfig(
        data=str(drawn_data), **SMALL_RUN | {"epochs": 50, "patience": 1, "learning_rate": 1e-9}
    )
    result = train(config, load_dataset(config, progress=False), tmp_path)
    assert len(result.history["loss"]) < 50
    assert result.best_epoch < len(result.history["loss"])


def test_there_must_be_a_run_to_resume(drawn_data, tmp_path):
    with pytest.raises(DataError, match=r"No training run to resume .*training.json"):
        load_run_config(tmp_path)
    config = TrainingConfig(data=str(drawn_data), **SMALL_RUN)
    with pytest.raises(DataError, match="no checkpoint"):
        train(config, load_dataset(config, progress=False), tmp_path, resume=True)


def test_training_can_start_from_a_trained_model(trained_model, drawn_data, tmp_path):
    settings = SMALL_RUN | {"epochs": 1, "learning_rate": 1e-4, "start": str(trained_model)}
    config = TrainingConfig(data=str(drawn_data), background=("neutral",), **settings)
    classifier = train_model(config, tmp_path)
    low, _ = classifier.report["accuracy"]["interval"]
    assert low > 0.6, "one epoch at so low a rate teaches nothing: chance is 0.33"
    assert classifier.description.training["start"] == trained_model.name, "no folder of this computer"
    assert "Training started from the weights of" in classifier.card


def test_a_start_gives_its_last_layer_to_the_same_outputs_only(trained_model):
    trained = load_keras(trained_model)
    known = EmotionClassifier.from_pretrained(trained_model).outputs
    for outputs, kept in ((known, True), (known[::-1], False), (known[:2], False)):
        network = build_network(TrainingConfig(**SMALL_RUN), len(outputs))
        last = network.layers[-1].get_weights()[0]
        adopt_weights(network, trained, known, outputs)
        inner = trained.get_layer("resnet")
        np.testing.assert_array_equal(network.layers[2].get_weights()[0], inner.layers[2].get_weights()[0])
        expected = inner.layers[-1].get_weights()[0] if kept else last
        np.testing.assert_array_equal(network.layers[-1].get_weights()[0], expected)


def test_the_default_network_can_start_from_the_embedded_model():
    network = build_network(TrainingConfig(), 2)
    before = network.get_weights()[0]
    adopt_weights(network, load_keras(EMBEDDED), ("angry", "happy", "sad"), ("joy", "rage"))
    assert np.abs(network.get_weights()[0] - before).max() > 0.1


def test_a_start_must_be_the_same_network(trained_model):
    trained = load_keras(trained_model)
    for other in ({"architecture": "lenet5"}, {"width": 12}, {"blocks": (1, 1)}):
        network = build_network(TrainingConfig(**SMALL_RUN | other), 4)
        with pytest.raises(DataError, match="--start is another network"):
            adopt_weights(network, trained, ("a", "b", "c", "d"), ("a", "b", "c", "d"))


def test_class_weights_make_rare_classes_count(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **SMALL_RUN | {"epochs": 1, "class_weights": True})
    dataset = load_dataset(config, progress=False)
    few_sad = np.flatnonzero((dataset.train.targets != 2) | (np.arange(len(dataset.train)) % 10 == 0))
    result = train(config, replace(dataset, train=dataset.train.subset(few_sad)), tmp_path)
    assert np.isfinite(result.history["loss"]).all()


def test_augmentation_can_be_switched_off_and_is_repeatable():
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face("happy", rng) for _ in range(40)])[..., None]
    unchanged = augment(faces, np.random.default_rng(1), TrainingConfig(**NO_AUGMENTATION))
    np.testing.assert_array_equal(unchanged, faces)

    first, second, other = (
        augment(faces, np.random.default_rng(seed), TrainingConfig()) for seed in (1, 1, 2)
    )
    assert first.dtype == np.uint8 and first.shape == faces.shape
    np.testing.assert_array_equal(first, second)
    assert (first != faces).any(axis=(1, 2, 3)).all()
    assert (first != other).any()


@pytest.mark.parametrize("setting", [{"flip": True}, {"rotation": 20.0}, {"shift": 0.2}, {"zoom": 0.3},
                                     {"brightness": 0.5}, {"contrast": 0.5}, {"degrade": 1.0}, {"erasing": 1.0}])  # fmt: skip
def test_every_augmentation_changes_faces_in_colour_too(setting):
    rng = np.random.default_rng(0)
    faces = np.stack([draw_face("sad", rng) for _ in range(20)])[..., None].repeat(3, axis=3)
    changed = augment(faces, np.random.default_rng(1), TrainingConfig(**NO_AUGMENTATION | setting))
    assert changed.shape == faces.shape
    assert (changed != faces).any()


def test_normalization_statistics_are_those_of_clean_faces(drawn_data):
    config = TrainingConfig(data=str(drawn_data), architecture="lenet5", dropout=0.5)
    dataset = load_dataset(config, progress=False)
    batches = FaceBatches(
        dataset.train, outputs=3, batch_size=64, size=48, channels=1, shuffle=False, seed=0, augment=None
    )
    network = build_network(config, 3)
    estimate_normalization(network, batches, 2)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(network.inputs, first.input)
    seen = np.concatenate([before.predict(batches[index][0], verbose=0) for index in range(2)])
    mean = keras.ops.convert_to_numpy(first.moving_mean)
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)
    assert all(layer.rate == 0.5 for layer in network.layers if isinstance(layer, keras.layers.Dropout))


def test_classes_are_expected_as_often_as_they_occur_in_use():
    network = build_network(TrainingConfig(**SMALL_RUN), 4)
    faces = np.random.default_rng(0).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    before = network(faces).numpy()
    config = TrainingConfig(frequency=("fear=0.25", "not a class=9"))
    correct_frequencies(network, ("angry", "happy", "sad", "fear"), config.frequency_factors())
    expected = before * [1, 1, 1, 0.25]
    np.testing.assert_allclose(network(faces), expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)


def test_another_backend_trains_without_tensorflow(drawn_data, tmp_path):
    pytest.importorskip("jax")
    output = tmp_path / "run"
    without_tensorflow = f"{HIDE_TENSORFLOW}; import sys, train; sys.exit(train.main(sys.argv[1:]))"
    command = [sys.executable, "-c", without_tensorflow, *_options(drawn_data, output, epochs=2)]
    process = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    assert not (output / "model.tflite").exists()
    opened = EmotionClassifier.from_pretrained(output)
    face = draw_face("happy", np.random.default_rng(0))
    assert sum(opened.predict_faces([face])[0].probabilities.values()) == pytest.approx(1)
    keras.saving.load_model(output)


def _options(data: Path, output: Path, **settings: int) -> list[str]:
    small = SMALL_RUN | settings
    options = ["--data", data, "--output", output, "--no-mirror-average"]
    for name, value in small.items():
        options += ["--" + name.replace("_", "-"), *(value if isinstance(value, tuple) else (value,))]
    return list(map(str, options))


def _start_run(data: Path, output: Path, *, epochs: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "train.py", *_options(data, output, epochs=epochs)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def _train(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "train.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def _wait_for_epoch(output: Path, process: subprocess.Popen, epoch: int) -> None:
    state = output / "checkpoint" / "state.json"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if state.exists() and json.loads(state.read_text())["epoch"] >= epoch:
            return
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    raise AssertionError("the run did not get that far")


def test_what_is_published_names_no_file_of_the_training_data(drawn_data, trained_model):
    audit = json.loads((trained_model / "audit.json").read_text())
    assert audit["files"]["train"]["happy"] == 60
    published = [trained_model / name for name in ("report.json", "emotion.json", "README.md")]
    for text in (path.read_text() for path in published):
        assert str(drawn_data.parent) not in text
        assert "happy_0" not in text
