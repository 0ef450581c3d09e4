"""What a run tells beyond its own folder: curves in trackio, CO₂ in the card; and what is missing for it."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from emotion.config import TrainingConfig
from emotion.errors import TrainingError
from emotion.model.classifier import EmotionClassifier
from emotion.report.metadata import split_card
from emotion.training.command import main
from emotion.training.runs import train_model
from emotion.training.tracking import Tracking
from tests.conftest import TINY_RUN

pytestmark = pytest.mark.slow


@pytest.fixture
def config(drawn_data) -> TrainingConfig:
    return replace(TrainingConfig(data=str(drawn_data), **TINY_RUN), epochs=2)


def test_the_curves_of_a_run_are_in_trackio(config, tmp_path, monkeypatch):
    pytest.importorskip("trackio", reason="pip install -r requirements-track.txt")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    for module in ("utils", "sqlite_storage"):  # where trackio's own files have taken it over
        monkeypatch.setattr(f"trackio.{module}.TRACKIO_DIR", tmp_path / "trackio")
    train_model(config, tmp_path / "today", tracking=Tracking(curves=True))
    (run,) = trackio.Api().runs("facial-emotion")
    assert run.name == "today, network 1 of 1"
    assert run.config["learning_rate"] == config.learning_rate
    assert run.config["data"] == [Path(config.data[0]).name]  # no folder of this computer
    logs = SQLiteStorage.get_logs("facial-emotion", run.name)
    assert [log["step"] for log in logs] == [1, 2]
    assert all({"loss", "accuracy", "val_loss", "val_accuracy"} <= log.keys() for log in logs)


def test_the_card_states_the_emissions_that_were_estimated(config, tmp_path):
    pytest.importorskip("codecarbon", reason="pip install -r requirements-track.txt")
    train_model(config, tmp_path / "today", tracking=Tracking(country="DEU"))
    classifier = EmotionClassifier.from_pretrained(tmp_path / "today")
    stated = split_card(classifier.card)[0]["co2_eq_emissions"]
    assert stated["emissions"] == classifier.report.model["co2_grams"] > 0
    assert (stated["source"], stated["geographical_location"]) == ("codecarbon", "DEU")


def test_a_country_that_is_none_is_refused_before_the_run():
    pytest.importorskip("codecarbon", reason="pip install -r requirements-track.txt")
    with pytest.raises(TrainingError, match="DEU or USA"):
        Tracking(country="Germany").check()


@pytest.mark.parametrize(("options", "package"), [(["--track"], "trackio"), (["--co2", "DEU"], "codecarbon")])
def test_what_is_not_installed_is_said_before_the_run(
    options, package, drawn_data, tmp_path, capsys, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "emotion.training.tracking.importlib.util.find_spec",
        lambda name: None if name == package else find(name),
    )
    output = tmp_path / "run"
    assert main(["--data", str(drawn_data), "--output", str(output), *options]) == 2
    assert capsys.readouterr().err == (
        f"error: {package} is not installed. Type: pip install -r requirements-track.txt\n"
    )
    assert not output.exists()


def test_a_space_for_the_curves_needs_a_token():
    if importlib.util.find_spec("trackio") is None:
        pytest.skip("pip install -r requirements-track.txt")
    with pytest.raises(TrainingError, match="hf auth login"):
        Tracking(curves=True, space="ada/curves").check()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (["--evaluate", "x"], "--evaluate trains nothing, so that --track would do nothing"),
        (["--search", "2"], "--search and --track exclude each other"),
    ],
)
def test_what_does_not_train_tracks_nothing(task, message, capsys):
    assert main([*task, "--data", "x", "--track"]) == 2
    assert message in capsys.readouterr().err
