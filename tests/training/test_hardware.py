"""The machine that a network was trained on is named."""

import os

import pytest
import tensorflow as tf

from emotion.training.hardware import hardware

pytestmark = pytest.mark.slow


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_named_by_its_processor():
    name, _, count = hardware().rpartition(", ")
    assert len(name) > 2
    assert count == f"{os.cpu_count()} processors"
