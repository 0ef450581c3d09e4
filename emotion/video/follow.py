"""Following the faces of a clip, wherever it is decoded, and drawing what they show.

The faces' numbers are given in `tracking`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import Protocol

import numpy as np

from emotion.drawing import annotate
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.face import Box, FacePrediction
from emotion.video.clip import MAX_RATE
from emotion.video.tracking import FaceTracker, Moment, Timeline, TrackedFace
from emotion.vision.crop import Place, look
from emotion.vision.faces import detect_faces_in_frame
from emotion.vision.images import Picture

# Faces are searched this often; their boxes move smoothly in between.
DETECTIONS_PER_SECOND = 10.0

# A cut changes this share of the picture, or of a face's box, by this many grey levels within one frame,
# even after the best shift. A face that crosses three times its width in a second changes 4 % of
# its box, another face in the same place 58 % (`clip-cut`, and the clip of `tests/cli/test_clips.py`).
CUT_SHARE, CUT_LEVELS = 0.3, 25
# Cells along each side that are compared, cells by which the content may move, and pixels along each side of
# a cell that are looked at: their mean leaves a tenth of the noise.
CELLS, CELL_SHIFT, CELL_PIXELS = 16, 4, 4


class Frames(Protocol):
    """A clip that can be followed, decoded here or in another process; see `emotion.video.clip.Clip`."""

    done: float

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decode the clip once: seconds and uint8 (height, width, 3), upright RGB."""
        ...


class EmotionTracker:
    """Follow the faces of a camera or a clip, frame by frame: lasting numbers, smoothed answers.

    Parameters
    ----------
    classifier : EmotionClassifier
    **settings : float
        Those of `emotion.video.tracking.FaceTracker`, such as `smoothing=0.4`, the time constant of the
        answers in seconds, and `timeout=0.7`, after which a face that is no longer found is gone.

    Examples
    --------
    >>> tracker = EmotionTracker(EmotionClassifier.from_pretrained())
    >>> for frame in frames:  # uint8 (height, width, 3), RGB
    ...     for face in tracker.update(frame):
    ...         print(face.id, face.box, face.label, face.probabilities)
    """

    def __init__(self, classifier: EmotionClassifier, **settings: float) -> None:
        self.classifier = classifier
        self._tracker = FaceTracker(labels=classifier.labels, threshold=classifier.threshold, **settings)
        self._previous: np.ndarray | None = None

    @property
    def faces(self) -> tuple[TrackedFace, ...]:
        """The faces that are being followed now, in the order in which they appeared."""
        return self._tracker.faces

    @property
    def timeline(self) -> Timeline:
        """The answers of the last `history` seconds, 30 by default."""
        return self._tracker.timeline

    def update(self, frame: np.ndarray, time: float | None = None) -> tuple[TrackedFace, ...]:
        """Search an upright RGB frame, uint8 (height, width, 3), for faces, and return `faces`.

        `time` is in seconds on any clock; by default now.
        """
        found = detect_faces_in_frame(frame)
        predictions, looks = answers_and_looks(self.classifier, frame, found)
        return self._tracker.update(predictions, monotonic() if time is None else time, looks)

    def cut(self, frame: np.ndarray) -> Collection[int]:
        """Let the faces go whose place shows something else than in the frame before; return their numbers.

        For clips of cameras that may be cut: to be called with every frame, before `update`.
        """
        before, self._previous = self._previous, frame
        if before is None or before.shape != frame.shape:
            return ()
        whole = _changed(before, frame, (0, 0, frame.shape[1], frame.shape[0]))
        gone = [face.id for face in self.faces if whole or _changed(before, frame, face.box)]
        self._tracker.leave(gone)
        return gone


