"""Several devices, or programs on several computers, learn what one would have learned."""

import functools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from emotion.model.classifier import EmotionClassifier
from emotion.model.keras_engine import load_keras
from emotion.training.devices import hardware, open_devices
from tests.training.share_batches import SETTINGS

pytestmark = pytest.mark.slow

NUMBERS = ("batch_size", "dropout", "epochs", "normalization_batches")
ROOT = Path(__file__).parents[2]
TWO_PARTS_OF_A_PROCESSOR = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def test_more_devices_than_there_are_is_a_clear_mistake():
    with pytest.raises(ValueError, match=r"--devices 64 is more than there are: .*CPU:0"):
        open_devices(64)


def test_one_device_needs_nothing():
    assert open_devices(1).count == open_devices(0).count == 1


@pytest.fixture(scope="module")
def weights(drawn_data, tmp_path_factory):
    """Return by name of a backend the weights that one device learns, and those that two of a computer do."""

    @functools.cache
    def learned(backend: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
        path = tmp_path_factory.mktemp(backend) / "weights.npz"
        environment = {"KERAS_BACKEND": backend, **TWO_PARTS_OF_A_PROCESSOR}
        _wait(_start("-m", "tests.training.share_batches", drawn_data, path, 1, 2, **environment))
        return _weights(path, 1), _weights(path, 2)

    return learned


@pytest.mark.long
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_of_a_computer_learn_what_one_does(backend, weights):
    pytest.importorskip(backend)
    _assert_same_network(*weights(backend))


@pytest.mark.long
def test_two_programs_with_jax_learn_what_one_does(weights, drawn_data, tmp_path):
    pytest.importorskip("jax")
    common = {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(_addresses(2)),
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    paths = [tmp_path / "first.npz", tmp_path / "second.npz"]
    programs = [
        _start("-m", "tests.training.share_batches", drawn_data, path, 0,
               **common, KERAS_DISTRIBUTION_PROCESS_ID=str(number))
        for number, path in enumerate(paths)
    ]  # fmt: skip
    for program in programs:
        _wait(program)
    first, second = (_weights(path, 0) for path in paths)
    for mine, yours in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, yours)
    _assert_same_network(weights("jax")[0], first)


@pytest.mark.long
def test_two_runs_with_tensorflow_give_one_model(weights, drawn_data, tmp_path):
    addresses = _addresses(2)
    output = tmp_path / "run"
    options = ["--data", drawn_data, "--output", output, "--devices", 0, "--background", "neutral"]
    options += ["--arch", "lenet5", "--no-flip-averaging"]
    options += [word for name in NUMBERS for word in ("--" + name.replace("_", "-"), SETTINGS[name])]
    programs = [
        _start("train.py", *options, TF_CONFIG=json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
        ))
        for number in range(2)
    ]  # fmt: skip
    chief, helper = map(_wait, programs)
    assert f"The model, its card and its plots are in {output}" in chief
    assert "This computer only helped" in helper
    assert len(EmotionClassifier.from_pretrained(output).report.history.loss) == 2
    _assert_same_network(weights("tensorflow")[0], load_keras(output).get_weights())


def _start(*arguments: object, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def _wait(program: subprocess.Popen) -> str:
    printed, _ = program.communicate(timeout=600)
    assert program.returncode == 0, printed
    return printed


def _addresses(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def _weights(path: Path, devices: int) -> list[np.ndarray]:
    with np.load(path) as found:
        return [found[f"{devices}/{index}"] for index in range(sum(f"{devices}/" in name for name in found))]


def _assert_same_network(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    """Only the order in which numbers are added may differ."""
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_allclose(yours, mine, atol=5e-3)


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_is_named_by_its_processor():
    name, _, count = hardware().rpartition(", ")
    assert len(name) > 2
    assert count == f"{os.cpu_count()} processors"
