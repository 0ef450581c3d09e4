"""A camera or a network stream while it runs: always the newest frame. Finished clips are in `clip`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion.errors import InvalidVideoError
from emotion.video.clip import target_size

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

# Seconds until a stream has to answer, and between two of its frames.
OPEN_TIMEOUT, READ_TIMEOUT = 10.0, 15.0


class Camera:
    """A camera of this computer ("0") or a stream ("rtsp://…"); InvalidVideoError if it cannot be opened.

    A thread decodes every frame, because most frames build on earlier ones, and keeps only the newest: a
    program that is slower than the camera skips frames instead of falling behind.
    """

    done = 0.0  # share that was read: a camera has no end

    def __init__(self, source: str) -> None:
        self._container = _opened(source)
        self._newest: tuple[float, VideoFrame] | None = None
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
        if self._thread.is_alive():
            self._thread.join(1)
        # A thread that still waits for a stalled stream ends with the program, or at the timeout.
        if not self._thread.is_alive():
            self._container.close()

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yield seconds since the first frame and uint8 (height, width, 3) RGB, until the stream ends.

        Pictures have sides of at most `clip.MAX_SIDE`. InvalidVideoError if the stream breaks off.
        """
        aspect = self._container.streams.video[0].sample_aspect_ratio
        self._thread.start()
        start = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended)
                if self._newest is None:
                    break
                (time, frame), self._newest = self._newest, None
            start = time if start is None else start
            width, height = target_size(frame, aspect)
            yield time - start, frame.to_ndarray(format="rgb24", width=width, height=height)
        if self._error:
            raise InvalidVideoError(f"The stream broke off: {_cause(self._error)}.") from self._error

    def _read(self) -> None:
        import av

        try:
            for frame in self._container.decode(video=0):
                with self._changed:
                    if self._ended:
                        return
                    self._newest = monotonic(), frame
                    self._changed.notify()
        except (av.FFmpegError, OSError) as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()


def _opened(source: str) -> InputContainer:
    import av

    try:
        place, settings = _place(source)
        container = av.open(place, "r", timeout=(OPEN_TIMEOUT, READ_TIMEOUT), **settings)
    except (av.FFmpegError, OSError, ValueError) as error:
        what = f"camera {source}" if source.isdigit() else "the stream"
        advice = (
            "Is it plugged in, and does no other program use it?"
            if source.isdigit()
            else "Check the address, and the name and password if it needs them."
        )
        # An address may hold a password, so that it is not repeated.
        raise InvalidVideoError(f"Could not open {what}: {_cause(error)}. {advice}") from error
    if not container.streams.video:
        container.close()
        raise InvalidVideoError("The stream has no pictures. Name one that shows faces.")
    return container


def _place(source: str) -> tuple[str, dict[str, Any]]:
    """Return what FFmpeg opens on this system, and how."""
    import av

    if not source.isdigit():
        # Over UDP, which is RTSP's default, frames arrive damaged wherever a packet is lost.
        rtsp = source.lower().startswith("rtsp")
        return source, {"options": {"rtsp_transport": "tcp"}} if rtsp else {}
    if sys.platform == "darwin":
        return source, {"format": "avfoundation", "options": {"framerate": "30"}}
    if sys.platform == "win32":
        cameras = [found for found in av.enumerate_input_devices("dshow") if "video" in found.media_types]
        if int(source) >= len(cameras):
            raise ValueError(f"this computer has {len(cameras)}, counted from 0")
        return f"video={cameras[int(source)].name}", {"format": "dshow"}
    return f"/dev/video{source}", {"format": "v4l2"}


def _cause(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")
