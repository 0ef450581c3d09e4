"""Fitting a network to a data set: augmentation, optimiser, schedule, callbacks, resume.

No evaluation, and no files but the run's own log and checkpoint.
"""

import importlib.util
import io
import json
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image, ImageFilter

from emotion.config import TrainingConfig
from emotion.data.dataset import Dataset, Examples, FaceBatches
from emotion.errors import DataError
from emotion.training.networks import average_mirrored, build_network

logger = logging.getLogger(__name__)

CONFIG_FILE = "training.json"
HISTORY_FILE = "history.csv"
CHECKPOINT_FOLDER = "checkpoint"
STATE_FILE = "state.json"
LATEST_WEIGHTS = "latest.weights.h5"
BEST_WEIGHTS = "best.weights.h5"
LEAST_PROGRESS = 1e-4  # of the validation loss, to count as better


@dataclass(frozen=True)
class TrainingResult:
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
    """

    network: keras.Model
    history: dict[str, list[float]]
    best_epoch: int
    interrupted: bool


def train(
    config: TrainingConfig,
    dataset: Dataset,
    output: str | os.PathLike,
    *,
    resume: bool = False,
    soft_targets: np.ndarray | None = None,
    start: tuple[keras.Model, Sequence[str]] | None = None,
) -> TrainingResult:
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
    start : (keras.Model, sequence of str), optional
        A trained network to start from, and what its outputs mean; see `adopt_weights`. A checkpoint wins.

    Raises
    ------
    DataError
        If the run was interrupted before its first epoch was complete, or resumed without a checkpoint, or
        `start` is another network.
    """
    output = Path(output)
    save_run_config(config, output)
    keras.utils.set_random_seed(config.seed)

    outputs = len(dataset.outputs)
    faces = {"outputs": outputs, "batch_size": config.batch_size, "size": config.image_size}
    faces |= {"channels": config.channels, "seed": config.seed, "workers": config.workers}
    batches = FaceBatches(
        dataset.train,
        shuffle=True,
        augment=lambda pictures, rng: augment(pictures, rng, config),
        soft_targets=soft_targets,
        **faces,
    )
    clean = FaceBatches(dataset.train, shuffle=True, augment=None, **faces)
    held_out = FaceBatches(dataset.calibration, shuffle=False, augment=None, **faces)

    with _dtype_policy(config.precision):
        network = build_network(config, outputs)
    if start:
        adopt_weights(network, *start, dataset.outputs)
    _compile(network, config, steps_per_epoch=len(batches))
    keeper = BestWeightsKeeper(config, output / CHECKPOINT_FOLDER, clean, held_out, dataset)
    first_epoch = keeper.restore(network) if resume else keeper.start()
    batches.set_epoch(first_epoch)
    if len(dataset.train) < config.batch_size:
        logger.warning("Only %d training pictures: one step per epoch.", len(dataset.train))

    interrupted = False
    try:
        if not keeper.stopped:
            network.fit(
                batches,
                epochs=config.epochs,
                initial_epoch=first_epoch,
                shuffle=False,  # FaceBatches shuffles, in an order that a resumed run repeats
                class_weight=_class_weights(dataset.train, outputs) if config.class_weights else None,
                callbacks=[keeper, *_logs(output, resume)],
            )
    except KeyboardInterrupt:
        interrupted = True
        logger.warning("Interrupted; keeping the best epoch so far.")
    if not keeper.best_epoch:
        raise DataError(
            "Stopped before the first epoch was complete, so there is nothing to keep. Start it again."
        )

    best = build_network(config, outputs)
    best.load_weights(output / CHECKPOINT_FOLDER / BEST_WEIGHTS)
    correct_frequencies(best, dataset.outputs, config.frequency_factors())
    if config.mirror_average:
        best = average_mirrored(best)
    return TrainingResult(best, keeper.history, keeper.best_epoch, interrupted)


