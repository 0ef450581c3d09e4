"""A labelled data set for training: found, audited and split.

Where the pictures come from is in `sources`, how copies are found in `copies`. The split depends on the
pictures alone, on no seed. Nothing here trains.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from emotion.config import TrainingConfig
from emotion.data.audit import audit_findings, count_targets, framing_findings
from emotion.data.copies import Prints, copy_groups, take_prints
from emotion.data.examples import Examples, Source, Wanted
from emotion.data.framing import FACES, FaceMemory
from emotion.data.people import keys_by_person, people_findings, people_of
from emotion.data.sources import open_sources
from emotion.errors import DataError
from emotion.vision.crop import Place

USES = ("train", "calibration", "report")
NOWHERE = Place((0, 0, 1, 1), tight=True)  # of a picture that is used nowhere


@dataclass(frozen=True)
class Dataset:
    """Everything a run needs to know about its pictures.

    `source` is what was given as `--data`; several are joined by " + ". `outputs` are the labels, which
    predictions name, then the background folders. Networks are fitted on `train`, chosen on `calibration` and
    reported on `report`; no picture of one, nor a copy of it, is in another, unless `keep_copies` asks for
    it. `report_split` says where `report` comes from: "test", "half of validation", "half of test" or "half
    of held-out". `audit`, which can be written as JSON, says what was found in the pictures and what was left
    out of which split. `fingerprint` is the SHA-256 of the contents and labels of all readable pictures,
    without their names or order. `without_face` counts, by split, the pictures of labels in which no face
    was found; it is empty where none was looked for.
    """

    source: str
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    train: Examples
    calibration: Examples
    report: Examples
    report_split: str
    audit: dict[str, Any] = field(repr=False)
    fingerprint: str
    without_face: dict[str, int] = field(default_factory=dict)


def load_dataset(config: TrainingConfig, *, evaluation: bool = False, folder: Path | None = None) -> Dataset:
    """Find the pictures that `config.data` names, audit them and split them.

    A validation folder and a test folder serve as `calibration` and `report`. A single held-out folder is
    halved, and without one, `config.validation_fraction` of the pictures are held out and halved.
    Each source is split separately; copies are searched across all of them. Halves have the same
    mix of classes and keep copies of one picture on one side. They depend on the pictures alone, not on a
    seed, so that what one run reports on is never what another run was chosen on.

    For `evaluation` of a finished model, background folders and a training split may be missing. The faces
    that were found are kept in the `folder` of a run. A DataError says why the source cannot be trained on.
    """
    data = " + ".join(config.data)
    wanted = Wanted(config.labels, config.background, optional_background=evaluation)
    sources = open_sources(config.data, wanted)
    source = next(iter(sources.values()))
    check_labels(source, data)
    everything, splits = join_sources({name: join(part.splits) for name, part in sources.items()})
    memory = FaceMemory(folder) if config.framing == FACES else None
    prints = take_prints(everything, memory=memory, smallest=config.image_size)
    if memory is not None:
        memory.save(prints.digests)
    readable, framed = prints.readable, prints.framed
    everything = replace(everything, places=tuple(place or NOWHERE for place in prints.places))
    check_readable(data, len(everything), prints)
    check_classes(source, everything.targets[readable], splits[readable], data, evaluation=evaluation)
    groups = copy_groups(everything, prints)
    findings = audit_findings(source.outputs, everything, splits, prints, groups)
    findings["passed_over"] = dict(sum((Counter(each.passed_over) for each in sources.values()), Counter()))

    keys = content_keys(prints.digests, groups)
    people = people_of(config.people, everything, needed=not evaluation)
    if people:
        keys = keys_by_person(keys, people, everything.source_of())
    splits, report_split = split_sources(
        everything, splits, keys, readable, len(sources), config.validation_fraction
    )
    splits, findings["removed"] = without_copies(splits, groups, framed, keep=config.keep_copies)
    if people:
        findings["people"] = people_findings(people, splits, framed & np.isin(splits, USES))
    findings["used"] = {
        split: count_targets(everything.targets[(splits == split) & framed], source.outputs) for split in USES
    }
    if not np.isnan(prints.shares).all():
        labelled = everything.targets < len(source.labels)
        findings["framing"] = framing_findings(everything, splits, prints, labelled)
    framing = findings.get("framing", {})
    check_used(source.labels, findings["used"], data, evaluation=evaluation)
    parts = {split: everything.subset(np.flatnonzero((splits == split) & framed)) for split in USES}
    return Dataset(
        source=data,
        outputs=source.outputs,
        labels=source.labels,
        **parts,
        report_split=report_split,
        audit=findings,
        without_face={
            split: framing[split]["pictures"] - framing[split]["faces"] for split in USES if split in framing
        },
        fingerprint=fingerprint(source.outputs, everything.targets, prints.digests),
    )


def split_sources(
    everything: Examples,
    splits: np.ndarray,
    keys: list[bytes],
    readable: np.ndarray,
    sources: int,
    fraction: float,
) -> tuple[np.ndarray, str]:
    """Split each source separately; return the splits, and a description of where `report` comes from."""
    origin = everything.source_of()
    ways: list[str] = []
    for number in range(sources):
        held, way = hold_out(splits, keys, everything.targets, readable & (origin == number), fraction)
        splits = np.where(origin == number, held, splits)
        ways.append(way)
    return splits, " and ".join(dict.fromkeys(ways))


def without_copies(
    splits: np.ndarray, groups: np.ndarray, framed: np.ndarray, *, keep: bool
) -> tuple[np.ndarray, dict[str, int]]:
    """Take what has a copy in a later split out of an earlier one; also say how much that was."""
    removed = {}
    for split, others in (("train", ("calibration", "report")), ("calibration", ("report",))):
        copied = (splits == split) & framed & np.isin(groups, groups[np.isin(splits, others) & framed])
        removed[f"from_{split}"] = 0 if keep else int(copied.sum())
        if not keep:
            splits = np.where(copied, "", splits)
    return splits, removed


def fingerprint(outputs: tuple[str, ...], targets: np.ndarray, digests: list[bytes | None]) -> str:
    """SHA-256 (hex) over the sorted labels and contents of the readable pictures."""
    entries = [
        outputs[target].encode() + b"/" + digest
        for target, digest in zip(targets.tolist(), digests, strict=True)
        if digest is not None
    ]
    return hashlib.sha256(b"\n".join(sorted(entries))).hexdigest()


def check_labels(source: Source, data: str) -> None:
    """Refuse a source with fewer than two labels."""
    if len(source.labels) < 2:
        found = f"only the label {source.labels[0]}" if source.labels else "no labels"
        raise DataError(
            f"{data} gives {found}. Telling emotions apart takes two folders or more; see --labels."
        )


def check_readable(data: str, count: int, prints: Prints) -> None:
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
            f"{data} holds {' and '.join(sorted(present))} pictures but none to train on. "
            "Add a folder 'train'."
        )
    for split in sorted(present):
        needed = source.labels if evaluation or split in ("validation", "test") else source.outputs
        for name in needed:
            if not ((targets == source.outputs.index(name)) & (splits == split)).any():
                where = "" if split == "all" else f" in its {split} split"
                raise DataError(
                    f"{data} has no readable picture of '{name}'{where}. Add some, or leave '{name}' out of "
                    "--labels and --background."
                )


def check_used(
    labels: tuple[str, ...], used: dict[str, dict[str, int]], data: str, *, evaluation: bool
) -> None:
    """Refuse a data set in which too few different pictures are left for a class."""
    for split, counts in used.items():
        for name in labels:
            if not counts[name] and not evaluation:
                raise DataError(
                    f"{data} has too few different pictures of '{name}': with copies kept on one side, "
                    f"none is left for the {split} split. Add pictures: a handful of each label at least, "
                    "better hundreds. Pictures in which no face is found do not count; --framing whole takes "
                    "pictures as they are."
                )


def join(splits: dict[str, Examples]) -> tuple[Examples, np.ndarray]:
    """Return all splits as one collection, and str (n,): the split of each picture."""
    examples = list(splits.values())
    identifiers = [identifier for part in examples for identifier in part.identifiers]
    targets = np.concatenate([part.targets for part in examples])
    return Examples(identifiers, targets, examples[0].read), np.repeat(
        np.array(list(splits), "U16"), [len(part) for part in examples]
    )


@dataclass(frozen=True)
class ReaderOfSources:
    """Opens pictures of several sources, by the name of the source and what the picture is called there."""

    readers: dict[str, Callable[[str], np.ndarray]]

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one picture: uint8 (H, W, 3)."""
        name = next(name for name in self.readers if identifier.startswith(f"{name}/"))
        return self.readers[name](identifier[len(name) + 1 :])


