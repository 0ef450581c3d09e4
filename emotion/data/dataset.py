"""A labelled data set for training: its audit, its splits, soft targets, and batches that decode as they go.

Where the pictures come from is in `emotion/sources.py`, how copies are found in `emotion/audit.py`. No pixels
are kept between batches, and nothing here trains.
"""

import csv
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from emotion.config import TrainingConfig
from emotion.data import audit
from emotion.data.sources import Examples, Source, open_source
from emotion.errors import DataError

__all__ = ["Dataset", "Examples", "FaceBatches", "load_dataset", "load_soft_targets"]

logger = logging.getLogger(__name__)

SYNONYMS = {  # columns of vote files such as FER+'s: how the folders call them
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


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
        Fit on the first, choose on the second, state figures on the third. No picture of one of them, nor a
        copy of it, stands in another, unless `keep_copies` asks for it.
    report_split : str
        Where `report` comes from: "test", "half of validation", "half of test" or "half of held-out".
    audit : dict
        What was found in the pictures and what was left out of which split; can be written as JSON.
    fingerprint : str
        SHA-256 over the contents and labels of all readable pictures, whatever their names and order.
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


def load_dataset(config: TrainingConfig, *, evaluation: bool = False, progress: bool = True) -> Dataset:
    """Find the pictures that `config.data` names, audit them and split them.

    A validation folder and a test folder serve as `calibration` and `report`. A single held-out folder is
    halved, and where there is none, `config.validation_fraction` of the pictures are held out and halved.
    Halves have the same mix of classes and keep copies of one picture on one side. They depend on the pictures
    alone, not on a seed, so that what one run reports on is never what another run was chosen on.

    Parameters
    ----------
    config : TrainingConfig
    evaluation : bool
        Only to measure a finished model: do without background folders and a training split.
    progress : bool
        Show a bar while the pictures are read.

    Raises
    ------
    DataError
        When the source cannot be trained on; the message says what to do about it.
    """
    source = open_source(
        config.data, labels=config.labels, background=config.background, optional_background=evaluation
    )
    check_labels(source, config.data)
    everything, splits = join(source.splits)
    prints = audit.take_prints(everything, progress=progress)
    readable = np.array([digest is not None for digest in prints.digests], bool)
    check_readable(config.data, len(everything), prints)
    check_classes(source, everything.targets[readable], splits[readable], config.data, evaluation=evaluation)
    groups = audit.copy_groups(everything, prints, progress=progress)
    findings = audit.describe(source.outputs, everything, splits, prints, groups)

    keys = content_keys(prints.digests, groups)
    splits, report_split = hold_out(splits, keys, everything.targets, readable, config.validation_fraction)
    removed = {}
    for split, others in (("train", ("calibration", "report")), ("calibration", ("report",))):
        copied = (splits == split) & readable & np.isin(groups, groups[np.isin(splits, others) & readable])
        removed[f"from_{split}"] = 0 if config.keep_copies else int(copied.sum())
        if not config.keep_copies:
            splits = np.where(copied, "", splits)
    findings["removed"] = removed
    findings["used"] = {
        split: count_targets(everything.targets[(splits == split) & readable], source.outputs)
        for split in ("train", "calibration", "report")
    }
    check_used(source.labels, findings["used"], config.data, evaluation=evaluation)
    for line in summarise(findings):
        logger.info(line)
    parts = {
        split: everything.subset(np.flatnonzero((splits == split) & readable))
        for split in ("train", "calibration", "report")
    }
    return Dataset(
        source=config.data,
        outputs=source.outputs,
        labels=source.labels,
        **parts,
        report_split=report_split,
        audit=findings,
        fingerprint=fingerprint(source.outputs, everything.targets, prints.digests),
    )


def load_soft_targets(path: str | os.PathLike, dataset: Dataset, *, column: str = "image") -> np.ndarray:
    """Read votes or probabilities per picture as training targets.

    The CSV has a column `image` (the identifier in `dataset.train`: a path below the data folder, or "row 17")
    and one column per network output, by the output's name or a form of it ("happiness", "anger"). Other columns
    are ignored. Each row's numbers are divided by their sum; a picture without a row, or with a sum of zero,
    keeps its folder's label. Votes for a folder whose own pictures have no row count for the label that the
    picture has: otherwise every picture in doubt would be pushed towards the classes that nobody voted on.

    Returns
    -------
    np.ndarray
        float32 (len(dataset.train), len(dataset.outputs)), rows sum to 1.

    Raises
    ------
    DataError
        If the file is not such a CSV or names none of the training pictures.
    """
    labels = dataset.train.targets
    votes = np.zeros((len(labels), len(dataset.outputs)), np.float32)
    row_of = {identifier: row for row, identifier in enumerate(dataset.train.identifiers)}
    matched = np.zeros(len(labels), bool)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = output_columns(reader.fieldnames or [], dataset.outputs, path, column)
            for line in reader:
                row = row_of.get((line[column] or "").replace("\\", "/"))
                if row is None:
                    continue
                matched[row] = True
                votes[row] = [float(line[name] or 0) if name else 0 for name in columns]
                if not np.isfinite(votes[row]).all() or (votes[row] < 0).any():
                    raise ValueError(f"{votes[row].tolist()} in line {reader.line_num}")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path given to --soft-labels."
        ) from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV of votes: {error}. Votes are numbers from 0 up.") from error
    if not matched.any():
        raise DataError(
            f"{path} names no training picture. Its column '{column}' must hold paths such as "
            f"{dataset.train.identifiers[0]}."
        )
    logger.info("%d of %d training pictures have soft labels.", matched.sum(), len(labels))
    without_votes = np.setdiff1d(np.arange(len(dataset.outputs)), labels[matched])
    votes[np.arange(len(labels)), labels] += votes[:, without_votes].sum(axis=1)
    votes[:, without_votes] = 0
    sums = votes.sum(axis=1, keepdims=True)
    one_hot = np.eye(len(dataset.outputs), dtype=np.float32)[labels]
    return np.where(sums > 0, votes / np.maximum(sums, 1e-12), one_hot)


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
        """Move on to the next epoch's order; Keras calls this."""
        self.set_epoch(self._epoch_order[0] + 1)


