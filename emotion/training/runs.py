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

from huggingface_hub import get_token

from emotion.config import OWN_TEACHER, TrainingConfig, as_sources
from emotion.data.dataset import Dataset, load_dataset
from emotion.data.groups import load_groups
from emotion.errors import DataError, ModelLoadError, PublishError
from emotion.model.classifier import EmotionClassifier
from emotion.model.publish import publish
from emotion.program import TRAIN_COMMAND
from emotion.report.comparison import comparison_text
from emotion.report.plots import write_report
from emotion.report.report import Report
from emotion.training.comparing import common_labels, compare_models
from emotion.training.devices import Devices, open_devices
from emotion.training.evaluation import all_held_out, evaluate, settings_of
from emotion.training.fit import FittedNetwork
from emotion.training.folder import (
    check_resumed,
    load_run_config,
    refuse_used_folder,
    save_run_config,
    written_by_one_run,
)
from emotion.training.frozen import fit_last_layer
from emotion.training.networks import find_architecture
from emotion.training.saving import save_model, write_wrong_faces
from emotion.training.stages import forget_stages, load_members, plan_stages, run_stage

logger = logging.getLogger(__name__)

AUDIT_FILE = "audit.json"  # names files: stays on this disk and is never published
# Settings that say what the network is: trained weights fit no other one.
NETWORK_SETTINGS = (
    "architecture", "image_size", "channels", "width", "blocks", "filters", "kernel_size", "dense_units",
)  # fmt: skip
# What stays too where nothing but the last layer changes.
SERVING_SETTINGS = ("flip_averaging", "litert_precision")


def train_model(
    config: TrainingConfig,
    output: str | os.PathLike[str],
    *,
    resume: bool = False,
    overwrite: bool = False,
    command: str | None = None,
) -> EmotionClassifier:
    """Train, calibrate, evaluate and save a model.

    Parameters
    ----------
    config : TrainingConfig
        All hyperparameters.
    output : path
        Becomes a saved model, with the run's logs and checkpoint beside it.
    resume : bool
        Continue the run in `output`.
    overwrite : bool
        Start again in a folder that holds a run or a model.
    command : str, optional
        The command line that made the model, for its card.

    Returns
    -------
    EmotionClassifier
        The model as loaded from `output`. A program that only helps another computer returns the same model
        from a folder of its own, which is gone by then, and its `folder` is None.

    Raises
    ------
    DataError
        If the pictures cannot be trained on, or a checkpoint cannot be resumed.
    TrainingError
        If `output` is in use, holds something else, or cannot be written, or the loss is no longer a number.
    ValueError
        If there are fewer devices than `config.devices`.
    """
    find_architecture(config.architecture)  # a wrong name should not cost the time of an audit
    devices = open_devices(config.devices)
    if devices.first and not (resume or overwrite):
        refuse_used_folder(output)
    with devices.folder(output, resume=resume) as own, written_by_one_run(own) as folder:
        dataset = load_dataset(config, folder=folder)
        if config.groups:
            load_groups(config.groups, dataset.report)  # a wrong file should not cost the time of a run
        joined = load_members(config.members, dataset.outputs)
        if resume:
            check_resumed(config, dataset, folder)
        dataset = record_audit(dataset, folder)
        save_run_config(config, folder, dataset.fingerprint)
        if config.freeze:
            fitted = fit_last_layer(config, dataset)
            save_model([fitted, *joined], config, dataset, folder, seconds=fitted.seconds, command=command)
            return EmotionClassifier.from_pretrained(output)
        logger.info("The run is kept in %s. To continue it after a break: %s", output, _resume(output))
        members, seconds = _run_stages(config, dataset, folder, resume=resume, devices=devices)
        config = replace(config, ensemble_size=len(members))
        save_model([*members, *joined], config, dataset, folder, seconds=seconds, command=command)
        if members[-1].interrupted:
            logger.info("The best epoch so far is saved. To continue the run: %s", _resume(output))
        classifier = EmotionClassifier.from_pretrained(folder)
        if not devices.first:
            classifier = EmotionClassifier(
                classifier.network, classifier.description, report=classifier.report
            )
    return classifier


def _run_stages(
    config: TrainingConfig, dataset: Dataset, folder: Path, *, resume: bool, devices: Devices
) -> tuple[list[FittedNetwork], float]:
    """Fit the networks that the answers will average; return them and the seconds of all stages."""
    stages = plan_stages(config, folder)
    if not resume:
        forget_stages(stages)
    members: list[FittedNetwork] = []
    seconds = 0.0
    for stage in stages:
        fitted = run_stage(stage, dataset, resume=resume, devices=devices)
        seconds += fitted.seconds
        # Half a network is better than none, but no member of an ensemble.
        if stage.is_member and not (fitted.interrupted and members):
            members.append(fitted)
        if fitted.interrupted:
            break
    return members, seconds


def _resume(output: str | os.PathLike[str]) -> str:
    return shlex.join([*TRAIN_COMMAND.split(), "--resume", "--output", str(output)])


