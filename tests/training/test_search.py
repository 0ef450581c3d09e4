"""A search tries settings, learns from their curves, survives kills, and ends with a model and a command."""

import csv
import json
import shlex
import subprocess
import sys
import time
from dataclasses import fields

import matplotlib
import optuna
import pytest

from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.errors import DataError, TrainingError
from emotion.options import check_value
from emotion.report.card import training_command
from emotion.training.arguments import build_parser
from emotion.training.command import chosen_config
from emotion.training.search import search_settings, search_space, starting_point, write_findings
from tests.app_process import ROOT
from tests.conftest import TINY_RUN

pytestmark = pytest.mark.slow

QUICK = TINY_RUN | {"epochs": 2, "flip_averaging": False, "workers": 1}


def test_every_range_to_search_holds_the_default_and_lies_within_what_is_valid():
    searched = [item for item in fields(TrainingConfig) if item.metadata["search"]]
    assert {"learning_rate", "dropout", "weight_decay"} <= {item.name for item in searched}
    for item in searched:
        found = item.metadata["search"]
        assert found.low <= item.default <= found.high, item.name
        for end in (found.low, found.high):
            check_value(item, float(end))


def test_what_is_given_stays_and_what_makes_no_difference_is_not_searched():
    space = search_space(TrainingConfig(), given=["learning_rate"])
    assert "dropout" in space
    assert not {"learning_rate", "l2", "teacher_weight"} & space.keys()
    assert "l2" in search_space(TrainingConfig(architecture="lenet5"))
    assert "teacher_weight" in search_space(TrainingConfig(teacher=("owner/model",)))
    assert list(search_space(TrainingConfig(), over=["dropout"])) == ["dropout"]


def test_a_range_grows_to_hold_where_the_search_starts():
    config = TrainingConfig(learning_rate=0.05, weight_decay=0.0)
    space = search_space(config)
    assert space["learning_rate"].high == 0.05
    start = starting_point(config, space)
    assert start["learning_rate"] == 0.05
    assert start["weight_decay"] == space["weight_decay"].low > 0, "orders of magnitude have no zero"


def test_what_has_no_range_cannot_be_searched():
    with pytest.raises(ValueError, match=r"--over takes .*learning_rate.*, not epochs"):
        search_space(TrainingConfig(), over=["epochs"])
    with pytest.raises(ValueError, match="Nothing is left to search"):
        search_space(TrainingConfig(), given=[item.name for item in fields(TrainingConfig)])


def test_the_command_that_repeats_a_run_gives_its_settings():
    config = TrainingConfig(
        data="my faces",
        labels=("joy", "rage"),
        background=("neutral",),
        flip=False,
        class_weights=True,
        learning_rate=0.00123,
        blocks=(1, 1),
    )
    python, script, *typed = shlex.split(training_command(config.to_dict(), public=False))
    assert (python, script) == ("python", "train.py")
    assert chosen_config(build_parser().parse_args(typed)) == config


def test_table_and_plots_show_the_runs_and_leave_the_style_of_other_plots_alone(tmp_path):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(40):
        trial = study.ask({**search_space(TrainingConfig(), over=["learning_rate", "dropout"])})
        study.tell(trial, abs(trial.params["dropout"] - 0.2))
    before = dict(matplotlib.rcParams)
    write_findings(study, tmp_path)
    assert matplotlib.rcParams == before
    rows = list(csv.DictReader((tmp_path / "trials.csv").open()))
    assert [float(row["value"]) for row in rows] == [trial.value for trial in study.trials]
    for plot in ("search_history.png", "search_importances.png"):
        assert (tmp_path / plot).read_bytes().startswith(b"\x89PNG")


@pytest.mark.long
def test_a_killed_search_goes_on_and_two_processes_share_one_study(drawn_data, tmp_path):
    output = tmp_path / "search"
    typed = ["--data", drawn_data, "--over", "learning_rate", "dropout", "--no-flip-averaging"]
    for name, value in (TINY_RUN | {"epochs": 3}).items():
        typed += ["--" + name.replace("_", "-"), *(value if isinstance(value, tuple) else (value,))]
    first = start("--search", 2, "--output", output, *typed)
    state = output / "trial-0000" / "checkpoint" / "state.json"
    deadline = time.monotonic() + 300
    while not state.exists():
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.kill()
    first.communicate()

    # Both are told the folder alone.
    both = [start("--search", 2, "--output", output) for _ in range(2)]
    printed = [process.communicate(timeout=500)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert any("Trial 0 was interrupted; its settings are tried again." in text for text in printed)
    assert any("The model of that run is in" in text for text in printed)

    rows = list(csv.DictReader((output / "trials.csv").open()))
    assert sorted(row["state"] for row in rows) == ["COMPLETE", "COMPLETE", "FAIL"]
    best = min((row for row in rows if row["value"]), key=lambda row: float(row["value"]))
    kept = [path.parent.name for path in output.glob("trial-*/checkpoint")]
    assert kept == [f"trial-{int(best['number']):04d}"], "only the best run's weights are worth their space"
    settings = json.loads((output / "training.json").read_text())
    assert settings["learning_rate"] == pytest.approx(float(best["params_learning_rate"]), rel=0.01)
    assert (output / "search_history.png").read_bytes().startswith(b"\x89PNG")
    saved = EmotionClassifier.from_pretrained(output)
    assert min(saved.report.history.val_loss) == pytest.approx(float(best["value"]))
    assert f"--dropout {settings['dropout']}" in saved.card or settings["dropout"] == 0.2


def test_runs_that_diverge_are_recorded_and_are_no_crash(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **QUICK | {"learning_rate": 1e30, "warmup_epochs": 0})
    with pytest.raises(TrainingError, match=r"None of the runs in .* was completed.*diverged"):
        search_settings(config, tmp_path, trials=1, over=["learning_rate"])
    (row,) = csv.DictReader((tmp_path / "trials.csv").open())
    assert row["state"] == "PRUNED"
    assert "diverged" in row["user_attrs_reason"]

    other = TrainingConfig(data=str(drawn_data), **QUICK)
    with pytest.raises(ValueError, match="a search of other settings"):
        search_settings(other, tmp_path, trials=2, over=["learning_rate"])
    fewer = tmp_path / "fewer"
    for path in drawn_data.rglob("*_00[0-9].jpg"):
        target = fewer / path.relative_to(drawn_data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="other pictures than the search began with"):
        search_settings(TrainingConfig(data=str(fewer)), tmp_path, trials=2, given=["data"], join=True)


def start(*arguments):
    command = [sys.executable, "train.py", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
