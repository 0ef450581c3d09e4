"""The CSV that FER2013 is published as: rows listed by byte offset, and decoded when they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotion.data.examples import Examples, Source, Wanted, choose_outputs
from emotion.errors import DataError, InvalidImageError

FER2013_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER2013_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}


@dataclass(frozen=True)
class CsvReader:
    """Opens rows of a FER2013 CSV by their byte offset, so that no pixels are held."""

    path: Path
    offsets: np.ndarray = field(repr=False)
    column: int

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one row: uint8 (side, side, 3), grey."""
        with open(self.path, "rb") as file:
            file.seek(self.offsets[int(identifier.split()[-1])])
            cells = file.readline().decode("ascii", "replace").split(",")
        where = f"{identifier} of {self.path}"
        return read_pixels(cells[self.column] if len(cells) > self.column else "", where)


def read_pixels(text: str, where: str) -> np.ndarray:
    """Read grey levels 0 to 255 with spaces between them: uint8 (side, side, 3)."""
    try:
        pixels = np.array(text.strip('" \r\n').split(), np.int64)
    except (ValueError, OverflowError):
        raise InvalidImageError(f"The pixels of {where} are not numbers.") from None
    side = math.isqrt(pixels.size)
    if side == 0 or side * side != pixels.size or pixels.min() < 0 or pixels.max() > 255:
        raise InvalidImageError(f"{where} is not a square of pixels of 0 to 255.")
    return np.repeat(pixels.astype(np.uint8).reshape(side, side, 1), 3, axis=2)


def open_csv(path: Path, wanted: Wanted) -> Source:
    """List the rows of a CSV with the columns `emotion` (0 to 6 as FER2013 numbers them), `pixels`, `Usage`.

    Usage Training is the training split, PublicTest validation, PrivateTest test; without the column all
    rows are one split.
    """
    chosen = choose_outputs(FER2013_EMOTIONS, wanted, where="A FER2013 CSV", kind="emotion")
    target_of = {str(FER2013_EMOTIONS.index(name)): target for name, target in chosen.target_of.items()}
    offsets: list[int] = []
    listed: dict[str, list[tuple[str, int]]] = {}
    with open(path, "rb") as file:
        head = file.readline()
        columns = [name.strip('" \r\n\ufeff').lower() for name in head.decode("utf-8", "replace").split(",")]
        if not {"emotion", "pixels"} <= set(columns):
            raise DataError(
                f"{path} has the columns {', '.join(columns)}. A FER2013 CSV has emotion, pixels and "
                "Usage in its first line."
            )
        emotion, usage = columns.index("emotion"), columns.index("usage") if "usage" in columns else None
        offset = len(head)
        for line in file:
            offsets.append(offset)
            offset += len(line)
            cells = [cell.strip(b'" \r\n').decode("ascii", "replace") for cell in line.split(b",")]
            if len(cells) < len(columns) or cells[emotion] not in target_of:
                continue
            split = "all" if usage is None else FER2013_USAGES.get(cells[usage].lower())
            if split:
                listed.setdefault(split, []).append((f"row {len(offsets) - 1}", target_of[cells[emotion]]))
    if not listed:
        raise DataError(
            f"{path} has no rows of {', '.join(chosen.outputs)} with a Usage that FER2013 knows. "
            "Check the file."
        )
    reader = CsvReader(path, np.array(offsets, np.int64), columns.index("pixels"))
    splits = {split: Examples.of_rows(rows, reader) for split, rows in listed.items()}
    return Source(chosen.labels, chosen.outputs, splits)
