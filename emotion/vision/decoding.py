"""Opening strangers' pictures in a process of its own, with limits on time and memory for every format."""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import os
import queue
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin, Image

from emotion.errors import InvalidImageError
from emotion.vision.images import MAX_PIXELS, Picture, open_image, open_picture, readable_formats
from emotion.vision.sandbox import Sandbox, SandboxError

# Bytes: what the thirstiest pictures take for a pixel while they decode (WebP 16, a camera's HEIF 17).
BYTES_OF_A_PIXEL = 17
# Bytes: enough for every picture of 50 megapixels.
MOST_MEMORY = 1_000_000_000
# Seconds of processor time, whatever else the machine does. A camera's HEIF takes 0.2 a megapixel on a busy
# core, a phone's 0.1.
MOST_SECONDS = 20.0
# That decode one HEIF or AVIF. Without a limit it is one per processor, and each takes address space.
THREADS = 2
TOO_MUCH = (
    "The picture cannot be opened within the limits on time and memory. "
    "Save it as JPEG, PNG or WebP of at most 25 megapixels and send it again."
)

# A question is one byte, full or as the search needs it, and the file. An answer is one byte, failed or
# opened; a message, or height and width of the pixels, width and height of the whole picture, and the pixels.
SEARCHED, FULL = b"s", b"f"
OPENED, FAILED = b"o", b"x"
SIZES = struct.Struct("<4I")


class PictureDecoder:
    """Opens untrusted pictures, several at a time. Safe to share by threads.

    Parameters
    ----------
    workers : int
        Pictures that are opened at the same time; each takes a process, which starts when it is first needed.
    memory, seconds : int, float
        Limits of each process; see `emotion.vision.sandbox.Sandbox`.
    """

    def __init__(self, workers: int = 2, *, memory: int = MOST_MEMORY, seconds: float = MOST_SECONDS) -> None:
        # The one used last comes first, so that only as many start as are needed at the same time.
        self._idle: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(Sandbox(__name__, memory=memory, seconds=seconds))

    def open(self, source: bytes | str | os.PathLike[str]) -> Picture:
        """Open a picture as `emotion.vision.images.open_picture` does.

        Parameters
        ----------
        source : bytes or path
            An encoded picture.

        Raises
        ------
        InvalidImageError
            If it is no picture, is too large, or takes too much time or memory to open.
        """
        content = source if isinstance(source, bytes) else _read(source)
        picture = self._ask(SEARCHED, content)
        if picture.scale == 1:
            return picture
        return Picture(picture.pixels, picture.size, functools.partial(self._full, content))

    def close(self) -> None:
        """End all processes that are idle."""
        while not self._idle.empty():
            self._idle.get().close()

    def _full(self, content: bytes) -> np.ndarray:
        return self._ask(FULL, content).pixels

    def _ask(self, kind: bytes, content: bytes) -> Picture:
        try:
            with self._borrowed() as worker:
                answer = worker.ask(kind + content)
        except SandboxError as error:
            raise InvalidImageError(TOO_MUCH) from error
        if answer[:1] == FAILED:
            raise InvalidImageError(answer[1:].decode(errors="replace"))
        height, width, *size = SIZES.unpack_from(answer, 1)
        pixels = np.frombuffer(answer, np.uint8, height * width * 3, 1 + SIZES.size)
        return Picture(pixels.reshape(height, width, 3), tuple(size))

    @contextmanager
    def _borrowed(self) -> Iterator[Sandbox]:
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidImageError("The file is no longer here. Send it again.") from error


def prepare() -> None:
    """Import what opening any format imports, as long as files can be opened."""
    # Type checkers take the defaults of both for constants.
    vars(AvifImagePlugin)["DEFAULT_MAX_THREADS"] = THREADS
    with contextlib.suppress(ImportError):
        vars(importlib.import_module("pi_heif.options"))["DECODE_THREADS"] = THREADS
    for name in readable_formats():
        buffer = io.BytesIO()
        try:
            Image.new("RGB", (8, 8)).save(buffer, name)
            open_image(buffer.getvalue())
        except Exception:
            continue


def answer(question: bytes) -> bytes:
    """Open one picture inside the process."""
    content = question[1:]
    try:
        picture = open_picture(content) if question[:1] == SEARCHED else Picture.of(open_image(content))
    except InvalidImageError as error:
        return FAILED + (TOO_MUCH if _lacks_memory(content) else str(error)).encode()
    except MemoryError:
        return FAILED + TOO_MUCH.encode()
    height, width = picture.pixels.shape[:2]
    return OPENED + SIZES.pack(height, width, *picture.size) + picture.pixels.tobytes()


def _lacks_memory(content: bytes) -> bool:
    """Whether a picture of this size may have failed for want of memory, which some decoders call damage."""
    try:
        with Image.open(io.BytesIO(content), formats=readable_formats()) as image:
            pixels = image.width * image.height
        if pixels <= MAX_PIXELS:
            bytearray(BYTES_OF_A_PIXEL * pixels)
    except MemoryError:
        return True
    except Exception:  # no picture, or a bomb: what was said of it holds
        return False
    return False
