"""The stages of a run, each of which fits one network: a teacher, the network, further members."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from emotion.config import OWN_TEACHER, TrainingConfig
from emotion.data.dataset import Dataset
from emotion.data.soft_targets import load_soft_targets
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import DESCRIPTION_FILE
from emotion.model.keras_engine import load_keras
from emotion.report.report import History, Report
from emotion.training.devices import Devices
from emotion.training.distillation import Teaching, blend_targets, teacher_answers
from emotion.training.fit import FittedNetwork, fit
from emotion.training.folder import forget_checkpoint, has_checkpoint
from emotion.training.saving import save_model

logger = logging.getLogger(__name__)

TEACHER_FOLDER = "teacher"
MEMBER_FOLDER = "network{}"


@dataclass(frozen=True)
class Stage:
    """One network to fit.

    Attributes
    ----------
    title : str
        What the log calls it.
    config : TrainingConfig
        Its own settings.
    folder : Path
        Keeps its log and checkpoint, so that it can be resumed.
    saved : Path or None
        Where it is saved as a model of its own; None where it is the whole result of the run.
    is_member : bool
        Whether the result of the run answers with it; a teacher is only learned from.
    """

    title: str
    config: TrainingConfig
    folder: Path
    saved: Path | None
    is_member: bool = True


def plan_stages(config: TrainingConfig, output: Path) -> list[Stage]:
    """Return the stages of a run in their order: a teacher if asked for, then the members of the ensemble.

    Every member after the first has new weights, another seed and the first as its teacher.
    """
    stages: list[Stage] = []
    size = config.ensemble_size
    if config.teacher_epochs:
        teacher = replace(
            config,
            epochs=config.teacher_epochs,
            teacher_epochs=0,
            initial_weights=None if config.initial_weights == OWN_TEACHER else config.initial_weights,
            prior_correction=(),
            ensemble_size=1,
            seed=config.seed + 1,
        )
        folder = output / TEACHER_FOLDER
        stages.append(Stage("the teacher", teacher, folder, folder, is_member=False))
    first = output / MEMBER_FOLDER.format(1) if size > 1 else None
    stages.append(Stage(f"network 1 of {size}", config, output, first))
    for number in range(2, size + 1):
        further = replace(
            config,
            teacher=(str(first),),
            teacher_epochs=0,
            initial_weights=None,
            ensemble_size=1,
            seed=config.seed + number,
        )
        folder = output / MEMBER_FOLDER.format(number)
        stages.append(Stage(f"network {number} of {size}", further, folder, folder))
    return stages


def run_stage(
    stage: Stage,
    dataset: Dataset,
    *,
    resume: bool,
    devices: Devices | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> FittedNetwork:
    """Fit the network of a stage, and save it where it is to be a model of its own.

    Parameters
    ----------
    stage : Stage
    dataset : Dataset
    resume : bool
        Go on after its last complete epoch; what was already saved is taken as it is.
    devices : Devices, optional
        Those that share every batch; by default there is one.
    callbacks : sequence of keras.callbacks.Callback
        As for `fit`.

    Raises
    ------
    KeyboardInterrupt
        If a teacher is interrupted: half of one is not worth learning from.
    """
    if resume and stage.saved and (stage.saved / DESCRIPTION_FILE).exists():
        return _load_saved(stage.saved)
    logger.info("Training %s, %d epochs.", stage.title, stage.config.epochs)
    resume = resume and has_checkpoint(stage.folder)
    teachers = _teachers(stage) if stage.config.teacher_views == "augmented" else []
    fitted = fit(
        stage.config,
        dataset,
        stage.folder,
        resume=resume,
        soft_targets=targets_to_learn(stage, dataset),
        teach=Teaching(teachers, dataset.outputs, stage.config) if teachers else None,
        initial=None if resume else _initial_weights(stage),
        devices=devices,
        callbacks=callbacks,
    )
    if fitted.interrupted and not stage.is_member:
        raise KeyboardInterrupt
    if stage.saved and not fitted.interrupted:
        saved = replace(stage.config, ensemble_size=1, members=())
        save_model([fitted], saved, dataset, stage.saved, seconds=fitted.seconds)
    return fitted


def forget_stages(stages: list[Stage]) -> None:
    """Make sure that a later `resume` takes up nothing that another run left in the folders of this one."""
    for stage in stages:
        forget_checkpoint(stage.folder)
        if stage.saved:
            (stage.saved / DESCRIPTION_FILE).unlink(missing_ok=True)


def targets_to_learn(stage: Stage, dataset: Dataset) -> np.ndarray | None:
    """Return what a network should answer for each training face.

    Returns
    -------
    np.ndarray or None
        float, shape (len(dataset.train), outputs), rows sum to 1; None where that is just the label.
    """
    config = stage.config
    teachers = _teachers(stage) if config.teacher_views == "clean" else []
    if not teachers and not config.soft_labels:
        return None
    if config.soft_labels:
        targets = load_soft_targets(
            config.soft_labels,
            dataset,
            weight=config.soft_label_weight,
            background=config.background_votes,
        )
    else:
        targets = np.eye(len(dataset.outputs))[dataset.train.targets]
    if teachers:
        answers = teacher_answers(teachers, dataset, workers=config.workers)
        targets = blend_targets(targets, answers, config.teacher_weight)
    return targets


def _teachers(stage: Stage) -> list[str]:
    """Return the models that a stage learns from."""
    own = [str(stage.folder / TEACHER_FOLDER)] if stage.config.teacher_epochs else []
    return [*stage.config.teacher, *own]


def _initial_weights(stage: Stage) -> tuple[keras.Model, tuple[str, ...]] | None:
    """Return the trained network that a stage starts from, if any, and what its outputs mean."""
    reference = stage.config.initial_weights
    if reference is None:
        return None
    classifier = EmotionClassifier.from_pretrained(
        stage.folder / TEACHER_FOLDER if reference == OWN_TEACHER else reference
    )
    if classifier.folder is None:
        raise RuntimeError("A classifier that was loaded has a folder.")
    return load_keras(classifier.folder), classifier.outputs


def load_members(references: Sequence[str], outputs: tuple[str, ...]) -> list[FittedNetwork]:
    """Load trained models whose answers are to be averaged with those of a new network.

    Raises
    ------
    DataError
        If one has other outputs, or the same in another order.
    ModelLoadError
        If one cannot be loaded.
    """
    members = []
    for reference in references:
        classifier = EmotionClassifier.from_pretrained(reference)
        if classifier.outputs != outputs:
            raise DataError(
                f"The member {reference} answers for {', '.join(classifier.outputs)}, this run for "
                f"{', '.join(outputs)}. Give --labels and --background in that order, or another --members."
            )
        if classifier.folder is None:
            raise RuntimeError("A classifier that was loaded has a folder.")
        members.append(_load_saved(classifier.folder))
    return members


def _load_saved(folder: Path) -> FittedNetwork:
    """Return a network that an earlier part of this run has fitted and saved."""
    report = EmotionClassifier.from_pretrained(folder).report or Report()
    history = {name: list(curve) for name, curve in asdict(report.history or History()).items() if curve}
    return FittedNetwork(
        load_keras(folder),
        history,
        report.model.get("best_epoch", 0),
        interrupted=False,
        seconds=3600 * report.model.get("hours", 0.0),
    )
