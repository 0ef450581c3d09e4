"""The answers for many pictures as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction


def predictions_csv(rows: Sequence[tuple[str, Sequence[FacePrediction]]], labels: Sequence[str]) -> str:
    """Return one line per face of every picture as CSV; a picture without a face has one line with face 0.

    Names come from strangers: one that a spreadsheet would run as a formula is defused with an apostrophe.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["picture", "face", "x", "y", "width", "height", "label", "confidence", "reason", *labels]
    )
    for name, predictions in rows:
        safe = f"'{name}" if name[:1] in "=+-@\t\r" else name
        if not predictions:
            writer.writerow([safe, 0, "", "", "", "", "", "", "no face", *("" for _ in labels)])
        for number, face in enumerate(predictions, start=1):
            shown = [f"{face.probabilities[label]:.4f}" for label in labels]
            box = face.box or ("", "", "", "")
            writer.writerow(
                [safe, number, *box, face.label or "", f"{face.confidence:.4f}", face.reason or "", *shown]
            )
    return buffer.getvalue()
