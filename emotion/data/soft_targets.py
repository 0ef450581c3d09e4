"""Votes or probabilities per picture, read as training targets."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence

import numpy as np

from emotion.data.dataset import Dataset
from emotion.data.examples import Examples, PictureTable, missing_columns, read_picture_table, usual_word
from emotion.errors import DataError

logger = logging.getLogger(__name__)


def load_soft_targets(
    path: str | os.PathLike[str], dataset: Dataset, *, weight: float = 1.0, background: float = 0.0
) -> np.ndarray:
    """Read votes or probabilities per picture: float32 (training pictures, outputs), rows sum to 1.

    The CSV has a column `image` (the identifier in `dataset.train`: a path below the data folder, or "row
    17") and one column per network output, by the output's name or a form of it ("happiness", "anger").
    Each row's numbers are divided by their sum; a picture without a row, or with a sum of zero, keeps its
    folder's label. Votes for a folder whose own pictures have no row count for the label that the picture
    has: otherwise every picture in doubt would be pushed towards the classes without votes. `background` is
    the share of such votes for a background class that stays there, `weight` the share of all votes beside
    the label that the picture has. A DataError says what is wrong with the file.
    """
    labels = dataset.train.targets
    table = _read_votes(path, dataset.train, dataset.outputs, "--soft-labels", "training picture")
    votes = np.zeros((len(labels), len(dataset.outputs)), np.float32)
    columns = output_columns(table.columns, dataset.outputs)
    for row, cells in table.rows.items():
        votes[row] = [_votes(path, cells[name]) if name else 0 for name in columns]
    matched = list(table.rows)
    logger.info("%d of %d training pictures have soft labels.", len(matched), len(labels))
    without_votes = np.setdiff1d(np.arange(len(dataset.outputs)), labels[matched])
    kept = np.where(without_votes < len(dataset.labels), 0.0, background)
    votes[np.arange(len(labels)), labels] += (votes[:, without_votes] * (1 - kept)).sum(axis=1)
    votes[:, without_votes] *= kept
    sums = votes.sum(axis=1, keepdims=True)
    one_hot = np.eye(len(dataset.outputs), dtype=np.float32)[labels]
    shares = np.where(sums > 0, votes / np.maximum(sums, 1e-12), one_hot)
    return (weight * shares + (1 - weight) * one_hot).astype(np.float32)


def load_majorities(path: str | os.PathLike[str], examples: Examples, labels: tuple[str, ...]) -> np.ndarray:
    """Read the label that more than half of the voters see: int64 (n,), -1 without a majority.

    The CSV is one of `load_soft_targets`; here all of its columns of numbers are votes, also those for what
    is no label.
    """
    table = _read_votes(path, examples, labels, "--votes", "picture that is measured")
    columns = output_columns(table.columns, labels)
    majorities = np.full(len(examples), -1, np.int64)
    for row, cells in table.rows.items():
        votes = np.array([_votes(path, cells[name]) if name else 0 for name in columns])
        if votes.max() > np.nansum(list(map(_number, cells.values()))) / 2:
            majorities[row] = votes.argmax()
    return majorities


def output_columns(columns: Sequence[str], outputs: tuple[str, ...]) -> list[str | None]:
    """For each output the column that holds its votes, or None."""
    named = {usual_word(name): name for name in columns}
    return [named.get(usual_word(name)) for name in outputs]


def _read_votes(
    path: str | os.PathLike[str], examples: Examples, outputs: tuple[str, ...], option: str, pictures: str
) -> PictureTable:
    needs = f"one column per network output: {', '.join(outputs)}"
    table = read_picture_table(path, examples, option=option, needs=needs, pictures=pictures)
    if not any(output_columns(table.columns, outputs)):
        raise DataError(missing_columns(path, ["image", *table.columns], needs))
    return table


def _votes(path: str | os.PathLike[str], cell: str) -> float:
    votes = _number(cell) if cell else 0.0
    if not 0 <= votes < math.inf:
        raise DataError(f"{path} is not a CSV of votes: {cell!r} is not a vote count; it must be 0 or more.")
    return votes


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
