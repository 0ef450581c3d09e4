"""Real processes of `train.py`: killed, interrupted, resumed, and without TensorFlow."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion.data.batches import FaceBatches
from emotion.data.dataset import load_dataset
from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import load_keras
from emotion.training.arguments import RECIPES
from emotion.training.fit import correct_priors
from emotion.training.folder import load_run_config
from emotion.training.networks import average_mirrored, build_network
from tests.conftest import TINY_RUN
from tests.drawn_faces import draw_face

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


# Python code after which TensorFlow cannot be found, as if it were not installed.
HIDE_TENSORFLOW = (
    "from importlib.machinery import PathFinder; find = PathFinder.find_spec; "
    "PathFinder.find_spec = classmethod(lambda _, name, *rest: None if name.split('.')[0] == 'tensorflow' "
    "else find(name, *rest))"
)


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
    printed = resumed.stdout + resumed.stderr
    assert f"Epoch {done + 1} of 6: validation accuracy" in printed
    assert f"Epoch {done} of 6" not in printed
    assert not set("\r\b\x1b") & set(printed), "no control codes where no terminal shows them"
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
    assert f"To continue the run: python train.py --resume --output {output}" in printed
    assert EmotionClassifier.from_pretrained(output).report.model["epochs_trained"] < 500


@pytest.mark.long
def test_the_best_recipe_trains_a_teacher_and_survives_a_kill(drawn_data, tmp_path):
    """`--recipe best` on a folder of one's own, with other labels; options given beside it win."""
    output = tmp_path / "run"
    options = ["--data", drawn_data, "--recipe", "best", "--labels", "happy", "neutral", "--output", output]
    for name, value in (TINY_RUN | {"epochs": 2, "teacher_epochs": 3}).items():
        options += ["--" + name.replace("_", "-"), *(value if isinstance(value, tuple) else (value,))]
    first = subprocess.Popen(
        [sys.executable, "train.py", *map(str, options)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    state = output / "teacher" / "checkpoint" / "state.json"
    deadline = time.monotonic() + 180
    while not state.exists():
        assert first.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=120) == 130, "half a teacher is not worth learning from"
    assert not (output / "emotion.json").exists()

    resumed = subprocess.run(
        [sys.executable, "train.py", "--resume", "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    parts = [output / "teacher", output, output / "network2"]
    teacher, classifier, second = map(EmotionClassifier.from_pretrained, parts)
    assert classifier.outputs == ("happy", "neutral", "angry", "sad")
    epochs = [len(part.report.history.loss) for part in (teacher, classifier, second)]
    assert epochs == [3, 2, 2]
    assert classifier.description.training["shift"] == RECIPES["best"]["shift"]
    card = (output / "README.md").read_text()
    assert "--teacher-epochs 3" in card
    assert "The answers are the mean of 2 networks" in card

    dataset = load_dataset(load_run_config(output))
    first = build_network(load_run_config(output), 4)
    first.load_weights(output / "checkpoint" / "best.weights.h5")
    faces = FaceBatches(
        dataset.calibration,
        outputs=4,
        batch_size=16,
        size=classifier.input_size,
        channels=1,
        shuffle=False,
        seed=0,
    )[0][0]
    correct_priors(first, dataset.outputs, load_run_config(output).prior_factors())
    second = load_keras(output / "network2").predict(faces, verbose=0)
    mean = (average_mirrored(first).predict(faces, verbose=0) + second) / 2
    np.testing.assert_allclose(load_keras(output).predict(faces, verbose=0), mean, atol=5e-3)


@pytest.mark.long
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
    small = TINY_RUN | settings
    options = ["--data", data, "--output", output, "--no-flip-averaging"]
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
