"""Groups of pictures, as a CSV names them: by age, skin tone, glasses, camera, or anything else."""

from __future__ import annotations

import logging
import os

import numpy as np

from emotion.data.examples import Examples, missing_columns, read_picture_table
from emotion.errors import DataError

logger = logging.getLogger(__name__)

MOST_VALUES = 8  # of numbers that are groups as they are; more are put into ranges
MOST_GROUPS = 30  # of one column; a name per person says nothing about groups of people

Groups = dict[str, list[str | None]]


def load_groups(path: str | os.PathLike[str], examples: Examples, *, most: int = MOST_GROUPS) -> Groups:
    """Read the groups that pictures belong to: column → the group of each example, None where no row says.

    The CSV has a column `image`, as a file of soft labels has, and any others. Each is one way to tell
    pictures apart; a picture without a row, or with an empty cell, belongs to no group. A column of more
    than `MOST_VALUES` different numbers, such as ages, is cut into four ranges of about as many pictures
    each. A DataError says that it is no such CSV, or that a column has more groups than `most`.
    """
    needs = "a column or more that tell groups apart, such as 'age' or 'glasses'"
    table = read_picture_table(
        path, examples, option="--groups", needs=needs, pictures="picture that is measured"
    )
    if not table.columns:
        raise DataError(missing_columns(path, ["image"], needs))
    groups: Groups = {}
    for column in table.columns:
        own = {index: cells[column] for index, cells in table.rows.items() if cells[column]}
        own = _in_ranges(own)
        if (kinds := len(set(own.values()))) > most:
            raise DataError(
                f"{path} tells {kinds} groups apart by '{column}', and at most {most} can be judged. "
                "Put them together to fewer, or leave the column out."
            )
        groups[column] = [own.get(index) for index in range(len(examples))]
    logger.info("%d of %d measured pictures have groups.", len(table.rows), len(examples))
    return groups


def _in_ranges(values: dict[int, str]) -> dict[int, str]:
    """Return values as they are, or numbers of many kinds as ranges such as 18–29."""
    try:
        numbers = np.array(list(map(float, values.values())))
    except ValueError:
        return values
    if len(set(values.values())) <= MOST_VALUES or not np.isfinite(numbers).all():
        return values
    edges = np.unique(np.quantile(numbers, (0.25, 0.5, 0.75)))
    codes = np.searchsorted(edges, numbers, side="right")
    names = {}
    for code in np.unique(codes):
        low, high = numbers[codes == code].min(), numbers[codes == code].max()
        names[code] = f"{low:g}" if low == high else f"{low:g}–{high:g}"
    return {index: names[code] for index, code in zip(values, codes, strict=True)}
