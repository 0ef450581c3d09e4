"""A stranger's clip is read and written apart, within limits, with the same result."""

import io
import os
import signal

import pytest

from emotion.errors import InvalidVideoError
from emotion.untrusted.clips import IsolatedClip
from emotion.video.follow import follow_faces
from tests.video.clips import HappyOnTheLeft, annotate_clip, decode, encode, loudness, quarters

pytestmark = pytest.mark.slow


def annotated_apart(path, **options):
    """Return what is written of a clip, and the moments of its faces."""
    moments = []
    with IsolatedClip(path, **{"max_seconds": 60, **options}) as clip:
        follow_faces(HappyOnTheLeft(), clip, record=moments.append, write=clip.write)
        return b"".join(clip.finish()), moments


def test_the_result_is_that_of_the_same_process(tmp_path):
    source = encode(tmp_path / "in.mp4", quarters(40), sound=1, sound_codec="flac")
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "here.mp4")
    apart, moments = annotated_apart(source)
    (tmp_path / "apart.mp4").write_bytes(apart)
    assert tuple(moments) == timeline.moments
    here, there = decode(tmp_path / "here.mp4"), decode(tmp_path / "apart.mp4")
    assert [time for time, _ in here] == [time for time, _ in there]
    assert max(abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(here, there, strict=True)) < 5
    assert loudness(io.BytesIO(apart)) == loudness(str(tmp_path / "here.mp4"))


def test_4k_with_10_bits_stays_within_the_memory(tmp_path):
    source = encode(
        tmp_path / "4k.mp4", quarters(3, width=3840, height=2160), codec="libx265", pixels="yuv420p10le"
    )
    apart, _ = annotated_apart(source)
    (tmp_path / "apart.mp4").write_bytes(apart)
    assert [picture.shape for _, picture in decode(tmp_path / "apart.mp4")] == [(720, 1280, 3)] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no video " * 500, "not a video that can be read"), (None, "no longer here")],
    ids=["text", "gone"],
)
def test_what_is_no_clip_is_refused_in_the_same_words(tmp_path, content, message):
    path = tmp_path / "clip.mp4"
    if content:
        path.write_bytes(content)
    with pytest.raises(InvalidVideoError, match=message):
        IsolatedClip(path, max_seconds=60)


def test_limits_of_length_and_damage_are_told_from_inside(tmp_path):
    source = encode(tmp_path / "in.mp4", quarters(60), options={"movflags": "+faststart"})
    with pytest.raises(InvalidVideoError, match="of 2 seconds is too long"):
        IsolatedClip(source, max_seconds=1)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(InvalidVideoError, match="damaged or incomplete"):
        annotated_apart(source)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="finds the process as Linux lists it")
def test_a_process_that_is_killed_is_explained(tmp_path):
    source = encode(tmp_path / "in.mp4", quarters(30))
    with IsolatedClip(source, max_seconds=60) as clip:
        frames = clip.frames()
        next(frames)
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            for child in map(int, children.read().split()):
                with open(f"/proc/{child}/cmdline") as command:
                    if "emotion.untrusted.clips" in command.read():
                        os.kill(child, signal.SIGKILL)
        with pytest.raises(InvalidVideoError, match="limits on time and memory"):
            list(frames)