def adopt_weights(
    network: keras.Model, trained: keras.Model, trained_outputs: Sequence[str], outputs: Sequence[str]
) -> None:
    """Give a new network the weights of a trained one; the last layer keeps its own unless the outputs are the same.

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
            "The model given to --start is another network. Give --arch, --channels and the numbers of the network "
            "(--width and --blocks, or --filters and --dense-units) as in its emotion.json."
        )
    for layer, source in zip(new[body], old[body], strict=True):
        layer.set_weights(source.get_weights())
    logger.info(
        "Starting from trained weights%s.",
        "" if same_outputs else "; the last layer is new, for other outputs",
    )


def save_run_config(config: TrainingConfig, output: str | os.PathLike) -> None:
    """Write the configuration that `load_run_config` reads, before anything else of a run."""
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    (output / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=2))


def correct_frequencies(network: keras.Model, outputs: Sequence[str], factors: Mapping[str, float]) -> None:
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


def load_run_config(output: str | os.PathLike) -> TrainingConfig:
    """Return the configuration that a run in `output` was started with.

    Raises
    ------
    DataError
        If there is no run in that folder.
    """
    path = Path(output) / CONFIG_FILE
    try:
        return TrainingConfig.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"No training run to resume in {output}. Name a folder that holds {CONFIG_FILE}."
        ) from error


def has_checkpoint(output: str | os.PathLike) -> bool:
    """Whether a run in `output` has completed an epoch, so that it can be resumed."""
    return (Path(output) / CHECKPOINT_FOLDER / STATE_FILE).exists()


def augment(pictures: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Change faces the way detectors, webcams and rooms do.

    Parameters
    ----------
    pictures : uint8 array (n, size, size, channels)
    rng : numpy.random.Generator
        Source of all randomness.
    config : TrainingConfig
        Its augmentation fields.

    Returns
    -------
    uint8 array (n, size, size, channels)
    """
    if not len(pictures):
        return pictures
    changed = np.stack([_degrade(_warp(picture, rng, config), rng, config) for picture in pictures])
    changed = changed.astype(np.float32)
    count = (len(pictures), 1, 1, 1)
    contrast = 1 + config.contrast * rng.uniform(-1, 1, count).astype(np.float32)
    brightness = 255 * config.brightness * rng.uniform(-1, 1, count).astype(np.float32)
    middle = changed.mean(axis=(1, 2, 3), keepdims=True)
    changed = (changed - middle) * contrast + middle + brightness
    changed = np.clip(changed, 0, 255).astype(np.uint8)
    for index in np.flatnonzero(rng.random(len(changed)) < config.erasing):
        _erase(changed[index], rng)
    return changed


