"""Opening strangers' pictures, with limits on time and memory for every format."""

from __future__ import annotations

import contextlib
import io
import os
import queue
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin, Image

from emotion.errors import InvalidImageError
from emotion.untrusted.process import Header, LimitedProcess, Limits, Message, one_picture
from emotion.vision.images import Picture, open_image, open_picture, readable_formats

# Enough for every picture of 50 megapixels: WebP takes 16 bytes a pixel, a camera's HEIF 17 and JPEG 2000 20.
# On a busy core, that HEIF takes 0.2 seconds a megapixel and a phone's 0.1; slow machines take twice as long.
PICTURE = Limits(memory=1_200_000_000, seconds=20.0)
# Threads that decode one AVIF, as many as pi-heif takes for a HEIC. By default it is one per processor,
# and each takes address space.
THREADS = 4
TOO_MUCH = (
    "The picture cannot be opened within the limits on time and memory. "
    "Save it as JPEG, PNG or WebP of at most 25 megapixels and send it again."
)


class PictureDecoder:
    """Opens untrusted pictures, `workers` at a time in processes of their own. Safe to share by threads."""

    def __init__(self, workers: int = 2, *, limits: Limits = PICTURE) -> None:
        # Last in, first out: only as many processes start as are needed at the same time.
        self._idle: queue.LifoQueue[LimitedProcess] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(LimitedProcess(__name__, limits, error=InvalidImageError, stopped=TOO_MUCH))

    def open(self, source: bytes | str | os.PathLike[str]) -> Picture:
        """Open an encoded picture or a file as `emotion.vision.images.open_picture` does.

        InvalidImageError if it is not a picture, is too large, or takes too much time or memory to open.
        """
        try:
            content = source if isinstance(source, bytes) else Path(source).read_bytes()
        except OSError as error:
            raise InvalidImageError("The file is no longer here. Send it again.") from error
        picture = self._ask(content, full=False)
        if picture.scale == 1:
            return picture
        return Picture(picture.pixels, picture.size, lambda: self._ask(content, full=True).pixels)

    def close(self) -> None:
        """End all processes that are idle."""
        while not self._idle.empty():
            self._idle.get().close()

    def _ask(self, content: bytes, *, full: bool) -> Picture:
        process = self._idle.get()
        try:
            header, arrays = process.ask({"full": full}, np.frombuffer(content, np.uint8))
            width, height = header["size"]
            return Picture(one_picture(arrays), (int(width), int(height)))
        except (KeyError, TypeError, ValueError) as error:
            raise error if isinstance(error, InvalidImageError) else InvalidImageError(TOO_MUCH) from error
        finally:
            self._idle.put(process)


class Work:
    """Opens pictures in the process."""

    def __init__(self) -> None:
        # Type checkers take the default for a constant.
        vars(AvifImagePlugin)["DEFAULT_MAX_THREADS"] = THREADS
        # Opening a picture of every format imports what that needs.
        for name in readable_formats():
            buffer = io.BytesIO()
            with contextlib.suppress(Exception):
                Image.new("RGB", (8, 8)).save(buffer, name)
                open_image(buffer.getvalue())

    def answer(self, header: Header, arrays: list[np.ndarray]) -> Message:
        """Open one picture, in full or as large as the search for faces needs it."""
        content = arrays[0].tobytes()
        picture = Picture.of(open_image(content)) if header["full"] else open_picture(content)
        return {"size": picture.size}, [picture.pixels]
