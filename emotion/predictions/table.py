"""Answers as CSV: the one table that the page and the command line write, for pictures and for clips."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from emotion.predictions.face import Answer

# What a spreadsheet takes for the beginning of a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class PredictionTable:
    """Writes one row per face as answers come; a picture or moment without a face has one row with face 0.

    Names of files and labels are untrusted: an apostrophe defuses those that a spreadsheet would run as a
    formula. `timed` adds a column of seconds. The file was opened with `newline=""`; its head is written at
    once.
    """

    def __init__(self, file: TextIO, labels: Sequence[str], *, timed: bool = False) -> None:
        self._labels, self._timed = labels, timed
        self._rows = csv.writer(file, lineterminator="\n")
        time = ["time_seconds"] if timed else []
        place = ["face", "x", "y", "width", "height"]
        shown = map(_defused, labels)
        self._rows.writerow(["file", *time, *place, "label", "confidence", "reason", *shown, "error"])

    def write(
        self, name: str, faces: Sequence[Answer], *, time: float | None = None, error: str = ""
    ) -> None:
        """Write the rows of one picture, or of the moment of a clip at `time` seconds.

        Faces are numbered from 1; followed faces keep their number. `error` says why a file could not be
        read.
        """
        moment = ["" if time is None else f"{time:.3f}"] if self._timed else []
        first = [_defused(name), *moment]
        if not faces:
            blank = [""] * len(self._labels)
            self._rows.writerow([*first, 0, *[""] * 6, "" if error else "no face", *blank, error])
        for index, face in enumerate(faces, start=1):
            number = getattr(face, "id", index)
            answer = [_defused(face.label or ""), f"{face.confidence:.4f}", face.reason or ""]
            shares = [f"{face.probabilities[label]:.4f}" for label in self._labels]
            self._rows.writerow([*first, number, *(face.box or [""] * 4), *answer, *shares, ""])


def _defused(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
