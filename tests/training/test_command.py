"""Every hyperparameter is an option of `train.py`, and help tells the whole story."""

from dataclasses import fields

import pytest

from emotion.config import TrainingConfig, option_name
from emotion.training.arguments import OnHub, build_parser
from emotion.training.command import main
from emotion.training.recipes import RECIPES


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
    assert f"{name}:" in described
    assert f"--epochs {config.epochs}" in described


@pytest.mark.parametrize(
    ("typed", "push"),
    [
        ([], None),
        (["--push"], OnHub()),
        (["--push", ""], OnHub()),
        (["--push", "ada/faces"], OnHub("ada/faces")),
        (["--push", "--private"], OnHub()),
    ],
)
def test_push_says_whether_and_where_to_publish(typed, push):
    assert build_parser().parse_args(typed).push == push


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--resume"], "error: --resume needs --output"),
        (["--evaluate", "emotion/pretrained"], "error: --evaluate needs --data"),
        (["--epochs", "0"], "error: --epochs must be at least 1, not 0."),
        (["--arch", "vgg"], "error: --arch must be one of lenet5, resnet"),
        (["--data", "faces", "--space"], "error: --space needs --push"),
        (["--resume", "--output", "nowhere"], "error: No training run to resume in nowhere."),
    ],
)
def test_what_cannot_be_done_is_one_line_on_standard_error(typed, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(typed) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert len(printed.splitlines()) == 1
    assert not list(tmp_path.iterdir())
