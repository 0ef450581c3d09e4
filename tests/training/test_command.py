"""Every hyperparameter is an option of `train.py`, and help tells the whole story."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from emotion.config import TrainingConfig, option_name
from emotion.errors import DataError
from emotion.training.arguments import RECIPES, OnHub, build_parser
from emotion.training.command import chosen_config, main
from emotion.training.folder import save_run_config


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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--resume"], "error: --resume needs --output"),
        (["--config", "nowhere.json"], "error: nowhere.json cannot be read"),
        (["--config", "x.json", "--recipe", "best"], "error: --config and --recipe both"),
        (["--freeze"], "error: --freeze needs --initial-weights"),
        (["--search", "3", "--start", "MODEL", "--freeze"], "error: There is no folder 'MODEL'"),
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


@pytest.mark.slow
def test_any_runs_settings_are_a_starting_point_and_what_is_typed_wins(tmp_path):
    begun = TrainingConfig(data="faces", labels=("joy", "rage"), dropout=0.4, blocks=(1, 1))
    save_run_config(begun, tmp_path)
    file = tmp_path / "training.json"
    typed = ["--config", str(file), "--dropout", "0.1"]
    assert chosen_config(build_parser().parse_args(typed)) == replace(begun, dropout=0.1)
    # As another version wrote it: old names, and settings that are no more.
    file.write_text('{"networks": 2, "learning_rate": 0.005, "hairdo": "none"}')
    assert chosen_config(build_parser().parse_args(["--config", str(file)])) == TrainingConfig(
        ensemble_size=2, learning_rate=0.005
    )


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"name": "another program"}', '{"epochs": "many"}'])
def test_a_file_without_settings_is_no_starting_point(content, tmp_path):
    file = tmp_path / "training.json"
    file.write_text(content)
    with pytest.raises(DataError, match=r"holds no settings that can be used.*Give --config"):
        chosen_config(build_parser().parse_args(["--config", str(file)]))


def test_a_start_from_trained_weights_takes_the_network_that_they_fit():
    typed = ["--start", "emotion/pretrained", "--data", "faces"]
    recorded = json.loads(Path("emotion/pretrained/emotion.json").read_text())["training"]
    for further in ([], ["--freeze"]):
        config = chosen_config(build_parser().parse_args([*typed, *further]))
        assert config.width == recorded["width"]
        assert config.blocks == tuple(recorded["blocks"])
    assert config.litert_precision == recorded["litert_precision"]
    assert chosen_config(build_parser().parse_args([*typed, "--width", "8"])).width == 8
