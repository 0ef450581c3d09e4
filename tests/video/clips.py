"""Clips that tests encode, and what is in a clip that was written."""

import av
import numpy as np

from emotion.predictions.face import FacePrediction
from emotion.video.clip import MAX_SECONDS, Clip
from emotion.video.follow import follow_faces
from emotion.video.tracking import Timeline
from emotion.video.writer import ClipWriter
from emotion.vision.crop import crop_face

QUICK = {
    "libx264": {"preset": "ultrafast"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
}


def annotate_clip(classifier, path_in, path_out, *, progress=None, max_seconds=MAX_SECONDS):
    """Write a copy of a clip with boxes, as the page and the shell do; return the answers over time."""
    moments = []
    with Clip(path_in, max_seconds=max_seconds) as clip, ClipWriter(path_out, clip) as writer:
        follow_faces(classifier, clip, record=moments.append, write=writer.write, progress=progress)
    if progress:
        progress(1.0)
    return Timeline(classifier.labels, tuple(moments))


class HappyOnTheLeft:
    """What `annotate_clip` needs of a classifier, with answers that a test can foresee."""

    labels = ("angry", "happy", "sad")
    threshold = 0.5

    def predict_located(self, picture, faces):
        assert picture.pixels.dtype == np.uint8
        assert picture.scale == 1
        return [self._answer(face) for face in faces]

    @staticmethod
    def crop(picture, face):
        return crop_face(picture.pixels, face, size=48)

    @staticmethod
    def _answer(face):
        label, other = ("happy", "sad") if face.box[0] < 200 else ("sad", "happy")
        probabilities = {"angry": 0.05, label: 0.9, other: 0.05}
        probabilities = {name: probabilities[name] for name in HappyOnTheLeft.labels}
        return FacePrediction(
            box=face.box, label=label, confidence=0.9, probabilities=probabilities, reason=None
        )


def quarters(count, *, width=320, height=240):
    """Frames with a red quarter at the top left, on grey with noise at the bottom."""
    noise = np.random.default_rng(0)
    for _ in range(count):
        picture = np.full((height, width, 3), 60, np.uint8)
        picture[: height // 2, : width // 2] = (250, 0, 0)
        picture[-height // 8 :] = noise.integers(0, 255, (height // 8, width, 3))
        yield picture


def people(count, *portraits):
    """Frames of 640 x 360 in which portraits, given as (pixels, x, step per frame), glide sideways."""
    for index in range(count):
        picture = np.full((360, 640, 3), 120, np.uint8)
        for portrait, x, step in portraits:
            left = x + step * index
            picture[40 : 40 + portrait.shape[0], left : left + portrait.shape[1]] = portrait
        yield picture


def encode(
    target,
    pictures,
    *,
    codec="libx264",
    rate=30,
    pixels="yuv420p",
    aspect=None,
    sound=0,
    sound_codec="aac",
    **options,
):
    """Write a clip and return its path (or the target); `options` go to `av.open`.

    Its sound of so many seconds is a tone for half of every second, then silence.
    """
    with av.open(target, "w", **options) as container:
        stream = container.add_stream(codec, rate=rate, options=QUICK.get(codec, {}))
        stream.pix_fmt = pixels
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        audio = container.add_stream(sound_codec, rate=48000, layout="mono") if sound else None
        for index, picture in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
        if sound:
            times = np.arange(48000 * sound) / 48000
            tone = np.where(times % 1 < 0.5, 0.3 * np.sin(2 * np.pi * 440 * times), 0).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            frame.rate, frame.pts = 48000, 0
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return target


def loudness(source):
    """Return the name of the sound's codec, and in which quarters of a second it is heard."""
    with av.open(source) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("fltp", "mono", 8000)
        parts = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
        start = round(8000 * container.streams.audio[0].start_time * stream.time_base)
        waves = np.concatenate([np.zeros(max(0, start)), *(part.to_ndarray()[0] for part in parts)])
        quarters = np.abs(waves[: len(waves) // 2000 * 2000]).reshape(-1, 2000).mean(axis=1)
        return stream.codec_context.codec.canonical_name, (quarters > 0.1).tolist()


def decode(path, **options):
    with Clip(path, **options) as clip:
        return list(clip.frames())