def summarise(findings: dict) -> list[str]:
    """The audit in a few plain sentences, for the log and the model card."""
    total = sum(sum(counts.values()) for counts in findings["files"].values())
    lines = [f"{total} readable pictures: " + describe_counts(findings["files"]) + "."]
    if findings["unreadable"]["count"]:
        first = findings["unreadable"]["files"][0]
        lines.append(f"{findings['unreadable']['count']} unreadable files left out, such as {first['file']}.")
    exact, near = findings["copies"]["exact"], findings["copies"]["exact_and_near"]
    lines.append(
        f"{near['pictures']} pictures are copies of another one, {exact['pictures']} of them with equal pixels; "
        f"{findings['clashing_labels']['pictures']} stand in groups of copies with different labels."
    )
    for pair, pictures in near["across"].items():
        first, second = pair.split("/")
        count = sum(findings["files"][second].values())
        lines.append(
            f"{pictures} of {count} {second} pictures ({pictures / max(count, 1):.1%}) also stand in {first} "
            f"({exact['across'][pair]} with equal pixels)."
        )
    for name, pictures in findings["removed"].items():
        if pictures:
            lines.append(
                f"{pictures} pictures were removed {name.replace('_', ' ')} because a copy is held out."
            )
    return lines


# Splits


def join(splits: dict[str, Examples]) -> tuple[Examples, np.ndarray]:
    """All splits as one collection, and str (n,): the split of each picture."""
    examples = list(splits.values())
    identifiers = [identifier for part in examples for identifier in part.identifiers]
    targets = np.concatenate([part.targets for part in examples])
    return Examples(identifiers, targets, examples[0].read), np.repeat(
        np.array(list(splits), "U16"), [len(part) for part in examples]
    )


def content_keys(digests: list[bytes | None], groups: np.ndarray) -> list[bytes]:
    """One key per picture that its copies share and that depends on nothing but their content."""
    smallest: dict[int, bytes] = {}
    for digest, group in zip(digests, groups.tolist(), strict=True):
        smallest[group] = min(smallest.get(group, digest or b""), digest or b"")
    return [smallest[group] for group in groups.tolist()]


def hold_out(
    splits: np.ndarray, keys: list[bytes], targets: np.ndarray, readable: np.ndarray, fraction: float
) -> tuple[np.ndarray, str]:
    """Turn the source's splits into "train", "calibration" and "report"; also say where `report` comes from."""
    splits = splits.copy()
    present = set(splits[readable])
    if {"validation", "test"} <= present:
        splits[splits == "validation"] = "calibration"
        splits[splits == "test"] = "report"
        return splits, "test"
    held_out = next((split for split in ("validation", "test") if split in present), None)
    if held_out is None:
        candidates = np.flatnonzero(readable)
        chosen = candidates[take_share(keys, targets, candidates, fraction, b"held-out", least=2)]
        splits[readable] = "train"
        held_out = "held-out"
        splits[chosen] = held_out
    candidates = np.flatnonzero((splits == held_out) & readable)
    first = candidates[take_share(keys, targets, candidates, 0.5, b"calibration")]
    splits[candidates] = "report"
    splits[first] = "calibration"
    return splits, f"half of {held_out}"


