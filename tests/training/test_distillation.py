"""A network learns from what trained networks answer; a teacher must know the outputs."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import KerasNetwork, load_keras
from emotion.training.distillation import Teaching, blend_targets, teacher_answers
from emotion.training.fit import correct_priors
from emotion.training.runs import train_model
from tests.conftest import SMALL_RUN

pytestmark = pytest.mark.slow


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
    np.testing.assert_allclose(blend_targets(labels, answers, 0.5), [[0.8, 0.2], [0.3, 0.7]])
    np.testing.assert_array_equal(blend_targets(labels, answers, 0), labels)
    np.testing.assert_allclose(blend_targets(labels, answers, 1), answers)


def test_a_teacher_answers_for_every_training_face_in_the_order_of_the_outputs(trained_model, drawn_data):
    config = TrainingConfig(data=str(drawn_data), labels=("sad", "happy", "angry"), background=("neutral",))
    dataset = load_dataset(config, progress=False)
    answers = teacher_answers([str(trained_model)], dataset)
    assert answers.shape == (len(dataset.train), 4)
    assert answers.dtype == np.float32
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
    """What `--prior-correction` corrects in a teacher is not learned: the student is corrected by itself."""
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)), progress=False)
    network = load_keras(trained_model)
    correct_priors(network.get_layer("resnet"), dataset.outputs, {"neutral": 0.1})
    described = EmotionClassifier.from_pretrained(trained_model).description
    errors = []
    for factors in ([], ["neutral=0.1"]):
        description = replace(described, training=described.training | {"prior_correction": factors})
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


def test_teachers_answer_for_the_very_faces_that_the_student_sees(trained_model):
    config = TrainingConfig(background=("neutral",), teacher_weight=0.75)
    teacher = EmotionClassifier.from_pretrained(trained_model)
    faces = np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    labels = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]
    blended = Teaching([str(trained_model)], teacher.outputs, config)(faces, labels)
    np.testing.assert_allclose(blended, 0.25 * labels + 0.75 * teacher.network(faces), atol=1e-5)


def test_a_teacher_of_other_faces_can_only_answer_for_clean_ones(trained_model):
    config = TrainingConfig(background=("neutral",), image_size=64)
    with pytest.raises(DataError, match="--teacher-views clean, or the same --image-size"):
        Teaching([str(trained_model)], ("angry", "happy", "sad", "neutral"), config)
