"""Reading an untrusted clip: what it must be, and its frames upright, at an ordinary size and rate.

FFmpeg comes inside PyAV's wheels, so nothing has to be installed on the system; it is imported when a clip is
opened, so a program that opens clips only in other processes never loads it. Sound is in `sound`.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from emotion.errors import InvalidVideoError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

# Seconds: the default for the longest clip, and a tolerance, because cameras that stop after a minute write
# a few more frames.
MAX_SECONDS, GRACE = 60.0, 0.5
# Pixels: larger frames are scaled down, for detection and for browsers.
MAX_SIDE = 1280
# Frames per second; slow-motion clips lose frames.
MAX_RATE = 30
# Pixels of a frame, checked before the first one is decoded.
MAX_PIXELS = 50_000_000
TIME_BASE = 1_000_000  # ticks a second of FFmpeg's durations

# Containers that cameras, browsers and editors write. Playlists (HLS, DASH, concat) stay out: they would make
# FFmpeg open other files and addresses on behalf of the person who uploads one.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif"
# Their file names; a GIF counts as a picture.
EXTENSIONS = frozenset({
    ".3g2", ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mj2", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg",
    ".mts", ".ogv", ".ts", ".webm", ".wmv",
})  # fmt: skip

NOT_A_CLIP = "This is not a video that can be read. Use an MP4, MOV, WebM, MKV or AVI file."

Source = str | os.PathLike[str] | bytes


class Clip:
    """A clip whose size and length have been checked; closes with its `with` block.

    It may last `max_seconds`, `math.inf` for any length; `threads` decode it, 0 for one per processor.
    `seconds` is the length that the file states, None for recordings made in a browser. `start` is when the
    first frame is shown, on the file's clock, known once it was decoded. `done` is the share that was
    decoded, 0..1: by length, or by bytes if no length is stated.
    """

    def __init__(self, source: Source, *, max_seconds: float = MAX_SECONDS, threads: int = 0) -> None:
        self.max_seconds = max_seconds
        self.start = self.done = 0.0
        self.source = source
        with contextlib.ExitStack() as resources:
            self._file, self._container = resources.enter_context(opened(source))
            self._check(threads)
            self._resources = resources.pop_all()

    def __enter__(self) -> Clip:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decode the clip once: seconds since the first frame, always rising, and uint8 (height, width, 3).

        Pictures are upright RGB, all of the first one's size, with even sides of at most `MAX_SIDE`: others
        are fitted into it with borders, as those of a phone that was turned while recording.
        InvalidVideoError if the clip turns out to be too long, too large or damaged.
        """
        import av

        rate = float(self._stream.average_rate or 25)
        decoded, time, shown, covered = 0, 0.0, -1.0, 0.0
        size, quarter_turns = (0, 0), 0
        try:
            for frame in self._container.decode(self._stream):
                stated = frame.time
                decoded += 1
                covered += float((frame.duration or 0) * (frame.time_base or 0)) or 1 / rate
                _check_pixels(frame.width, frame.height)
                if decoded == 1:
                    self.start = stated or 0.0
                    size = target_size(frame, self._stream.sample_aspect_ratio)
                    quarter_turns = round(frame.rotation / 90)
                elif stated is None or stated - self.start <= time:
                    time += 1 / rate  # no usable time of its own
                else:
                    time = stated - self.start
                if time > self.max_seconds + GRACE:
                    raise self._too_long()
                if time - shown < 1 / MAX_RATE - 0.002:
                    continue
                shown = time
                self.done = self._share(time)
                picture = _fitted(frame, self._stream.sample_aspect_ratio, size)
                # Players show the picture turned: phones store the rotation beside the pixels.
                yield time, np.ascontiguousarray(np.rot90(picture, quarter_turns))
        except (av.FFmpegError, OSError) as error:
            raise self._damaged(time) from error
        if decoded == 0:
            raise InvalidVideoError("This video contains no pictures that can be decoded. " + NOT_A_CLIP)
        # FFmpeg takes a file that breaks off for one that ends. MP4, MOV and AVI state how long their frames
        # are shown; their number of frames counts those that were cut away without encoding anew, too.
        if self._stream.frames and covered < 0.9 * (self.seconds or 0):
            raise self._damaged(time)

    def _check(self, threads: int) -> None:
        streams = self._container.streams
        if not streams.video:
            sound = "This file has sound but no picture. Choose a video that shows faces."
            raise InvalidVideoError(sound if streams.audio else NOT_A_CLIP)
        self._stream = streams.video[0]
        self._stream.thread_type = "AUTO"
        if self._stream.codec_context is None or not self._stream.width:
            raise InvalidVideoError(NOT_A_CLIP)
        self._stream.codec_context.thread_count = threads
        _check_pixels(self._stream.width, self._stream.height)
        self.seconds: float | None = None
        if self._stream.duration is not None and self._stream.time_base is not None:
            self.seconds = float(self._stream.duration * self._stream.time_base)
        elif self._container.duration is not None:
            self.seconds = self._container.duration / TIME_BASE
        if self.seconds is not None and self.seconds > self.max_seconds + GRACE:
            raise self._too_long()

    def _share(self, time: float) -> float:
        share = time / self.seconds if self.seconds else self._file.tell() / max(1, self._container.size)
        return max(self.done, min(share, 1.0))

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
            "Copy it once more, or export it again."
        )


@contextlib.contextmanager
def opened(source: Source) -> Iterator[tuple[BinaryIO, InputContainer]]:
    """Open a clip for FFmpeg, which gets an open file and never a name: names may be addresses ("http:")."""
    import av

    with contextlib.ExitStack() as resources:
        try:
            file: BinaryIO
            if isinstance(source, bytes):
                file = resources.enter_context(io.BytesIO(source))
            else:
                file = resources.enter_context(open(source, "rb"))
            options = {"format_whitelist": CONTAINERS}
            container = resources.enter_context(
                av.open(file, "r", container_options=options, metadata_errors="replace")
            )
        except FileNotFoundError as error:
            raise InvalidVideoError("There is no such file. Check the path.") from error
        except (av.FFmpegError, OSError) as error:
            raise InvalidVideoError(NOT_A_CLIP) from error
        yield file, container


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InvalidVideoError(
            f"The frames are too large ({width} x {height} pixels). Export the clip in full HD or smaller."
        )


def target_size(frame: VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Width and height before rotation: square pixels, at most MAX_SIDE, even (as H.264 wants)."""
    return _within(frame, pixel_aspect, (MAX_SIDE, MAX_SIDE), enlarge=False)


def _fitted(frame: VideoFrame, pixel_aspect: Fraction | None, size: tuple[int, int]) -> np.ndarray:
    """Return a frame as RGB (height, width, 3) of this size; if it has another shape, with black borders."""
    width, height = _within(frame, pixel_aspect, size)
    picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    if (width, height) == size:
        return picture
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[top : top + height, left : left + width] = picture
    return canvas


def _within(
    frame: VideoFrame, pixel_aspect: Fraction | None, box: tuple[int, int], *, enlarge: bool = True
) -> tuple[int, int]:
    """Return the even width and height of a frame with square pixels that fills a box in one direction."""
    width, height = frame.width * float(pixel_aspect or 1), float(frame.height)
    scale = min(box[0] / width, box[1] / height)
    if not enlarge:
        scale = min(1.0, scale)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
