"""Clips: decoding an untrusted video, annotating its frames, encoding the result. The sound is dropped.

FFmpeg comes inside PyAV's wheels, so nothing has to be installed on the system. Faces are followed in
`emotion.video.tracking` and drawn in `emotion.drawing`.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from emotion.drawing import annotate
from emotion.errors import EmotionError
from emotion.model.classifier import EmotionClassifier
from emotion.video.tracking import FaceTracker, Timeline, TrackedFace
from emotion.vision.faces import detect_faces_in_frame
from emotion.vision.images import Picture

MAX_SECONDS = 60.0  # longest clip that is accepted unless the caller says otherwise
GRACE = 0.5  # seconds on top, because cameras that stop after a minute write a few frames more
MAX_SIDE = 1280  # pixels; larger frames are scaled down, which detection and browsers are grateful for
MAX_RATE = 30  # frames per second of the result; slow-motion clips lose the frames in between
MAX_PIXELS = 50_000_000  # per frame, checked before the first one is decoded
DETECTIONS_PER_SECOND = 10.0  # faces are looked for this often; their boxes glide in between
CLOCK = Fraction(1, 90_000)  # seconds per tick of the written clip; the customary clock of video

# Containers that people's cameras, browsers and editors write. Playlists (HLS, DASH, concat) stay out: they
# would make FFmpeg open other files and addresses on behalf of whoever uploads one.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
# The first one that this build of FFmpeg has is used; browsers play all of them in an MP4.
ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "24", "maxrate": "2500k", "bufsize": "5000k"},
    "libopenh264": {},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0"},
}
NOT_A_CLIP = "This is not a video that can be read. Use an MP4, MOV, WebM, MKV or AVI file."


class InvalidVideoError(EmotionError, ValueError):
    """The input is not a clip that can be annotated."""


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

    Only the frames between two detections are in memory at a time. The result is an MP4 (H.264) without
    sound, upright, with sides of at most 1280 pixels and at most 30 frames per second.

    Parameters
    ----------
    classifier : EmotionClassifier
    path_in, path_out : path
        The clip, whose sound is not copied, and where to write the annotated one (".mp4"; an existing file is
        replaced).
    progress : callable, optional
        Called with the finished fraction, 0 to 1. What it raises ends the work, so it can cancel.
    max_seconds : float
        Longest clip that is accepted.
    detections_per_second : float
        How often faces are looked for and classified; their boxes glide in between.

    Returns
    -------
    Timeline
        One moment per face and detection; `Timeline.to_csv` writes them. Empty when no face was found.

    Raises
    ------
    InvalidVideoError
        If the file is no video, is too long, or breaks off in the middle. Nothing is left at `path_out` then.
    ValueError
        If both paths are the same.
    """
    if Path(path_in).resolve() == Path(path_out).resolve():
        raise ValueError("The annotated clip would replace the original; name another file to write to.")
    tracker = FaceTracker(
        labels=classifier.labels,
        threshold=classifier.threshold,
        box_smoothing=0.05,
        history=math.inf,
        history_step=0.0,
    )
    detected_at = -math.inf
    waiting: list[tuple[float, np.ndarray]] = []
    with Clip(path_in, max_seconds=max_seconds) as clip, _writer(path_out) as write:
        for time, picture in clip.frames():
            if time - detected_at < 1 / detections_per_second - 0.5 / MAX_RATE:
                waiting.append((time, picture))
                continue
            before = tracker.faces
            found = detect_faces_in_frame(picture)
            after = tracker.update(classifier.predict_located(Picture.of(picture), found), time)
            for earlier, frame in waiting:
                share = (earlier - detected_at) / (time - detected_at)
                write(earlier, np.asarray(annotate(frame, _between(before, after, share))))
            write(time, np.asarray(annotate(picture, after)))
            detected_at = time
            waiting.clear()
            if progress is not None:
                progress(min(time / (clip.seconds or max_seconds), 0.99))
        for time, picture in waiting:
            write(time, np.asarray(annotate(picture, tracker.faces)))
    if progress is not None:
        progress(1.0)
    return tracker.timeline


