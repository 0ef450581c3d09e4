"""What is kept after every epoch: clean statistics, the best weights, a state to go on from."""

import keras
import numpy as np

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import load_dataset
from emotion.training.checkpoint import estimate_normalization
from emotion.training.fit import fit
from emotion.training.networks import build_network
from tests.conftest import SMALL_RUN


def test_early_stopping_ends_a_run_that_gets_no_better(drawn_data, tmp_path):
    config = TrainingConfig(
        data=str(drawn_data), **SMALL_RUN | {"epochs": 50, "patience": 1, "learning_rate": 1e-9}
    )
    result = fit(config, load_dataset(config, progress=False), tmp_path)
    assert len(result.history["loss"]) < 50
    assert result.best_epoch < len(result.history["loss"])


def test_normalization_statistics_are_those_of_clean_faces(drawn_data):
    config = TrainingConfig(data=str(drawn_data), architecture="lenet5", dropout=0.5)
    dataset = load_dataset(config, progress=False)
    batches = FaceBatches(
        dataset.train, outputs=3, batch_size=64, size=48, channels=1, shuffle=False, seed=0, augment=None
    )
    network = build_network(config, 3)
    estimate_normalization(network, batches, 2)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = keras.Model(network.inputs, first.input)
    seen = np.concatenate([before.predict(batches[index][0], verbose=0) for index in range(2)])
    mean = keras.ops.convert_to_numpy(first.moving_mean)
    np.testing.assert_allclose(mean, seen.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)
    assert all(layer.rate == 0.5 for layer in network.layers if isinstance(layer, keras.layers.Dropout))
