"""The pictures behind a model's figures: where they came from, which were used, and what the audit found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from emotion.config import public_source
from emotion.predictions.display import harmless, percent, table
from emotion.report.report import Report

# Training and held-out pictures are framed differently where the median sides of their faces differ by this
# factor, or the shares of pictures that give a face by this much.
OTHER_SIDE, OTHER_FOUND = 1.5, 0.1
ON_A_SERVER = ("hf:", "kaggle:")  # data sets whose name says where they are


def data_section(report: Report, source: str | None, note: object) -> str:
    """Return which faces the figures are about and what the audit found; `note` says where they are from."""
    data, audit = report.data, without_lists(report.data.audit or {})
    lines = [origin(source, note)]
    if data.report_split and data.faces:
        counts = ", ".join(f"{count} {harmless(name)}" for name, count in data.per_label.items())
        lines.append(f"The figures are about {data.faces} faces ({harmless(data.report_split)}): {counts}.")
    if data.faces:
        lines.append(_people_sentence(audit.get("people")))
    if data.fingerprint:
        lines.append(f"Fingerprint of the pictures and labels (SHA-256): `{data.fingerprint}`.")
    counts = {harmless(split): row for split, row in _rows(audit, "files")}
    counts |= {f"used for {harmless(split)}": row for split, row in _rows(audit, "used")}
    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    rows = [(title, *(harmless(row.get(name, 0)) for name in names)) for title, row in counts.items()]
    parts = [
        "\n".join(line for line in lines if line),
        table(("pictures", *map(harmless, names)), rows),
        "\n".join(f"- {harmless(line)}" for line in audit_in_words(audit)),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text and f"## Data and its audit\n\n{text}"


def origin(source: str | None, note: object) -> str:
    """Return where pictures came from: a data set that has an address, what was said, or that nothing was."""
    if isinstance(note, str) and note.strip():
        told = harmless(note)
        return f"{told.removesuffix('.')}." + (f" Given as `{public_source(source)}`." if source else "")
    if not source:
        return ""
    if all(name.startswith(ON_A_SERVER) for name in source.split(" + ")):
        return f"Source: `{public_source(source)}`."
    return (
        f"Pictures given as `{public_source(source)}`; where they came from was not said (`train.py "
        "--data-note` does)."
    )


def audit_in_words(findings: Mapping[str, Any]) -> list[str]:
    """Return what `emotion.data.audit` found as plain sentences; what is missing or malformed is left out."""
    return [
        *_left_out(findings),
        *_framing(findings),
        *_copies(findings),
        *(
            f"{_were(count, 'picture')} removed {name.replace('_', ' ')} because a copy is held out."
            for name, count in _part(findings, "removed").items()
            if _is_count(count)
        ),
    ]


def counts_in_words(findings: Mapping[str, Any]) -> str:
    """Return how many pictures there are, by split and class."""
    splits = _rows(findings, "files")
    total = sum(sum(filter(_is_count, counts.values())) for _, counts in splits)
    listed = "; ".join(
        f"{split} " + ", ".join(f"{count} {name}" for name, count in counts.items())
        for split, counts in splits
    )
    return f"{total} readable pictures: {listed}."


def _left_out(findings: Mapping[str, Any]) -> list[str]:
    lines = []
    passed = {reason: count for reason, count in _part(findings, "passed_over").items() if _is_count(count)}
    if passed:
        reasons = "; ".join(
            f"{passed[reason]} {reason}" for reason in sorted(passed, key=lambda reason: -passed[reason])
        )
        lines.append(f"{_were(sum(passed.values()), 'file')} passed over: {reasons}.")
    unreadable = _part(findings, "unreadable")
    if _is_count(count := unreadable.get("count")):
        lines.append(f"{_were(count, 'unreadable file')} left out{_example(unreadable)}.")
    missed = _part(findings, "framing", "without_face")
    if _is_count(count := missed.get("count")):
        lines.append(
            f"{_were(count, 'picture')} left out because no face was found{_example(missed)}. --framing "
            "whole takes pictures as they are."
        )
    return lines


def _framing(findings: Mapping[str, Any]) -> list[str]:
    lines = []
    names = {"train": "training", "calibration": "calibration", "report": "reported"}
    for split, name in names.items():
        part = _part(findings, "framing", split)
        pictures, faces, side = (part.get(key) for key in ("pictures", "faces", "face_side"))
        if _is_count(pictures) and _is_count(faces) and isinstance(side, float | int):
            lines.append(
                f"A face was found in {faces} of {pictures} labelled {name} pictures; at the median it takes "
                f"{percent(side)} of the picture's side."
            )
    both = _part(findings, "people").get("in_training_and_held_out")
    if _is_count(both):
        lines.append(f"People both in training and in held-out pictures: {both}. The folders put them there.")
    return lines


def _copies(findings: Mapping[str, Any]) -> list[str]:
    near, exact = (_part(findings, "copies", kind) for kind in ("exact_and_near", "exact"))
    if not exact or not _is_count(near.get("pictures")):
        return []
    clashing = _part(findings, "clashing_labels").get("pictures", 0)
    lines = [
        f"Copies of another picture: {near.get('pictures', 0)} ({exact.get('pictures', 0)} with equal "
        f"pixels). Pictures in groups of copies with different labels: {clashing}."
    ]
    for pair, pictures in _part(near, "across").items():
        first, _, second = pair.partition("/")
        total = sum(filter(_is_count, _part(findings, "files", second).values()))
        if _is_count(pictures) and total:
            equal = _part(exact, "across").get(pair, 0)
            lines.append(
                f"{pictures} of {total} {second} pictures ({percent(pictures / total)}) also stand in "
                f"{first} ({equal} with equal pixels)."
            )
    return lines


def framing_warnings(findings: Mapping[str, Any]) -> list[str]:
    """Return in words what the audit's `framing` says against a training run."""
    framing = _part(findings, "framing")
    warnings = []
    for split in ("calibration", "report"):
        parts = [_part(framing, name) for name in ("train", split)]
        if not all(part.get("faces") for part in parts):
            continue
        found = [part["faces"] / part["pictures"] for part in parts]
        sides = [part["face_side"] for part in parts]
        if max(sides) > OTHER_SIDE * min(sides) or abs(found[0] - found[1]) > OTHER_FOUND:
            warnings.append(
                f"Training and {split} pictures are framed differently: a face takes {percent(sides[0])} of "
                f"the picture's side in training and {percent(sides[1])} in {split} pictures, and one is "
                f"found in {percent(found[0])} and {percent(found[1])} of them. The figures may not hold for "
                "other pictures."
            )
    return warnings


