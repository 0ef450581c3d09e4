"""Clips on the command line: of any length, with a bar that says how long it still takes."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from emotion.video.accepted import EXTENSIONS
from emotion.video.clip import Clip
from emotion.video.follow import follow_faces
from emotion.video.writer import ClipWriter

if TYPE_CHECKING:
    import numpy as np

    from emotion.cli.output import Writer
    from emotion.model.classifier import EmotionClassifier
    from emotion.video.tracking import Moment

# The bar counts hundredths, so that the time left is the clip's and not that of its frames.
BAR = "{desc}: {percentage:3.0f}% |{bar}| {elapsed} so far, {remaining} left"


def is_clip(path: Path) -> bool:
    """Whether a file is named as clips are."""
    return path.suffix.lower() in EXTENSIONS and not path.is_dir()


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
