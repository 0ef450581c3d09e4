"""The stages of a run, each of which fits one network: a teacher, the network, further members."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from emotion.config import OWN_TEACHER, TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset
from emotion.data.soft_targets import load_soft_targets
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import DESCRIPTION_FILE
from emotion.model.keras_engine import load_keras
from emotion.predictions.calibration import renormalise
from emotion.report.report import History, Report
from emotion.training.devices import Devices
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


def blend_targets(targets: np.ndarray, answers: np.ndarray, weight: float) -> np.ndarray:
    """Mix what the labels say with what teachers answer.

    Parameters
    ----------
    targets, answers : float array (n, outputs)
        Distributions: rows sum to 1.
    weight : float
        Share of the answers, in 0..1.

    Returns
    -------
    float32 array (n, outputs)
        Rows sum to 1.
    """
    return ((1 - weight) * targets + weight * answers).astype(np.float32)


def teacher_answers(teachers: Sequence[str], dataset: Dataset, *, workers: int = 2) -> np.ndarray:
    """Return the mean of the teachers' probabilities for every training face.

    Parameters
    ----------
    teachers : sequence of str
        Folders of saved models, or `owner/name[@revision]` on the Hub. They may list the outputs in another
        order and know more of them than `dataset`, whatever their input size.
    dataset : Dataset
        Its training faces are shown as they are.
    workers : int
        Threads that decode pictures.

    Returns
    -------
    float32 array (len(dataset.train), len(dataset.outputs))
        Rows sum to 1.

    Raises
    ------
    DataError
        If a teacher does not know one of the outputs.
    ModelLoadError
        If a teacher cannot be loaded.
    """
    classifiers = _load_teachers(teachers, dataset.outputs)
    answers = [_answers(classifier, dataset, workers) for classifier in classifiers]
    return np.stack(answers).mean(axis=0, dtype=np.float32)


class Teaching:
    """Blends what teachers answer for a batch of faces into its targets, while a student learns from them.

    Parameters
    ----------
    teachers : sequence of str
        As in `teacher_answers`, with the student's input size and channels.
    outputs : sequence of str
        The student's.
    config : TrainingConfig
        The student's.

    Raises
    ------
    DataError
        If a teacher does not know one of the outputs, or takes other faces.
    ModelLoadError
        If a teacher cannot be loaded.
    """

    def __init__(self, teachers: Sequence[str], outputs: Sequence[str], config: TrainingConfig) -> None:
        self.teachers = _load_teachers(teachers, outputs)
        self.outputs, self.weight = outputs, config.teacher_weight
        for name, teacher in zip(teachers, self.teachers, strict=True):
            if (teacher.input_size, teacher.channels) != (config.image_size, config.channels):
                raise DataError(
                    f"The teacher {name} takes faces of {teacher.input_size} pixels and {teacher.channels} "
                    "channels. Give --teacher-views clean, or the same --image-size and --channels."
                )

    def __call__(self, faces: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the blended targets: float32 (n, outputs), of float32 faces and targets."""
        answers = [_as_trained(teacher, teacher.network(faces), self.outputs) for teacher in self.teachers]
        return blend_targets(targets, np.mean(answers, axis=0), self.weight)


def _load_teachers(teachers: Sequence[str], outputs: Sequence[str]) -> list[EmotionClassifier]:
    classifiers = [EmotionClassifier.from_pretrained(teacher) for teacher in teachers]
    for name, classifier in zip(teachers, classifiers, strict=True):
        if unknown := [output for output in outputs if output not in classifier.outputs]:
            raise DataError(
                f"The teacher {name} cannot answer for {', '.join(unknown)}: it knows "
                f"{', '.join(classifier.outputs)}. Name another --teacher, or the same --labels and "
                "--background."
            )
    return classifiers


def _answers(teacher: EmotionClassifier, dataset: Dataset, workers: int) -> np.ndarray:
    """Return one teacher's probabilities for the training faces, in the order of `dataset.outputs`."""
    batches = FaceBatches(
        dataset.train,
        outputs=len(dataset.outputs),
        batch_size=256,
        size=teacher.input_size,
        channels=teacher.channels,
        shuffle=False,
        seed=0,
        workers=workers,
    )
    shown = tqdm(range(len(batches)), desc="Asking a teacher", leave=False)
    probabilities = np.concatenate([teacher.network(batches[index][0]) for index in shown])
    return _as_trained(teacher, probabilities, dataset.outputs)


def _as_trained(teacher: EmotionClassifier, probabilities: np.ndarray, outputs: Sequence[str]) -> np.ndarray:
    """Return a teacher's answers in the order of `outputs`, for classes as frequent as it was trained on.

    The student is corrected for their use by itself.
    """
    factors = TrainingConfig.from_dict(teacher.description.training).prior_factors()
    probabilities = probabilities / [factors.get(output, 1.0) for output in teacher.outputs]
    columns = [teacher.outputs.index(output) for output in outputs]
    return renormalise(probabilities[:, columns], len(columns))