def without_lists(findings: Mapping[str, Any]) -> dict[str, Any]:
    """Return findings without their lists: these name files, and names of files can be private."""
    return {
        key: without_lists(value) if isinstance(value, dict) else value
        for key, value in findings.items()
        if not isinstance(value, list)
    }


def _people_sentence(people: object) -> str:
    """Say whether people of the training pictures are in the held-out ones."""
    both = people.get("in_training_and_held_out") if isinstance(people, dict) else None
    if both is None:
        return (
            "Whether the same people are in training and in held-out pictures is not known; if so, the "
            "figures flatter."
        )
    return (
        f"{harmless(both)} people are in training and in held-out pictures, so the figures flatter."
        if both
        else "No person is in both training and held-out pictures, as far as they are named."
    )


def _rows(audit: Mapping[str, Any], finding: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a finding's counts as (split, counts by name)."""
    return [(split, row) for split, row in _part(audit, finding).items() if isinstance(row, dict)]


def _part(findings: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a part of findings of any origin; empty where it is missing or something else."""
    found: Any = findings
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value > 0


def _were(count: int, noun: str) -> str:
    return f"{count} {noun}{' was' if count == 1 else 's were'}"


def _example(finding: Mapping[str, Any]) -> str:
    """Return the first file of a finding, where files are named."""
    files = finding.get("files")
    first = files[0] if isinstance(files, list) and files else None
    name = first.get("file") if isinstance(first, dict) else first
    return f", such as {name}" if name else ""