def join_sources(parts: dict[str, tuple[Examples, np.ndarray]]) -> tuple[Examples, np.ndarray]:
    """Return the pictures of several sources, given by name as `join` does, as one."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    joined = Examples(
        [f"{name}/{identifier}" for name, (part, _) in parts.items() for identifier in part.identifiers],
        np.concatenate([part.targets for part, _ in parts.values()]),
        ReaderOfSources({name: part.read for name, (part, _) in parts.items()}),
        tuple(parts),
    )
    return joined, np.concatenate([splits for _, splits in parts.values()])


def content_keys(digests: list[bytes | None], groups: np.ndarray) -> list[bytes]:
    """Return one key per picture that its copies share and that depends on nothing but their content."""
    smallest: dict[int, bytes] = {}
    for digest, group in zip(digests, groups.tolist(), strict=True):
        smallest[group] = min(smallest.get(group, digest or b""), digest or b"")
    return [smallest[group] for group in groups.tolist()]


def hold_out(
    splits: np.ndarray, keys: list[bytes], targets: np.ndarray, readable: np.ndarray, fraction: float
) -> tuple[np.ndarray, str]:
    """Turn a source's splits into "train", "calibration" and "report"; also say where `report` is from."""
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

    The result is sorted int64 positions in `candidates`.
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
