"""What is wrong with a set of labelled pictures: unreadable files, exact and near copies, clashing labels.

Nothing is removed here; `dataset` decides. `report.pictures` says it in words.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from emotion.data.copies import Prints, exact_groups
from emotion.data.examples import Examples

LISTED = 20  # files or groups that the audit names at most, per finding


def audit_findings(
    outputs: tuple[str, ...], examples: Examples, splits: np.ndarray, prints: Prints, groups: np.ndarray
) -> dict[str, Any]:
    """Return what the report says about the pictures, before anything is removed; can be written as JSON.

    `splits` is str (n,), `groups` comes from `copy_groups`. The result holds `files` {split: {output:
    readable files}}; `unreadable` {count, files: [{file, reason}]}; `copies` {exact, exact_and_near:
    {pictures, within {split: pictures}, across {"a/b": pictures of b whose copy stands in a}}}, which count
    pictures that repeat an earlier one; and `clashing_labels` {groups, pictures, files}.
    """
    readable = prints.readable
    names = [split for split in ("all", "train", "validation", "test") if (splits == split).any()]
    exact = exact_groups(prints.digests)
    clashes = [
        members
        for members in members_of(groups[readable], np.flatnonzero(readable))
        if len(set(examples.targets[members])) > 1
    ]
    return {
        "files": {
            split: count_targets(examples.targets[readable & (splits == split)], outputs) for split in names
        },
        "unreadable": {
            "count": len(prints.reasons),
            "files": [
                {"file": examples.identifiers[index], "reason": reason}
                for index, reason in list(prints.reasons.items())[:LISTED]
            ],
        },
        "copies": {
            "exact": count_copies(exact, splits, names),
            "exact_and_near": count_copies(groups, splits, names),
        },
        "clashing_labels": {
            "groups": len(clashes),
            "pictures": sum(map(len, clashes)),
            "files": [[examples.identifiers[index] for index in members] for members in clashes[:LISTED]],
        },
    }


def count_copies(groups: np.ndarray, splits: np.ndarray, names: list[str]) -> dict[str, Any]:
    """{pictures, within: {split: pictures}, across: {"train/test": test pictures with a copy in train}}."""
    within = {name: int((splits == name).sum() - len(set(groups[splits == name]))) for name in names}
    across = {
        f"{first}/{second}": int(np.isin(groups[splits == second], groups[splits == first]).sum())
        for first, second in combinations(names, 2)
    }
    return {"pictures": len(groups) - len(set(groups)), "within": within, "across": across}


def framing_findings(
    examples: Examples, splits: np.ndarray, prints: Prints, labelled: np.ndarray
) -> dict[str, Any]:
    """Return in which pictures of labels a face was found, and how much of the picture it takes.

    `splits` is str (n,): "train", "calibration", "report", or "" for what is not used; `labelled` is bool
    (n,). The result is split → {pictures, faces, face_side: median share of the picture's side, 1 for
    pictures that are a face as a whole}, and `without_face` {count, files}.
    """
    readable = prints.readable
    shares = np.where(np.isnan(prints.shares), 1, prints.shares)
    findings: dict[str, Any] = {}
    for split in ("train", "calibration", "report"):
        own = (splits == split) & readable & labelled
        found = own & prints.framed
        findings[split] = {
            "pictures": int(own.sum()),
            "faces": int(found.sum()),
            "face_side": round(float(np.median(shares[found])), 3) if found.any() else 0.0,
        }
    missed = np.flatnonzero(readable & ~prints.framed)
    findings["without_face"] = {
        "count": len(missed),
        "files": [examples.identifiers[index] for index in missed[:LISTED]],
    }
    return findings


def members_of(groups: np.ndarray, indices: np.ndarray) -> list[np.ndarray]:
    """Return the members of each group, in the order of the groups' first pictures."""
    order = np.argsort(groups, kind="stable")
    return np.split(indices[order], np.flatnonzero(np.diff(groups[order])) + 1)


def count_targets(targets: np.ndarray, outputs: tuple[str, ...]) -> dict[str, int]:
    """{output: pictures}."""
    return {name: int((targets == target).sum()) for target, name in enumerate(outputs)}
