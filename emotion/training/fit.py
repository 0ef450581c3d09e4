"""Fitting a network to a data set: optimiser, schedule, weights to start from, resume.

No evaluation, and no files but the run's own log and checkpoint.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

import keras
import numpy as np

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset
from emotion.data.examples import CachedExamples, Examples
from emotion.errors import DataError
from emotion.training.augmentation import augment
from emotion.training.checkpoint import BestWeightsKeeper
from emotion.training.devices import Devices
from emotion.training.folder import CHECKPOINT_FOLDER, save_run_config
from emotion.training.networks import average_mirrored, build_network

logger = logging.getLogger(__name__)

HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class FittedNetwork:
    """What a run leaves in memory: the best weights in float32, and one value per epoch of every curve.

    `best_epoch` counts from 1. `interrupted` says that Ctrl-C ended the run early.
    """

    network: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    interrupted: bool
    seconds: float = 0.0


@dataclass(frozen=True)
class Feeds:
    """The batches that a run needs: augmented to learn from, clean for statistics, and held out."""

    learned: FaceBatches
    clean: FaceBatches
    held_out: FaceBatches

    @classmethod
    def of(
        cls,
        config: TrainingConfig,
        dataset: Dataset,
        devices: Devices,
        *,
        soft_targets: np.ndarray | None = None,
        teach: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> Feeds:
        """Decode every picture once, as far as `config.cache_mib` reaches; the rest as in `fit`."""
        size, channels, limit = config.image_size, config.channels, config.cache_mib * 2**20
        train = CachedExamples.of(dataset.train, size, channels, limit=limit)
        limit -= train.crops.nbytes
        calibration = CachedExamples.of(dataset.calibration, size, channels, limit=limit)
        weights = sampling_weights(dataset, config.sampling_factors())
        batches_of = partial(
            FaceBatches,
            outputs=len(dataset.outputs),
            batch_size=config.batch_size,
            size=size,
            channels=channels,
            seed=config.seed,
            workers=config.workers,
        )
        learned = batches_of(
            train,
            shuffle=True,
            augment=partial(augment, config=config),
            soft_targets=soft_targets,
            weights=weights,
            teach=teach,
            devices=devices.count,
            part=devices.part,
        )
        clean = batches_of(train, shuffle=True, weights=weights)
        return cls(learned, clean, batches_of(calibration, shuffle=False))


def fit(
    config: TrainingConfig,
    dataset: Dataset,
    output: str | os.PathLike[str],
    *,
    resume: bool = False,
    soft_targets: np.ndarray | None = None,
    teach: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    initial: tuple[keras.Model, Sequence[str]] | None = None,
    devices: Devices | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FittedNetwork:
    """Train a network and keep the weights with the lowest loss on the calibration faces.

    Fits `dataset.train`, chooses the epoch on `dataset.calibration`, and never touches `dataset.report`. The
    settings, `history.csv`, TensorBoard logs and the checkpoint go to `output`; `resume` continues there
    after the last complete epoch. `soft_targets`, float (len(dataset.train), outputs), replace the one-hot
    labels, and `teach`, as `FaceBatches` takes it, sees faces after augmentation. `initial` is a trained
    network to start from and its outputs; see `adopt_weights`. `callbacks` run once an epoch's checkpoint is
    written. By default one device is used.

    DivergedError if the loss is no longer a number; DataError if Ctrl-C came before the first epoch was
    complete, or the checkpoint or `initial` does not fit.
    """
    output, devices = Path(output), devices or Devices()
    save_run_config(config, output, dataset.fingerprint)
    keras.utils.set_random_seed(config.seed)
    feeds = Feeds.of(config, dataset, devices, soft_targets=soft_targets, teach=teach)
    keeper = BestWeightsKeeper(config, output / CHECKPOINT_FOLDER, feeds.clean, feeds.held_out, dataset)
    if len(dataset.train) < config.batch_size:
        logger.warning("Only %d training pictures: one step per epoch.", len(dataset.train))

    outputs = len(dataset.outputs)
    with devices.shared(), _dtype_policy(config.precision):
        network = build_network(config, outputs)
    if initial:
        adopt_weights(network, *initial, dataset.outputs)
    network = devices.prepared(network)
    interruption, ctrl_c = None, Interruption()
    with devices.shared(), ctrl_c.noted():
        compile_network(network, config, steps_per_epoch=len(feeds.learned), adamw=devices.adamw)
        first_epoch = keeper.restore(network) if resume else keeper.begin()
        feeds.learned.set_epoch(first_epoch)
        try:
            if not keeper.stopped and first_epoch < config.epochs:
                network.fit(
                    feeds.learned,
                    epochs=config.epochs,
                    initial_epoch=first_epoch,
                    verbose=int(devices.first and sys.stdout.isatty()),  # elsewhere a line of ours per epoch
                    shuffle=False,  # FaceBatches shuffles, in an order that a resumed run repeats
                    class_weight=_class_weights(dataset.train, outputs) if config.class_weights else None,
                    callbacks=[
                        ctrl_c,
                        keeper,
                        *_logs(output, resume=resume),
                        *callbacks,
                    ],
                )
        except KeyboardInterrupt as error:
            interruption = error
            logger.warning("Interrupted; keeping the best epoch so far.")
    if not keeper.best_epoch:
        raise DataError(
            "Stopped before the first epoch was complete, so there is nothing to keep. Start it again."
        ) from interruption

    best = build_network(config, outputs)
    keeper.load_best(best)
    correct_priors(best, dataset.outputs, config.prior_factors())
    if config.flip_averaging:
        best = average_mirrored(best)
    interrupted = interruption is not None
    return FittedNetwork(best, keeper.history, keeper.best_epoch, interrupted, keeper.seconds)


class Interruption(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` at the next batch if Ctrl-C was pressed before.

    Python swallows exceptions raised in gc callbacks (JAX installs one) and in `__del__`, so Ctrl-C can be
    lost.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note every Ctrl-C inside the `with` block; where possible it raises at once, as elsewhere."""
        before = signal.getsignal(signal.SIGINT)
        # Only the main thread may set a handler, and one that a caller has set stays.
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread or before is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def on_train_batch_begin(self, *_: object, **__: object) -> None:
        """Make up for a Ctrl-C that was lost; Keras calls this."""
        if self._asked:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> NoReturn:
        self._asked = True
        signal.default_int_handler(number, frame)


