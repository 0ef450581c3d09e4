"""Clips of strangers: read and written in a process of its own, which hands out pixels and takes them back.

FFmpeg sees the file there alone, in `isolated`; this side does not even import it. What holds is what
`vision.sandbox` limits: memory, time, files, connections and the rights of a user.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from emotion.video.accepted import InvalidVideoError
from emotion.vision.sandbox import Sandbox, SandboxError

# Bytes: within them, clips in 4K of any usual codec open (tests/video/test_isolation.py).
MOST_MEMORY = 800_000_000
# Seconds of processor time: for one frame, and for all of them.
MOST_SECONDS, MOST_WORK = 5.0, 900.0
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
            "emotion.video.isolated",
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
            time, self.done, pixels = unpacked(picture)
            yield time, pixels

    def write(self, time: float, picture: np.ndarray) -> None:
        """Append a picture, as `ClipWriter.write` does."""
        self._ask(WRITE + packed(time, 0.0, picture))

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


def packed(time: float, done: float, picture: np.ndarray) -> bytes:
    """Return what `unpacked` reads: seconds, share that is done, and pixels uint8 (height, width, 3)."""
    height, width = picture.shape[:2]
    return PICTURE.pack(time, done, height, width) + picture.tobytes()


def unpacked(content: bytes) -> tuple[float, float, np.ndarray]:
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
