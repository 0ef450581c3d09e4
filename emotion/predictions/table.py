"""Answers as CSV: the one table that the page and the command line write."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction

# What a spreadsheet takes for the beginning of a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class PredictionTable:
    """Writes one row per face as the answers come; a picture without a face has one row with face 0.

    Names of files come from strangers: one that a spreadsheet would run as a formula is defused with an
    apostrophe.

    Parameters
    ----------
    file : text file
        Opened with `newline=""`. The head is written at once.
    labels : sequence of str
        One column each, after the others, for its probability.
    """

    def __init__(self, file: TextIO, labels: Sequence[str]) -> None:
        self._labels = labels
        self._rows = csv.writer(file, lineterminator="\n")
        place = ["file", "face", "x", "y", "width", "height"]
        self._rows.writerow([*place, "label", "confidence", "reason", *labels, "error"])

    def write(self, name: str, faces: Sequence[FacePrediction], *, error: str = "") -> None:
        """Write the rows of one picture; `error` says why it could not be read."""
        name = f"'{name}" if name.startswith(FORMULA_SIGNS) else name
        if not faces:
            blank = [""] * len(self._labels)
            self._rows.writerow([name, 0, *[""] * 6, "" if error else "no face", *blank, error])
        for number, face in enumerate(faces, start=1):
            answer = [face.label or "", f"{face.confidence:.4f}", face.reason or ""]
            shares = [f"{face.probabilities[label]:.4f}" for label in self._labels]
            self._rows.writerow([name, number, *(face.box or [""] * 4), *answer, *shares, ""])
