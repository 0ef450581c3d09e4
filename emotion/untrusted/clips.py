"""Strangers' clips, read and written anew: FFmpeg sees the file in the process, the program sees pixels."""

from __future__ import annotations

import io
import time as clock
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotion.errors import InvalidVideoError
from emotion.untrusted.process import Header, LimitedProcess, Limits, Message, one_picture

# Enough for clips in 4K of any usual codec (tests/untrusted/test_clips.py); the time is for one frame.
CLIP = Limits(memory=800_000_000, seconds=5.0)
MOST_WORK = 900.0  # seconds of processor time for a whole clip
THREADS = 2
PIECE = 4_000_000  # bytes of the written clip in one message
TOO_MUCH = (
    "The clip cannot be read within the limits on time and memory. "
    "Export it as MP4 (H.264) in full HD or smaller and send it again."
)


class IsolatedClip:
    """A stranger's clip that is read and written anew; see `Clip` and `ClipWriter`.

    `done` is the share of it that was decoded, 0..1. Errors are those of `Clip`, and `InvalidVideoError` if
    it takes too much time or memory.
    """

    def __init__(self, path: Path, *, max_seconds: float) -> None:
        self.done = 0.0
        self._process = LimitedProcess(
            __name__,
            CLIP,
            error=InvalidVideoError,
            stopped=TOO_MUCH,
            first=lambda: ({"max_seconds": max_seconds}, [np.frombuffer(path.read_bytes(), np.uint8)]),
        )
        try:
            self._process.start()
        except OSError as error:
            raise InvalidVideoError("The file is no longer here. Send it again.") from error

    def __enter__(self) -> IsolatedClip:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Decode the clip once, as `Clip.frames` does."""
        while True:
            header, arrays = self._process.ask({"do": "next"})
            if not arrays:
                return
            try:
                time, self.done, picture = float(header["time"]), float(header["done"]), one_picture(arrays)
            except (KeyError, TypeError, ValueError) as error:
                raise InvalidVideoError(TOO_MUCH) from error
            yield time, picture

    def write(self, time: float, picture: np.ndarray) -> None:
        """Append a picture, as `ClipWriter.write` does."""
        self._process.ask({"do": "write", "time": time}, picture)

    def finish(self) -> Iterator[bytes]:
        """Return the written clip piece by piece, an MP4 with the sound of the original."""
        self._process.ask({"do": "finish"})
        start = 0
        while True:
            _, arrays = self._process.ask({"do": "read", "start": start})
            piece = b"".join(array.tobytes() for array in arrays)
            if not piece:
                return
            start += len(piece)
            yield piece


class Work:
    """Reads and writes one clip in the process."""

    def __init__(self) -> None:
        # PyAV imports this one when it opens its first file.
        import av.subtitles.stream  # noqa: F401

        from emotion.video.clip import Clip
        from emotion.video.writer import ClipWriter

        self._open, self._write_to, self._target = Clip, ClipWriter, io.BytesIO()

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        """Open the clip, then read and write its pictures."""
        if clock.process_time() > MOST_WORK:
            raise InvalidVideoError(TOO_MUCH)
        match header.get("do"):
            case "next":
                frame = next(self._frames, None)
                if frame is not None:
                    return {"time": frame[0], "done": self._clip.done}, [frame[1]]
            case "write":
                self._writer.write(header["time"], arrays[0])
            case "finish":
                self._writer.finish()
            case "read":
                self._target.seek(header["start"])
                return {}, [np.frombuffer(self._target.read(PIECE), np.uint8)]
            case _:
                content = arrays[0].tobytes()
                self._clip = self._open(content, max_seconds=header["max_seconds"], threads=THREADS)
                self._frames = self._clip.frames()
                self._writer = self._write_to(self._target, self._clip, threads=THREADS)
        return {}, []
