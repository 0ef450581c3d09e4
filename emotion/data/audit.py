"""What is wrong with a set of labelled pictures: unreadable files, exact and near copies, clashing labels.

Nothing is removed here; `dataset` decides.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

import numpy as np

from emotion.data.copies import Prints, exact_groups
from emotion.data.examples import Examples

LISTED = 20  # files or groups that the audit names at most, per finding


def audit_findings(
    outputs: tuple[str, ...],
    examples: Examples,
    splits: np.ndarray,
    prints: Prints,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Return what the report says about the pictures, before anything is removed; can be written as JSON.

    Parameters
    ----------
    splits : np.ndarray
        str (n,): the split that each picture stands in.
    groups : np.ndarray
        From `copy_groups`.

    Returns
    -------
    dict
        `files` {split: {output: readable files}}; `unreadable` {count, files: [{file, reason}]};
        `copies` {exact, near: {pictures, within {split: pictures}, across {"a/b": pictures of a or b}}},
        where `pictures` counts those that repeat an earlier picture and `across` counts the pictures of the
        second split whose copy stands in the first; `clashing_labels` {groups, pictures, files}.
    """
    readable = np.array([digest is not None for digest in prints.digests])
    names = [split for split in ("all", "train", "validation", "test") if (splits == split).any()]
    exact = exact_groups(prints.digests)
    clashes = [
        members
        for members in members_of(groups[readable], np.flatnonzero(readable))
        if len(set(examples.targets[members])) > 1
    ]
    return {
        "files": {
            split: {
                name: int(((examples.targets == target) & readable & (splits == split)).sum())
                for target, name in enumerate(outputs)
            }
            for split in names
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


def findings_in_words(findings: dict[str, Any]) -> list[str]:
    """Return the audit in a few plain sentences, for the log and the model card."""
    total = sum(sum(counts.values()) for counts in findings["files"].values())
    lines = [f"{total} readable pictures: " + describe_counts(findings["files"]) + "."]
    if passed := Counter(findings.get("passed_over", {})):
        reasons = "; ".join(f"{count} {reason}" for reason, count in passed.most_common())
        lines.append(f"Passed over {passed.total()} files: {reasons}.")
    if findings["unreadable"]["count"]:
        first = findings["unreadable"]["files"][0]
        lines.append(f"{findings['unreadable']['count']} unreadable files left out, such as {first['file']}.")
    exact, near = findings["copies"]["exact"], findings["copies"]["exact_and_near"]
    lines.append(
        f"{near['pictures']} pictures are copies of another one, {exact['pictures']} of them with equal "
        f"pixels; {findings['clashing_labels']['pictures']} stand in groups of copies with different labels."
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


def members_of(groups: np.ndarray, indices: np.ndarray) -> list[np.ndarray]:
    """Return the members of each group, in the order of the groups' first pictures."""
    order = np.argsort(groups, kind="stable")
    return np.split(indices[order], np.flatnonzero(np.diff(groups[order])) + 1)


def count_targets(targets: np.ndarray, outputs: tuple[str, ...]) -> dict[str, int]:
    """{output: pictures}."""
    return {name: int((targets == target).sum()) for target, name in enumerate(outputs)}


def describe_counts(files: dict[str, dict[str, int]]) -> str:
    """Write counts as `train 10 angry, 20 happy; test 5 angry, 5 happy`."""
    return "; ".join(
        f"{split} " + ", ".join(f"{count} {name}" for name, count in counts.items())
        for split, counts in files.items()
    )
