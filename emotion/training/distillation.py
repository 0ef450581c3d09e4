"""What trained networks answer for the training faces, as targets that another network learns from.

After Hinton et al., "Distilling the knowledge in a neural network", 2015, and Furlanello et al., "Born-again
neural networks", 2018. Teachers answer once for every clean face, and the student sees it augmented; or they
answer for each augmented face, as in Beyer et al., "Knowledge distillation: a good teacher is patient and
consistent", 2022.
"""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.dataset import Dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.calibration import renormalise


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