def follow_faces(
    classifier: EmotionClassifier,
    clip: Frames,
    *,
    record: Callable[[Moment], None],
    write: Callable[[float, np.ndarray], None] | None = None,
    progress: Callable[[float], None] | None = None,
    detections_per_second: float = DETECTIONS_PER_SECOND,
) -> None:
    """Follow the faces of a clip of any length; only the frames between two detections are in memory.

    `record` is called with every moment, one per face and detection; `write` with the time and annotated
    pixels of every frame; `progress` with the finished fraction, 0 to 1, after every detection.
    """
    # Without a history, the tracker's timeline holds the moments of the last frame alone.
    tracker = EmotionTracker(classifier, box_smoothing=0.05, history=0.0, history_step=0.0)
    detected_at = -math.inf
    waiting: list[tuple[float, np.ndarray]] = []
    for time, picture in clip.frames():
        before = tracker.faces
        cut = tracker.cut(picture)
        if not cut and time - detected_at < 1 / detections_per_second - 0.5 / MAX_RATE:
            if write is not None:
                waiting.append((time, picture))
            continue
        after = tracker.update(picture, time)
        for moment in tracker.timeline.moments:
            record(moment)
        if write is not None:
            for earlier, frame in waiting:
                share = (earlier - detected_at) / (time - detected_at)
                ends = [face for face in after if face.id not in cut]
                write(earlier, np.asarray(annotate(frame, _between(before, ends, share))))
            write(time, np.asarray(annotate(picture, after)))
        detected_at = time
        waiting.clear()
        if progress is not None:
            progress(min(clip.done, 0.99))
    if write is not None:
        for time, picture in waiting:
            write(time, np.asarray(annotate(picture, tracker.faces)))


def answers_and_looks(
    classifier: EmotionClassifier, frame: np.ndarray, faces: Sequence[Place]
) -> tuple[list[FacePrediction], list[np.ndarray]]:
    """Classify the faces of an upright RGB frame, and describe each so that the tracker knows it again."""
    picture = Picture.of(frame)
    return classifier.predict_located(picture, faces), [
        look(classifier.crop(picture, face)) for face in faces
    ]


def _changed(before: np.ndarray, after: np.ndarray, box: Box) -> bool:
    """Whether most of a box shows something else in the next frame, which has the same size."""
    was = _cells(before, box)[CELL_SHIFT:-CELL_SHIFT, CELL_SHIFT:-CELL_SHIFT]
    shifted = np.lib.stride_tricks.sliding_window_view(_cells(after, box), (CELLS, CELLS))
    return bool((np.abs(shifted - was) > CUT_LEVELS).mean(axis=(2, 3)).min() > CUT_SHARE)


def _cells(frame: np.ndarray, box: Box) -> np.ndarray:
    """Return the mean grey levels of the cells of a box and of `CELL_SHIFT` around it, float32 (n, n)."""
    x, y, width, height = box
    cells = CELLS + 2 * CELL_SHIFT
    samples = ((np.arange(cells * CELL_PIXELS) + 0.5) / CELL_PIXELS - CELL_SHIFT) / CELLS
    rows = (y + samples * height).astype(int).clip(0, frame.shape[0] - 1)
    columns = (x + samples * width).astype(int).clip(0, frame.shape[1] - 1)
    # 0.3 ms; with `np.ix_` and a mean of each pixel first, 0.9.
    looked_at = frame[rows].take(columns, axis=1).reshape(cells, CELL_PIXELS, cells, -1)
    return looked_at.mean(axis=(1, 3), dtype=np.float32)


def _between(
    before: Sequence[TrackedFace], after: Sequence[TrackedFace], share: float
) -> tuple[TrackedFace, ...]:
    """Move the boxes of earlier faces this share (0..1) of the way to where the same faces are later."""
    later = {face.id: face.box for face in after}

    def moved(face: TrackedFace) -> TrackedFace:
        ends = zip(face.box, later.get(face.id, face.box), strict=True)
        x, y, width, height = (round(old + share * (new - old)) for old, new in ends)
        return replace(face, box=(x, y, width, height))

    return tuple(map(moved, before))
