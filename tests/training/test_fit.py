"""A network learns repeatably, from new weights or a trained one's, and sees what `--sampling` asks for."""

import csv
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset, load_dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import load_keras
from emotion.model.loading import EMBEDDED
from emotion.training.fit import adopt_weights, correct_priors, fit, sampling_weights
from emotion.training.folder import load_run_config
from emotion.training.networks import build_network
from tests.conftest import SMALL_RUN, TINY_RUN
from tests.data.pictures import load_several, two_sources

pytestmark = pytest.mark.slow


def test_the_learning_rate_warms_up_and_falls_to_zero(trained_model):
    with open(trained_model / "history.csv") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert max(rates) == pytest.approx(SMALL_RUN["learning_rate"], rel=0.05)
    assert rates.index(max(rates)) == 0, "one warm-up epoch"
    assert rates[-1] < 0.01 * max(rates)


def test_the_same_seed_gives_the_same_model(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 1})
    dataset = load_dataset(config)
    first, second = (fit(config, dataset, tmp_path / name) for name in ("first", "second"))
    for one, other in zip(first.network.get_weights(), second.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_there_must_be_a_run_to_resume(drawn_data, tmp_path):
    with pytest.raises(DataError, match=r"No training run to resume .*training.json"):
        load_run_config(tmp_path)
    config = TrainingConfig(data=str(drawn_data), **SMALL_RUN)
    with pytest.raises(DataError, match="no checkpoint"):
        fit(config, load_dataset(config), tmp_path, resume=True)


def test_a_start_gives_every_output_that_both_have_its_weights(trained_model):
    trained = load_keras(trained_model)
    inner = trained.get_layer("resnet")
    known = EmotionClassifier.from_pretrained(trained_model).outputs
    for outputs in (known, known[::-1], known[:2], ("joy", "sad")):
        network = build_network(TrainingConfig(**SMALL_RUN), len(outputs))
        new = network.layers[-1].get_weights()
        adopt_weights(network, trained, known, outputs)
        np.testing.assert_array_equal(network.layers[2].get_weights()[0], inner.layers[2].get_weights()[0])
        for kept, old, random in zip(
            network.layers[-1].get_weights(), inner.layers[-1].get_weights(), new, strict=True
        ):
            for index, name in enumerate(outputs):
                expected = old[..., known.index(name)] if name in known else random[..., index]
                np.testing.assert_array_equal(kept[..., index], expected)


def test_the_default_network_can_start_from_the_embedded_model():
    network = build_network(TrainingConfig(), 2)
    before = network.get_weights()[0]
    adopt_weights(network, load_keras(EMBEDDED), ("angry", "happy", "sad"), ("joy", "rage"))
    assert np.abs(network.get_weights()[0] - before).max() > 0.1


def test_a_start_must_be_the_same_network(trained_model):
    trained = load_keras(trained_model)
    for other in ({"architecture": "lenet5"}, {"width": 12}, {"blocks": (1, 1)}):
        network = build_network(TrainingConfig(**SMALL_RUN | other), 4)
        with pytest.raises(DataError, match="--initial-weights is another network"):
            adopt_weights(network, trained, ("a", "b", "c", "d"), ("a", "b", "c", "d"))


def test_class_weights_make_rare_classes_count(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 1, "class_weights": True})
    dataset = load_dataset(config)
    few_sad = np.flatnonzero((dataset.train.targets != 2) | (np.arange(len(dataset.train)) % 10 == 0))
    result = fit(config, replace(dataset, train=dataset.train.subset(few_sad)), tmp_path)
    assert np.isfinite(result.history["loss"]).all()


def test_classes_are_expected_as_often_as_they_occur_in_use():
    network = build_network(TrainingConfig(**SMALL_RUN), 4)
    faces = np.random.default_rng(0).uniform(0, 255, (8, 48, 48, 1)).astype(np.float32)
    before = network(faces).numpy()
    config = TrainingConfig(prior_correction=("fear=0.25", "not a class=9"))
    correct_priors(network, ("angry", "happy", "sad", "fear"), config.prior_factors())
    expected = before * [1, 1, 1, 0.25]
    np.testing.assert_allclose(network(faces), expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)


@pytest.fixture
def both(tmp_path: Path) -> Dataset:
    return load_several(two_sources(tmp_path), background=("*",))


def test_an_epoch_shows_a_class_of_a_source_as_often_as_asked(both: Dataset):
    weights = sampling_weights(both, {"press/sad": 3.0, "happy": 0.5, "press/happy": 1.0})
    assert weights is not None
    batches = FaceBatches(
        both.train, outputs=4, batch_size=8, size=24, channels=1, shuffle=True, seed=0, weights=weights
    )
    counts = np.zeros(len(both.train))
    for epoch in range(4):
        batches.set_epoch(epoch)
        seen = np.concatenate([batches[index][0] for index in range(len(batches))])
        faces = both.train.load(np.arange(len(both.train)), 24, 1).astype(np.float32)
        for face in seen:
            counts[np.flatnonzero((faces == face).all(axis=(1, 2, 3)))] += 1
    names = np.array([Path(identifier).parent.as_posix() for identifier in both.train.identifiers])
    assert set(counts[names == "press/train/sad"]) == {12}
    assert set(counts[names == "web/train/sad"]) == {4}
    assert counts[names == "web/train/happy"].sum() == 12, "6 faces, half of them in each of 4 epochs"
    assert set(counts[names == "press/train/happy"]) == {4}


def test_sampling_of_a_class_that_is_not_there_is_refused(both: Dataset):
    with pytest.raises(DataError, match=r"--sampling names film/sad\. There are: angry, .*press/neutral"):
        sampling_weights(both, {"film/sad": 2.0})


class PressedWhereItIsLost(keras.callbacks.Callback):
    """Presses Ctrl-C after the first epoch inside `__del__`: Python prints the exception and goes on."""

    def on_epoch_end(self, epoch, *_, **__):
        if not epoch:
            _Pressed()


class _Pressed:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_ctrl_c_ends_the_run_at_the_next_batch(drawn_data, tmp_path):
    config = TrainingConfig(data=str(drawn_data), **TINY_RUN | {"epochs": 3})
    fitted = fit(config, load_dataset(config), tmp_path, callbacks=[PressedWhereItIsLost()])
    assert fitted.interrupted
    assert fitted.best_epoch == 1
    assert len(fitted.history["loss"]) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
