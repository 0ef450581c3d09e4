"""A copy of a clip with what its faces show drawn into it: read, followed and written in one go.

Following is in `follow`; reading, writing and sound are in `clip`, `writer` and `sound`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from emotion.model.classifier import EmotionClassifier
from emotion.video.accepted import MAX_SECONDS
from emotion.video.clip import Clip
from emotion.video.follow import DETECTIONS_PER_SECOND, follow_faces
from emotion.video.tracking import Moment, Timeline
from emotion.video.writer import ClipWriter


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
        How often faces are looked for and classified; their boxes glide in between.

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
