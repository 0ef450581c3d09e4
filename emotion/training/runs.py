"""One run from a configuration to a saved model; measuring and publishing finished ones.

`train.py` calls it and prints what comes back. How a stage of a run is done is in `stages`.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion.config import EMBEDDED, FINE_TUNING, NETWORK_SETTINGS, OWN_TEACHER, TrainingConfig, as_sources
from emotion.data.dataset import Dataset, load_dataset
from emotion.data.people import load_groups
from emotion.errors import DataError, ModelLoadError
from emotion.model.classifier import EmotionClassifier
from emotion.program import TRAIN_COMMAND
from emotion.report.pictures import audit_in_words, counts_in_words, framing_warnings, without_lists
from emotion.report.plots import write_report
from emotion.report.report import Report
from emotion.training.arguments import follow_recipe
from emotion.training.devices import Devices, open_devices
from emotion.training.evaluation import all_held_out, evaluate, settings_of
from emotion.training.fit import FittedNetwork
from emotion.training.folder import (
    check_resumed,
    refuse_used_folder,
    save_run_config,
    written_by_one_run,
)
from emotion.training.networks import find_architecture
from emotion.training.saving import save_model, write_wrong_faces
from emotion.training.stages import (
    fit_last_layer,
    forget_stages,
    load_members,
    plan_stages,
    run_stage,
    with_background,
)
from emotion.training.tracking import NO_TRACKING, Tracking

logger = logging.getLogger(__name__)

AUDIT_FILE = "audit.json"  # names files: stays on this disk and is never published
# Settings that also stay if only the last layer changes.
SERVING_SETTINGS = ("flip_averaging", "litert_precision")


def train_model(
    config: TrainingConfig,
    output: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str | None = None,
    tracking: Tracking = NO_TRACKING,
) -> EmotionClassifier:
    """Train, calibrate, evaluate and save a model.

    `output` becomes a saved model, with the run's logs and checkpoint beside it; `resume` continues the run
    there, `overwrite` starts again in a folder that holds a run or a model. `command` is the command line,
    for the card. A program that only helps another computer returns the same model from a folder of its own,
    which is gone by then, and its `folder` is None. `tracking` says what the run tells beyond its folder.

    DataError if the pictures cannot be trained on or a checkpoint cannot be resumed; TrainingError if
    `output` cannot be used or the loss is no longer a number; ValueError if there are fewer devices than
    `config.devices`.
    """
    tracking.check()
    find_architecture(config.architecture)  # fail on a wrong name before the audit
    devices = open_devices(config.devices)
    if devices.first and not (resume or overwrite):
        refuse_used_folder(output)
    with devices.folder(output, resume=resume) as own, written_by_one_run(own) as folder:
        dataset = load_dataset(config, folder=folder)
        if config.groups:
            load_groups(config.groups, dataset.report)  # fail on a wrong file before the run
        joined = load_members(config.members, dataset.outputs)
        if resume:
            check_resumed(config, dataset, folder)
        dataset = with_background(dataset, config)
        dataset = record_audit(dataset, folder)
        save_run_config(config, folder, dataset.fingerprint)
        if config.freeze:
            fitted = fit_last_layer(config, dataset)
            save_model([fitted, *joined], config, dataset, folder, seconds=fitted.seconds, command=command)
            return EmotionClassifier.from_pretrained(output)
        logger.info("The run is kept in %s. To continue it after a break: %s", output, _resume(output))
        with tracking.emissions() as emissions:
            members, seconds = _run_stages(
                config, dataset, folder, resume=resume, devices=devices, tracking=tracking
            )
        config = replace(config, ensemble_size=len(members))
        save_model(
            [*members, *joined],
            config,
            dataset,
            folder,
            seconds=seconds,
            command=command,
            emissions=None if resume else emissions,  # a part of the run is no figure of it
        )
        if members[-1].interrupted:
            logger.info("The best epoch so far is saved. To continue the run: %s", _resume(output))
        classifier = EmotionClassifier.from_pretrained(folder)
        if not devices.first:
            classifier = EmotionClassifier(
                classifier.network, classifier.description, report=classifier.report
            )
    return classifier


def _run_stages(
    config: TrainingConfig,
    dataset: Dataset,
    folder: Path,
    *,
    resume: bool,
    devices: Devices,
    tracking: Tracking,
) -> tuple[list[FittedNetwork], float]:
    """Fit the networks that the answers will average; return them and the seconds of all stages."""
    stages = plan_stages(config, folder)
    if not resume:
        forget_stages(stages)
    members: list[FittedNetwork] = []
    seconds = 0.0
    for stage in stages:
        told = tracking.callbacks(stage.config, folder, stage.title) if devices.first else []
        fitted = run_stage(stage, dataset, resume=resume, devices=devices, callbacks=told)
        seconds += fitted.seconds
        # A half-trained network is better than none, but is not added to an ensemble.
        if stage.is_member and not (fitted.interrupted and members):
            members.append(fitted)
        if fitted.interrupted:
            break
    return members, seconds


def _resume(output: str | os.PathLike[str]) -> str:
    return shlex.join([*TRAIN_COMMAND.split(), "--resume", "--output", str(output)])


def starting_config(recipe: str | None, begun: dict[str, Any], given: dict[str, Any]) -> TrainingConfig:
    """Return the settings of a new run; `given` ones win over `begun` ones, and both over a recipe.

    With neither a recipe nor `begun`, the run starts from the embedded model, unless `given` settings ask for
    another network. A start from trained weights brings their network and `FINE_TUNING`.
    """
    config = follow_recipe(recipe, {**begun, **given})
    as_usual = not recipe and not begun
    start = config.initial_weights
    if as_usual and "initial_weights" not in given and _embedded_fits(given):
        start = EMBEDDED
    if start is None or start == OWN_TEACHER:
        return config
    classifier = EmotionClassifier.from_pretrained(start)
    training = classifier.description.training
    names = NETWORK_SETTINGS + (SERVING_SETTINGS if config.freeze else ())
    brought: dict[str, Any] = {name: training[name] for name in names if name in training}
    if as_usual and not config.freeze:
        brought |= FINE_TUNING | {"initial_weights": start}
        if not config.background and not config.teacher and classifier.outputs != classifier.labels:
            brought["background_teacher"] = start
    return replace(config, **{**brought, **given})


def _embedded_fits(given: dict[str, Any]) -> bool:
    try:
        training = EmotionClassifier.from_pretrained(EMBEDDED).description.training
    except ModelLoadError:
        return False
    known = TrainingConfig.from_dict({name: training[name] for name in NETWORK_SETTINGS if name in training})
    fits = replace(known, **{name: given[name] for name in NETWORK_SETTINGS if name in given}) == known
    if not fits:
        logger.info("Starting from nothing: the embedded model is another network than you asked for.")
    return fits


def evaluate_model(
    reference: str | None,
    data: str | Sequence[str],
    output: str | os.PathLike[str],
    *,
    groups: str | None = None,
    people: str | None = None,
    revision: str | None = None,
) -> Report:
    """Measure a finished model on a data set and write `report.json` and plots to `output`.

    On the data set that the model was trained on, only the faces that nothing was chosen on count. On any
    other, all held-out faces do, and all faces of a folder without splits. `reference` is None for the
    embedded model; `data`, `groups` and `people` are as in `TrainingConfig`, `people` for where the model
    names a file that is not here. Raises ModelLoadError, DataError or TrainingError.
    """
    classifier = EmotionClassifier.from_pretrained(reference, revision=revision)
    background = classifier.outputs[len(classifier.labels) :]
    config = settings_of(classifier)
    config = replace(
        config,
        data=as_sources(data),
        labels=classifier.labels,
        background=background,
        keep_copies=True,
        people=people or config.people,
    )
    refuse_used_folder(output)
    with written_by_one_run(output) as folder:
        dataset = record_audit(load_dataset(config, evaluation=True, folder=folder), folder)
        if dataset.fingerprint != classifier.description.data.get("fingerprint"):
            dataset = all_held_out(dataset)
        elif config.people and "people" not in dataset.audit:
            raise DataError(
                f"The model was trained with --people {config.people}. Give it here too: without it, faces "
                "that it was trained on would be measured."
            )
        evaluation = evaluate(
            classifier.network,
            dataset,
            size=classifier.input_size,
            channels=classifier.channels,
            model=classifier.report.model if classifier.report else {},
            calibration=classifier.description.calibration,
            groups=load_groups(groups, dataset.report) if groups else None,
        )
        write_report(evaluation.report, folder)
        write_wrong_faces(dataset, evaluation.probabilities, folder)
    return evaluation.report


def record_audit(dataset: Dataset, folder: Path) -> Dataset:
    """Say what was found in the pictures and write it beside the run; the result names no file."""
    for line in [counts_in_words(dataset.audit), *audit_in_words(dataset.audit)]:
        logger.info(line)
    for line in framing_warnings(dataset.audit):
        logger.warning(line)
    (folder / AUDIT_FILE).write_text(json.dumps(dataset.audit, indent=1) + "\n", encoding="utf-8")
    return replace(dataset, audit=without_lists(dataset.audit))
