"""Following the faces of a clip, wherever it is decoded, and drawing what they show.

The faces' numbers are given in `tracking`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np

from emotion.drawing import annotate
from emotion.model.classifier import EmotionClassifier
from emotion.predictions.face import FacePrediction
from emotion.video.clip import MAX_RATE, MAX_SECONDS, Clip
from emotion.video.tracking import FaceTracker, Moment, Timeline, TrackedFace
from emotion.vision.crop import look
from emotion.vision.faces import DetectedFace, detect_faces_in_frame
from emotion.vision.images import Picture

# Faces are searched this often; their boxes move smoothly in between.
DETECTIONS_PER_SECOND = 10.0


class Frames(Protocol):
    """A clip that can be followed, in whichever process it is decoded; see `emotion.video.clip.Clip`."""

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


def annotate_clip(
    classifier: EmotionClassifier,
    path_in: str | os.PathLike[str],
    path_out: str | os.PathLike[str],
    *,
    progress: Callable[[float], None] | None = None,
    max_seconds: float = MAX_SECONDS,
    detections_per_second: float = DETECTIONS_PER_SECOND,
) -> Timeline:
    """Write a copy of a clip with a box and the emotion at every face, and return the answers over time.

    The result is an MP4 (H.264) with the sound of the clip, upright, with sides of at most 1280 pixels and at
    most 30 frames per second.

    Parameters
    ----------
    classifier : EmotionClassifier
    path_in, path_out : path
        The clip, and where to write the annotated one (".mp4"; an existing file is replaced).
    progress : callable, optional
        Called with the finished fraction, 0 to 1. What it raises ends the work, so it can cancel.
    max_seconds : float
        Longest clip that is accepted; `math.inf` for any.
    detections_per_second : float
        How often faces are searched and classified; boxes move smoothly in between.

    Returns
    -------
    Timeline
        One moment per face and detection. Empty when no face was found.

    Raises
    ------
    InvalidVideoError
        If the file is no video, is too long, or breaks off in the middle. Nothing is left at `path_out` then.
    ValueError
        If both paths are the same.
    """
    from emotion.video.writer import ClipWriter

    if Path(path_in).resolve() == Path(path_out).resolve():
        raise ValueError("The annotated clip would replace the original; name another file to write to.")
    moments: list[Moment] = []
    with Clip(path_in, max_seconds=max_seconds) as clip, ClipWriter(path_out, clip) as writer:
        follow_faces(
            classifier,
            clip,
            record=moments.append,
            write=writer.write,
            progress=progress,
            detections_per_second=detections_per_second,
        )
    if progress is not None:
        progress(1.0)
    return Timeline(classifier.labels, tuple(moments))


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

    Parameters
    ----------
    classifier : EmotionClassifier
    clip : Frames
    record : callable
        Called with every moment: one per face and detection.
    write : callable, optional
        Called with the time and the annotated pixels of every frame.
    progress : callable, optional
        Called with the finished fraction, 0 to 1, after every detection.
    detections_per_second : float
        How often faces are looked for and classified.
    """
    # Without a history, the tracker's timeline holds the moments of the last frame alone.
    tracker = EmotionTracker(classifier, box_smoothing=0.05, history=0.0, history_step=0.0)
    detected_at = -math.inf
    waiting: list[tuple[float, np.ndarray]] = []
    for time, picture in clip.frames():
        if time - detected_at < 1 / detections_per_second - 0.5 / MAX_RATE:
            if write is not None:
                waiting.append((time, picture))
            continue
        before = tracker.faces
        after = tracker.update(picture, time)
        for moment in tracker.timeline.moments:
            record(moment)
        if write is not None:
            for earlier, frame in waiting:
                share = (earlier - detected_at) / (time - detected_at)
                write(earlier, np.asarray(annotate(frame, _between(before, after, share))))
            write(time, np.asarray(annotate(picture, after)))
        detected_at = time
        waiting.clear()
        if progress is not None:
            progress(min(clip.done, 0.99))
    if write is not None:
        for time, picture in waiting:
            write(time, np.asarray(annotate(picture, tracker.faces)))


def answers_and_looks(
    classifier: EmotionClassifier, frame: np.ndarray, faces: Sequence[DetectedFace]
) -> tuple[list[FacePrediction], list[np.ndarray]]:
    """Classify the faces of an upright RGB frame, and describe each so that the tracker knows it again."""
    picture = Picture.of(frame)
    return classifier.predict_located(picture, faces), [
        look(classifier.crop(picture, face)) for face in faces
    ]


def _between(
    before: tuple[TrackedFace, ...], after: tuple[TrackedFace, ...], share: float
) -> tuple[TrackedFace, ...]:
    """Move the boxes of earlier faces this share (0..1) of the way to where the same faces are later."""
    later = {face.id: face.box for face in after}

    def moved(face: TrackedFace) -> TrackedFace:
        ends = zip(face.box, later.get(face.id, face.box), strict=True)
        x, y, width, height = (round(old + share * (new - old)) for old, new in ends)
        return replace(face, box=(x, y, width, height))

    return tuple(map(moved, before))
