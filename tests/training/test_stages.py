"""A run is a list of stages: a teacher if asked for, the network, further members taught by the first."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import KerasNetwork, load_keras
from emotion.model.loading import EMBEDDED
from emotion.training.arguments import RECIPES
from emotion.training.fit import correct_priors
from emotion.training.runs import train_model
from emotion.training.stages import (
    BackgroundTargets,
    TeacherTargets,
    blend_targets,
    forget_stages,
    plan_stages,
    teacher_answers,
    with_background,
)
from tests.conftest import SMALL_RUN, TINY_RUN
from tests.drawn_faces import write_faces

pytestmark = pytest.mark.slow

OUTPUT = Path("run")


def test_a_plain_run_is_one_stage_that_is_saved_as_the_whole():
    config = TrainingConfig()
    (stage,) = plan_stages(config, OUTPUT)
    assert (stage.config, stage.folder, stage.saved, stage.is_member) == (config, OUTPUT, None, True)


def test_the_best_recipe_is_a_teacher_and_two_members():
    config = TrainingConfig(**RECIPES["best"], seed=5)
    teacher, first, second = plan_stages(config, OUTPUT)

    assert not teacher.is_member
    assert first.is_member
    assert second.is_member
    assert [stage.saved for stage in (teacher, first, second)] == [
        OUTPUT / "teacher",
        OUTPUT / "network1",
        OUTPUT / "network2",
    ]
    assert [stage.folder for stage in (teacher, first, second)] == [
        OUTPUT / "teacher",
        OUTPUT,
        OUTPUT / "network2",
    ]
    assert [stage.config.seed for stage in (teacher, first, second)] == [6, 5, 7]
    assert teacher.config.epochs == 70
    assert teacher.config.teacher_epochs == 0
    assert teacher.config.prior_correction == ()
    assert teacher.config.initial_weights is None
    assert first.config == config
    assert second.config.teacher == (str(OUTPUT / "network1"),)
    assert second.config.initial_weights is None
    assert second.config.prior_correction == config.prior_correction
    assert second.config.teacher_epochs == 0


def test_a_teacher_starts_from_weights_that_are_not_its_own():
    config = TrainingConfig(teacher_epochs=2, initial_weights="owner/name")
    assert plan_stages(config, OUTPUT)[0].config.initial_weights == "owner/name"


def test_nothing_of_another_run_is_taken_up(tmp_path):
    stages = plan_stages(TrainingConfig(teacher_epochs=2, ensemble_size=2), tmp_path)
    left = [tmp_path / name / "checkpoint" / "state.json" for name in ("", "teacher", "network2")]
    left += [tmp_path / name / "emotion.json" for name in ("teacher", "network1", "network2")]
    kept = [tmp_path / "emotion.json", tmp_path / "teacher" / "model.tflite"]
    for path in left + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    forget_stages(stages)
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept), "a model that is there stays until another replaces it"


@pytest.mark.long
def test_an_ensemble_answers_with_the_mean_and_each_part_is_evaluated_where_it_is_saved(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 1, "ensemble_size": 2})
    classifier = train_model(config, tmp_path)

    reports = sorted(path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("report.json"))
    assert reports == [".", "network1", "network2"]
    members = [type(classifier).from_pretrained(tmp_path / name) for name in ("network1", "network2")]
    faces = np.random.default_rng(0).uniform(0, 255, (6, 48, 48, 1)).astype(np.float32)
    each = [member.network(faces) for member in members]
    assert np.abs(each[0] - each[1]).max() > 1e-3
    np.testing.assert_allclose(classifier.network(faces), np.mean(each, axis=0), atol=1e-4)
    assert classifier.description.training["ensemble_size"] == 2
    assert [member.description.training["ensemble_size"] for member in members] == [1, 1]

    saved = {name: (tmp_path / name / "report.json").stat().st_mtime_ns for name in ("network1", "network2")}
    again = train_model(config, tmp_path, resume=True)
    assert again.report.accuracy == classifier.report.accuracy
    assert saved == {name: (tmp_path / name / "report.json").stat().st_mtime_ns for name in saved}


@pytest.mark.long
def test_a_trained_model_joins_as_a_member_and_teaches_what_the_network_sees(
    trained_model, drawn_data, tmp_path
):
    settings = TINY_RUN | {"epochs": 1, "teacher_views": "augmented", "teacher_weight": 0.9}
    config = TrainingConfig(
        data=str(drawn_data),
        background=("neutral",),
        teacher=(str(trained_model),),
        members=(str(trained_model),),
        **settings,
    )
    classifier = train_model(config, tmp_path)
    member = type(classifier).from_pretrained(trained_model)
    faces = np.random.default_rng(0).uniform(0, 255, (6, 48, 48, 1)).astype(np.float32)
    alone = 2 * classifier.network(faces) - member.network(faces)
    assert np.abs(alone - member.network(faces)).max() > 1e-3
    np.testing.assert_allclose(alone.sum(axis=1), 1, atol=1e-4)
    assert alone.min() > -1e-4, "the mean of two answers"
    assert classifier.description.training["members"] == [trained_model.name]


def test_a_member_with_other_outputs_is_refused_before_training(trained_model, drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), members=(str(trained_model),), **SMALL_RUN)
    with pytest.raises(DataError, match="answers for angry, happy, sad, neutral, this run for"):
        train_model(config, tmp_path)


def test_what_is_learned_mixes_labels_and_answers():
    labels, answers = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.6, 0.4], [0.6, 0.4]])
    np.testing.assert_allclose(blend_targets(labels, answers, 0.5), [[0.8, 0.2], [0.3, 0.7]])
    np.testing.assert_array_equal(blend_targets(labels, answers, 0), labels)
    np.testing.assert_allclose(blend_targets(labels, answers, 1), answers)


def test_a_teacher_answers_for_every_training_face_in_the_order_of_the_outputs(trained_model, drawn_data):
    config = TrainingConfig(data=str(drawn_data), labels=("sad", "happy", "angry"), background=("neutral",))
    dataset = load_dataset(config)
    answers = teacher_answers([str(trained_model)], dataset)
    assert answers.shape == (len(dataset.train), 4)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-5)
    right = answers.argmax(axis=1) == dataset.train.targets
    assert right.mean() > 0.6, "chance is 0.25"


@pytest.mark.long
def test_several_teachers_are_averaged(trained_model, drawn_data, tmp_path):
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)))
    network = load_keras(trained_model)
    correct_priors(network.get_layer("resnet"), dataset.outputs, {"neutral": 0.1})
    description = EmotionClassifier.from_pretrained(trained_model).description
    EmotionClassifier(KerasNetwork(network), description).save_pretrained(tmp_path)
    teachers = [str(trained_model), str(tmp_path)]
    each = [teacher_answers([teacher], dataset) for teacher in teachers]
    assert np.abs(each[0] - each[1]).max() > 0.05, "two teachers, two opinions"
    np.testing.assert_allclose(teacher_answers(teachers, dataset), np.mean(each, axis=0), atol=1e-5)


def test_a_teacher_answers_for_classes_as_frequent_as_where_it_was_trained(
    trained_model, drawn_data, tmp_path
):
    """What `--prior-correction` corrects in a teacher is not learned: the student is corrected by itself."""
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)))
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
    dataset = load_dataset(TrainingConfig(data=str(drawn_data), background=("neutral",)))
    others = replace(dataset, outputs=("angry", "happy", "sad", "bored"))
    with pytest.raises(DataError, match=r"cannot answer for bored: it knows angry, happy, sad, neutral"):
        teacher_answers([str(trained_model)], others)


@pytest.mark.long
def test_a_student_learns_from_its_teacher_alone_and_its_card_says_so(trained_model, drawn_data, tmp_path):
    settings = SMALL_RUN | {"epochs": 15, "teacher": (str(trained_model),), "teacher_weight": 1.0}
    student = train_model(TrainingConfig(data=str(drawn_data), background=("neutral",), **settings), tmp_path)
    low, _ = student.report.accuracy.interval
    assert low > 0.4, "chance is 0.33"
    assert student.description.training["teacher"] == [trained_model.name], "no folder of this computer"
    assert "100.0% of each target was learned from the answers of `model`" in student.card


def test_teachers_answer_for_the_very_faces_that_the_student_sees(trained_model):
    config = TrainingConfig(background=("neutral",), teacher_weight=0.75)
    teacher = EmotionClassifier.from_pretrained(trained_model)
    faces = np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    labels = np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0]]
    blended = TeacherTargets([str(trained_model)], teacher.outputs, config)(faces, labels)
    np.testing.assert_allclose(blended, 0.25 * labels + 0.75 * teacher.network(faces), atol=1e-5)


def test_a_teacher_of_other_faces_can_only_answer_for_clean_ones(trained_model):
    config = TrainingConfig(background=("neutral",), image_size=64)
    with pytest.raises(DataError, match="--teacher-views clean, or the same --image-size"):
        TeacherTargets([str(trained_model)], ("angry", "happy", "sad", "neutral"), config)


def test_classes_without_pictures_keep_the_share_that_the_teacher_gives_them():
    embedded = EmotionClassifier.from_pretrained("embedded")
    faces = np.random.default_rng(1).uniform(0, 255, (5, 48, 48, 1)).astype(np.float32)
    outputs = ("rage", "surprise", "neutral", "fear")
    teach = BackgroundTargets("embedded", outputs, ("neutral", "fear"), TrainingConfig())
    targets = teach(faces, np.eye(4, dtype=np.float32)[[0, 1, 0, 1, 0]])
    known = embedded.network(faces)[:, [embedded.outputs.index(name) for name in ("neutral", "fear")]]
    np.testing.assert_allclose(targets[:, 2:], known, rtol=1e-5)
    np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    assert (targets[[0, 2, 4], 1] == 0).all()


def test_background_classes_join_the_outputs_but_not_under_another_name(tmp_path):
    teacher = shutil.copytree(EMBEDDED, tmp_path / "teacher")
    description = json.loads((teacher / "emotion.json").read_text())
    description["labels"] = ["angry", "happy"]
    description["outputs"][2] = {"name": "sad", "label": None}
    (teacher / "emotion.json").write_text(json.dumps(description))
    write_faces(tmp_path / "faces", ("happy", "sad"), 12, np.random.default_rng(2))
    for drawn, label in (("happy", "joy"), ("sad", "gloom")):
        (tmp_path / "faces" / drawn).rename(tmp_path / "faces" / label)
    config = TrainingConfig(
        data=str(tmp_path / "faces"),
        labels=("joy", "gloom"),
        background_teacher=str(teacher),
        validation_fraction=0.3,
    )
    outputs = with_background(load_dataset(config), config).outputs
    assert outputs == ("joy", "gloom", "neutral", "fear", "surprise", "disgust"), "gloom is its sad"
