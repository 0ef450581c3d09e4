"""The devices that share every batch, GPUs of one computer or of several, and the names of those at hand.

A batch is as large as on one device, and its statistics and gradients are those of the whole batch: what is
learned does not depend on the number of devices.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from emotion.training.folder import LOCK_FILE

# Files of a run that are not needed to continue it.
NOT_RESUMED = (LOCK_FILE, "tensorboard")


@dataclass(frozen=True)
class Devices:
    """One device, the usual case, and what several have in common.

    `count` devices on all computers share a batch. `process` of `processes` is this program's number, one on
    each computer. They all do the same; only the first one's files are kept.
    """

    count: int = 1
    process: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """Whether the files that this program writes are kept."""
        return self.process == 0

    @property
    def part(self) -> tuple[int, int]:
        """Which of how many parts of every batch this program has to prepare."""
        return 0, 1

    @property
    def adamw(self) -> type[keras.optimizers.AdamW]:
        """The optimiser, as these devices need it."""
        return keras.optimizers.AdamW

    def shared(self) -> AbstractContextManager[object]:
        """Return the context in which a network is built and fitted for these devices."""
        return nullcontext()

    def prepared(self, network: keras.Model) -> keras.Model:
        """Return a new network as these devices need it, with the same layers."""
        return network

    @contextmanager
    def folder(self, output: str | os.PathLike[str], *, resume: bool) -> Iterator[Path]:
        """Give the folder that this program writes to: the run's, or a temporary one."""
        if self.first:
            yield Path(output)
            return
        with tempfile.TemporaryDirectory() as scratch:
            if resume:
                shutil.copytree(
                    output, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*NOT_RESUMED)
                )
            yield Path(scratch)


@dataclass(frozen=True)
class TensorFlowDevices(Devices):
    """Devices under a `tf.distribute.Strategy`, which gives each one its share of a batch."""

    strategy: Any = None

    @property
    def adamw(self) -> type[keras.optimizers.AdamW]:
        """The optimiser that clips the gradient of a whole batch; Keras clips that of each share."""
        return BatchAdamW

    def shared(self) -> AbstractContextManager[object]:
        """Return the strategy's scope."""
        return self.strategy.scope()

    def prepared(self, network: keras.Model) -> keras.Model:
        """Make batch normalisation use the statistics of the whole batch."""
        for layer in network.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return ManyWorkersModel(network.inputs, network.outputs) if self.processes > 1 else network


@dataclass(frozen=True)
class JaxDevices(Devices):
    """Devices under `keras.distribution.DataParallel`: JAX computes as if they were one."""

    distribution: keras.distribution.DataParallel | None = None

    @property
    def part(self) -> tuple[int, int]:
        """Which of how many parts of every batch this program has to prepare: its devices' own."""
        return self.process, self.processes

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Distribute what Keras builds and fits inside the `with` block."""
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(self.distribution)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)


def open_devices(number: int) -> Devices:
    """Open the devices that are to share every batch, before anything is computed.

    `number` counts those of this computer. 0 takes all of them, and those of the other computers that the
    environment names: TF_CONFIG, or with JAX KERAS_DISTRIBUTION_JOB_ADDRESSES, …_NUM_PROCESSES and
    …_PROCESS_ID. Fewer devices, or a backend that cannot share a batch, are a ValueError.
    """
    backend = keras.backend.backend()
    if number == 1:
        return Devices()
    if backend == "tensorflow":
        return _open_tensorflow(number)
    if backend == "jax":
        return _open_jax(number)
    raise ValueError(
        f"--devices {number} needs TensorFlow or JAX, and Keras runs on {backend}. Set KERAS_BACKEND=jax, or "
        "leave --devices out."
    )


def _open_tensorflow(number: int) -> Devices:
    import tensorflow as tf

    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    chiefs, workers = (len(cluster.get(kind, ())) for kind in ("chief", "worker"))
    if number == 0 and chiefs + workers > 1:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        resolver = strategy.cluster_resolver
        process = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
        return TensorFlowDevices(strategy.num_replicas_in_sync, process, chiefs + workers, strategy)
    alike = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    chosen = _chosen([device.name for device in alike], number)
    if len(chosen) == 1:
        return Devices()
    return TensorFlowDevices(len(chosen), strategy=tf.distribute.MirroredStrategy(chosen))


def _open_jax(number: int) -> Devices:
    import jax

    if number == 0 and os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES"):
        keras.distribution.initialize()
    chosen = _chosen(keras.distribution.list_devices(), number)
    if len(chosen) == 1:
        return Devices()
    distribution = keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
    return JaxDevices(len(chosen), jax.process_index(), jax.process_count(), distribution)


def _chosen(names: list[str], number: int) -> list[str]:
    if number > len(names):
        raise ValueError(f"--devices {number} is more than there are: {', '.join(names)}.")
    return names[:number] if number else names


class BatchAdamW(keras.optimizers.AdamW):
    """Clips the gradient of the whole batch before the devices add up their shares."""

    def __init__(self, *arguments: object, global_clipnorm: float, **options: object) -> None:
        import tensorflow as tf

        # Each device clips its share of the gradient, all shares being alike.
        shares = tf.distribute.get_strategy().num_replicas_in_sync
        super().__init__(*arguments, global_clipnorm=global_clipnorm / shares, **options)

    # Keras leaves the arguments without types.
    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Give every device the same share of the whole gradient, then apply it as usual."""
        import tensorflow as tf

        grads = tf.distribute.get_replica_context().all_reduce("MEAN", list(grads))
        super().apply(grads, trainable_variables)


class ManyWorkersModel(keras.Model):
    """Makes `fit` run under `MultiWorkerMirroredStrategy`, where Keras averages logs over their first axis.

    It is made outside the strategy's scope on purpose: Keras would try to average a batch otherwise
    (keras-team/keras#20585).
    """

    def train_step(self, data: object) -> dict[str, Any]:
        """Give every figure the axis that Keras averages over."""
        return {name: keras.ops.reshape(value, (1,)) for name, value in super().train_step(data).items()}


def hardware() -> str:
    """Name the GPUs that Keras uses; without one, the processor and its number of cores."""
    names = Counter(_gpus())
    if not names:
        return f"{_processor()}, {os.cpu_count() or 1} processors"
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in names.items())


def _gpus() -> list[str]:
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
            return [entry.get("device_name", "GPU") for entry in details]
        case "jax":
            import jax

            return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
        case "torch":
            # It is installed if this backend was chosen.
            # pyrefly: ignore [missing-import]
            import torch

            return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return []


def _processor() -> str:
    """Return the processor's name, which systems keep in different places."""
    name = platform.processor()
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        name = asked.stdout.strip() or name
    elif (listed := Path("/proc/cpuinfo")).is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        name = models[0] if models else name
    return name or platform.machine()
