"""One dataclass holds every hyperparameter, says no to nonsense, and survives a round trip through JSON."""

import json
from dataclasses import fields, replace

import pytest

from emotion.config import RECIPES, TrainingConfig, follow_recipe, option_name
from train import build_parser


def test_round_trip_through_json():
    config = TrainingConfig(
        labels=("joy", "rage"), filters=(8, 24), soft_labels="votes.csv", keep_copies=True
    )
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_settings_of_a_newer_version_are_ignored():
    assert TrainingConfig.from_dict({"epochs": 3, "invented_later": 1}) == TrainingConfig(epochs=3)


def test_every_setting_is_an_option_of_train_py_and_explains_itself():
    described = build_parser().format_help()
    for item in fields(TrainingConfig):
        assert option_name(item.name) + " " in described or option_name(item.name) + "," in described
        assert len(item.metadata["help"].split()) >= 3


def test_options_given_on_the_command_line_reach_the_configuration():
    options = build_parser().parse_args(
        [
            "--data",
            "faces",
            "--labels",
            "joy",
            "rage",
            "--arch",
            "lenet5",
            "--filters",
            "8",
            "24",
            "--dropout",
            "0.4",
        ]
        + ["--no-flip", "--keep-copies"]
    )
    given = {
        name: value for name, value in vars(options).items() if name in TrainingConfig.__dataclass_fields__
    }
    expected = TrainingConfig(
        data="faces",
        labels=("joy", "rage"),
        architecture="lenet5",
        filters=(8, 24),
        dropout=0.4,
        flip=False,
        keep_copies=True,
    )
    assert TrainingConfig(**given) == expected


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_set_of_valid_settings_that_help_spells_out(name):
    config = TrainingConfig(**RECIPES[name])
    assert config != TrainingConfig()
    described = " ".join(build_parser().format_help().split())
    assert f"{name}:" in described and f"--epochs {config.epochs}" in described


def test_a_recipe_can_be_followed_without_its_teacher():
    assert follow_recipe("best", {"teacher_epochs": 0, "start": ""}).start is None


def test_the_class_frequencies_of_a_recipe_never_tilt_labels():
    recipe = RECIPES["best"]["frequency"]
    assert follow_recipe("best", {}).frequency == recipe
    kept = follow_recipe("best", {"labels": ("happy", "neutral", "fear")}).frequency
    assert kept == tuple(entry for entry in recipe if entry.split("=")[0] not in ("neutral", "fear"))
    asked_for = {"labels": ("happy", "fear"), "frequency": ("fear=0.5",)}
    assert follow_recipe("best", asked_for).frequency == ("fear=0.5",)
    assert follow_recipe(None, {"epochs": 3}) == TrainingConfig(epochs=3)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("image_size", 8, "--image-size must be 16 to 512 pixels, not 8"),
        ("image_size", 1000, "--image-size must be 16 to 512 pixels, not 1000"),
        ("epochs", 0, "--epochs must be above 0"),
        ("networks", 0, "--networks must be above 0"),
        ("learning_rate", -1.0, "--learning-rate must be above 0"),
        ("dropout", 1.0, r"--dropout must be in \[0, 1\)"),
        ("filters", (), "--filters needs whole numbers above 0"),
        ("blocks", (1, 0), "--blocks needs whole numbers above 0"),
        ("channels", 2, "--channels must be one of 1, 3"),
        ("precision", "float8", "--precision must be one of"),
        ("validation_fraction", 0.0, "--validation-fraction must be in"),
        ("background", ("sad",), "name a folder twice"),
        ("frequency", ("fear",), "--frequency takes name=factor above 0, such as fear=0.25, not 'fear'"),
        ("frequency", ("fear=0",), "--frequency takes name=factor above 0"),
        ("teacher_weight", 1.5, r"--teacher-weight must be in \[0, 1\]"),
        ("teacher_epochs", -1, "--teacher-epochs cannot be below 0"),
        ("start", "teacher", "--start teacher needs --teacher-epochs above 0. Give a trained model"),
        ("patience", -1, "--patience cannot be below 0"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_option(setting, value, message):
    with pytest.raises(ValueError, match=message):
        replace(TrainingConfig(), **{setting: value})
