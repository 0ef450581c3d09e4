"""CSV files that say something about pictures by name: votes, groups."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass

from emotion.data.examples import Examples
from emotion.errors import DataError

IMAGE = "image"  # the column that names the picture


@dataclass(frozen=True)
class PictureTable:
    """The rows of a CSV that are about known pictures.

    Attributes
    ----------
    columns : tuple of str
        All but `image`, as they are spelled.
    rows : dict
        Position of the picture among the examples → its cells by column.
    """

    columns: tuple[str, ...]
    rows: dict[int, dict[str, str]]


def read_picture_table(
    path: str | os.PathLike[str], examples: Examples, *, option: str, needs: str, pictures: str
) -> PictureTable:
    """Read a CSV with a column `image`: a path below the data folder, or "row 17" of a CSV of pictures.

    Parameters
    ----------
    path : path
    examples : Examples
        The pictures that rows may be about; other rows are passed over. The last row about one counts.
    option : str
        What names the file on the command line.
    needs : str
        Which columns it must have beside `image`, in words.
    pictures : str
        What the examples are called, such as "training picture".

    Raises
    ------
    DataError
        If the file is no such CSV or names none of the pictures.
    """
    # A file of one source knows nothing of the others: the path below that source's folder will do.
    position = {examples.path_in_source(index): index for index in range(len(examples))}
    position |= {identifier: index for index, identifier in enumerate(examples.identifiers)}
    rows: dict[int, dict[str, str]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            fields = [name for name in reader.fieldnames or [] if name is not None]
            if IMAGE not in fields:
                raise DataError(missing_columns(path, fields, needs))
            for line in reader:
                index = position.get((line[IMAGE] or "").replace("\\", "/"))
                if index is not None:
                    rows[index] = {name: (line[name] or "").strip() for name in fields if name != IMAGE}
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path given to {option}."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV: {error}. Check the file given to {option}.") from error
    if not rows:
        example = examples.identifiers[0] if len(examples) else "happy/1.jpg"
        raise DataError(
            f"{path} names no {pictures}. Its column '{IMAGE}' must hold paths such as {example}."
        )
    return PictureTable(tuple(name for name in fields if name != IMAGE), rows)


def missing_columns(path: str | os.PathLike[str], fields: list[str], needs: str) -> str:
    """Return what is wrong with a file that lacks columns."""
    return f"{path} has the columns {', '.join(fields) or '(none)'}. It needs '{IMAGE}' and {needs}."
