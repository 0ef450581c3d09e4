"""How answers are written: as a table for people, as JSON or as CSV."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from emotion.predictions.table import PredictionTable

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.predictions.face import FacePrediction


@dataclass(frozen=True)
class Answer:
    """What came of one file: the upright picture's size and its faces, or why it was skipped."""

    path: Path
    size: tuple[int, int] = (0, 0)
    faces: tuple[FacePrediction, ...] = ()
    error: str | None = None


class TableWriter:
    """One line per face, for people."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier) -> None:
        self._file = file
        self._labels = classifier.labels

    def __enter__(self) -> TableWriter:
        bars = "  ".join(f"{label:>7}" for label in self._labels)
        print(f"{'picture':<32}  {'face':>4}  {'answer':<9}  {'sure':>5}  {bars}", file=self._file)
        return self

    def __exit__(self, *details: object) -> None:
        self._file.flush()

    def write(self, answer: Answer) -> None:
        """Print the faces of one picture."""
        name = str(answer.path)
        name = name if len(name) <= 32 else "…" + name[-31:]
        if not answer.faces:
            print(f"{name:<32}     -  {'skipped' if answer.error else 'no face found'}", file=self._file)
        for number, face in enumerate(answer.faces, 1):
            bars = "  ".join(f"{face.probabilities[label]:>7.1%}" for label in self._labels)
            whole = "the whole picture is taken for a face" if face.box == (0, 0, *answer.size) else None
            remark = "; ".join(filter(None, (face.reason, whole)))
            told = f"{face.label or 'not sure':<9}  {face.confidence:>5.0%}"
            line = f"{name:<32}  {number:>4}  {told}  {bars}  {remark}"
            print(line.rstrip(), file=self._file)


class JsonWriter:
    """One JSON list; every entry is what the app's API answers, with the file's name and size."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier) -> None:
        self._file = file
        self._model = {"model": classifier.model_name, "revision": classifier.revision}
        self._separator = "[\n"

    def __enter__(self) -> JsonWriter:
        return self

    def __exit__(self, *details: object) -> None:
        print("\n]" if self._separator == ",\n" else "[]", file=self._file, flush=True)

    def write(self, answer: Answer) -> None:
        """Print the entry of one picture."""
        entry = {"file": str(answer.path)}
        if answer.error:
            entry |= {"error": answer.error}
        else:
            entry |= {
                "size": list(answer.size),
                **self._model,
                "faces": [face.to_dict() for face in answer.faces],
            }
        print(self._separator + json.dumps(entry, ensure_ascii=False), end="", file=self._file)
        self._separator = ",\n"


class CsvWriter:
    """One row per face, and one for every picture without."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier) -> None:
        self._file = file
        self._labels = classifier.labels

    def __enter__(self) -> CsvWriter:
        self._table = PredictionTable(self._file, self._labels)
        return self

    def __exit__(self, *details: object) -> None:
        self._file.flush()

    def write(self, answer: Answer) -> None:
        """Write the rows of one picture."""
        self._table.write(str(answer.path), answer.faces, error=answer.error or "")