def take_share(
    keys: list[bytes],
    targets: np.ndarray,
    candidates: np.ndarray,
    share: float,
    purpose: bytes,
    *,
    least: int = 1,
) -> np.ndarray:
    """Choose `share` of each class among the candidates, whole groups of copies at a time, `least` or more.

    Returns
    -------
    np.ndarray
        Sorted int64 positions in `candidates`.
    """
    members: dict[bytes, list[int]] = {}
    for position, index in enumerate(candidates):
        members.setdefault(keys[index], []).append(position)
    classes: dict[int, list[bytes]] = {}
    for key, positions in members.items():
        classes.setdefault(int(targets[candidates[positions[0]]]), []).append(key)
    chosen: list[int] = []
    for group_keys in classes.values():
        group_keys.sort(key=lambda key: hashlib.blake2b(key, person=purpose).digest())
        wanted = share * sum(len(members[key]) for key in group_keys)
        taken = 0
        for count, key in enumerate(group_keys):
            if taken >= wanted and count >= least:
                break
            chosen += members[key]
            taken += len(members[key])
    return np.array(sorted(chosen), np.int64)


def fingerprint(outputs: tuple[str, ...], targets: np.ndarray, digests: list[bytes | None]) -> str:
    """SHA-256 (hex) over the sorted labels and contents of the readable pictures."""
    entries = [
        outputs[target].encode() + b"/" + digest
        for target, digest in zip(targets.tolist(), digests, strict=True)
        if digest is not None
    ]
    return hashlib.sha256(b"\n".join(sorted(entries))).hexdigest()


def count_targets(targets: np.ndarray, outputs: tuple[str, ...]) -> dict[str, int]:
    """{output: pictures}."""
    return {name: int((targets == target).sum()) for target, name in enumerate(outputs)}


def describe_counts(files: dict[str, dict[str, int]]) -> str:
    """Write counts as `train 10 angry, 20 happy; test 5 angry, 5 happy`."""
    return "; ".join(
        f"{split} " + ", ".join(f"{count} {name}" for name, count in counts.items())
        for split, counts in files.items()
    )


# Soft targets


def output_columns(
    fields: Sequence[str], outputs: tuple[str, ...], path: str | os.PathLike, image_column: str
) -> list[str | None]:
    """For each output the column of a vote file that holds it; None for a background without one.

    Raises
    ------
    DataError
        If the image column or all outputs are missing.
    """
    named = {SYNONYMS.get(name.strip().lower(), name.strip().lower()): name for name in fields}
    columns = [named.get(name.lower()) for name in outputs]
    if image_column not in fields or not any(columns):
        raise DataError(
            f"{path} has the columns {', '.join(fields) or '(none)'}. It needs '{image_column}' and one column per "
            f"network output: {', '.join(outputs)}."
        )
    return columns


# Checks


def check_labels(source: Source, data: str) -> None:
    """Refuse a source with fewer than two labels."""
    if len(source.labels) < 2:
        found = f"only the label {source.labels[0]}" if source.labels else "no labels"
        raise DataError(
            f"{data} gives {found}. Telling emotions apart takes two folders or more; see --labels."
        )


def check_readable(data: str, count: int, prints: audit.Prints) -> None:
    """Refuse a source without a single readable picture."""
    if not count:
        raise DataError(
            f"{data} holds no pictures of the labels. Add some, or name other labels with --labels."
        )
    if len(prints.reasons) == count:
        reason = next(iter(prints.reasons.values()))
        raise DataError(f"None of the {count} files in {data} can be read. The first: {reason}")


def check_classes(
    source: Source, targets: np.ndarray, splits: np.ndarray, data: str, *, evaluation: bool
) -> None:
    """Refuse splits in which a class is missing; background is only needed for training."""
    present = set(splits)
    if not evaluation and not present & {"train", "all"}:
        raise DataError(
            f"{data} holds {' and '.join(sorted(present))} pictures but none to train on. Add a folder 'train'."
        )
    for split in sorted(present):
        needed = source.labels if evaluation or split in ("validation", "test") else source.outputs
        for name in needed:
            if not ((targets == source.outputs.index(name)) & (splits == split)).any():
                where = "" if split == "all" else f" in its {split} split"
                raise DataError(
                    f"{data} has no readable picture of '{name}'{where}. Add some, or leave '{name}' out of --labels "
                    "and --background."
                )


def check_used(
    labels: tuple[str, ...], used: dict[str, dict[str, int]], data: str, *, evaluation: bool
) -> None:
    """Refuse a data set in which too few different pictures are left for a class."""
    for split, counts in used.items():
        for name in labels:
            if not counts[name] and not evaluation:
                raise DataError(
                    f"{data} has too few different pictures of '{name}': with copies kept on one side, none is left "
                    f"for the {split} split. Add pictures: a handful of each label at the least, better hundreds."
                )
