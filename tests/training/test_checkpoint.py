"""What is kept after every epoch: clean statistics, the best weights, a state to go on from."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import load_dataset
from emotion.errors import DataError, TrainingError
from emotion.training.checkpoint import estimate_normalization
from emotion.training.fit import fit
from emotion.training.networks import build_network
from emotion.training.runs import train_model
from tests.conftest import SMALL_RUN, TINY_RUN

pytestmark = pytest.mark.slow


def test_a_run_that_gets_no_better_is_warned_of_and_ends_early(drawn_data, tmp_path, caplog):
    config = TrainingConfig(
        data=str(drawn_data), **TINY_RUN | {"epochs": 50, "patience": 2, "learning_rate": 1e-9}
    )
    result = fit(config, load_dataset(config), tmp_path)
    assert 3 <= len(result.history["loss"]) < 50
    assert result.best_epoch < len(result.history["loss"])
    assert "After 3 epochs the network is no better than guessing" in caplog.text


def test_normalization_statistics_are_those_of_clean_faces(drawn_data):
    config = TrainingConfig(data=str(drawn_data), architecture="lenet5", dropout=0.5)
    dataset = load_dataset(config)
    batches = FaceBatches(
        dataset.train, outputs=3, batch_size=64, size=48, channels=1, shuffle=False, seed=0, augment=None
    )
    network = build_network(config, 3)
    estimate_normalization(network, batches, 2)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(network.input, first.input)
    seen = np.concatenate([keras.ops.convert_to_numpy(before(batches[index][0])) for index in range(2)])
    mean = keras.ops.convert_to_numpy(first.moving_mean)
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)
    assert all(layer.rate == 0.5 for layer in network.layers if isinstance(layer, keras.layers.Dropout))


def test_a_resumed_run_is_the_run_that_was_not_interrupted(drawn_data, tmp_path):
    """To the last digit: also dropout draws what it would have drawn."""
    settings = TINY_RUN | {"epochs": 3, "dropout": 0.5, "workers": 1, "cache_mib": 0}
    config = TrainingConfig(data=str(drawn_data), **settings)
    dataset = load_dataset(config)
    whole = fit(config, dataset, tmp_path / "whole")

    first_epoch_is_done = tmp_path / "broken" / "checkpoint" / "state.json"

    def read_until_the_second_epoch(identifier: str) -> np.ndarray:
        if first_epoch_is_done.exists():
            raise RuntimeError("the power went out")
        return dataset.train.read(identifier)

    failing = replace(dataset, train=replace(dataset.train, read=read_until_the_second_epoch))
    with pytest.raises(Exception, match="the power went out"):  # each backend wraps it in a type of its own
        fit(config, failing, tmp_path / "broken")
    assert json.loads(first_epoch_is_done.read_text())["epoch"] == 1
    resumed = fit(config, dataset, tmp_path / "broken", resume=True)

    np.testing.assert_allclose(resumed.history["loss"], whole.history["loss"], rtol=1e-5)
    for one, other in zip(whole.network.get_weights(), resumed.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_diverged_run_ends_with_an_error_and_loses_nothing(trained_model, drawn_data, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(trained_model, output)
    before = {
        path: path.read_bytes() for path in output.glob("*.*") if path.suffix in (".json", ".h5", ".tflite")
    }
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 2, "learning_rate": 1e30})
    with pytest.raises(TrainingError, match=r"The loss became (nan|inf) in epoch 1.*Lower --learning-rate"):
        train_model(config, output, overwrite=True)
    after = {path: path.read_bytes() for path in before}
    changed = {path.name for path in before if before[path] != after[path]}
    assert changed <= {"training.json", "audit.json"}, "the model that was there still is"


def test_divergence_keeps_the_last_good_epoch(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 3, "cache_mib": 0})
    dataset = load_dataset(config)
    state = tmp_path / "checkpoint" / "state.json"
    targets = np.eye(3, dtype=np.float32)[dataset.train.targets]

    def read_and_spoil(identifier: str) -> np.ndarray:
        if state.exists():
            targets[:] = np.nan
        return dataset.train.read(identifier)

    spoiled = replace(dataset, train=replace(dataset.train, read=read_and_spoil))
    with pytest.raises(TrainingError, match=r"in epoch [23].*is kept in .*--resume"):
        fit(config, spoiled, tmp_path, soft_targets=targets)
    kept = json.loads(state.read_text())
    assert np.isfinite(kept["history"]["loss"]).all()
    assert (state.parent / f"{kept['epoch']}.latest.weights.h5").exists()


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"epoch": 1, "best_epoch": "x", "stopped": false, "history": {}}']
)
def test_a_damaged_state_is_named(content, drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **SMALL_RUN)
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "state.json").write_text(content)
    with pytest.raises(DataError, match=r"The checkpoint in .* is damaged .*without --resume"):
        fit(config, load_dataset(config), tmp_path, resume=True)


@pytest.mark.parametrize("name", ["latest", "best"])
def test_damaged_weights_are_named(name, trained_model, drawn_data, tmp_path):
    shutil.copytree(trained_model / "checkpoint", tmp_path / "checkpoint")
    for weights in (tmp_path / "checkpoint").glob(f"*{name}.weights.h5"):
        weights.write_bytes(weights.read_bytes()[:5000])
    config = TrainingConfig(data=str(drawn_data), background=("neutral",), **SMALL_RUN)
    with pytest.raises(DataError, match=r"The checkpoint in .* is damaged .*without --resume"):
        fit(config, load_dataset(config), tmp_path, resume=True)
