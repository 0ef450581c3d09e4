"""One run from a configuration to a saved model: data, training, evaluation and saving, in that order.

The only room that knows both training and evaluation; `train.py` calls it and prints what comes back.
"""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from keras import Model

from emotion.classifier import (
    DESCRIPTION_FILE,
    PLOTS_FOLDER,
    REPORT_FILE,
    Description,
    EmotionClassifier,
    library_versions,
)
from emotion.config import OWN_TEACHER, TrainingConfig
from emotion.data.dataset import Dataset, Examples, load_dataset, load_soft_targets
from emotion.report.metrics import Evaluation, evaluate, public_source
from emotion.report.plots import write_plots, wrong_faces_sheet
from emotion.runtime import KerasNetwork, load_keras
from emotion.training.distillation import teach, teacher_answers
from emotion.training.fit import TrainingResult, has_checkpoint, save_run_config, train
from emotion.training.networks import average_networks, find_architecture

logger = logging.getLogger(__name__)

# These stay on this disk and are never published: they show people and name files.
WRONG_FACES_FILE = "wrong_faces.png"
AUDIT_FILE = "audit.json"
TEACHER_FOLDER = "teacher"
OTHER_NETWORK_FOLDER = "network{}"


def train_model(
    config: TrainingConfig, output: str | os.PathLike, *, resume: bool = False, command: str | None = None
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
    command : str, optional
        The command line that made the model, for its card.

    Returns
    -------
    EmotionClassifier
        The model as loaded from `output`.

    Raises
    ------
    DataError
        If the pictures cannot be trained on, or there is no run to resume.
    """
    output = Path(output)
    find_architecture(config.architecture)  # a wrong name should not cost the time of an audit
    dataset = _write_audit(load_dataset(config), output)
    save_run_config(config, output)
    logger.info(
        "The run is kept in %s. If it is killed: python train.py --resume --output %s", output, output
    )
    if config.teacher_epochs:
        _train_teacher(config, dataset, output / TEACHER_FOLDER, resume=resume)
        resume = resume and has_checkpoint(output)
    result = _fit(config, dataset, output, resume=resume)
    _save(result, replace(config, networks=1), dataset, output, command)
    if config.networks > 1 and not result.interrupted:
        others = _train_others(config, dataset, output, resume=resume)
        result = replace(result, network=average_networks([result.network, *others]))
        _save(result, config, dataset, output, command)
    return EmotionClassifier.from_pretrained(output)


def _train_teacher(config: TrainingConfig, dataset: Dataset, output: Path, *, resume: bool) -> None:
    """Train and save the teacher of a run."""
    logger.info("First the teacher, %d epochs.", config.teacher_epochs)
    config = replace(
        config,
        epochs=config.teacher_epochs,
        teacher_epochs=0,
        start=None if config.start == OWN_TEACHER else config.start,
        frequency=(),
        seed=config.seed + 1,
    )
    _train_part(config, dataset, output, resume=resume)


def _train_others(config: TrainingConfig, dataset: Dataset, output: Path, *, resume: bool) -> list[Model]:
    """Train and save the further networks of a run, whose teacher is the first, saved in `output`."""
    others = []
    for number in range(2, config.networks + 1):
        logger.info("Now network %d of %d, %d epochs.", number, config.networks, config.epochs)
        own = replace(config, teacher=(str(output),), teacher_epochs=0, start=None, seed=config.seed + number)
        folder = output / OTHER_NETWORK_FOLDER.format(number)
        _train_part(own, dataset, folder, resume=resume)
        others.append(load_keras(folder))
    return others


def _train_part(config: TrainingConfig, dataset: Dataset, output: Path, *, resume: bool) -> None:
    """Train and save one network that a run is made of; one that a resumed run had finished stays as it is."""
    if resume and (output / DESCRIPTION_FILE).exists():
        return
    config = replace(config, networks=1)
    resume = resume and has_checkpoint(output)
    result = _fit(config, dataset, output, resume=resume)
    if result.interrupted:
        raise KeyboardInterrupt  # half a network is not worth learning from; the run can be resumed
    _save(result, config, dataset, output, command=None)


def _fit(config: TrainingConfig, dataset: Dataset, output: Path, *, resume: bool) -> TrainingResult:
    """Train on the targets and from the weights that the configuration names."""
    targets, start = _targets(config, dataset, output), None if resume else _start(config, output)
    return train(config, dataset, output, resume=resume, soft_targets=targets, start=start)


def _save(
    result: TrainingResult, config: TrainingConfig, dataset: Dataset, output: Path, command: str | None
) -> None:
    """Calibrate, evaluate and write the saved model, its report and the faces that it got wrong."""
    network = KerasNetwork(result.network)
    model = {
        "architecture": config.architecture,
        "parameters": int(result.network.count_params()),
        "epochs_trained": len(result.history["loss"]),
        "best_epoch": result.best_epoch,
        "faces_trained_on": len(dataset.train),
        "command": command,
    }
    size, channels = config.image_size, config.channels
    evaluation = evaluate(network, dataset, size=size, channels=channels, model=model, history=result.history)
    description = Description(
        labels=dataset.labels,
        outputs=dataset.outputs,
        input_size=size,
        channels=channels,
        calibration=evaluation.calibration,
        training=_public_settings(config),
        data={
            "source": public_source(dataset.source),
            "fingerprint": dataset.fingerprint,
            "report_split": dataset.report_split,
        },
        versions=library_versions(),
    )
    EmotionClassifier(network, description, report=evaluation.report).save_pretrained(
        output, litert_precision=config.litert_precision
    )
    _write_wrong_faces(dataset, evaluation, output)


def _targets(config: TrainingConfig, dataset: Dataset, output: Path) -> np.ndarray | None:
    """Return what the network should answer for each training face; None where that is just the label."""
    teachers = list(config.teacher)
    if config.teacher_epochs:
        teachers.append(str(output / TEACHER_FOLDER))
    if not teachers and not config.soft_labels:
        return None
    if config.soft_labels:
        targets = load_soft_targets(config.soft_labels, dataset)
    else:
        targets = np.eye(len(dataset.outputs))[dataset.train.targets]
    if teachers:
        answers = teacher_answers(teachers, dataset, workers=config.workers)
        targets = teach(targets, answers, config.teacher_weight)
    return targets


def _start(config: TrainingConfig, output: Path) -> tuple[Model, tuple[str, ...]] | None:
    """Return the trained network that a run starts from, if any, and what its outputs mean."""
    if config.start is None:
        return None
    reference = output / TEACHER_FOLDER if config.start == OWN_TEACHER else config.start
    classifier = EmotionClassifier.from_pretrained(reference)
    return load_keras(classifier.folder), classifier.outputs


def evaluate_model(
    reference: str | None, data: str, output: str | os.PathLike, *, revision: str | None = None
) -> dict[str, Any]:
    """Measure a finished model on a data set and write `report.json` and plots to `output`.

    On the data set that the model was trained on, only the faces that nothing was chosen on count. On any
    other, all held-out faces do, and all faces of a folder without splits.

    Returns
    -------
    dict
        The report.

    Raises
    ------
    ModelLoadError, DataError
        If the model or the data cannot be used.
    """
    classifier = EmotionClassifier.from_pretrained(reference, revision=revision)
    background = classifier.outputs[len(classifier.labels) :]
    config = TrainingConfig.from_dict(classifier.description.training)
    config = replace(config, data=data, labels=classifier.labels, background=background, keep_copies=True)
    output = Path(output)
    dataset = _write_audit(load_dataset(config, evaluation=True), output)
    if dataset.fingerprint != classifier.description.data.get("fingerprint"):
        dataset = _all_held_out(dataset)
    evaluation = evaluate(
        classifier.network,
        dataset,
        size=classifier.input_size,
        channels=classifier.channels,
        model=(classifier.report or {}).get("model", {}),
        calibration=classifier.description.calibration,
    )
    write_report(evaluation.report, output)
    _write_wrong_faces(dataset, evaluation, output)
    return evaluation.report


def summarise(report: dict[str, Any]) -> str:
    """Return the figures of a report that a person looks at first, as a few lines of text."""
    accuracy, calibration, not_sure = report["accuracy"], report["calibration"], report["not_sure"]
    if accuracy["value"] is None:
        return "No face with a label was held out, so there is nothing to report."
    low, high = accuracy["interval"]
    lines = [
        f"Accuracy {accuracy['value']:.1%} (95 % interval {low:.1%} to {high:.1%}) on {accuracy['faces']} faces "
        f"that nothing was chosen on ({report['data']['report_split']}).",
        f"Expected calibration error {calibration['expected_calibration_error_after']:.3f} "
        f"({calibration['expected_calibration_error_before']:.3f} before temperature scaling).",
    ]
    if not_sure["error_among_answered"] is not None:
        lines.append(
            f"Answers {not_sure['coverage']:.0%} of the faces with a label, and is wrong on "
            f"{not_sure['error_among_answered']:.1%} of those; on the others it says 'not sure'."
        )
    for label, figures in report["per_class"].items():
        precision, recall = (
            "none" if figures[name] is None else f"{figures[name]:.1%}" for name in ("precision", "recall")
        )
        lines.append(f"  {label}: precision {precision}, recall {recall} ({figures['support']} faces)")
    return "\n".join(lines)


def write_report(report: dict[str, Any], folder: Path) -> None:
    """Write `report.json` and `plots/*.png` to a folder."""
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_plots(report, folder / PLOTS_FOLDER)


def _all_held_out(dataset: Dataset) -> Dataset:
    """Report on every face that another data set holds out; on all of them where it holds none out."""
    parts = [dataset.calibration, dataset.report]
    held_out_by_folder = "test" in dataset.report_split or "validation" in dataset.report_split
    if not held_out_by_folder:
        parts.append(dataset.train)
    everything = Examples(
        [identifier for part in parts for identifier in part.identifiers],
        np.concatenate([part.targets for part in parts]),
        dataset.report.read,
    )
    title = "all held-out faces" if held_out_by_folder else "all faces"
    return replace(dataset, report=everything, report_split=title)


def _public_settings(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of a run without the folders that lead to its files."""
    settings = config.to_dict()
    paths = {
        name: public_source(settings[name]) for name in ("data", "soft_labels", "start") if settings[name]
    }
    return settings | paths | {"teacher": [public_source(name) for name in config.teacher]}


def _write_audit(dataset: Dataset, output: Path) -> Dataset:
    """Write the whole audit beside the run, and return the data set with an audit that names no file."""
    output.mkdir(parents=True, exist_ok=True)
    (output / AUDIT_FILE).write_text(json.dumps(dataset.audit, indent=1) + "\n", encoding="utf-8")
    return replace(dataset, audit=_without_lists(dataset.audit))


def _without_lists(findings: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_lists(value) if isinstance(value, dict) else value
        for key, value in findings.items()
        if not isinstance(value, list)
    }


def _write_wrong_faces(dataset: Dataset, evaluation: Evaluation, output: Path) -> None:
    wrong_faces_sheet(
        dataset.report, evaluation.probabilities, output / WRONG_FACES_FILE, labels=dataset.labels
    )
