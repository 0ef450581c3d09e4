"""Batches that decode and augment as they go."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from emotion.data.examples import Examples
from emotion.errors import DataError


class FaceBatches(keras.utils.PyDataset):
    """Batches of (float32 faces (n, size, size, channels) in 0..255, float32 targets (n, outputs)).

    Order and augmentation depend on (seed, epoch, batch) only, not on the thread that prepares a batch, so
    that a resumed run sees what the uninterrupted one would have seen. Pass `shuffle=False` to `fit`, which
    would otherwise shuffle the batches a second time with a seed of its own.

    `soft_targets` (n, outputs) replace the one-hot targets. `weights` (n,), above 0, say how often an epoch
    shows each example on average; a half is another half of the epochs. `teach` turns faces and targets as
    the network sees them into other targets. `devices` share each batch, and `part` is the (number, count)
    of the share to hand out. A DataError says that the devices cannot share a batch evenly.
    """

    def __init__(
        self,
        examples: Examples,
        *,
        outputs: int,
        batch_size: int,
        size: int,
        channels: int,
        shuffle: bool,
        seed: int,
        augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        soft_targets: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        teach: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
        workers: int = 2,
        devices: int = 1,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        super().__init__(workers=workers, max_queue_size=8)
        shown = len(examples) if weights is None else max(round(float(weights.sum())), 1)
        if batch_size % devices or shown < devices:
            raise DataError(
                f"{devices} devices cannot share batches of {batch_size} of {shown} pictures evenly. "
                f"Give --batch-size a multiple of {devices}, and a picture or more to each."
            )
        self.count = shown - shown % devices
        self.examples = examples
        self.batch_size = batch_size
        self.size = size
        self.channels = channels
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        self.part = part
        targets = np.eye(outputs)[examples.targets] if soft_targets is None else soft_targets
        self.targets = np.asarray(targets, np.float32)
        self.weights = weights
        self.teach = teach
        self.set_epoch(0)

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    # Keras leaves this method without a type of its own.
    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:  # pyrefly: ignore[bad-override]
        epoch, order = self._epoch_order
        chosen = order[index * self.batch_size : min((index + 1) * self.batch_size, self.count)]
        faces = self.examples.load(chosen, self.size, self.channels)
        if self.augment is not None:
            faces = self.augment(faces, np.random.default_rng([self.seed, epoch, index]))
        share = len(chosen) // self.part[1]
        own = slice(self.part[0] * share, (self.part[0] + 1) * share)
        faces, targets = np.asarray(faces[own], np.float32), self.targets[chosen[own]]
        return faces, targets if self.teach is None else self.teach(faces, targets)

    def set_epoch(self, epoch: int) -> None:
        """Continue as in epoch number `epoch` (from 0) of an uninterrupted run."""
        rng = np.random.default_rng([self.seed, epoch])
        order = np.arange(len(self.examples))
        if self.weights is not None:
            order = systematic_sample(self.weights, self.count, rng)
        if self.shuffle:
            rng.shuffle(order)
        self._epoch_order = epoch, order  # one assignment, so that no thread sees half of it

    def on_epoch_end(self) -> None:
        """Move on to the next epoch's order; Keras calls this."""
        self.set_epoch(self._epoch_order[0] + 1)


def systematic_sample(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `count` positions in proportion to weights (n,), above 0, each as evenly as can be (Madow, 1949).

    The result is int64 (count,): each position as often as its share of `count`, rounded down or up by
    chance.
    """
    order = rng.permutation(len(weights))
    ends = np.cumsum(weights[order])
    # Evenly spaced points on the line of all weights, shifted by chance.
    points = (np.arange(count) + rng.random()) * (ends[-1] / count)
    return order[np.minimum(np.searchsorted(ends, points, side="right"), len(weights) - 1)]