def continued_config(output: str | os.PathLike[str], given: dict[str, Any]) -> TrainingConfig:
    """Return the configuration of the run in `output`, with options that win over it."""
    return replace(load_run_config(output), **given)


def network_settings(reference: str | None, *, freeze: bool = False) -> dict[str, Any]:
    """Return the settings of a trained model's network, as far as it names them.

    None, and the run's own teacher, are no trained model. With `freeze`, only its last layer will change.
    """
    if reference is None or reference == OWN_TEACHER:
        return {}
    training = EmotionClassifier.from_pretrained(reference).description.training
    names = NETWORK_SETTINGS + (SERVING_SETTINGS if freeze else ())
    return {name: training[name] for name in names if name in training}


def evaluate_model(
    reference: str | None,
    data: str | Sequence[str],
    output: str | os.PathLike[str],
    *,
    groups: str | None = None,
    revision: str | None = None,
) -> Report:
    """Measure a finished model on a data set and write `report.json` and plots to `output`.

    On the data set that the model was trained on, only the faces that nothing was chosen on count. On any
    other, all held-out faces do, and all faces of a folder without splits.

    Parameters
    ----------
    reference : str or None
        A folder, or owner/name[@revision] on the Hub; None for the embedded model.
    data : str or sequence of str
        Labelled pictures, as `TrainingConfig.data`.
    output : path
        Created if needed.
    groups : path, optional
        CSV of groups, as `TrainingConfig.groups`.
    revision : str, optional
        Branch, tag or commit on the Hub.

    Returns
    -------
    Report

    Raises
    ------
    ModelLoadError, DataError, TrainingError
        If the model, the data or the output folder cannot be used.
    """
    classifier = EmotionClassifier.from_pretrained(reference, revision=revision)
    background = classifier.outputs[len(classifier.labels) :]
    config = settings_of(classifier)
    config = replace(
        config, data=as_sources(data), labels=classifier.labels, background=background, keep_copies=True
    )
    refuse_used_folder(output)
    with written_by_one_run(output) as folder:
        dataset = record_audit(load_dataset(config, evaluation=True, folder=folder), folder)
        if dataset.fingerprint != classifier.description.data.get("fingerprint"):
            dataset = all_held_out(dataset)
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


def can_publish() -> bool:
    """Return whether this computer is signed in to the Hub."""
    return get_token() is not None


def publish_model(
    folder: str | os.PathLike[str],
    repo_id: str | None = None,
    *,
    private: bool = False,
    revision: str | None = None,
    tag: str | None = None,
    also: Sequence[str] = (),
    data: str | Sequence[str] | None = None,
    replace_better: bool = False,
) -> str:
    """Publish a saved folder to the Hub and return its address.

    `repo_id` is by default "<your user name>/facial-emotion". `also` are further options of the command that
    publishes later. On `data`, labelled pictures, a model that is already there is compared first, and kept
    where it is better and that is unlikely to be chance, unless `replace_better`.
    """
    classifier = EmotionClassifier.from_pretrained(folder)

    def compare_first(reference: str) -> None:
        compare_with_published(classifier, reference, data, replace_better=replace_better)

    return publish(
        folder,
        repo_id,
        private=private,
        revision=revision,
        tag=tag,
        also=also,
        card=classifier.render_card,
        before_replacing=compare_first,
    )


def record_audit(dataset: Dataset, folder: Path) -> Dataset:
    """Write the whole audit beside the run, and return the data set with an audit that names no file."""
    (folder / AUDIT_FILE).write_text(json.dumps(dataset.audit, indent=1) + "\n", encoding="utf-8")
    return replace(dataset, audit=_without_lists(dataset.audit))


def _without_lists(findings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_lists(value) if isinstance(value, dict) else value
        for key, value in findings.items()
        if not isinstance(value, list)
    }


REPLACE_ANYWAY = "--replace-better"


def compare_with_published(
    classifier: EmotionClassifier, reference: str, data: str | Sequence[str] | None, *, replace_better: bool
) -> None:
    """Say how a model compares with the published `reference` on faces that neither was chosen on.

    Without `data` nothing is compared. A published model that is right more often, where that is hardly
    chance, is a PublishError, unless `replace_better`.
    """
    if data is None:
        logger.info("There is a model in %s already; --data FOLDER would compare the two first.", reference)
        return
    try:
        published = EmotionClassifier.from_pretrained(reference)
        common_labels([classifier, published])
    except (ModelLoadError, DataError) as error:
        logger.warning("The model that is in %s already cannot be compared with. %s", reference, error)
        return
    logger.info(
        "There is a model in %s already. Comparing the two on %s.", reference, " + ".join(as_sources(data))
    )
    comparison = compare_models([classifier, published], data)
    logger.info(comparison_text(comparison))
    (pair,) = comparison.pairs
    if pair.better == pair.second and not replace_better:
        raise PublishError(
            f"The model in {reference} is better than the new one, and that is unlikely to be chance: it "
            f"alone is right on {pair.only_second} faces, the new one alone on {pair.only_first}. It was not "
            f"replaced. {REPLACE_ANYWAY} replaces it all the same; another name, or --revision, keeps both.",
            also=[REPLACE_ANYWAY],
        )
