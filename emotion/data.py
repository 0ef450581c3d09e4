"""Labelled faces on disk become batches: split folders, held-out halves, lazily decoded examples.

No pixels are kept between batches, and nothing here trains."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from emotion.config import TrainingConfig
from emotion.errors import DataError, InvalidImageError
from emotion.faces import crop_face
from emotion.images import open_image

PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"}
SPLIT_FOLDERS = {  # lower-case folder name: the split it holds
    "train": "train", "training": "train",
    "validation": "validation", "val": "validation", "valid": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
DECODING_THREADS = 4


@dataclass(frozen=True)
class Examples:
    """An ordered collection of labelled pictures that are decoded when they are asked for.

    Attributes
    ----------
    identifiers : list of str
        Where each picture stands in its source: its path below the data folder.
    targets : np.ndarray
        int64, shape (n,): index into the data set's outputs.
    read : callable
        identifier → uint8 (H, W, 3) RGB picture. Raises `InvalidImageError`.
    """

    identifiers: list[str] = field(repr=False)
    targets: np.ndarray = field(repr=False)
    read: Callable[[str], np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.identifiers)

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Decode pictures and crop them exactly as serving does: uint8 (n, size, size, channels)."""
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        for row, index in enumerate(indices):
            picture = self.read(self.identifiers[index])
            height, width = picture.shape[:2]
            crop = crop_face(picture, (0, 0, width, height), size=size, channels=channels)
            batch[row] = crop.reshape(size, size, channels)
        return batch

    def subset(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices` (int array), in that order."""
        indices = np.asarray(indices, np.int64)
        return Examples([self.identifiers[index] for index in indices], self.targets[indices], self.read)


@dataclass(frozen=True)
class Dataset:
    """Everything a run needs to know about its pictures.

    Attributes
    ----------
    source : str
        What was given as `--data`.
    outputs : tuple of str
        What each network output means: the labels, then the background folders.
    labels : tuple of str
        The emotions that predictions name.
    train, calibration, report : Examples
        Fit on the first, choose on the second, state figures on the third.
    report_split : str
        Where `report` comes from: "half of validation", "half of test", "test" or "half of held-out".
    audit : dict
        What was found in the pictures; can be written as JSON.
    fingerprint : str
        SHA-256 over the contents and labels of every split.
    """

    source: str
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    train: Examples
    calibration: Examples
    report: Examples
    report_split: str
    audit: dict = field(repr=False)
    fingerprint: str


@dataclass(frozen=True)
class FolderReader:
    """Opens pictures by their path below a folder."""

    root: Path

    def __call__(self, identifier: str) -> np.ndarray:
        return open_image(self.root / identifier)


def load_dataset(config: TrainingConfig, *, progress: bool = True) -> Dataset:
    """Find the pictures that `config.data` names, audit them and split them.

    Raises
    ------
    DataError
        When the source cannot be trained on; the message says what to do about it.
    """
    root = Path(config.data)
    splits = list_folders(root)
    labels = config.labels or tuple(sorted({label for split in splits.values() for label in split}))
    labels = tuple(label for label in labels if label not in config.background)
    outputs = labels + tuple(config.background)
    reader = FolderReader(root)
    examples = {}
    for split, folders in splits.items():
        pairs = [(str(p.relative_to(root)), k) for k, name in enumerate(outputs) for p in folders.get(name, [])]
        identifiers = [identifier for identifier, _ in pairs]
        examples[split] = Examples(identifiers, np.array([k for _, k in pairs], np.int64), reader)
    hashes = {}
    for split in list(examples):
        found = hash_pictures(examples[split], split, progress=progress)
        readable = np.array([i for i, digest in enumerate(found) if digest is not None], np.int64)
        examples[split] = examples[split].subset(readable)
        hashes[split] = np.array([found[i] for i in readable], object)
    held_out = [split for split in ("validation", "test") if split in examples]
    if not held_out or "train" not in examples:
        raise DataError(f"{root} needs a folder 'train' and a folder 'validation' or 'test'.")
    if len(held_out) == 2:
        calibration, report = examples["validation"], examples["test"]
        report_split = "test"
    else:
        split = held_out[0]
        first, second = split_in_two(hashes[split], examples[split].targets, 0.5)
        calibration, report = examples[split].subset(first), examples[split].subset(second)
        report_split = f"half of {split}"
    train, removed = examples["train"], 0
    if not config.keep_copies:
        seen = {digest for split in held_out for digest in hashes[split]}
        keep = np.array([i for i, digest in enumerate(hashes["train"]) if digest not in seen], np.int64)
        removed = len(train) - len(keep)
        train = train.subset(keep)
    audit = {
        "files": {
            split: {name: int((e.targets == k).sum()) for k, name in enumerate(outputs)}
            for split, e in examples.items()
        },
        "removed_from_training": removed,
    }
    content = hashlib.sha256()
    for split in sorted(hashes):
        for digest, target in sorted(zip(hashes[split], examples[split].targets.tolist(), strict=True)):
            content.update(f"{split}/{outputs[target]}/".encode() + digest)
    return Dataset(
        source=config.data,
        outputs=outputs,
        labels=labels,
        train=train,
        calibration=calibration,
        report=report,
        report_split=report_split,
        audit=audit,
        fingerprint=content.hexdigest(),
    )


def list_folders(root: Path) -> dict[str, dict[str, list[Path]]]:
    """{split: {label: sorted files}} of a folder that holds `train/<label>/*` and its like."""
    splits = {}
    for folder in sorted(p for p in root.iterdir() if p.is_dir()):
        split = SPLIT_FOLDERS.get(folder.name.lower())
        if split is None:
            continue
        splits[split] = {
            label.name: sorted(p for p in label.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
            for label in sorted(p for p in folder.iterdir() if p.is_dir())
        }
    return splits


def hash_pictures(examples: Examples, title: str, *, progress: bool) -> list[bytes | None]:
    """A digest of every picture's pixels; None where the picture cannot be opened."""

    def digest(identifier: str) -> bytes | None:
        try:
            picture = examples.read(identifier)
        except InvalidImageError:
            return None
        return hashlib.blake2b(repr(picture.shape).encode() + picture.tobytes(), digest_size=16).digest()

    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        results = pool.map(digest, examples.identifiers)
        return list(tqdm(results, f"Reading {title}", len(examples), unit=" faces", disable=not progress))


def split_in_two(groups: np.ndarray, targets: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Stratified split that keeps the members of a group together.

    The order comes from the pictures' contents alone, so a picture changes side neither with the seed
    nor when other pictures are added: what is reported on was never chosen on, whatever run it was.

    Parameters
    ----------
    groups : np.ndarray
        bytes objects, shape (n,): content digest that all copies of one picture share.
    targets : np.ndarray
        int, shape (n,).
    fraction : float
        Share of each class that the first side gets, 0 to 1.

    Returns
    -------
    tuple of np.ndarray
        Sorted int64 indices of the two sides.
    """
    members: dict[bytes, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    strata: dict[int, list[bytes]] = {}
    for group, indices in members.items():
        strata.setdefault(int(targets[indices[0]]), []).append(group)
    sides: tuple[list[int], list[int]] = ([], [])
    for stratum in strata.values():
        stratum.sort(key=lambda group: hashlib.blake2b(group).digest())
        wanted = fraction * sum(len(members[group]) for group in stratum)
        taken = 0
        for group in stratum:
            sides[taken >= wanted].extend(members[group])
            taken += len(members[group])
    return tuple(np.array(sorted(side), np.int64) for side in sides)


class FaceBatches(keras.utils.PyDataset):
    """Batches of (float32 faces (n, size, size, channels) in 0..255, float32 targets (n, outputs)).

    Order and augmentation depend on (seed, epoch, batch) only, not on the thread that prepares a batch,
    so that a resumed run sees what the uninterrupted one would have seen. Pass `shuffle=False` to
    `fit`, which would otherwise shuffle the batches a second time with a seed of its own.

    Parameters
    ----------
    examples : Examples
    outputs : int
        Width of the targets.
    batch_size, size, channels : int
        Faces per batch, pixels per side, 1 (grey) or 3 (RGB).
    shuffle : bool
        A new order every epoch.
    seed : int
    augment : callable, optional
        (uint8 (n, size, size, channels), np.random.Generator) → array of the same shape in 0..255.
    soft_targets : np.ndarray, optional
        float, shape (len(examples), outputs): replaces the one-hot targets.
    workers : int
        Threads that prepare batches ahead of the network.
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
        workers: int = 2,
    ):
        super().__init__(workers=workers, max_queue_size=8)
        self.examples = examples
        self.batch_size = batch_size
        self.size = size
        self.channels = channels
        self.shuffle = shuffle
        self.seed = seed
        self.augment = augment
        targets = np.eye(outputs)[examples.targets] if soft_targets is None else soft_targets
        self.targets = np.asarray(targets, np.float32)
        self.set_epoch(0)

    def __len__(self) -> int:
        return -(-len(self.examples) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, order = self._epoch_order
        chosen = order[index * self.batch_size : (index + 1) * self.batch_size]
        faces = self.examples.load(chosen, self.size, self.channels)
        if self.augment is not None:
            faces = self.augment(faces, np.random.default_rng([self.seed, epoch, index]))
        return np.asarray(faces, np.float32), self.targets[chosen]

    def set_epoch(self, epoch: int) -> None:
        """Continue as in epoch number `epoch` (from 0) of an uninterrupted run."""
        order = np.arange(len(self.examples))
        if self.shuffle:
            np.random.default_rng([self.seed, epoch]).shuffle(order)
        self._epoch_order = epoch, order  # one assignment, so that no thread sees half of it

    def on_epoch_end(self) -> None:
        self.set_epoch(self._epoch_order[0] + 1)
