"""The part of the card that says where a model comes from: command, settings, data and their audit."""

from __future__ import annotations

import re
import shlex
from typing import Any

from emotion.config import OWN_TEACHER, TrainingConfig, as_sources, current_names, option_name, public_source
from emotion.report.markdown import harmless, listing, table, words
from emotion.report.report import Report

ABSOLUTE_FOLDERS = re.compile(r"(?<![^\s'\"=])/(?:[^/\s'\"]+/)+")  # of a command: nobody's business


def training_command(training: dict[str, Any], *, public: bool = True) -> str:
    """Return the `train.py` command that repeats a run: every setting that is not the default.

    Parameters
    ----------
    training : dict
        Settings, by field name.
    public : bool
        Name the data without the folders above them.
    """
    defaults, training = TrainingConfig().to_dict(), current_names(training)
    data = training.get("data", defaults["data"])
    typed = ["python", "train.py", "--data", *(public_data(data) if public else as_sources(data))]
    for name, value in training.items():
        if name == "data" or name not in defaults or value == defaults[name]:
            continue
        if isinstance(value, bool):
            typed.append(option_name(name) if value else option_name(name).replace("--", "--no-", 1))
        elif value is not None:
            values = value if isinstance(value, (list, tuple)) else [value]
            typed += [option_name(name), *map(str, values)]
    return shlex.join(typed)


def training_section(report: Report, emotion_json: dict[str, Any]) -> str:
    """Return how a model was made: the command, what the network learned from, and every setting."""
    training = current_names(emotion_json.get("training") or {})
    about = {key: value for key, value in report.model.items() if value is not None}
    command = str(about.pop("command", ""))
    # The command that resumed a run repeats nothing on its own.
    if training and (not command or "--resume" in command.splitlines()[0].split()):
        command = training_command(training)
    if not command:
        return ""
    versions = emotion_json.get("versions") or {}
    rows = [(words(key), harmless(value)) for key, value in about.items()]
    rows += [(f"{harmless(library)} version", harmless(version)) for library, version in versions.items()]
    if "data" in training:
        training = training | {"data": " + ".join(public_data(training["data"]))}
    settings = [(f"`{key}`", harmless(value)) for key, value in training.items() if value is not None]
    parts = [
        "## Training",
        f"```\n{ABSOLUTE_FOLDERS.sub('', command)}\n```",
        table(("", ""), rows),
        _targets_and_priors(training),
    ]
    if taught := training.get("taught"):
        parts.append(
            f"Then its last layer was fitted to {harmless(taught)}: it may suit nobody else, and nothing was "
            "measured since."
        )
    if settings:
        hyperparameters = table(("setting", "value"), settings)
        parts.append(f"<details><summary>All hyperparameters</summary>\n\n{hyperparameters}\n\n</details>")
    return "\n\n".join(part for part in parts if part)


def _targets_and_priors(training: dict[str, Any]) -> str:
    """Say what the network learned from beside the labels, and how often it expects which class."""
    try:
        config = TrainingConfig.from_dict(training)
    except ValueError:  # a stranger's settings
        return ""
    lines = [*_targets(config), *_networks(config)]
    if config.prior_correction:
        factors = [harmless(factor.replace("=", " × ")) for factor in config.prior_correction]
        lines.append(
            "The answers allow for classes that occur more or less often in use than among the training "
            f"pictures: {listing(factors)}."
        )
    return " ".join(lines)


def _targets(config: TrainingConfig) -> list[str]:
    lines: list[str] = []
    if config.soft_labels:
        votes = f"the shares of the votes in `{public_source(config.soft_labels)}`"
        lines.append(
            f"The labels are {votes}."
            if config.soft_label_weight == 1
            else f"{config.soft_label_weight:.0%} of each label are {votes}, the rest is the folder's."
        )
    teachers = [f"`{name}`" for name in config.teacher]
    if config.teacher_epochs:
        teachers.append(f"a network that was trained first, for {config.teacher_epochs} epochs")
    if teachers:
        lines.append(
            f"{config.teacher_weight:.0%} of each target was learned from the answers of "
            f"{' and '.join(teachers)} (distillation), the rest from the labels."
        )
        if config.teacher_views != "clean":
            lines.append("They answered for each face as the network saw it.")
    return lines


def _networks(config: TrainingConfig) -> list[str]:
    lines: list[str] = []
    if config.initial_weights == OWN_TEACHER:
        lines.append("Training started from the weights of that network.")
    elif config.initial_weights:
        only = ", of which only the last layer was fitted" if config.freeze else ""
        lines.append(f"Training started from the weights of `{config.initial_weights}`{only}.")
    if config.teacher or config.members or config.initial_weights not in (None, OWN_TEACHER):
        lines.append(
            "The figures suppose that these earlier networks were not trained on the faces held out here."
        )
    if config.ensemble_size > 1:
        lines.append(
            f"The answers are the mean of {config.ensemble_size} networks; each after the first was "
            "trained from new weights, with the first as its teacher."
        )
    if config.members:
        others = listing([f"`{harmless(name)}`" for name in config.members])
        lines.append(f"The answers are averaged with those of {others}.")
    return lines


def public_data(data: object) -> list[str]:
    """Return the data sources of a run, of which older versions knew one, without the folders above them."""
    return [public_source(str(source)) for source in (data if isinstance(data, (list, tuple)) else [data])]


def data_section(report: Report, source: str | None) -> str:
    """Return which faces the figures are about, and what the audit found, without names of files."""
    data, audit = report.data, report.data.audit or {}
    lines = []
    if source:
        lines.append(f"Source: `{public_source(source)}`.")
    if data.report_split and data.faces:
        counts = ", ".join(f"{count} {harmless(name)}" for name, count in data.per_label.items())
        lines.append(f"The figures are about {data.faces} faces ({harmless(data.report_split)}): {counts}.")
    if data.fingerprint:
        lines.append(f"Fingerprint of the pictures and labels (SHA-256): `{data.fingerprint}`.")
    parts = ["\n".join(lines)]
    counts = {harmless(split): row for split, row in _rows(audit, "files")}
    counts |= {f"used for {harmless(split)}": row for split, row in _rows(audit, "used")}
    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    rows = [(title, *(str(row.get(name, 0)) for name in names)) for title, row in counts.items()]
    parts.append(table(("pictures", *map(harmless, names)), rows))
    findings = _flat({key: value for key, value in audit.items() if key not in ("files", "used")})
    parts.append("\n".join(f"- {words(key)}: {harmless(value)}" for key, value in findings))
    text = "\n\n".join(part for part in parts if part)
    return text and f"## Data and its audit\n\n{text}"


def _rows(audit: dict[str, Any], finding: str) -> list[tuple[str, dict[str, Any]]]:
    """Return a finding's counts as (split, counts by name)."""
    found = audit.get(finding)
    found = found if isinstance(found, dict) else {}
    return [(split, row) for split, row in found.items() if isinstance(row, dict)]


def _flat(findings: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return nested findings as lines, without lists: they name files, and names of files can be private."""
    lines: list[tuple[str, Any]] = []
    for key, value in findings.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            lines += _flat(value, f"{name}, ")
        elif value is not None and not isinstance(value, list):
            lines.append((name, value))
    return lines
