"""What reads and writes a stranger's clip inside the process that `isolation` starts."""

from __future__ import annotations

import io
import time as clock
from typing import cast

import av
import numpy as np
from av.video.stream import VideoStream

from emotion.video.accepted import MAX_RATE, InvalidVideoError
from emotion.video.clip import Clip
from emotion.video.isolation import FAILED, MOST_WORK, NEXT, SECONDS, TOO_MUCH, WELL, WRITE, packed, unpacked
from emotion.video.writer import ClipWriter

THREADS = 2


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
            return b"" if frame is None else packed(frame[0], self._clip.done, frame[1])
        if kind == WRITE:
            time, _, picture = unpacked(content)
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
