"""What happens after every epoch: averaged weights are validated, the best kept, a checkpoint written.

A run that continues from the checkpoint is the run that would have gone on without a break.
"""

from __future__ import annotations

import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset
from emotion.errors import DataError, DivergedError
from emotion.predictions.calibration import ENOUGH_CERTAINTY, renormalise
from emotion.predictions.display import percent
from emotion.training.folder import STATE_FILE, write_whole

logger = logging.getLogger(__name__)

LATEST_WEIGHTS = "latest.weights.h5"
BEST_WEIGHTS = "best.weights.h5"
GUESSING_EPOCHS = 3  # after which a useful network is better than guessing
LEAST_PROGRESS = 1e-4  # of the validation loss, to count as better
CURVES = ("loss", "data_loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


class BestWeightsKeeper(keras.callbacks.Callback):
    """After every epoch: write a checkpoint, validate the averaged weights, keep the best, stop when due.

    Validation uses the exponential moving average of the weights, with batch normalisation statistics
    estimated anew on clean training faces, as in Izmailov et al., "Averaging weights leads to wider optima
    and better generalization", 2018. `history` has one value per epoch for each of `CURVES`, `data_loss` only
    where the loss has a penalty on the weights; `best_epoch`
    counts from 1 and is 0 before the first one is complete; `stopped` says that the run ended because it got
    no better; `seconds` counts its epochs, those before a break included.
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
        self.seconds = 0.0
        counts = np.bincount(dataset.calibration.targets)[: len(dataset.labels)]
        self.labelled, self.guessing = int(counts.sum()), float(counts.max() / max(counts.sum(), 1))
        self._started, self._first_epoch = time.monotonic(), 0
        self._counted = self._started
        self._epoch_to_log = 0

    def begin(self) -> int:
        """Begin a new run and return its first epoch, 0."""
        self.folder.mkdir(parents=True, exist_ok=True)
        old = (self.folder / STATE_FILE, self.folder / BEST_WEIGHTS, *self.folder.glob(f"*.{LATEST_WEIGHTS}"))
        for path in old:
            path.unlink(missing_ok=True)
        return 0

    def restore(self, network: keras.Model) -> int:
        """Load the checkpoint into a compiled network and return the epoch to continue with.

        A missing or damaged checkpoint is a DataError.
        """
        if not (self.folder / STATE_FILE).exists():
            raise DataError(
                f"There is no checkpoint in {self.folder}: the run ended before its first epoch was "
                "complete. Start it again without --resume."
            )
        try:
            state = json.loads((self.folder / STATE_FILE).read_text(encoding="utf-8"))
            epoch, self.best_epoch = int(state["epoch"]), int(state["best_epoch"])
            self.stopped = bool(state["stopped"])
            self.history = {name: list(map(float, curve)) for name, curve in state["history"].items()}
            self.best_loss = float(state.get("best_loss", math.inf))  # older runs kept none
            self.seconds = float(state.get("seconds", 0.0))  # nor this
            network.load_weights(self.folder / f"{epoch}.{LATEST_WEIGHTS}")
            _set_random_states(network, state.get("random_states", []))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _damaged(self.folder, error) from error
        self._first_epoch = epoch
        return epoch

    def load_best(self, network: keras.Model) -> None:
        """Load the weights of the best epoch; a damaged file is a DataError."""
        try:
            network.load_weights(self.folder / BEST_WEIGHTS)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(self.folder, error) from error

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate, keep and write; Keras calls this.

        A loss that is no longer a number is a DivergedError; the checkpoint stays that of the epoch before.
        """
        logs = logs if logs is not None else {}
        network = self._network
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(network.optimizer.learning_rate))
        self._refuse_divergence(epoch + 1, logs["loss"])
        current = [keras.ops.convert_to_numpy(variable) for variable in network.trainable_variables]
        latest = self.folder / f"{epoch + 1}.{LATEST_WEIGHTS}"
        network.save_weights(latest)

        network.optimizer.finalize_variable_values(network.trainable_variables)
        estimate_normalization(network, self.clean, self.config.normalization_batches)
        logs["val_loss"], logs["val_accuracy"] = self._validate(network)
        self._refuse_divergence(epoch + 1, logs["val_loss"])
        # Not by accuracy: on a thousand faces, its best epoch is mostly luck.
        if not self.best_epoch or logs["val_loss"] < self.best_loss - LEAST_PROGRESS:
            self.best_epoch, self.best_loss = epoch + 1, logs["val_loss"]
            write_whole(self.folder / BEST_WEIGHTS, keras.Model(network.inputs, network.outputs).save_weights)
        for variable, value in zip(network.trainable_variables, current, strict=True):
            variable.assign(value)

        for name in logs.keys() & CURVES:
            if not epoch or name in self.history:  # an older version wrote no `data_loss`
                self.history.setdefault(name, []).append(float(logs[name]))
        if self.config.patience and epoch + 1 - self.best_epoch >= self.config.patience:
            self.stopped = network.stop_training = True
        now = time.monotonic()
        self.seconds, self._counted = self.seconds + now - self._counted, now
        self._write_state(epoch + 1)
        for old in self.folder.glob(f"*.{LATEST_WEIGHTS}"):
            if old != latest:
                old.unlink()
        self._epoch_to_log = epoch + 1

    def on_epoch_begin(self, *_: object, **__: object) -> None:
        """Tell of the epoch before, below the bar that Keras has ended by then; Keras calls this."""
        self._log_progress()

    def on_train_end(self, *_: object, **__: object) -> None:
        """Tell of the last epoch; Keras calls this."""
        self._log_progress()

    @property
    def _network(self) -> keras.Model:
        """The network that is being fitted."""
        if self.model is None:
            raise RuntimeError("This is called by Keras only, while it fits a network.")
        return self.model

    def _refuse_divergence(self, epoch: int, loss: float) -> None:
        if math.isfinite(loss):
            return
        kept = (
            f"Epoch {epoch - 1} is kept in {self.folder}: continue from there with --resume and that setting."
            if epoch > 1
            else "Nothing was saved."
        )
        raise DivergedError(
            f"The loss became {loss} in epoch {epoch}: training has diverged. Lower --learning-rate (it is "
            f"{self.config.learning_rate:g}) or use --precision float32. {kept}"
        )

    def _validate(self, network: keras.Model) -> tuple[float, float]:
        """Return loss and accuracy on the calibration faces that carry a label, among the labels alone."""
        labels = len(self.dataset.labels)
        targets = self.dataset.calibration.targets
        labelled = targets < labels
        # Batch by batch and not `predict`, which would have the devices share the last one evenly.
        answers = [keras.ops.convert_to_numpy(network(faces, training=False)) for faces, _ in self.held_out]
        probabilities = renormalise(np.concatenate(answers)[labelled], labels)
        targets = targets[labelled]
        loss = -np.log(probabilities[np.arange(len(targets)), targets]).mean()
        return float(loss), float((probabilities.argmax(axis=1) == targets).mean())

    def _write_state(self, epoch: int) -> None:
        state = {
            "epoch": epoch,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "stopped": self.stopped,
            "seconds": self.seconds,
            "history": self.history,
            "random_states": [
                keras.ops.convert_to_numpy(variable).tolist() for variable in _random_states(self._network)
            ],
        }
        write_whole(
            self.folder / STATE_FILE, lambda path: path.write_text(json.dumps(state), encoding="utf-8")
        )

    def _log_progress(self) -> None:
        epoch, self._epoch_to_log = self._epoch_to_log, 0
        if not epoch:
            return
        each = (time.monotonic() - self._started) / (epoch - self._first_epoch)
        left = (
            "stopping early"
            if self.stopped
            else f"about {each * (self.config.epochs - epoch) / 60:.0f} min left"
        )
        logger.info(
            "Epoch %d of %d: validation accuracy %s (guessing: %s), loss %.4f (lowest %.4f in epoch %d), %s.",
            epoch,
            self.config.epochs,
            percent(self.history["val_accuracy"][-1]),
            percent(self.guessing),
            self.history["val_loss"][-1],
            self.best_loss,
            self.best_epoch,
            left,
        )
        by_chance = ENOUGH_CERTAINTY * math.sqrt(self.guessing * (1 - self.guessing) / self.labelled)
        if epoch == GUESSING_EPOCHS and max(self.history["val_accuracy"]) < self.guessing + by_chance:
            logger.warning(
                "After %d epochs the network is no better than guessing. If that does not change soon, look "
                "at the pictures: are the labels right, and does each one show one face?",
                epoch,
            )


def estimate_normalization(network: keras.Model, batches: FaceBatches, count: int) -> None:
    """Replace the moving statistics of batch normalisation by the plain mean over clean batches.

    Shows `count` of the batches, with dropout off; 0 changes nothing. Changes the network in place.
    """
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


def _random_states(network: keras.Model) -> list[keras.Variable]:
    """Return what dropout draws from: Keras does not save it with the weights, so a checkpoint does."""
    weights = {id(variable) for variable in network.weights}
    return [variable for variable in network.variables if id(variable) not in weights]


def _set_random_states(network: keras.Model, values: list[Any]) -> None:
    """Go on drawing where a checkpoint stopped; one of an older version has no values."""
    if values:
        for variable, value in zip(_random_states(network), values, strict=True):
            variable.assign(np.asarray(value, variable.dtype))


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(
        f"The checkpoint in {folder} is damaged ({type(error).__name__}: {error}). Start the run again "
        "without --resume."
    )
