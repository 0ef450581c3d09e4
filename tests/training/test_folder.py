"""One run at a time writes a folder, and what cannot be written or resumed is said without a traceback."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.errors import DataError, TrainingError
from emotion.report.report import read_report
from emotion.training.folder import load_run_config, save_run_config, written_by_one_run
from emotion.training.runs import evaluate_model, train_model
from tests.conftest import TINY_RUN
from tests.drawn_faces import EMOTIONS, write_faces

pytestmark = pytest.mark.slow


def test_a_second_run_is_kept_out_of_the_folder_until_the_first_has_ended(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data))
    with (
        written_by_one_run(tmp_path),
        pytest.raises(TrainingError, match=r"Another run is writing to .*--output"),
    ):
        train_model(config, tmp_path)
    assert not (tmp_path / "training.json").exists()
    with written_by_one_run(tmp_path) as folder:
        assert folder == tmp_path


def test_a_folder_that_cannot_be_written_is_named(drawn_data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrainingError, match=r"cannot write to .*run.*--output"):
        train_model(TrainingConfig(data=str(drawn_data)), tmp_path / "file" / "run")


def test_a_full_disk_ends_a_run_with_a_message(tmp_path):
    with (
        pytest.raises(TrainingError, match=r"No space left.*What was saved before is untouched"),
        written_by_one_run(tmp_path),
    ):
        raise OSError(28, "No space left on device")


def test_the_settings_of_a_run_survive_its_folder(tmp_path):
    config = TrainingConfig(epochs=3, ensemble_size=2)
    save_run_config(config, tmp_path)
    assert load_run_config(tmp_path) == config


@pytest.mark.parametrize("content", ["", "[]", "{", '{"epochs": "many"}', '{"epochs": 0}'])
def test_damaged_settings_are_named(content, tmp_path):
    (tmp_path / "training.json").write_text(content)
    with pytest.raises(DataError, match=r"cannot be resumed: training.json cannot be used"):
        load_run_config(tmp_path)


def test_a_folder_with_a_model_is_not_written_over_without_a_word(trained_model, drawn_data):
    before = {path: path.read_bytes() for path in trained_model.glob("*.*") if path.is_file()}
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN)
    with pytest.raises(TrainingError, match=r"holds a model\. Name another --output, or .*--overwrite"):
        train_model(config, trained_model)
    with pytest.raises(TrainingError, match="holds a model"):
        evaluate_model(str(trained_model), str(drawn_data), trained_model)
    assert before == {path: path.read_bytes() for path in before}


def test_a_run_that_can_be_resumed_is_not_started_again_without_a_word(drawn_data, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "state.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"holds a run\. Continue it with --resume.*--overwrite"):
        train_model(TrainingConfig(data=str(drawn_data), **TINY_RUN), tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"width": 64}, r"other settings \(--width: 8 then, 64 now\)"),
        ({"epochs": 99, "seed": 5}, r"--epochs: 10 then, 99 now; --seed: 0 then, 5 now"),
        ({"labels": ("happy", "sad")}, "--labels: "),
        ({"data": "others"}, "holds other pictures or labels"),
    ],
)
def test_another_run_is_not_resumed_and_nothing_is_written(changed, message, trained_model, tmp_path):
    run = shutil.copytree(trained_model, tmp_path / "run")
    if "data" in changed:
        write_faces(tmp_path / "others", EMOTIONS, 6, np.random.default_rng(5))
        changed = {"data": (str(tmp_path / "others"),)}
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    config = replace(load_run_config(run), **changed)
    with pytest.raises(DataError, match=message):
        train_model(config, run, resume=True)
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_run_goes_on_with_pictures_that_moved(trained_model, drawn_data, tmp_path):
    run = shutil.copytree(trained_model, tmp_path / "run")
    moved = shutil.copytree(drawn_data, tmp_path / "elsewhere")
    config = replace(load_run_config(run), data=(str(moved),), workers=1)
    again = train_model(config, run, resume=True)
    assert again.report.history == read_report(trained_model / "report.json").history


def test_a_run_that_cannot_begin_leaves_no_folder(tmp_path):
    with pytest.raises(DataError, match="no folder or file"):
        train_model(TrainingConfig(data=str(tmp_path / "nowhere")), tmp_path / "runs" / "today")
    assert not list(tmp_path.iterdir())
