"""What trained networks answer for the training faces, as targets that another network learns from.

After Hinton et al., "Distilling the knowledge in a neural network", 2015, and Furlanello et al., "Born-again
neural networks", 2018. Teachers answer once for every clean face; the student sees it augmented.
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
    classifiers = [EmotionClassifier.from_pretrained(teacher) for teacher in teachers]
    for name, classifier in zip(teachers, classifiers, strict=True):
        if unknown := [output for output in dataset.outputs if output not in classifier.outputs]:
            raise DataError(
                f"The teacher {name} cannot answer for {', '.join(unknown)}: it knows "
                f"{', '.join(classifier.outputs)}. Name another --teacher, or the same --labels and "
                "--background."
            )
    answers = [_answers(classifier, dataset, workers) for classifier in classifiers]
    return np.stack(answers).mean(axis=0, dtype=np.float32)


def _answers(teacher: EmotionClassifier, dataset: Dataset, workers: int) -> np.ndarray:
    """Return one teacher's probabilities, in the order of `dataset.outputs`.

    For classes as frequent as where it was trained: the student is corrected for their use by itself.
    """
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
    factors = TrainingConfig.from_dict(teacher.description.training).prior_factors()
    probabilities = probabilities / [factors.get(output, 1.0) for output in teacher.outputs]
    columns = [teacher.outputs.index(output) for output in dataset.outputs]
    return renormalise(probabilities[:, columns], len(columns))
