"""What is known of the people in pictures: who they are, so that data are split by person, and their groups.

A CSV or a pattern over file names names the people. A CSV names the groups: by age, skin tone, glasses,
camera or anything else.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from pathlib import PurePosixPath

import numpy as np

from emotion.data.examples import Examples, missing_columns, read_picture_table
from emotion.errors import DataError

logger = logging.getLogger(__name__)
# File names of well-known data sets: AF01ANS.JPG (the first letter is the session), S005_001_00000011.png,
# KA.AN1.39.tiff.
COMMON_PATTERNS = {
    "KDEF": r"^[AB]([FM]\d\d)[A-Z]{2}",
    "CK+": r"^(S\d{3})_\d",
    "JAFFE": r"^([A-Z]{2})\.[A-Z]{2}\d\.\d",
}
MOST_NAMES = 0.9  # share of the file names that a common pattern has to fit, to be proposed
NEEDS = "a column 'person'"
MOST_VALUES = 8  # of numbers that are groups as they are; more are put into ranges
MOST_GROUPS = 30  # of one column; a name per person says nothing about groups of people
Groups = dict[str, list[str | None]]


def people_of(how: str | None, examples: Examples, *, needed: bool = True) -> list[str | None] | None:
    """Return the person in each picture, None where that is not known; None if nothing says it.

    `how` is a CSV (image,person) or a regular expression with one group, searched in file names. Where it is
    not `needed`, one that fits nothing here says nothing; otherwise that is a DataError.
    """
    if how is None:
        if needed:
            _propose(examples)
        return None
    try:
        people = _from_table(how, examples) if how.lower().endswith(".csv") else _from_names(how, examples)
    except DataError as error:
        if needed:
            raise
        logger.warning("Which person is in which picture is not known here. %s", error)
        return None
    known = Counter(person for person in people if person is not None)
    logger.info("%d people in %d of %d pictures (--people).", len(known), known.total(), len(people))
    return people


def keys_by_person(keys: list[bytes], people: list[str | None], origin: np.ndarray) -> list[bytes]:
    """Return one key per picture that those of one person in one source share, and copies of them too."""
    named = [
        None if person is None else f"{source} {person}".encode()
        for source, person in zip(origin.tolist(), people, strict=True)
    ]
    of_copies: dict[bytes, bytes] = {}
    for key, name in zip(keys, named, strict=True):
        if name is not None:
            of_copies.setdefault(key, name)
    return [name or of_copies.get(key, key) for key, name in zip(keys, named, strict=True)]


def people_findings(people: list[str | None], splits: np.ndarray, used: np.ndarray) -> dict[str, int]:
    """Return how many people are known, and how many of them are in training and held-out pictures alike."""
    known = np.array([person is not None for person in people], bool) & used
    trained, held_out = (
        {people[index] for index in np.flatnonzero(known & part)}
        for part in (splits == "train", splits != "train")
    )
    return {"known": len(trained | held_out), "in_training_and_held_out": len(trained & held_out)}


def _from_table(path: str, examples: Examples) -> list[str | None]:
    table = read_picture_table(path, examples, option="--people", needs=NEEDS, pictures="picture of --data")
    if "person" not in table.columns:
        raise DataError(missing_columns(path, ["image", *table.columns], NEEDS))
    return [table.rows.get(index, {}).get("person") or None for index in range(len(examples))]


def _from_names(pattern: str, examples: Examples) -> list[str | None]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"--people {pattern!r} is neither a .csv file nor a valid regular expression ({error})."
        ) from error
    if compiled.groups != 1:
        raise DataError(f"--people {pattern!r} needs one group in brackets, such as '^([A-Z]+\\d+)_'.")
    found = [compiled.search(name) for name in _names(examples)]
    if not any(found):
        raise DataError(f"--people {pattern!r} fits no file name, such as {_names(examples)[0]}.")
    return [match[1] if match else None for match in found]


def _propose(examples: Examples) -> None:
    """Log a pattern that finds people in file names like these."""
    names = _names(examples)
    for source, pattern in COMMON_PATTERNS.items():
        people = Counter(match[1] for name in names if (match := re.search(pattern, name)))
        if people.total() >= MOST_NAMES * max(len(names), 1) and 1 < len(people) < people.total():
            logger.warning(
                "These file names look like %s's: --people '%s' keeps each person's pictures on one side.",
                source,
                pattern,
            )


def _names(examples: Examples) -> list[str]:
    return [PurePosixPath(identifier).name for identifier in examples.identifiers]


def load_groups(path: str | os.PathLike[str], examples: Examples) -> Groups:
    """Read the groups that pictures belong to: column → the group of each example, None where no row says.

    The CSV has a column `image`, as a file of soft labels has, and any others. Each is one way to tell
    pictures apart; a picture without a row, or with an empty cell, belongs to no group. A column of more
    than `MOST_VALUES` different numbers, such as ages, is cut into four ranges of about as many pictures
    each. A DataError says that it is not such a CSV, or that a column has more than `MOST_GROUPS` groups.
    """
    needs = "a column or more that tell groups apart, such as 'age' or 'glasses'"
    table = read_picture_table(
        path, examples, option="--groups", needs=needs, pictures="picture that is measured"
    )
    if not table.columns:
        raise DataError(missing_columns(path, ["image"], needs))
    groups: Groups = {}
    for column in table.columns:
        own = _in_ranges({index: cells[column] for index, cells in table.rows.items() if cells[column]})
        if (kinds := len(set(own.values()))) > MOST_GROUPS:
            raise DataError(
                f"{path} tells {kinds} groups apart by '{column}', and at most {MOST_GROUPS} can be judged. "
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
