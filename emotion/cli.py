"""`python -m emotion`: classify pictures and folders of pictures from the shell.

It only reads arguments, feeds the classifier from several threads and writes what comes out.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tqdm import tqdm

from emotion.errors import EmotionError, InvalidImageError
from emotion.model.classifier import EmotionClassifier
from emotion.vision.images import EXTENSIONS, open_image

if TYPE_CHECKING:
    import numpy as np

    from emotion.predictions.face import FacePrediction

DONE, SOME_SKIPPED, FAILED, INTERRUPTED = 0, 1, 2, 130  # exit statuses
ANNOTATED_QUALITY = 92  # of the annotated JPEG files


@dataclass(frozen=True)
class Answer:
    """What came of one file: the upright picture's size and its faces, or why it was skipped."""

    path: Path
    size: tuple[int, int] = (0, 0)
    faces: tuple[FacePrediction, ...] = ()
    error: str | None = None


def main(arguments: list[str] | None = None) -> int:
    """Parse, classify, print; return the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        classifier = EmotionClassifier.from_pretrained(options.model)
        if classifier.notice:
            print(classifier.notice, file=sys.stderr)
        return classify(classifier, options)
    except (EmotionError, OSError) as error:
        if isinstance(error, BrokenPipeError):  # the reader, such as `head`, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return DONE
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m emotion",
        description="Tell how angry, happy or sad the faces in pictures look.",
        epilog="The exit status is 0, 1 if a file had to be skipped, or 2 if nothing could be done.",
    )
    parser.add_argument(
        "pictures",
        nargs="+",
        type=Path,
        metavar="PICTURE-OR-FOLDER",
        help="folders are searched to any depth",
    )
    parser.add_argument("--model", metavar="REF", help="folder, owner/name or owner/name@revision")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON list with one entry per picture")
    output.add_argument("--csv", type=Path, metavar="FILE", help="write one row per face to this file")
    parser.add_argument(
        "--annotate", type=Path, metavar="FOLDER", help="save pictures with boxes and bars here"
    )
    parser.add_argument(
        "--limit", type=positive, default=20, metavar="N", help="faces per picture (default: 20)"
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=min(8, os.cpu_count() or 1),
        metavar="N",
        help="pictures at the same time (default: one per processor, at most 8)",
    )
    return parser


def positive(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def classify(classifier: EmotionClassifier, options: argparse.Namespace) -> int:
    """Classify all pictures, write as they come, and return the exit status."""
    total = sum(1 for _ in picture_files(options.pictures, leave_out=options.annotate))
    if not total:
        raise InvalidImageError(
            f"No pictures found in {', '.join(map(str, options.pictures))}. Name a picture or another folder."
        )
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
    destination = options.csv.open("w", newline="", encoding="utf-8") if options.csv else sys.stdout
    write = CsvWriter if options.csv else JsonWriter if options.json else TableWriter
    skipped = faces = 0
    try:
        with (
            write(destination, classifier) as writer,
            tqdm(total=total, unit="picture", disable=None, file=sys.stderr) as bar,
        ):
            for answer in answers(classifier, options):
                with bar.external_write_mode(file=destination if destination is sys.stdout else sys.stderr):
                    if answer.error:
                        print(f"skipped: {answer.error}", file=sys.stderr)
                    writer.write(answer)
                skipped += answer.error is not None
                faces += len(answer.faces)
                bar.update()
    finally:
        if options.csv:
            destination.close()
    print(f"{total} pictures, {faces} faces, {skipped} skipped", file=sys.stderr)
    return SOME_SKIPPED if skipped else DONE


def picture_files(inputs: Iterable[Path], *, leave_out: Path | None) -> Iterator[Path]:
    """Yield named files as they are, and the pictures of folders in alphabetical order."""
    unwanted = leave_out.resolve() if leave_out else None
    for given in inputs:
        if not given.is_dir():
            yield given
            continue
        for folder, subfolders, names in os.walk(given):
            subfolders[:] = sorted(name for name in subfolders if Path(folder, name).resolve() != unwanted)
            yield from (
                Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in EXTENSIONS
            )


def answers(classifier: EmotionClassifier, options: argparse.Namespace) -> Iterator[Answer]:
    """Classify in several threads; yield in order, with only a few pictures in memory at any time."""
    root = common_folder(options.pictures)

    def answer(path: Path) -> Answer:
        try:
            picture = open_image(path)
        except InvalidImageError as error:
            return Answer(path, error=str(error))
        faces = tuple(classifier.predict(picture, limit=options.limit))
        if options.annotate:
            save_annotated(picture, faces, options.annotate / os.path.relpath(path, root))
        return Answer(path, (picture.shape[1], picture.shape[0]), faces)

    with ThreadPoolExecutor(options.workers) as pool:
        waiting = deque()
        try:
            for path in picture_files(options.pictures, leave_out=options.annotate):
                waiting.append(pool.submit(answer, path))
                if len(waiting) > 2 * options.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def common_folder(inputs: Iterable[Path]) -> str:
    """Find the folder that holds all inputs, so that annotated pictures keep their places below it."""
    return os.path.commonpath([os.path.abspath(path if path.is_dir() else path.parent) for path in inputs])


def save_annotated(picture: np.ndarray, faces: tuple[FacePrediction, ...], path: Path) -> None:
    """Save the picture with boxes and bars as JPEG; `a.png` becomes `a.png.jpg`."""
    from emotion.drawing import annotate_with_bars

    if path.suffix.lower() not in (".jpg", ".jpeg"):
        path = path.with_name(path.name + ".jpg")
    path.parent.mkdir(parents=True, exist_ok=True)
    annotate_with_bars(picture, faces).save(path, quality=ANNOTATED_QUALITY)


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
        self._labels = classifier.labels
        self._rows = csv.writer(file)

    def __enter__(self) -> CsvWriter:
        head = ["file", "face", "x", "y", "width", "height", "label", "confidence", "reason"]
        self._rows.writerow([*head, *self._labels, "error"])
        return self

    def __exit__(self, *details: object) -> None:
        pass

    def write(self, answer: Answer) -> None:
        """Write the rows of one picture."""
        blank = [""] * (8 + len(self._labels))
        if not answer.faces:
            self._rows.writerow([answer.path, *blank, answer.error or ""])
        for number, face in enumerate(answer.faces, 1):
            values = [f"{face.probabilities[label]:.4f}" for label in self._labels]
            told = [face.label or "", f"{face.confidence:.4f}", face.reason or ""]
            self._rows.writerow([answer.path, number, *(face.box or ("",) * 4), *told, *values, ""])
