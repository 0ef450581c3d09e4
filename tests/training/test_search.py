"""A search tries settings, learns from their curves, survives kills, and ends with a model and a command."""

import csv
import json
import shlex
import subprocess
import sys
import time
from dataclasses import fields

import optuna
import pytest

from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.errors import DataError, TrainingError
from emotion.options import check_value
from emotion.report.card import training_command
from emotion.training.arguments import build_parser
from emotion.training.command import chosen_config
from emotion.training.search import search_settings
from emotion.training.search_report import progress_line, what_mattered
from emotion.training.search_space import search_space, starting_point
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
    assert "teacher_weight" in search_space(TrainingConfig(teacher=("somebody/model",)))
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


def test_what_decides_the_loss_is_what_mattered():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = search_space(TrainingConfig(), over=["learning_rate", "dropout"])
    for _ in range(40):
        trial = study.ask({**space})
        study.tell(trial, abs(trial.params["dropout"] - 0.2))
    shares = what_mattered(study)
    assert next(iter(shares)) == "dropout"
    assert shares["dropout"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert what_mattered(optuna.create_study()) == {}


def test_a_line_tells_how_a_run_ended_and_which_is_the_best():
    study = optuna.create_study()
    space = {**search_space(TrainingConfig(), over=["dropout"])}
    study.enqueue_trial({"dropout": 0.25})
    first = study.ask(space)
    first.set_user_attr("accuracy", 0.81)
    study.tell(first, 0.5)
    second = study.ask(space)
    second.report(0.9, 3)
    study.tell(second, state=optuna.trial.TrialState.PRUNED)
    best = "Best so far: trial 1, loss 0.5000, accuracy 81.0%, --dropout 0.25."
    assert progress_line(study, 0, 9) == f"Trial 1 of 9: validation loss 0.5000, accuracy 81.0%. {best}"
    assert progress_line(study, 1, 9) == f"Trial 2 of 9: given up after epoch 4, loss 0.9000. {best}"


@pytest.mark.long
def test_a_killed_search_goes_on_and_two_processes_share_one_study(drawn_data, tmp_path):
    output = tmp_path / "search"
    typed = ["--data", drawn_data, "--over", "learning_rate", "dropout", "--no-flip-averaging"]
    for name, value in (TINY_RUN | {"epochs": 3}).items():
        typed += ["--" + name.replace("_", "-"), *(value if isinstance(value, tuple) else (value,))]
    first = start("--search", 2, "--output", output, *typed)
    state = output / "trial-0001" / "checkpoint" / "state.json"
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
    (resumed,) = [text for text in printed if "Going on with trial 1, which was interrupted." in text]
    assert "Epoch 1/3" not in resumed.partition("Going on with trial 1")[2].partition("Trial 1 of 2")[0]
    assert any("The model of that run is in" in text for text in printed)

    rows = list(csv.DictReader((output / "trials.csv").open()))
    assert [(row["trial"], row["state"]) for row in rows] == [("1", "complete"), ("2", "complete")]
    best = min(rows, key=lambda row: float(row["validation_loss"]))
    kept = [path.parent.name for path in output.glob("trial-*/checkpoint")]
    assert kept == [f"trial-{int(best['trial']):04d}"], "only the best run's weights are worth their space"
    settings = json.loads((output / "training.json").read_text())
    assert settings["learning_rate"] == pytest.approx(float(best["learning_rate"]), rel=0.01)
    assert (output / "search.png").read_bytes().startswith(b"\x89PNG")
    saved = EmotionClassifier.from_pretrained(output)
    assert min(saved.report.history.val_loss) == pytest.approx(float(best["validation_loss"]))
    assert f"--dropout {settings['dropout']}" in saved.card or settings["dropout"] == 0.2


def test_runs_that_diverge_are_recorded_and_are_no_crash(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **QUICK | {"learning_rate": 1e30, "warmup_epochs": 0})
    with pytest.raises(TrainingError, match=r"None of the runs in .* came to an end.*diverged"):
        search_settings(config, tmp_path, trials=1, over=["learning_rate"])
    (row,) = csv.DictReader((tmp_path / "trials.csv").open())
    assert row["state"] == "pruned"
    assert "diverged" in row["reason"]

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
