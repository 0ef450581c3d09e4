"""Classify pictures and folders of pictures: what `python -m emotion` does without a subcommand.

It only reads arguments, feeds the classifier from several threads and writes what comes out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion.cli.output import Answer, CsvWriter, JsonWriter, TableWriter
from emotion.cli.status import DONE, SOME_SKIPPED
from emotion.errors import InvalidImageError
from emotion.model.classifier import EmotionClassifier
from emotion.vision.images import EXTENSIONS, open_image

if TYPE_CHECKING:
    import numpy as np

    from emotion.predictions.face import FacePrediction

SUMMARY = "Tell how angry, happy or sad the faces in pictures look."

# Of the annotated JPEG files.
ANNOTATED_QUALITY = 92


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = "The exit status is 0, 1 if a file had to be skipped, or 2 if nothing could be done."
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


def run(options: argparse.Namespace) -> int:
    """Classify the pictures; return the exit status."""
    classifier = EmotionClassifier.from_pretrained(options.model)
    if classifier.notice:
        print(classifier.notice, file=sys.stderr)
    return classify(classifier, options)


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
