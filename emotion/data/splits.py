"""Which pictures are trained on, chosen on and reported on: it depends on the pictures alone, on no seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emotion.data.examples import Examples


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