class Clip:
    """A video file whose size and length have been checked; closes with its `with` block.

    Parameters
    ----------
    path : path
    max_seconds : float
        Longest length that is accepted.

    Attributes
    ----------
    seconds : float or None
        The length that the file states; None when it states none, as recordings made in a browser do.

    Raises
    ------
    InvalidVideoError
        If the file is no video, states a length above `max_seconds`, or has frames above 50 megapixels.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_seconds: float = MAX_SECONDS) -> None:
        self.max_seconds = max_seconds
        # FFmpeg gets an open file, never a name: names may be addresses ("http:", "concat:").
        with contextlib.ExitStack() as resources:
            file = resources.enter_context(open(path, "rb"))
            try:
                self._container: InputContainer = resources.enter_context(
                    av.open(
                        file,
                        "r",
                        container_options={"format_whitelist": CONTAINERS},
                        metadata_errors="replace",
                    )
                )
            except (av.FFmpegError, OSError) as error:
                raise InvalidVideoError(NOT_A_CLIP) from error
            self._check()
            self._resources = resources.pop_all()

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._resources.close()

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decode the clip once.

        Yields
        ------
        time : float
            Seconds since the first frame; always rising.
        picture : numpy.ndarray
            uint8 (height, width, 3), upright RGB; sides even, at most `MAX_SIDE`.

        Raises
        ------
        InvalidVideoError
            If the clip turns out to be too long, or is damaged.
        """
        rate = float(self._stream.average_rate or 25)
        decoded, first, time, shown = 0, 0.0, 0.0, -math.inf
        size, quarter_turns = (0, 0), 0
        try:
            for frame in self._container.decode(self._stream):
                stated = frame.time
                decoded += 1
                if decoded == 1:
                    first = stated or 0.0
                    size = _target_size(frame, self._stream.sample_aspect_ratio)
                    quarter_turns = round(frame.rotation / 90)
                elif stated is None or stated - first <= time:
                    time += 1 / rate  # no usable time of its own
                else:
                    time = stated - first
                if time > self.max_seconds + GRACE:
                    raise self._too_long()
                if time - shown < 1 / MAX_RATE - 0.002:
                    continue
                shown = time
                picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
                # Players show the picture turned: phones store the rotation beside the pixels.
                yield time, np.ascontiguousarray(np.rot90(picture, quarter_turns))
        except (av.FFmpegError, OSError) as error:
            raise self._damaged(time) from error
        if decoded == 0:
            raise InvalidVideoError("This video contains no pictures that can be decoded. " + NOT_A_CLIP)
        # FFmpeg takes a file that breaks off for one that ends; MP4, MOV and AVI state their frame count.
        if decoded < 0.9 * self._stream.frames:
            raise self._damaged(time)

    def _check(self) -> None:
        streams = self._container.streams
        if not streams.video:
            sound = "This file has sound but no picture. Choose a video that shows faces."
            raise InvalidVideoError(sound if streams.audio else NOT_A_CLIP)
        self._stream = streams.video[0]
        self._stream.thread_type = "AUTO"
        if self._stream.codec_context is None or not self._stream.width:
            raise InvalidVideoError(NOT_A_CLIP)
        if self._stream.width * self._stream.height > MAX_PIXELS:
            raise InvalidVideoError(
                f"The frames are too large ({self._stream.width} x {self._stream.height} pixels). "
                "Export the clip in full HD or smaller."
            )
        self.seconds: float | None = None
        if self._stream.duration is not None and self._stream.time_base is not None:
            self.seconds = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration is not None:
            self.seconds = self._container.duration / av.time_base
        if self.seconds is not None and self.seconds > self.max_seconds + GRACE:
            raise self._too_long()

    def _too_long(self) -> InvalidVideoError:
        length = f" of {self.seconds:.0f} seconds" if self.seconds is not None else ""
        return InvalidVideoError(
            f"The clip{length} is too long: up to {self.max_seconds:g} seconds are accepted. "
            "Cut it and try again."
        )

    @staticmethod
    def _damaged(time: float) -> InvalidVideoError:
        return InvalidVideoError(
            f"The clip is damaged or incomplete: it breaks off after {time:.1f} seconds. "
            "Upload it once more, or export it again."
        )


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


@contextlib.contextmanager
def _writer(path: str | os.PathLike[str]) -> Iterator[Callable[[float, np.ndarray], None]]:
    """Give a function that appends a frame (seconds, uint8 RGB) to an MP4; an error removes the file."""
    encoder = next(name for name in ENCODERS if name in av.codecs_available)
    container = av.open(os.fspath(path), "w", format="mp4", options={"movflags": "+faststart"})
    stream = cast(VideoStream, container.add_stream(encoder, rate=MAX_RATE, options=ENCODERS[encoder]))
    stream.pix_fmt = "yuv420p"
    codec = stream.codec_context
    codec.time_base = CLOCK
    # Said outright, because players guess the meaning of untagged colours from the size of the picture.
    codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
    codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    begun = False

    def write(time: float, picture: np.ndarray) -> None:
        nonlocal begun
        if not begun:
            stream.height, stream.width = picture.shape[:2]
            begun = True
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = round(time / CLOCK), CLOCK
        container.mux(stream.encode(frame))

    try:
        yield write
        container.mux(stream.encode())
    except BaseException:
        with contextlib.suppress(av.FFmpegError):
            container.close()
        Path(path).unlink(missing_ok=True)
        raise
    container.close()


def _target_size(frame: av.VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height before rotation: square pixels, at most MAX_SIDE, even (as H.264 wants)."""
    width, height = frame.width * float(pixel_aspect or 1), float(frame.height)
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
