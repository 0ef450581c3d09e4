"""Labelled pictures that are decoded when they are asked for, and what a source holds of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from emotion.config import EVERYTHING_ELSE
from emotion.errors import DataError
from emotion.vision.crop import whole_crop

SPLIT_NAMES = {  # lower-case name of a folder or table: the split it holds
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
NAMED_IN_ERRORS = 12  # labels that an error message lists at most


@dataclass(frozen=True)
class Examples:
    """An ordered collection of labelled pictures that are decoded when they are asked for.

    Attributes
    ----------
    identifiers : list of str
        Where each picture stands: its path below the data folder ("train/happy/1.jpg"), or "row 17" of a
        CSV (the first row after the header is 0).
    targets : np.ndarray
        int64, shape (n,): index into the data set's outputs.
    read : callable
        identifier → uint8 (H, W, 3) RGB picture. Raises `InvalidImageError`.
    sources : tuple of str
        Of pictures from several sources their names, one of which each identifier begins with, followed by
        a slash; empty where all come from one.
    """

    identifiers: list[str] = field(repr=False)
    targets: np.ndarray = field(repr=False)
    read: Callable[[str], np.ndarray] = field(repr=False)
    sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.identifiers)

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Decode pictures and crop them as serving does: uint8 (len(indices), size, size, channels)."""
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        for row, index in enumerate(indices):
            batch[row] = whole_crop(self.read(self.identifiers[index]), size, channels)
        return batch

    def subset(self, indices: np.ndarray) -> Examples:
        """Return the examples at `indices` (int array), in that order."""
        indices = np.asarray(indices, np.int64)
        identifiers = [self.identifiers[index] for index in indices]
        return Examples(identifiers, self.targets[indices], self.read, self.sources)

    def source_of(self) -> np.ndarray:
        """Return where each picture comes from: int64 (n,), index into `sources`; 0 for a single one."""
        return np.array([self._split(identifier)[0] for identifier in self.identifiers], np.int64)

    def source_names(self) -> list[str] | None:
        """Return the name of the source of each picture; None where all come from one."""
        return [self.sources[number] for number in self.source_of()] if self.sources else None

    def path_in_source(self, index: int) -> str:
        """Return the identifier of a picture as its own source has it."""
        return self._split(self.identifiers[index])[1]

    def _split(self, identifier: str) -> tuple[int, str]:
        for number, name in enumerate(self.sources):
            if identifier.startswith(f"{name}/"):
                return number, identifier[len(name) + 1 :]
        return 0, identifier


@dataclass(frozen=True)
class CachedExamples(Examples):
    """Examples that are decoded once: their crops of one size stay in memory, as many as a limit allows.

    Attributes
    ----------
    crops : np.ndarray
        uint8, shape (up to n, size, size, channels): the first ones, once they were asked for.
    decoded : np.ndarray
        bool, one per crop: whether it is there.
    """

    crops: np.ndarray = field(repr=False, kw_only=True)
    decoded: np.ndarray = field(repr=False, kw_only=True)

    @classmethod
    def of(cls, examples: Examples, size: int, channels: int, *, limit: int) -> CachedExamples:
        """Keep crops of a size and number of channels in at most `limit` bytes."""
        count = min(len(examples), limit // (size * size * channels))
        # Empty memory costs nothing before it is written.
        crops = np.empty((count, size, size, channels), np.uint8)
        fields = (examples.identifiers, examples.targets, examples.read, examples.sources)
        return cls(*fields, crops=crops, decoded=np.zeros(count, bool))

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Return crops as `Examples.load` does; several threads may ask at once."""
        if self.crops.shape[1:] != (size, size, channels):
            return super().load(indices, size, channels)
        kept = indices < len(self.crops)
        new = indices[kept][~self.decoded[indices[kept]]]
        self.crops[new] = super().load(new, size, channels)
        self.decoded[new] = True
        if kept.all():
            return self.crops[indices]
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        batch[kept] = self.crops[indices[kept]]
        batch[~kept] = super().load(indices[~kept], size, channels)
        return batch


@dataclass(frozen=True)
class Source:
    """What a source holds for the labels that were asked for.

    Attributes
    ----------
    labels, outputs : tuple of str
        The labels; the labels and then the background.
    splits : dict of str to Examples
        "all", or some of "train", "validation" and "test".
    """

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    splits: dict[str, Examples]


def choose_outputs(
    names: tuple[str, ...],
    labels: tuple[str, ...],
    background: tuple[str, ...],
    *,
    optional_background: bool,
    where: str,
    kind: str,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels and the outputs that a source with these names gives.

    Parameters
    ----------
    names : tuple of str
        What the source tells apart.
    labels, background, optional_background
        As for `open_source`.
    where, kind : str
        What an error calls the source, and one of its names.

    Raises
    ------
    DataError
        If a name is missing.
    """
    known = {name.lower() for name in names}
    labels = labels or tuple(name for name in names if name.lower() not in {b.lower() for b in background})
    outputs = labels + expand_background(background, names, labels)
    missing = [name for name in (labels if optional_background else outputs) if name.lower() not in known]
    if missing:
        raise DataError(
            f"{where} has no {kind} {f' and no {kind} '.join(missing)}. It holds: "
            f"{', '.join(names[:NAMED_IN_ERRORS])}. Name the {kind}s to use with --labels and --background."
        )
    return labels, outputs


def expand_background(
    background: tuple[str, ...], names: tuple[str, ...], labels: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the background classes, where `*` stands for all names that are no label."""
    if background != EVERYTHING_ELSE:
        return background
    return tuple(name for name in names if name.lower() not in {label.lower() for label in labels})
