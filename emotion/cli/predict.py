"""Classify pictures, clips and folders of pictures: what `python -m emotion` does without a subcommand.

It only reads arguments, feeds the classifier from several threads and writes what comes out.
"""

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

from emotion.cli.output import DONE, SOME_SKIPPED, Answer, CsvWriter, JsonWriter, TableWriter, Writer
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
    import numpy as np

    from emotion.predictions.face import FacePrediction
    from emotion.video.tracking import Moment

SUMMARY = "Tell how angry, happy or sad the faces in pictures and clips look."

# Of the annotated JPEG files.
ANNOTATED_QUALITY = 92
# The bar counts hundredths, so that the time left is the clip's and not that of its frames.
BAR = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} so far, {remaining} left"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = "The exit status is 0, 1 if a file had to be skipped, or 2 if nothing could be done."
    parser.add_argument(
        "pictures",
        nargs="+",
        type=Path,
        metavar="PICTURE-CLIP-OR-FOLDER",
        help="folders are searched for pictures to any depth; clips are of any length",
    )
    parser.add_argument("--model", metavar="REF", help="folder, owner/name or owner/name@revision")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON list with one entry per picture")
    output.add_argument(
        "--csv", type=Path, metavar="FILE", help="write one row per face, and moment of a clip, to this file"
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
    """Classify all pictures, then all clips; write as they come, and return the exit status."""
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
    looked_at = [
        counted(number, what) for number, what in ((pictures, "picture"), (len(clips), "clip")) if number
    ]
    print(f"{', '.join(looked_at)}, {counted(faces, 'face')}, {skipped} skipped", file=sys.stderr)
    return SOME_SKIPPED if skipped else DONE


@contextlib.contextmanager
def opened_writer(
    classifier: EmotionClassifier, options: argparse.Namespace, *, timed: bool
) -> Iterator[Writer]:
    """Give what writes the answers, in the form and to the place that were asked for."""
    if options.csv:
        options.csv.parent.mkdir(parents=True, exist_ok=True)
        with (
            options.csv.open("w", newline="", encoding="utf-8") as file,
            CsvWriter(file, classifier, timed=timed) as writer,
        ):
            yield writer
        return
    with (JsonWriter if options.json else TableWriter)(sys.stdout, classifier) as writer:
        yield writer


def classify_pictures(
    classifier: EmotionClassifier,
    inputs: Sequence[Path],
    options: argparse.Namespace,
    writer: Writer,
    *,
    total: int,
) -> tuple[int, int]:
    """Classify the pictures; return how many faces there were, and how many pictures were skipped."""
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
    """Classify in several threads; yield in order, with only a few pictures in memory at any time."""

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

    # The workers keep the processors busy.
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


def common_folder(inputs: Iterable[Path]) -> str:
    """Find the folder that holds all inputs, so that annotated pictures keep their places below it."""
    return os.path.commonpath([os.path.abspath(path if path.is_dir() else path.parent) for path in inputs])


def annotated_place(path: Path, options: argparse.Namespace, *endings: str) -> Path:
    """Return where the annotated copy of a file goes; `a.png` becomes `a.png.jpg`.

    Raises
    ------
    EmotionError
        If it would replace the file itself.
    """
    place = options.annotate / os.path.relpath(path, common_folder(options.pictures))
    if place.suffix.lower() not in endings:
        place = place.with_name(place.name + endings[0])
    if place.resolve() == path.resolve():
        raise EmotionError(f"The annotated copy would replace {path}. Name another folder with --annotate.")
    return place


def save_annotated(picture: Picture, faces: tuple[FacePrediction, ...], path: Path) -> None:
    """Save the picture, as large as it was opened, with boxes and bars as JPEG."""
    from emotion.drawing import annotate_with_bars

    if picture.scale > 1:
        places = [Place(face.box) for face in faces if face.box]
        boxes = [scaled_place(place, 1 / picture.scale).box for place in places]
        faces = tuple(replace(face, box=box) for face, box in zip(faces, boxes, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    annotate_with_bars(picture.pixels, faces).save(path, quality=ANNOTATED_QUALITY)


def is_clip(path: Path) -> bool:
    """Whether a file is named as clips are."""
    return path.suffix.lower() in CLIP_EXTENSIONS and not path.is_dir()


def follow_clip(classifier: EmotionClassifier, path: Path, writer: Writer, annotated: Path | None) -> int:
    """Write what the faces of a clip show over time; return how many faces there were.

    Parameters
    ----------
    classifier : EmotionClassifier
    path : Path
        The clip.
    writer : Writer
        Gets the answers as they come.
    annotated : Path, optional
        Where to write the clip with boxes and its sound, as MP4.

    Raises
    ------
    InvalidVideoError
        If it cannot be read; nothing is left at `annotated` then.
    """
    numbers: set[int] = set()
    with writer.clip(path) as write_moment, Clip(path, max_seconds=math.inf) as clip:

        def record(moment: Moment) -> None:
            numbers.add(moment.face.id)
            write_moment(moment)

        with _drawn_into(annotated, clip) as write, _bar(path.name) as progress:
            follow_faces(classifier, clip, record=record, write=write, progress=progress)
    return len(numbers)


@contextlib.contextmanager
def _drawn_into(path: Path | None, clip: Clip) -> Iterator[Callable[[float, np.ndarray], None] | None]:
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with ClipWriter(path, clip) as writer:
        yield writer.write


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Callable[[float], None]]:
    with tqdm(total=100, desc=name, bar_format=BAR, disable=None, file=sys.stderr) as bar:

        def progress(done: float) -> None:
            bar.update(100 * done - bar.n)

        yield progress
        progress(1.0)
