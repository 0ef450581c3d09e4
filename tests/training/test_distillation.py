"""A network learns from what trained networks answer; a teacher is trained first, once, and must know the outputs."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.classifier import EmotionClassifier
from emotion.config import RECIPES, TrainingConfig
from emotion.data.dataset import FaceBatches, load_dataset
from emotion.errors import DataError
from emotion.runtime import KerasNetwork, load_keras
from emotion.training.distillation import teach, teacher_answers
from emotion.training.fit import correct_frequencies, load_run_config
from emotion.training.networks import average_mirrored, build_network
from emotion.training.runs import train_model
from tests.conftest import SMALL_RUN

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def student(trained_model, drawn_data, tmp_path_factory) -> Path:
    """The folder of a network that learned from the answers of `trained_model`, and from no label."""
    settings = SMALL_RUN | {"epochs": 15, "teacher": (str(trained_model),), "teacher_weight": 1.0}
    config = TrainingConfig(data=str(drawn_data), background=("neutral",), **settings)
    output = tmp_path_factory.mktemp("student")
    train_model(config, output)
    return output


def test_what_is_learned_mixes_labels_and_answers():
    labels, answers = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.6, 0.4], [0.6, 0.4]])
    np.testing.assert_allclose(teach(labels, answers, 0.5), [[0.8, 0.2], [0.3, 0.7]])
    np.testing.assert_array_equal(teach(labels, answers, 0), labels)
    np.testing.assert_allclose(teach(labels, answers, 1), answers)


def test_a_teacher_answers_for_every_training_face_in_the_order_of_the_outputs(trained_model, drawn_data):
    config = TrainingConfig(data=str(drawn_data), labels=("sad", "happy", "angry"), background=("neutral",))
    dataset = load_dataset(config, progress=False)
    answers = teacher_answers([str(trained_model)], dataset)
    assert answers.shape == (len(dataset.train), 4) and answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    right = answers.argmax(axis=1) == dataset.train.targets
    assert right.mean() > 0.6, "chance is 0.25"


def test_several_teachers_are_averaged(trained_model, student, drawn_data):
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)), progress=False)
    teachers = [str(trained_model), str(student)]
    each = [teacher_answers([teacher], dataset) for teacher in teachers]
    assert np.abs(each[0] - each[1]).max() > 0.05, "two teachers, two opinions"
    np.testing.assert_allclose(teacher_answers(teachers, dataset), np.mean(each, axis=0), atol=1e-5)


def test_a_teacher_answers_for_classes_as_frequent_as_where_it_was_trained(
    trained_model, drawn_data, tmp_path
):
    """What `--frequency` corrects in a teacher is not learned: the student is corrected by itself."""
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)), progress=False)
    network = load_keras(trained_model)
    correct_frequencies(network.get_layer("resnet"), dataset.outputs, {"neutral": 0.1})
    described = EmotionClassifier.from_pretrained(trained_model).description
    errors = []
    for frequency in ([], ["neutral=0.1"]):
        description = replace(described, training=described.training | {"frequency": frequency})
        EmotionClassifier(KerasNetwork(network), description).save_pretrained(tmp_path)
        errors.append(
            teacher_answers([str(tmp_path)], dataset) - teacher_answers([str(trained_model)], dataset)
        )
    assert np.abs(errors[0]).max() > 0.2, "as it is served"
    assert np.abs(errors[1]).max() < 0.05, "not 0: mirror images are averaged after the correction"


def test_a_teacher_must_know_all_outputs(trained_model, drawn_data):
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)), progress=False)
    others = replace(dataset, outputs=("angry", "happy", "sad", "bored"))
    with pytest.raises(DataError, match=r"cannot answer for bored: it knows angry, happy, sad, neutral"):
        teacher_answers([str(trained_model)], others)


def test_a_student_learns_from_its_teacher_alone_and_its_card_says_so(trained_model, student):
    low, _ = json.loads((student / "report.json").read_text())["accuracy"]["interval"]
    assert low > 0.4, "chance is 0.33"
    published = json.loads((student / "emotion.json").read_text())["training"]
    assert published["teacher"] == [trained_model.name], "no folder of this computer"
    assert (
        "100% of each target was learned from the answers of `model`" in (student / "README.md").read_text()
    )


def test_the_best_recipe_trains_a_teacher_and_survives_a_kill(drawn_data, tmp_path):
    """`--recipe best` on a folder of one's own, with other labels; options given beside it win."""
    output = tmp_path / "run"
    options = ["--data", drawn_data, "--recipe", "best", "--labels", "happy", "neutral", "--output", output]
    for name, value in (SMALL_RUN | {"epochs": 2, "teacher_epochs": 3}).items():
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
        assert first.poll() is None and time.monotonic() < deadline
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
    epochs = [len(part.report["history"]["loss"]) for part in (teacher, classifier, second)]
    assert epochs == [3, 2, 2]
    assert classifier.description.training["shift"] == RECIPES["best"]["shift"]
    card = (output / "README.md").read_text()
    assert "--teacher-epochs 3" in card and "The answers are the mean of 2 networks" in card

    dataset = load_dataset(load_run_config(output), progress=False)
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
    correct_frequencies(first, dataset.outputs, load_run_config(output).frequency_factors())
    second = load_keras(output / "network2").predict(faces, verbose=0)
    mean = (average_mirrored(first).predict(faces, verbose=0) + second) / 2
    np.testing.assert_allclose(load_keras(output).predict(faces, verbose=0), mean, atol=5e-3)
