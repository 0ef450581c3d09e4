"""One dataclass holds every hyperparameter, says no to nonsense, and survives a round trip through JSON."""

import json
from dataclasses import fields, replace

import pytest

from emotion.config import TrainingConfig
from emotion.model.loading import EMBEDDED
from emotion.training.arguments import RECIPES, follow_recipe


def test_round_trip_through_json():
    config = TrainingConfig(
        labels=("joy", "rage"), filters=(8, 24), soft_labels="votes.csv", keep_copies=True
    )
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_of_a_newer_version_are_ignored():
    assert TrainingConfig.from_dict({"epochs": 3, "invented_later": 1}) == TrainingConfig(epochs=3)


def test_a_recipe_can_be_followed_without_its_teacher():
    assert follow_recipe("best", {"teacher_epochs": 0, "initial_weights": ""}).initial_weights is None


def test_the_class_frequencies_of_a_recipe_never_tilt_labels():
    recipe = RECIPES["best"]["prior_correction"]
    assert follow_recipe("best", {}).prior_correction == recipe
    kept = follow_recipe("best", {"labels": ("happy", "neutral", "fear")}).prior_correction
    assert kept == tuple(entry for entry in recipe if entry.split("=")[0] not in ("neutral", "fear"))
    asked_for = {"labels": ("happy", "fear"), "prior_correction": ("fear=0.5",)}
    assert follow_recipe("best", asked_for).prior_correction == ("fear=0.5",)
    assert follow_recipe(None, {"epochs": 3}) == TrainingConfig(epochs=3)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("image_size", 8, "--image-size must be at least 16 and at most 512, not 8"),
        ("image_size", 1000, "--image-size must be at least 16 and at most 512, not 1000"),
        ("epochs", 0, "--epochs must be at least 1, not 0"),
        ("ensemble_size", 0, "--ensemble-size must be at least 1, not 0"),
        ("learning_rate", -1.0, "--learning-rate must be above 0"),
        ("dropout", 1.0, "--dropout must be at least 0 and below 1"),
        ("filters", (), "--filters needs one number or more"),
        ("blocks", (1, 0), "--blocks must be at least 1, not 0"),
        ("channels", 2, "--channels must be one of 1, 3"),
        ("precision", "float8", "--precision must be one of"),
        ("validation_fraction", 0.0, "--validation-fraction must be above 0 and below 1"),
        ("background", ("sad",), "name a folder twice"),
        (
            "prior_correction",
            ("fear",),
            "--prior-correction takes name=factor above 0, such as fear=0.25, not 'fear'",
        ),
        ("prior_correction", ("fear=0",), "--prior-correction takes name=factor above 0"),
        ("teacher_weight", 1.5, "--teacher-weight must be at least 0 and at most 1"),
        ("teacher_epochs", -1, "--teacher-epochs must be at least 0"),
        (
            "initial_weights",
            "teacher",
            "--initial-weights teacher needs --teacher-epochs above 0. Give a trained model",
        ),
        ("patience", -1, "--patience must be at least 0"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_option(setting, value, message):
    with pytest.raises(ValueError, match=message):
        replace(TrainingConfig(), **{setting: value})


def test_the_settings_of_the_embedded_model_are_read_whole():
    recorded = json.loads((EMBEDDED / "emotion.json").read_text())["training"]
    config = TrainingConfig.from_dict(recorded)
    assert {
        name: value for name, value in config.to_dict().items() if name in recorded
    }.items() <= recorded.items()
    assert config.data == ("fer2013", "press")
    assert config.members == ("runs/fer2013/network1",)
    assert recorded.keys() <= TrainingConfig.__dataclass_fields__.keys()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("epochs", "many", "--epochs must be a whole number, not 'many'"),
        ("epochs", 2.5, "--epochs must be a whole number, not 2.5"),
        ("epochs", True, "--epochs must be a whole number, not True"),
        ("learning_rate", float("nan"), "--learning-rate must be above 0, not nan"),
        ("weight_decay", float("inf"), "--weight-decay must be at least 0, not inf"),
        ("flip", "no", "--flip must be true or false, not 'no'"),
        ("labels", "happy", "--labels must be a list, not 'happy'"),
        ("labels", (1, 2), "--labels must be text, not 1"),
        ("blocks", (1, 1.5), "--blocks must be a whole number, not 1.5"),
        ("soft_labels", 3, "--soft-labels must be text, not 3"),
    ],
)
def test_settings_of_another_type_are_refused_not_crashed_on(setting, value, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig.from_dict({setting: value})


def test_every_number_has_a_range():
    for item in fields(TrainingConfig):
        kind = type(item.default[0] if isinstance(item.default, tuple) and item.default else item.default)
        limits = item.metadata["range"]
        if kind in (int, float) and not item.metadata["choices"]:
            assert limits.minimum is not None or limits.above is not None, item.name
