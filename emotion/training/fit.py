"""Fitting a network to a data set: optimiser, schedule, weights to start from, resume.

No evaluation, and no files but the run's own log and checkpoint.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import signal
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
    """What a run leaves in memory.

    Attributes
    ----------
    network : keras.Model
        The best weights of the run, in float32, ready to be saved.
    history : dict of str to list of float
        `loss`, `accuracy`, `val_loss`, `val_accuracy`, `learning_rate`; one value per epoch.
    best_epoch : int
        Epoch, counted from 1, whose weights these are.
    interrupted : bool
        Whether Ctrl-C ended the run early.
    seconds : float
        How long its epochs took.
    """

    network: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    interrupted: bool
    seconds: float = 0.0


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

    Parameters
    ----------
    config : TrainingConfig
        All hyperparameters; written to `output` first.
    dataset : Dataset
        `train` is fitted, `calibration` chooses the epoch; `report` is never touched.
    output : path
        Folder of the run. `history.csv`, TensorBoard logs and the checkpoint go there after every epoch.
    resume : bool
        Continue the run in `output` after its last complete epoch.
    soft_targets : float array (len(dataset.train), outputs), optional
        Distributions to learn in place of the one-hot labels.
    teach : callable, optional
        As `FaceBatches` takes it; sees faces after augmentation.
    initial : (keras.Model, sequence of str), optional
        A trained network to start from, and what its outputs mean; see `adopt_weights`. A checkpoint wins.
    devices : Devices, optional
        Those that share every batch; by default there is one.
    callbacks : sequence of keras.callbacks.Callback
        Told about every epoch after it was validated and its checkpoint written.

    Raises
    ------
    DivergedError
        If the loss is no number any more.
    DataError
        If the run was interrupted before its first epoch was complete, or resumed without a checkpoint, or
        `initial` is another network, the checkpoint is damaged, or the devices cannot share a batch evenly.
    """
    output, devices = Path(output), devices or Devices()
    save_run_config(config, output)
    keras.utils.set_random_seed(config.seed)

    outputs = len(dataset.outputs)
    size, channels, limit = config.image_size, config.channels, config.cache_mib * 2**20
    train = CachedExamples.of(dataset.train, size, channels, limit=limit)
    limit -= train.crops.nbytes
    calibration = CachedExamples.of(dataset.calibration, size, channels, limit=limit)
    weights = sampling_weights(dataset, config.sampling_factors())
    batches_of = partial(
        FaceBatches,
        outputs=outputs,
        batch_size=config.batch_size,
        size=size,
        channels=channels,
        seed=config.seed,
        workers=config.workers,
    )
    batches = batches_of(
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
    held_out = batches_of(calibration, shuffle=False)
    keeper = BestWeightsKeeper(config, output / CHECKPOINT_FOLDER, clean, held_out, dataset)
    if len(dataset.train) < config.batch_size:
        logger.warning("Only %d training pictures: one step per epoch.", len(dataset.train))

    with devices.shared(), _dtype_policy(config.precision):
        network = build_network(config, outputs)
    if initial:
        adopt_weights(network, *initial, dataset.outputs)
    network = devices.prepared(network)
    interruption, ctrl_c = None, Interruption()
    with devices.shared(), ctrl_c.noted():
        compile_network(network, config, steps_per_epoch=len(batches), adamw=devices.adamw)
        first_epoch = keeper.restore(network) if resume else keeper.begin()
        batches.set_epoch(first_epoch)
        try:
            if not keeper.stopped and first_epoch < config.epochs:
                network.fit(
                    batches,
                    epochs=config.epochs,
                    initial_epoch=first_epoch,
                    verbose="auto" if devices.first else 0,
                    shuffle=False,  # FaceBatches shuffles, in an order that a resumed run repeats
                    class_weight=_class_weights(dataset.train, outputs) if config.class_weights else None,
                    callbacks=[ctrl_c, keeper, *_logs(output, resume=resume), *callbacks],
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


def sampling_weights(dataset: Dataset, factors: Mapping[str, float]) -> np.ndarray | None:
    """Return how often an epoch shows each training picture; None where all of them count the same.

    Parameters
    ----------
    dataset : Dataset
    factors : mapping of str to float
        Class name, or source/class, which wins → times an epoch.

    Raises
    ------
    DataError
        If a name is neither a class of the data nor one of a source.
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
    """Give a new network the weights of a trained one; those of the last layer for the same outputs only.

    Parameters
    ----------
    network : keras.Model
        Changed in place.
    trained : keras.Model
        The same network, as such or as `average_mirrored` wrapped it; of `average_networks`, the first.
    trained_outputs, outputs : sequence of str
        What the outputs of either mean.

    Raises
    ------
    DataError
        If a layer before the last has another shape.
    """
    while inner := [layer for layer in trained.layers if isinstance(layer, keras.Model)]:
        trained = inner[0]
    new, old = ([layer for layer in model.layers if layer.weights] for model in (network, trained))
    same_outputs = tuple(trained_outputs) == tuple(outputs)
    body = slice(None) if same_outputs else slice(-1)
    shapes = [[[weight.shape for weight in layer.weights] for layer in layers[body]] for layers in (new, old)]
    if shapes[0] != shapes[1]:
        raise DataError(
            "The model given to --initial-weights is another network. Give --arch, --channels and the "
            "numbers of "
            "the network (--width and --blocks, or --filters and --dense-units) as in its emotion.json."
        )
    for layer, source in zip(new[body], old[body], strict=True):
        layer.set_weights(source.get_weights())
    logger.info(
        "Starting from trained weights%s.",
        "" if same_outputs else "; the last layer is new, for other outputs",
    )


def correct_priors(network: keras.Model, outputs: Sequence[str], factors: Mapping[str, float]) -> None:
    """Make a network expect classes as often as they occur in use, instead of among the training pictures.

    Shifts the bias of the last layer by the logarithm of each factor, after Saerens et al., "Adjusting the
    outputs of a classifier to new a priori probabilities", 2002.

    Parameters
    ----------
    network : keras.Model
        Changed in place; its last layer is a `Dense` with softmax.
    outputs : sequence of str
        What each of its outputs means.
    factors : mapping of str to float
        How much more often a class occurs in use, above 0; 1 for classes that are missing.
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
    """Attach loss, optimiser and schedule to a network, which is changed in place.

    Parameters
    ----------
    network : keras.Model
    config : TrainingConfig
    steps_per_epoch : int
        How many batches the schedule counts as an epoch.
    adamw : type
        The optimiser, as the devices need it.
    """
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
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
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


class Interruption(keras.callbacks.Callback):
    """Raises `KeyboardInterrupt` at the next batch if Ctrl-C was pressed before.

    Python prints an exception inside a callback of its garbage collector, and JAX has one there, or inside
    `__del__`, and goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note every Ctrl-C inside the `with` block; it raises at once as it does elsewhere, if it can."""
        before = signal.getsignal(signal.SIGINT)
        # Only the main thread may ask, and who has another handler means it.
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