class BestWeightsKeeper(keras.callbacks.Callback):
    """After every epoch: write a checkpoint, validate the averaged weights, keep the best, stop when due.

    Validation uses the exponential moving average of the weights, with batch normalisation statistics
    estimated anew on clean training faces, as in Izmailov et al., "Averaging weights leads to wider
    optima and better generalization", 2018.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        clean: FaceBatches,
        held_out: FaceBatches,
        dataset: Dataset,
    ) -> None:
        super().__init__()
        self.config, self.folder, self.clean, self.held_out = config, folder, clean, held_out
        self.dataset = dataset
        self.history: dict[str, list[float]] = {}
        self.best_epoch, self.best_loss, self.stopped = 0, math.inf, False
        self._started = 0.0

    def start(self) -> int:
        """Begin a new run and return its first epoch, 0."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in (
            self.folder / STATE_FILE,
            self.folder / BEST_WEIGHTS,
            *self.folder.glob(f"*.{LATEST_WEIGHTS}"),
        ):
            old.unlink(missing_ok=True)
        return 0

    def restore(self, network: keras.Model) -> int:
        """Load the checkpoint into a compiled network and return the epoch to go on with.

        Raises
        ------
        DataError
            If no epoch of the run was complete.
        """
        try:
            state = json.loads((self.folder / STATE_FILE).read_text())
        except (OSError, ValueError) as error:
            raise DataError(
                f"There is no checkpoint in {self.folder}: the run ended before its first epoch was complete. "
                "Start it again without --resume."
            ) from error
        self.history, self.best_epoch, self.stopped = (
            state[name] for name in ("history", "best_epoch", "stopped")
        )
        self.best_loss = state.get("best_loss", math.inf)  # older runs kept none
        network.optimizer.build(network.trainable_variables)
        network.load_weights(self.folder / f"{state['epoch']}.{LATEST_WEIGHTS}")
        return state["epoch"]

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._started = time.monotonic()
        self._first_epoch = len(self.history.get("loss", []))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        logs = logs if logs is not None else {}
        network = self.model
        latest = self.folder / f"{epoch + 1}.{LATEST_WEIGHTS}"
        network.save_weights(latest)
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(network.optimizer.learning_rate))

        current = [keras.ops.convert_to_numpy(variable) for variable in network.trainable_variables]
        network.optimizer.finalize_variable_values(network.trainable_variables)
        estimate_normalization(network, self.clean, self.config.normalization_batches)
        logs["val_loss"], logs["val_accuracy"] = self._validate(network)
        # Not the accuracy: on a thousand faces its best epoch is a matter of luck.
        if not self.best_epoch or logs["val_loss"] < self.best_loss - LEAST_PROGRESS:
            self.best_epoch, self.best_loss = epoch + 1, logs["val_loss"]
            _replace(self.folder / BEST_WEIGHTS, keras.Model(network.inputs, network.outputs).save_weights)
        for variable, value in zip(network.trainable_variables, current, strict=True):
            variable.assign(value)

        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            self.history.setdefault(name, []).append(float(logs[name]))
        if self.config.patience and epoch + 1 - self.best_epoch >= self.config.patience:
            self.stopped = network.stop_training = True
        self._write_state(epoch + 1)
        for old in self.folder.glob(f"*.{LATEST_WEIGHTS}"):
            if old != latest:
                old.unlink()
        self._tell(epoch + 1)

    def _validate(self, network: keras.Model) -> tuple[float, float]:
        """Return loss and accuracy on the calibration faces that carry a label, among the labels alone."""
        count = len(self.dataset.labels)
        targets = self.dataset.calibration.targets
        labelled = targets < count
        probabilities = network.predict(self.held_out, verbose=0)[labelled, :count]
        probabilities = np.maximum(probabilities, 1e-12)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        targets = targets[labelled]
        loss = -np.log(probabilities[np.arange(len(targets)), targets]).mean()
        return float(loss), float((probabilities.argmax(axis=1) == targets).mean())

    def _write_state(self, epoch: int) -> None:
        state = {"epoch": epoch, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        state |= {"stopped": self.stopped, "history": self.history}
        _replace(self.folder / STATE_FILE, lambda path: path.write_text(json.dumps(state)))

    def _tell(self, epoch: int) -> None:
        each = (time.monotonic() - self._started) / (epoch - self._first_epoch)
        left = (
            "stopping early"
            if self.stopped
            else f"about {each * (self.config.epochs - epoch) / 60:.0f} min left"
        )
        logger.info(
            "Epoch %d of %d: validation accuracy %.1f %%, loss %.4f (lowest %.4f in epoch %d), %s.",
            epoch,
            self.config.epochs,
            100 * self.history["val_accuracy"][-1],
            self.history["val_loss"][-1],
            self.best_loss,
            self.best_epoch,
            left,
        )


def estimate_normalization(network: keras.Model, batches: FaceBatches, count: int) -> None:
    """Replace the moving statistics of batch normalisation by the plain mean over `count` clean batches."""
    if not count:
        return
    normalizations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    momenta = [layer.momentum for layer in normalizations]
    rates = [layer.rate for layer in dropouts]
    try:
        for layer in dropouts:
            layer.rate = 0.0
        for index in range(min(count, len(batches))):
            for layer in normalizations:
                layer.momentum = index / (index + 1)
            network(batches[index][0], training=True)
    finally:
        for layer, momentum in zip(normalizations, momenta, strict=True):
            layer.momentum = momentum
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate


def _compile(network: keras.Model, config: TrainingConfig, *, steps_per_epoch: int) -> None:
    """Attach loss, optimiser and schedule."""
    steps = steps_per_epoch * config.epochs
    warmup = min(int(steps_per_epoch * config.warmup_epochs), steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(steps - warmup, 1),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    window = config.weight_averaging * steps
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=config.weight_decay,
        global_clipnorm=5.0,
        use_ema=window > 1,
        ema_momentum=1 - 1 / window if window > 1 else 0.99,
        ema_overwrite_frequency=None,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )


def _logs(output: Path, resume: bool) -> list[keras.callbacks.Callback]:
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
def _dtype_policy(name: str):
    """Build layers under a mixed-precision policy, and leave the global policy as it was."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _replace(path: Path, write) -> None:
    """Write a file beside its place and move it there, so that a kill leaves the old or the new one whole."""
    beside = path.with_name("new." + path.name)
    write(beside)
    os.replace(beside, path)


def _warp(picture: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Mirror, rotate, shift and zoom one face; what comes into view repeats the edge."""
    size = picture.shape[0]
    if config.flip and rng.random() < 0.5:
        picture = picture[:, ::-1]
    angle = np.deg2rad(rng.uniform(-config.rotation, config.rotation))
    scale = 1 + rng.uniform(-config.zoom, config.zoom)
    shift = rng.uniform(-config.shift, config.shift, 2) * size
    margin = size // 2
    padded = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
    centre = (size - 1) / 2
    x = margin + centre + shift[0] - cosine * centre + sine * centre
    y = margin + centre + shift[1] - sine * centre - cosine * centre
    image = Image.fromarray(padded.squeeze(-1) if padded.shape[-1] == 1 else padded)
    image = image.transform(
        (size, size), Image.Transform.AFFINE, (cosine, -sine, x, sine, cosine, y), Image.BILINEAR
    )
    return np.asarray(image).reshape(picture.shape)


def _degrade(picture: np.ndarray, rng: np.random.Generator, config: TrainingConfig) -> np.ndarray:
    """Give some faces the faults of a cheap camera: low resolution, blur, noise or JPEG artefacts."""
    if rng.random() >= config.degrade:
        return picture
    size = picture.shape[0]
    image = Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture)
    fault = rng.integers(4)
    if fault == 0:
        small = int(size * rng.uniform(0.4, 0.8))
        image = image.resize((small, small), Image.BOX).resize((size, size), Image.BILINEAR)
    elif fault == 1:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5) * size / 48))
    elif fault == 2:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(20, 70)))
        image = Image.open(buffer)
    changed = np.asarray(image).reshape(picture.shape)
    if fault == 3:
        noise = rng.normal(0, rng.uniform(4, 20), picture.shape)
        changed = np.clip(changed + noise, 0, 255).astype(np.uint8)
    return changed


def _erase(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Paint one rectangle over a face, in place (Zhong et al., "Random erasing data augmentation", 2017).

    Half of the rectangles reach from side to side, as sunglasses, masks and scarves do.
    """
    size = picture.shape[0]
    if rng.random() < 0.5:
        height, width = int(size * rng.uniform(0.12, 0.3)), size
    else:
        height, width = (int(size * rng.uniform(0.15, 0.5)) for _ in range(2))
    top, left = int(rng.integers(size - height + 1)), int(rng.integers(size - width + 1))
    grey = (
        rng.integers(256) if rng.random() < 0.7 else rng.integers(0, 256, (height, width, picture.shape[-1]))
    )
    picture[top : top + height, left : left + width] = grey
