"""The sound of a clip on its way into an annotated one: copied as it is where an MP4 can hold it."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from emotion.video.clip import Source, opened

logger = logging.getLogger(__name__)

# An MP4 holds these and browsers play them; all other sound is encoded anew.
COPIED = ("aac", "mp3", "opus", "flac")
# For sound that is encoded anew.
ENCODER, RATE = "aac", 48_000
# Samples: a gap above the first number is filled with silence; one above the second is damage.
TOLERANCE, MOST_SILENCE = RATE // 10, 600 * RATE


class Sound:
    """Carries the sound of an open container over to `target`, as far as its pictures are.

    `start` is the time on the stream's clock that begins the target. It adds its stream at once, so nothing
    may have been written yet.
    """

    def __init__(
        self, container: InputContainer, stream: AudioStream, target: OutputContainer, *, start: float
    ) -> None:
        self._target, self._start = target, start
        self._copied = stream.codec_context.codec.canonical_name in COPIED
        layout = "mono" if stream.codec_context.channels == 1 else "stereo"
        self._resampler = av.AudioResampler("fltp", layout, RATE)
        self._into = (
            target.add_stream_from_template(stream)
            if self._copied
            else target.add_stream(ENCODER, rate=RATE, layout=layout)
        )
        self._samples = 0
        self._time, self._ended = -math.inf, False
        self._written: int | None = None
        self._packets: Iterator[Packet[AudioStream]] = container.demux(stream)

    def write_until(self, time: float) -> None:
        """Carry over the sound up to a time in seconds, `math.inf` for all; where it is damaged, it ends."""
        try:
            while not self._ended and self._time <= time:
                packet = next(self._packets, None)
                if packet is None:
                    self._end()
                elif self._copied:
                    self._copy(packet)
                else:
                    self._encode(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            logger.info("the sound ends after %.1f seconds: %s", self._time, error)
            self._ended = True

    def _copy(self, packet: Packet[AudioStream]) -> None:
        # The last packet of a container is an empty one without a time.
        if packet.dts is None or packet.pts is None:
            return
        offset = round(self._start / packet.time_base)
        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
        self._time = float(packet.pts * packet.time_base)
        if packet.dts < 0 or (self._written is not None and packet.dts <= self._written):
            return
        self._written = packet.dts
        packet.stream = self._into
        self._target.mux(packet)

    def _encode(self, packet: Packet[AudioStream]) -> None:
        for frame in packet.decode():
            if frame.pts is not None and frame.time_base is not None:
                self._time = float(frame.pts * frame.time_base) - self._start
                missing = round(self._time * RATE) - self._samples
                if missing < -TOLERANCE:
                    continue
                self._silence(missing)
            # The resampler's output continues where it ended.
            frame.pts = None
            for part in self._resampler.resample(frame):
                self._put(part)

    def _silence(self, missing: int) -> None:
        if missing > MOST_SILENCE:
            raise ValueError(f"nothing is heard for {missing / RATE:.0f} seconds")
        while missing > TOLERANCE:
            samples = min(missing, RATE)
            silent = np.zeros((self._resampler.layout.nb_channels, samples), np.float32)
            self._put(av.AudioFrame.from_ndarray(silent, format="fltp", layout=self._resampler.layout.name))
            missing -= samples

    def _put(self, frame: av.AudioFrame) -> None:
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, RATE)
        self._samples += frame.samples
        self._target.mux(self._into.encode(frame))

    def _end(self) -> None:
        self._ended = True
        if not self._copied:
            self._target.mux(self._into.encode(None))


@contextlib.contextmanager
def sound_of(source: Source) -> Iterator[tuple[InputContainer, AudioStream] | None]:
    """Open a clip a second time, for its sound alone; None without usable sound."""
    with opened(source) as (_, container):
        streams = [stream for stream in container.streams.audio if stream.codec_context is not None]
        yield (container, streams[0]) if streams else None
