"""Every hyperparameter is an option of `train.py`, and help tells the whole story."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from emotion.config import TrainingConfig, option_name
from emotion.errors import DataError
from emotion.training.arguments import RECIPES, OnHub, build_parser
from emotion.training.command import chosen_config, main
from emotion.training.folder import save_run_config


def test_every_setting_is_an_option_of_train_py_and_explains_itself():
    described = build_parser(everything=True).format_help()
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
def test_a_recipe_is_a_set_of_valid_settings_that_the_docs_spell_out(name):
    assert TrainingConfig(**RECIPES[name]) != TrainingConfig()
    rows = [
        line for line in Path("docs/training.md").read_text().splitlines() if line.startswith(f"| `{name}`")
    ]
    for field, value in RECIPES[name].items():
        typed = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        assert f"`{option_name(field)} {typed}`" in rows[0], field


def test_help_shows_what_people_need_and_help_all_the_rest_in_groups(capsys):
    shown = []
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit, match="0"):
            build_parser().parse_args([option])
        shown.append(capsys.readouterr().out)
    common, everything = shown
    for name in ("--data", "--labels", "--epochs", "--push", "--resume", "--help-all"):
        assert name in common
    assert len(common.splitlines()) < 60
    assert "--learning-rate" not in common
    for group in ("teachers", "network", "optimisation", "augmentation", "hardware"):
        assert f"\n{group}" in everything


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
        (["--freeze", "--data", "x"], "error: --freeze needs --initial-weights"),
        (
            ["--data", "x", "--search", "3", "--start", "MODEL", "--freeze"],
            "error: There is no folder 'MODEL'",
        ),
        (["--evaluate", "emotion/pretrained"], "error: --evaluate needs --data"),
        (["--epochs", "0", "--data", "x"], "error: --epochs must be at least 1, not 0."),
        (["--arch", "vgg", "--data", "x"], "error: --arch must be one of lenet5, resnet"),
        (["--data", "faces", "--space"], "error: --space needs --push"),
        (["--data", "faces", "--push", "--wait"], "error: --wait needs --space"),
        (["--data", "faces", "--over", "dropout"], "error: --over needs --search"),
        (["--data", "faces", "--epoch", "3"], "error: There is no option --epoch. Did you mean --epochs"),
        (["--evaluate", "m", "--data", "x", "--no-flip"], "error: --evaluate trains nothing, so that --flip"),
        (["--publish", "m", "--search", "3"], "error: --publish and --search exclude each other"),
        (["--resume", "--output", "x", "--recipe", "best"], "error: --resume and --recipe exclude"),
        (
            ["--data", "x", "--teacher-weight", "0.3"],
            "error: --teacher-weight needs --teacher or --teacher-e",
        ),
        (["--data", "x", "--filters", "8"], "error: --filters is a setting of --arch lenet5."),
        (["--data", "x", "--start", "embedded", "--freeze", "--epochs", "3"], "error: --epochs does nothing"),
        (["faces"], "error: There is no option faces. Did you mean --data faces?"),
        (["--epochs", "many"], "error: Argument --epochs: invalid int value: 'many'."),
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
    # As an older version wrote it: with a setting that is gone, and before framing was a choice.
    file.write_text('{"learning_rate": 0.005, "hairdo": "none"}')
    config = chosen_config(build_parser().parse_args(["--config", str(file)]))
    assert config == TrainingConfig(learning_rate=0.005, framing="whole")


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


@pytest.mark.slow
def test_without_a_network_a_run_ends_before_it_begins(tmp_path):
    """In a process of its own, without Keras, and without the folder of a run."""
    nowhere = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "",
        "KAGGLEHUB_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-X", "importtime", Path("train.py").absolute()]
    ended = subprocess.run(
        command, cwd=tmp_path, env=os.environ | nowhere, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "error: Kaggle did not give the data set" in ended.stderr
    assert "tensorflow" not in ended.stderr
    assert not list(tmp_path.iterdir())