def sampling_weights(dataset: Dataset, factors: Mapping[str, float]) -> np.ndarray | None:
    """Return how often an epoch shows each training picture; None where all count the same.

    `factors` maps class names, or source/class, which wins, to times an epoch. A name that the data do not
    have is a DataError.
    """
    if not factors:
        return None
    sources = dataset.train.sources
    known = [*dataset.outputs, *(f"{source}/{output}" for source in sources for output in dataset.outputs)]
    if unknown := [name for name in factors if name not in known]:
        raise DataError(f"--sampling names {', '.join(unknown)}. There are: {', '.join(known)}.")
    table = np.array(
        [
            [factors.get(f"{source}/{output}", factors.get(output, 1.0)) for output in dataset.outputs]
            for source in sources or ("",)
        ]
    )
    return table[dataset.train.source_of(), dataset.train.targets]


def adopt_weights(
    network: keras.Model, trained: keras.Model, trained_outputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Give a new network the weights of a trained one; in the last layer, those of outputs that both have.

    `trained` may be the same network as such, or as `average_mirrored` or `average_networks` wrapped it (of
    several, the first counts). Another network is a DataError.
    """
    while inner := [layer for layer in trained.layers if isinstance(layer, keras.Model)]:
        trained = inner[0]
    new, old = ([layer for layer in model.layers if layer.weights] for model in (network, trained))
    body = [[[weight.shape for weight in layer.weights] for layer in layers[:-1]] for layers in (new, old)]
    if body[0] != body[1] or new[-1].weights[0].shape[0] != old[-1].weights[0].shape[0]:
        raise DataError(
            "The model given to --initial-weights is another network. Give --arch, --channels and the sizes "
            "of its layers (--width, --blocks or --filters, --dense-units) as in its emotion.json."
        )
    for layer, source in zip(new[:-1], old[:-1], strict=True):
        layer.set_weights(source.get_weights())
    (kernel, bias), (known_kernel, known_bias) = (layers[-1].get_weights() for layers in (new, old))
    shared = [name for name in outputs if name in trained_outputs]
    to, from_ = ([names.index(name) for name in shared] for names in (list(outputs), list(trained_outputs)))
    kernel[:, to], bias[to] = known_kernel[:, from_], known_bias[from_]
    new[-1].set_weights([kernel, bias])
    if made := [name for name in outputs if name not in shared]:
        logger.info("These outputs start from nothing: %s.", ", ".join(made))


def correct_priors(network: keras.Model, outputs: Sequence[str], factors: Mapping[str, float]) -> None:
    """Make a network expect classes as often as they occur in use, instead of among the training pictures.

    Shifts the bias of the last layer, a `Dense` with softmax, by the logarithm of each class's factor (1 if
    none is given), after Saerens et al., "Adjusting the outputs of a classifier to new a priori
    probabilities", 2002. Changes the network in place.
    """
    shift = np.log([factors.get(name, 1.0) for name in outputs])
    if shift.any():
        network.layers[-1].bias.assign_add(shift)


def compile_network(
    network: keras.Model,
    config: TrainingConfig,
    *,
    steps_per_epoch: int,
    adamw: type[keras.optimizers.AdamW] = keras.optimizers.AdamW,
) -> None:
    """Attach loss, optimiser and schedule to a network, which is changed in place."""
    steps = steps_per_epoch * config.epochs
    warmup = min(int(steps_per_epoch * config.warmup_epochs), steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(steps - warmup, 1),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    window = config.ema_share * steps
    optimizer = adamw(
        schedule,
        weight_decay=config.weight_decay,
        global_clipnorm=5.0,
        use_ema=window > 1,
        ema_momentum=1 - 1 / window if window > 1 else 0.99,
        ema_overwrite_frequency=None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    optimizer.build(network.trainable_variables)
    smoothing = {"label_smoothing": config.label_smoothing}
    without_penalty = keras.metrics.CategoricalCrossentropy(name="data_loss", **smoothing)
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(**smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        weighted_metrics=[without_penalty] if network.losses else [],
    )


def _logs(output: Path, *, resume: bool) -> list[keras.callbacks.Callback]:
    """Return the loggers that this machine offers: CSV always, TensorBoard where TensorFlow is installed."""
    logs: list[keras.callbacks.Callback] = [keras.callbacks.CSVLogger(output / HISTORY_FILE, append=resume)]
    if keras.backend.backend() == "tensorflow" and importlib.util.find_spec("tensorboard"):
        logs.append(keras.callbacks.TensorBoard(output / "tensorboard", write_graph=False))
    return logs


def _class_weights(examples: Examples, outputs: int) -> dict[int, float]:
    """Return weights that make every class count the same; a class without pictures gets none."""
    counts = np.bincount(examples.targets, minlength=outputs)
    return {index: len(examples) / (outputs * max(int(count), 1)) for index, count in enumerate(counts)}


@contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    """Build layers under a mixed-precision policy, and leave the global policy as it was."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
