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

# Training and held-out pictures are framed differently where the median sides of their faces differ by this
# factor, or the shares of pictures that give a face by this much.
OTHER_SIDE, OTHER_FOUND = 1.5, 0.1
LISTED = 20  # files or groups that the audit names at most, per finding


def audit_findings(
    outputs: tuple[str, ...],
    examples: Examples,
    splits: np.ndarray,
    prints: Prints,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Return what the report says about the pictures, before anything is removed; can be written as JSON.

    `splits` is str (n,), `groups` comes from `copy_groups`. The result holds `files` {split: {output:
    readable files}}; `unreadable` {count, files: [{file, reason}]}; `copies` {exact, exact_and_near:
    {pictures, within {split: pictures}, across {"a/b": pictures of b whose copy stands in a}}}, which count
    pictures that repeat an earlier one; and `clashing_labels` {groups, pictures, files}.
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


def framing_findings(
    examples: Examples, splits: np.ndarray, prints: Prints, labelled: np.ndarray
) -> dict[str, Any]:
    """Return in which pictures of labels a face was found, and how much of the picture it takes.

    `splits` is str (n,): "train", "calibration", "report", or "" for what is not used; `labelled` is bool
    (n,). The result is split → {pictures, faces, face_side: median share of the picture's side, 1 for
    pictures that are a face as a whole}, and `without_face` {count, files}.
    """
    readable = np.array([digest is not None for digest in prints.digests], bool)
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


def framing_warnings(framing: dict[str, Any]) -> list[str]:
    """Return in words what `framing_findings` says against a training run."""
    if not framing or not framing["train"]["pictures"]:
        return []
    warnings = []
    for split in ("calibration", "report"):
        train, held_out = (framing[name] for name in ("train", split))
        if not held_out["faces"] or not train["faces"]:
            continue
        found = [part["faces"] / part["pictures"] for part in (train, held_out)]
        sides = [train["face_side"], held_out["face_side"]]
        if max(sides) > OTHER_SIDE * min(sides) or abs(found[0] - found[1]) > OTHER_FOUND:
            warnings.append(
                f"Training and {split} pictures are framed differently: a face takes {sides[0]:.0%} of the "
                f"picture's side in training and {sides[1]:.0%} in {split} pictures, and one is found in "
                f"{found[0]:.0%} and {found[1]:.0%} of them. The figures may not hold for other pictures."
            )
    return warnings


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
    if missed := findings.get("framing", {}).get("without_face", {"count": 0})["count"]:
        first = findings["framing"]["without_face"]["files"][0]
        lines.append(
            f"No face was found in {missed} pictures, such as {first}: they are left out. --framing whole "
            "takes pictures as they are."
        )
    if both := findings.get("people", {}).get("in_training_and_held_out"):
        lines.append(f"{both} people are in training and in held-out pictures: the folders put them there.")
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
