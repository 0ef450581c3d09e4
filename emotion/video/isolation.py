"""Clips of strangers: read and written in a process of its own, which hands out pixels and takes them back.

FFmpeg sees the file there alone. What holds is what `vision.sandbox` limits: memory, time, files, connections
and the rights of a user.
"""

from __future__ import annotations

import io
import struct
import time as clock
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from emotion.video.clip import MAX_RATE, Clip, InvalidVideoError
from emotion.video.writer import ClipWriter
from emotion.vision.sandbox import Sandbox, SandboxError

# Bytes: within them, clips in 4K of any usual codec open (tests/video/test_isolation.py).
MOST_MEMORY = 800_000_000
# Seconds of processor time: for one frame, and for all of them.
MOST_SECONDS, MOST_WORK = 5.0, 900.0
THREADS = 2
TOO_MUCH = (
    "The clip cannot be read within the limits on time and memory. "
    "Export it as MP4 (H.264) in full HD or smaller and send it again."
)

# The first question is the longest length and the file; then one byte, with a picture to write where it says
# so. An answer is one byte; the length, a picture, the finished clip or a message follow.
NEXT, WRITE, FINISH = b"n", b"w", b"f"
WELL, FAILED = b"o", b"x"
SECONDS = struct.Struct("<d")
# Time, share that is done, height, width; then the pixels.
PICTURE = struct.Struct("<2d2I")


class IsolatedClip:
    """A stranger's clip that is read and written anew; see `Clip` and `ClipWriter`.

    Parameters
    ----------
    path : path
        The file.
    max_seconds : float
        Longest length that is accepted.

    Attributes
    ----------
    done : float
        How much of the clip was decoded, 0..1.

    Raises
    ------
    InvalidVideoError
        As for `Clip`, and if it takes too much time or memory.
    """

    def __init__(self, path: Path, *, max_seconds: float) -> None:
        self.done = 0.0
        self._worker = Sandbox(
            __name__,
            first=lambda: SECONDS.pack(max_seconds) + path.read_bytes(),
            memory=MOST_MEMORY,
            seconds=MOST_SECONDS,
        )
        try:
            self._well(self._worker.first_answer())
        except SandboxError as error:
            raise InvalidVideoError(TOO_MUCH) from error
        except OSError as error:
            self._worker.close()
            raise InvalidVideoError("The file is no longer here. Send it again.") from error
        except InvalidVideoError:
            self._worker.close()
            raise

    def __enter__(self) -> IsolatedClip:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.close()

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decode the clip once, as `Clip.frames` does."""
        while picture := self._ask(NEXT):
            time, self.done, pixels = _unpacked(picture)
            yield time, pixels

    def write(self, time: float, picture: np.ndarray) -> None:
        """Append a picture, as `ClipWriter.write` does."""
        self._ask(WRITE + _packed(time, 0.0, picture))

    def finish(self) -> bytes:
        """Return the written clip, an MP4 with the sound of the original."""
        return self._ask(FINISH)

    def _ask(self, question: bytes) -> bytes:
        try:
            return self._well(self._worker.ask(question))
        except SandboxError as error:
            raise InvalidVideoError(TOO_MUCH) from error

    @staticmethod
    def _well(answer: bytes) -> bytes:
        if answer[:1] == FAILED:
            raise InvalidVideoError(answer[1:].decode(errors="replace"))
        return answer[1:]


def _packed(time: float, done: float, picture: np.ndarray) -> bytes:
    height, width = picture.shape[:2]
    return PICTURE.pack(time, done, height, width) + picture.tobytes()


def _unpacked(content: bytes) -> tuple[float, float, np.ndarray]:
    """Return time, share that is done and pixels.

    Raises
    ------
    InvalidVideoError
        If these are none: whoever sent them may be in a stranger's hand.
    """
    try:
        time, done, height, width = PICTURE.unpack_from(content)
        pixels = np.frombuffer(content, np.uint8, offset=PICTURE.size).reshape(height, width, 3)
    except (struct.error, ValueError) as error:
        raise InvalidVideoError(TOO_MUCH) from error
    return time, done, pixels


class _Work:
    """What the process is asked to do with its one clip."""

    def __init__(self, question: bytes) -> None:
        (max_seconds,) = SECONDS.unpack_from(question)
        self._clip = Clip(question[SECONDS.size :], max_seconds=max_seconds, threads=THREADS)
        self._frames = self._clip.frames()
        self._target = io.BytesIO()
        self._writer = ClipWriter(self._target, self._clip, threads=THREADS)

    def do(self, question: bytes) -> bytes:
        kind, content = question[:1], question[1:]
        if clock.process_time() > MOST_WORK:
            raise InvalidVideoError(TOO_MUCH)
        if kind == NEXT:
            frame = next(self._frames, None)
            return b"" if frame is None else _packed(frame[0], self._clip.done, frame[1])
        if kind == WRITE:
            time, _, picture = _unpacked(content)
            self._writer.write(time, picture)
            return b""
        self._writer.finish()
        return self._target.getvalue()


_work: list[_Work] = []


def prepare() -> None:
    """Carry a small clip over twice, its sound encoded anew, then copied: that imports all that is needed."""
    content = _sample()
    for _ in range(2):
        target = io.BytesIO()
        with Clip(content) as clip, ClipWriter(target, clip) as writer:
            for time, picture in clip.frames():
                writer.write(time, picture)
        content = target.getvalue()


def _sample() -> bytes:
    """Return a clip of two black pictures and a tenth of a second of silence."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as container:
        video = cast(VideoStream, container.add_stream("mpeg4", rate=MAX_RATE))
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        black, silence = np.zeros((64, 64, 3), np.uint8), np.zeros((1, 800), np.int16)
        for _ in range(2):
            container.mux(video.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
        container.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(silence, format="s16", layout="mono")
        sound.rate, sound.pts = 8000, 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return buffer.getvalue()


def answer(question: bytes) -> bytes:
    """Open the clip inside the process, then read and write its pictures."""
    try:
        if _work:
            return WELL + _work[0].do(question)
        _work.append(_Work(question))
        return WELL
    except InvalidVideoError as error:
        return FAILED + str(error).encode()
    except MemoryError:
        return FAILED + TOO_MUCH.encode()
