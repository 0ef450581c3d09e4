"""What one face shows: the answer that every part of the program hands on, and its JSON and CSV forms."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

# The one reason that is about the expression; all others are about the picture.
NEUTRAL_OR_MIXED = "neutral or mixed"
# x, y, width, height in pixels.
Box = tuple[int, int, int, int]
# What a spreadsheet takes for the beginning of a formula.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Answer:
    """What is shown of a face, be it of a picture or followed through a clip; see `FacePrediction`."""

    box: Box | None
    label: str | None
    confidence: float
    probabilities: dict[str, float]
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that the app's API answers with."""
        return {
            "box": None if self.box is None else list(self.box),
            "label": self.label,
            "confidence": round(self.confidence, 4),
            "reason": self.reason,
            "probabilities": {label: round(value, 4) for label, value in self.probabilities.items()},
        }


@dataclass(frozen=True)
class FacePrediction(Answer):
    """What one face shows.

    Attributes
    ----------
    box : tuple of int or None
        x, y, width, height in pixels of the upright picture; None for a crop that came without a picture.
    label : str or None
        The emotion, or None when the model is not sure.
    confidence : float
        0..1: how likely the best label is right, and that the face shows one of the labels at all.
    probabilities : dict of str to float
        One per label, summing to 1.
    reason : str or None
        Why the label is None.
    eyes : tuple or None
        The eye that is left in the picture, then the right one, each (x, y) in pixels; None if unknown.
    tight : bool
        The picture was already cropped to the face, so the box is the whole crop.
    """

    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
    tight: bool = False


class PredictionTable:
    """Writes one row per face as answers come; a picture or moment without a face has one row with face 0.

    Names and labels are untrusted: an apostrophe defuses those that a spreadsheet would run as a formula.
    `timed` adds seconds. The file was opened with `newline=""`.
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
        """Write the rows of a picture, or of a clip at `time` seconds; `error` says why it was not read."""
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
