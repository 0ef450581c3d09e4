"""How answers are written: a table for people, JSON or CSV, for pictures and clips."""

from __future__ import annotations

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from emotion.errors import EmotionError
from emotion.predictions.face import FacePrediction, PredictionTable

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier
    from emotion.video.tracking import Moment

# Exit statuses of the commands.
DONE, SOME_SKIPPED, FAILED, INTERRUPTED = 0, 1, 2, 130


def load_model(reference: str | None) -> EmotionClassifier:
    """Load the model that answers; what it says about itself goes to the terminal."""
    from emotion.model.classifier import EmotionClassifier

    classifier = EmotionClassifier.from_pretrained(reference)
    if classifier.notice:
        print(classifier.notice, file=sys.stderr)
    return classifier


@dataclass(frozen=True)
class Answer:
    """The result for one file: the upright picture's size and its faces, or why it was skipped."""

    path: Path
    size: tuple[int, int] = (0, 0)
    faces: tuple[FacePrediction, ...] = ()
    error: str | None = None


class Writer(Protocol):
    """The interface of all writers."""

    def write(self, answer: Answer) -> None:
        """Write the answer for one picture."""

    def clip(self, path: Path) -> AbstractContextManager[Callable[[Moment], None]]:
        """Return a context whose function takes the moments of a clip; an error inside is written, too."""
        ...


@dataclass
class Seen:
    """One face of a clip, summed over its moments."""

    first: float
    moments: int = 0
    last: float = 0.0
    confidence: float = 0.0
    labels: Counter[str | None] = field(default_factory=Counter)
    shares: Counter[str] = field(default_factory=Counter)

    def take_in(self, moment: Moment) -> None:
        """Add one moment."""
        self.moments += 1
        self.last = moment.time
        self.confidence += moment.face.confidence
        self.labels[moment.face.label] += 1
        self.shares.update(moment.face.probabilities)

    def mean(self) -> FacePrediction:
        """Return mean probabilities and confidence, and the most frequent answer."""
        [(label, _)] = self.labels.most_common(1)
        shares = {name: share / self.moments for name, share in self.shares.items()}
        return FacePrediction(None, label, self.confidence / self.moments, shares)


class TableWriter:
    """One line per face, for people."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier) -> None:
        self._file = file
        self._labels = classifier.labels
        bars = "  ".join(f"{label:>7}" for label in self._labels)
        print(f"{'picture':<32}  {'face':>4}  {'answer':<9}  {'sure':>5}  {bars}", file=file)

    def close(self) -> None:
        """Show all lines."""
        self._file.flush()

    def write(self, answer: Answer) -> None:
        """Print the faces of one picture."""
        if not answer.faces:
            self._no_line(answer.path, "skipped" if answer.error else "no face found")
        for number, face in enumerate(answer.faces, 1):
            whole = "the whole picture is taken for a face" if face.box == (0, 0, *answer.size) else None
            remark = "; ".join(filter(None, (face.reason, whole)))
            self._line(answer.path, number, face, remark)

    @contextlib.contextmanager
    def clip(self, path: Path) -> Iterator[Callable[[Moment], None]]:
        """Print one line per face at the end: the mean over its moments, and its most frequent answer."""
        seen: dict[int, Seen] = {}
        try:
            yield lambda moment: seen.setdefault(moment.face.id, Seen(moment.time)).take_in(moment)
        except EmotionError:
            self._no_line(path, "skipped")
            raise
        if not seen:
            self._no_line(path, "no face found")
        for number, face in seen.items():
            self._line(path, number, face.mean(), f"{_minutes(face.first)} to {_minutes(face.last)}")

    def _line(self, path: Path, number: int, face: FacePrediction, remark: str) -> None:
        bars = "  ".join(f"{face.probabilities[name]:>7.1%}" for name in self._labels)
        answer = f"{face.label or 'not sure':<9}  {face.confidence:>5.0%}"
        print(f"{_short(path):<32}  {number:>4}  {answer}  {bars}  {remark}".rstrip(), file=self._file)

    def _no_line(self, path: Path, why: str) -> None:
        print(f"{_short(path):<32}     -  {why}", file=self._file)


class JsonWriter:
    """One JSON list, ended by `close`; every entry is the API's answer, with the file's name and size."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier) -> None:
        self._file = file
        self._model = {"model": classifier.model_name, "revision": classifier.revision}
        self._separator = "[\n"

    def write(self, answer: Answer) -> None:
        """Print the entry of one picture."""
        entry = {"file": str(answer.path)}
        if answer.error:
            entry |= {"error": answer.error}
        else:
            faces = [face.to_dict() for face in answer.faces]
            entry |= {"size": list(answer.size), **self._model, "faces": faces}
        self._print(self._separator + json.dumps(entry, ensure_ascii=False))
        self._separator = ",\n"

    @contextlib.contextmanager
    def clip(self, path: Path) -> Iterator[Callable[[Moment], None]]:
        """Print the entry of one clip, moment by moment."""
        head = json.dumps({"file": str(path), **self._model}, ensure_ascii=False)
        self._print(f'{self._separator}{head[:-1]}, "moments": [')
        self._separator = ",\n"
        between = "\n "

        def record(moment: Moment) -> None:
            nonlocal between
            face = moment.face
            entry = {"time": round(moment.time, 3), "face": face.id, **face.to_dict()}
            self._print(between + json.dumps(entry, ensure_ascii=False))
            between = ",\n "

        try:
            yield record
        except EmotionError as error:
            self._print(f'], "error": {json.dumps(str(error), ensure_ascii=False)}}}')
            raise
        self._print("]}")

    def close(self) -> None:
        """End the list."""
        print("\n]" if self._separator == ",\n" else "[]", file=self._file, flush=True)

    def _print(self, text: str) -> None:
        print(text, end="", file=self._file)


class CsvWriter:
    """One row per face, and one for every picture without faces."""

    def __init__(self, file: TextIO, classifier: EmotionClassifier, *, timed: bool = False) -> None:
        self._table = PredictionTable(file, classifier.labels, timed=timed)

    def write(self, answer: Answer) -> None:
        """Write the rows of one picture."""
        self._table.write(str(answer.path), answer.faces, error=answer.error or "")

    @contextlib.contextmanager
    def clip(self, path: Path) -> Iterator[Callable[[Moment], None]]:
        """Write a row per moment."""
        moments = 0

        def record(moment: Moment) -> None:
            nonlocal moments
            moments += 1
            self._table.write(str(path), [moment.face], time=moment.time)

        try:
            yield record
        except EmotionError as error:
            self._table.write(str(path), [], error=str(error))
            raise
        if not moments:
            self._table.write(str(path), [])


def _short(path: Path) -> str:
    name = str(path)
    return name if len(name) <= 32 else "…" + name[-31:]


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
