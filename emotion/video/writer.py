"""Writing pictures as an MP4 (H.264) with the sound of the clip that they come from."""

from __future__ import annotations

import contextlib
import io
import math
import os
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from emotion.video.clip import MAX_RATE, Clip
from emotion.video.sound import Sound, sound_of

# Seconds per tick, as is usual in video.
CLOCK = Fraction(1, 90_000)
# The first one that this build of FFmpeg has is used; browsers play all of them in an MP4.
ENCODERS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "24", "maxrate": "2500k", "bufsize": "5000k"},
    "libopenh264": {},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "34", "b": "0"},
}


class ClipWriter:
    """Writes what is made of a clip, with its sound; an error inside its `with` block removes the file.

    A file plays while it is still being fetched; in memory, the index comes last. 0 threads stand for one per
    processor.
    """

    def __init__(self, target: str | os.PathLike[str] | io.BytesIO, clip: Clip, *, threads: int = 0) -> None:
        self._clip = clip
        self._path = None if isinstance(target, io.BytesIO) else Path(target)
        self._resources = contextlib.ExitStack()
        options = {} if self._path is None else {"movflags": "+faststart"}
        self._container = av.open(self._path or target, "w", format="mp4", options=options)
        encoder = next(name for name in ENCODERS if name in av.codecs_available)
        self._stream = cast(
            VideoStream, self._container.add_stream(encoder, rate=MAX_RATE, options=ENCODERS[encoder])
        )
        self._stream.pix_fmt = "yuv420p"
        codec = self._stream.codec_context
        codec.time_base, codec.thread_count = CLOCK, threads
        # Stated, because players guess the colour space of untagged pictures from their size.
        codec.colorspace, codec.color_range = Colorspace.ITU709, ColorRange.MPEG
        codec.color_primaries, codec.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        self._sound: Sound | None = None
        self._begun = False

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.finish()
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def write(self, time: float, picture: np.ndarray) -> None:
        """Append an RGB picture, uint8 (height, width, 3), at a time in seconds; times rise, sizes stay."""
        if not self._begun:
            self._begin(picture)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = round(time / CLOCK), CLOCK
        self._container.mux(self._stream.encode(frame))
        if self._sound is not None:
            self._sound.write_until(time)

    def finish(self) -> None:
        """Write what is left, and close the clip."""
        self._container.mux(self._stream.encode())
        if self._sound is not None:
            self._sound.write_until(math.inf)
        self._container.close()
        self._resources.close()

    def _begin(self, picture: np.ndarray) -> None:
        self._begun = True
        self._stream.height, self._stream.width = picture.shape[:2]
        found = self._resources.enter_context(sound_of(self._clip.source))
        if found is not None:
            self._sound = Sound(*found, self._container, start=self._clip.start)

    def _discard(self) -> None:
        with contextlib.suppress(av.FFmpegError):
            self._container.close()
        self._resources.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
