"""Votes or probabilities per picture, read as training targets."""

from __future__ import annotations

import csv
import logging
import os
from collections.abc import Sequence

import numpy as np

from emotion.data.dataset import Dataset
from emotion.errors import DataError

logger = logging.getLogger(__name__)

SYNONYMS = {  # columns of vote files such as FER+'s: how the folders call them
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}


def load_soft_targets(path: str | os.PathLike[str], dataset: Dataset, *, column: str = "image") -> np.ndarray:
    """Read votes or probabilities per picture as training targets.

    The CSV has a column `image` (the identifier in `dataset.train`: a path below the data folder, or
    "row 17") and one column per network output, by the output's name or a form of it ("happiness", "anger").
    Other columns are ignored. Each row's numbers are divided by their sum; a picture without a row, or with a
    sum of zero, keeps its folder's label. Votes for a folder whose own pictures have no row count for the
    label that the picture has: otherwise every picture in doubt would be pushed towards the classes that
    nobody voted on.

    Returns
    -------
    np.ndarray
        float32 (len(dataset.train), len(dataset.outputs)), rows sum to 1.

    Raises
    ------
    DataError
        If the file is not such a CSV or names none of the training pictures.
    """
    labels = dataset.train.targets
    votes = np.zeros((len(labels), len(dataset.outputs)), np.float32)
    row_of = {identifier: row for row, identifier in enumerate(dataset.train.identifiers)}
    matched = np.zeros(len(labels), bool)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = output_columns(reader.fieldnames or [], dataset.outputs, path, column)
            for line in reader:
                row = row_of.get((line[column] or "").replace("\\", "/"))
                if row is None:
                    continue
                matched[row] = True
                votes[row] = [float(line[name] or 0) if name else 0 for name in columns]
                if not np.isfinite(votes[row]).all() or (votes[row] < 0).any():
                    raise ValueError(f"{votes[row].tolist()} in line {reader.line_num}")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path given to --soft-labels."
        ) from error
    except (ValueError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV of votes: {error}. Votes are numbers from 0 up.") from error
    if not matched.any():
        raise DataError(
            f"{path} names no training picture. Its column '{column}' must hold paths such as "
            f"{dataset.train.identifiers[0]}."
        )
    logger.info("%d of %d training pictures have soft labels.", matched.sum(), len(labels))
    without_votes = np.setdiff1d(np.arange(len(dataset.outputs)), labels[matched])
    votes[np.arange(len(labels)), labels] += votes[:, without_votes].sum(axis=1)
    votes[:, without_votes] = 0
    sums = votes.sum(axis=1, keepdims=True)
    one_hot = np.eye(len(dataset.outputs), dtype=np.float32)[labels]
    return np.where(sums > 0, votes / np.maximum(sums, 1e-12), one_hot)


def output_columns(
    fields: Sequence[str], outputs: tuple[str, ...], path: str | os.PathLike[str], image_column: str
) -> list[str | None]:
    """For each output the column of a vote file that holds it; None for a background without one.

    Raises
    ------
    DataError
        If the image column or all outputs are missing.
    """
    named = {SYNONYMS.get(name.strip().lower(), name.strip().lower()): name for name in fields}
    columns = [named.get(name.lower()) for name in outputs]
    if image_column not in fields or not any(columns):
        raise DataError(
            f"{path} has the columns {', '.join(fields) or '(none)'}. It needs '{image_column}' and one "
            f"column per network output: {', '.join(outputs)}."
        )
    return columns
