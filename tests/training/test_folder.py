"""One run at a time writes a folder, and what cannot be written or resumed is said without a traceback."""

import json

import pytest

from emotion.config import TrainingConfig
from emotion.errors import DataError, TrainingError
from emotion.training.folder import load_run_config, save_run_config, written_by_one_run
from emotion.training.runs import train_model

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


def test_a_run_of_an_older_version_is_continued_with_its_settings(tmp_path):
    old = {"epochs": 7, "networks": 2, "start": "teacher", "teacher_epochs": 4, "mirror_average": False}
    old |= {"weight_averaging": 0.1, "frequency": ["fear=0.25"], "labels": ["happy", "sad"]}
    (tmp_path / "training.json").write_text(json.dumps(old))
    assert load_run_config(tmp_path) == TrainingConfig(
        epochs=7,
        ensemble_size=2,
        initial_weights="teacher",
        teacher_epochs=4,
        flip_averaging=False,
        ema_share=0.1,
        prior_correction=("fear=0.25",),
        labels=("happy", "sad"),
    )


@pytest.mark.parametrize("content", ["", "[]", "{", '{"epochs": "many"}', '{"epochs": 0}'])
def test_damaged_settings_are_named(content, tmp_path):
    (tmp_path / "training.json").write_text(content)
    with pytest.raises(DataError, match=r"cannot be resumed: training.json cannot be used"):
        load_run_config(tmp_path)
