"""Classify pictures, clips and folders: what `python -m emotion` does without a subcommand."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion.cli.output import (
    DONE,
    SOME_SKIPPED,
    Answer,
    CsvWriter,
    JsonWriter,
    TableWriter,
    Writer,
    load_model,
)
from emotion.drawing import annotate_with_bars
from emotion.errors import EmotionError, InvalidImageError, InvalidVideoError
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.display import counted
from emotion.video.clip import EXTENSIONS as CLIP_EXTENSIONS
from emotion.video.clip import Clip
from emotion.video.follow import follow_faces
from emotion.video.writer import ClipWriter
from emotion.vision.crop import Place, scaled_place
from emotion.vision.detector import face_network
from emotion.vision.images import EXTENSIONS, Picture, open_picture

if TYPE_CHECKING:
    from emotion.predictions.face import FacePrediction
    from emotion.video.tracking import Moment

SUMMARY: str = "Tell how angry, happy or sad the faces in pictures and clips look."

# JPEG quality of annotated pictures.
ANNOTATED_QUALITY = 92
# The bar counts hundredths of the clip, so that it can tell the time left.
BAR = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} so far, {remaining} left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = "The exit status is 0, 1 if a file was skipped, or 2 if nothing could be done."
    parser.add_argument(
        "pictures",
        nargs="+",
        type=Path,
        metavar="PICTURE-CLIP-OR-FOLDER",
        help="folders are searched for pictures at any depth; clips may have any length",
    )
    parser.add_argument("--model", metavar="REF", help="folder, owner/name or owner/name@revision")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON list with one entry per picture")
    output.add_argument(
        "--csv", type=Path, metavar="FILE", help="write one row per face (and moment of a clip) to this file"
    )
    parser.add_argument(
        "--annotate",
        type=Path,
        metavar="FOLDER",
        help="save pictures with boxes and bars here, and clips with boxes and their sound",
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
    """Classify all pictures, then all clips; write answers as they come, and return the exit status."""
    classifier = load_model(options.model)
    clips = [path for path in options.pictures if is_clip(path)]
    inputs = [path for path in options.pictures if not is_clip(path)]
    pictures = sum(1 for _ in picture_files(inputs, leave_out=options.annotate))
    if not pictures and not clips:
        raise InvalidImageError(
            f"No pictures found in {', '.join(map(str, inputs))}. Name a picture or another folder."
        )
    faces = skipped = 0
    with opened_writer(classifier, options, timed=bool(clips)) as writer:
        if pictures:
            faces, skipped = classify_pictures(classifier, inputs, options, writer, total=pictures)
        for clip in clips:
            try:
                place = annotated_place(clip, options, ".mp4") if options.annotate else None
                faces += follow_clip(classifier, clip, writer, place)
            except InvalidVideoError as error:
                print(f"skipped: {clip}: {error}", file=sys.stderr)
                skipped += 1
    looked_at = "".join(
        f"{counted(n, what)}, " for n, what in ((pictures, "picture"), (len(clips), "clip")) if n
    )
    print(f"{looked_at}{counted(faces, 'face')}, {skipped} skipped", file=sys.stderr)
    return SOME_SKIPPED if skipped else DONE


def positive(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


@contextlib.contextmanager
def opened_writer(
    classifier: EmotionClassifier, options: argparse.Namespace, *, timed: bool
) -> Iterator[Writer]:
    """Give the writer that the options ask for."""
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            yield CsvWriter(file, classifier, timed=timed)
        return
    with contextlib.closing((JsonWriter if options.json else TableWriter)(sys.stdout, classifier)) as writer:
        yield writer


def classify_pictures(
    classifier: EmotionClassifier,
    inputs: Sequence[Path],
    options: argparse.Namespace,
    writer: Writer,
    *,
    total: int,
) -> tuple[int, int]:
    """Classify the pictures; return the numbers of faces and of skipped pictures."""
    faces = skipped = 0
    with tqdm(total=total, unit="picture", disable=None, file=sys.stderr) as bar:
        for answer in answers(classifier, inputs, options):
            with bar.external_write_mode(file=sys.stderr if options.csv else sys.stdout):
                if answer.error:
                    print(f"skipped: {answer.error}", file=sys.stderr)
                writer.write(answer)
            skipped += answer.error is not None
            faces += len(answer.faces)
            bar.update()
    return faces, skipped


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


def answers(
    classifier: EmotionClassifier, inputs: Sequence[Path], options: argparse.Namespace
) -> Iterator[Answer]:
    """Classify in several threads; yield in order, with few pictures in memory at any time."""

    def answer(path: Path) -> Answer:
        try:
            picture = open_picture(path)
            faces = tuple(classifier.predict(picture, limit=options.limit))
            whole = picture.full() if options.annotate else picture
        except InvalidImageError as error:
            return Answer(path, error=str(error))
        if options.annotate:
            save_annotated(whole, faces, annotated_place(path, options, ".jpg", ".jpeg"))
        return Answer(path, picture.size, faces)

    # The threads here keep the processors busy.
    face_network().threads = 1
    with ThreadPoolExecutor(options.workers) as pool:
        waiting = deque()
        try:
            for path in picture_files(inputs, leave_out=options.annotate):
                waiting.append(pool.submit(answer, path))
                if len(waiting) > 2 * options.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def annotated_place(path: Path, options: argparse.Namespace, *endings: str) -> Path:
    """Return where the annotated copy goes: `a.png.jpg` for `a.png`, never the file itself."""
    # Copies keep their places below the folder that holds all inputs.
    folders = [given if given.is_dir() else given.parent for given in options.pictures]
    common = os.path.commonpath([os.path.abspath(folder) for folder in folders])
    place = options.annotate / os.path.relpath(path, common)
    if place.suffix.lower() not in endings:
        place = place.with_name(place.name + endings[0])
    if place.resolve() == path.resolve():
        raise EmotionError(f"The annotated copy would replace {path}. Name another folder with --annotate.")
    return place


def save_annotated(picture: Picture, faces: tuple[FacePrediction, ...], path: Path) -> None:
    """Save the picture, as large as it was opened, with boxes and bars as JPEG."""
    places = [scaled_place(Place(face.box), 1 / picture.scale) for face in faces if face.box]
    scaled = [replace(face, box=place.box) for face, place in zip(faces, places, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    annotate_with_bars(picture.pixels, scaled).save(path, quality=ANNOTATED_QUALITY)


def is_clip(path: Path) -> bool:
    """Whether a file has a clip's ending."""
    return path.suffix.lower() in CLIP_EXTENSIONS and not path.is_dir()


def follow_clip(classifier: EmotionClassifier, path: Path, writer: Writer, annotated: Path | None) -> int:
    """Write the answers for a clip over time; return the number of faces.

    The clip with boxes and sound goes to `annotated`, as MP4; nothing is left there if the clip cannot be
    read (InvalidVideoError).
    """
    numbers: set[int] = set()
    with writer.clip(path) as write_moment, Clip(path, max_seconds=math.inf) as clip:

        def record(moment: Moment) -> None:
            numbers.add(moment.face.id)
            write_moment(moment)

        if annotated:
            annotated.parent.mkdir(parents=True, exist_ok=True)
        drawn = ClipWriter(annotated, clip) if annotated else contextlib.nullcontext()
        with drawn as drawing, _bar(path.name) as progress:
            write = drawing.write if drawing else None
            follow_faces(classifier, clip, record=record, write=write, progress=progress)
    return len(numbers)


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Callable[[float], None]]:
    with tqdm(total=100, desc=name, bar_format=BAR, disable=None, file=sys.stderr) as bar:

        def progress(done: float) -> None:
            bar.update(100 * done - bar.n)

        yield progress
        progress(1.0)
