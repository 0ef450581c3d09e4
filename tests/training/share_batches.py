"""A program that `test_devices` starts: fits a network on one device and on several, and writes the weights.

python -m tests.training.share_batches DATA WEIGHTS.npz DEVICES...
"""

import sys
from pathlib import Path

import keras
import numpy as np

from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.training.devices import open_devices
from emotion.training.fit import fit

# Every device draws its own dropout; all else is the same on one and on several.
SETTINGS = {
    "architecture": "lenet5",
    "background": ("neutral",),
    "batch_size": 64,
    "dropout": 0.0,
    "epochs": 2,
    "flip_averaging": False,
    "normalization_batches": 0,
}


def main(data: str, weights: str, *numbers: str) -> None:
    if keras.backend.backend() == "tensorflow":
        count_one_processor_as_two()
    config = TrainingConfig(data=data, **SETTINGS)
    opened = {number: open_devices(int(number)) for number in numbers}  # before anything is computed
    dataset = load_dataset(config)
    found = {}
    for number, devices in opened.items():
        network = fit(config, dataset, Path(weights).with_suffix(f".{number}"), devices=devices).network
        found |= {f"{number}/{index}": value for index, value in enumerate(network.get_weights())}
    np.savez(weights, **found)


def count_one_processor_as_two() -> None:
    import tensorflow as tf

    [processor] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)


if __name__ == "__main__":
    main(*sys.argv[1:])
