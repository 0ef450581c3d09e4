"""Clips that the tests encode themselves are annotated, and bad ones are refused in plain words."""

import csv
import io
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image

from emotion.errors import InvalidVideoError
from emotion.model.classifier import EmotionClassifier
from emotion.video.clip import NOT_A_CLIP, Clip
from tests.video.clips import HappyOnTheLeft, annotate_clip, decode, encode, loudness, people, quarters


@pytest.fixture(scope="module")
def person():
    """Grace Hopper's portrait (a work of the US Navy, public domain), as matplotlib ships it."""
    with cbook.get_sample_data("grace_hopper.jpg") as file, Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((240, 281)))


def turned(path, degrees):
    """Write a phone's rotation (clockwise) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    cosine, sine = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = (cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 14)
    data[start : start + 36] = struct.pack(">9i", *(value << 16 for value in matrix))
    path.write_bytes(data)
    return path


def recorded_in_a_browser(path, pictures):
    """Write a WebM into a pipe, as a browser's recorder does: the length cannot be filled in afterwards."""
    sink = io.BytesIO()

    class Pipe:
        write = sink.write

    encode(Pipe(), pictures, codec="libvpx-vp9", format="webm", options={"live": "1"})
    path.write_bytes(sink.getvalue())
    return path


def boxed_from(frame, plain):
    """Return the column where the drawing in a frame begins."""
    changed = (np.abs(frame.astype(int) - plain).max(axis=2) > 60).mean(axis=0)
    return int(np.flatnonzero(changed > 0.1)[0])


def test_a_clip_is_annotated_and_its_timeline_written(tmp_path, person):
    source = encode(tmp_path / "in.mp4", people(30, (person, 20, 10)), sound=1)
    original = source.read_bytes()
    fractions = []
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4", progress=fractions.append)

    assert {moment.face.id for moment in timeline.moments} == {1}
    assert [moment.time for moment in timeline.moments] == pytest.approx(np.arange(10) / 10, abs=0.04)
    assert timeline.moments[0].face.label == "happy"
    assert timeline.moments[-1].face.label == "sad"
    assert timeline.moments[-1].face.box[0] - timeline.moments[0].face.box[0] == pytest.approx(
        10 * 27, abs=30
    )
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert 0.4 < fractions[5] < 0.6

    rows = list(csv.DictReader(io.StringIO(timeline.to_csv("in.mp4"))))
    first = (rows[0]["file"], rows[0]["time_seconds"], rows[0]["happy"], rows[0]["label"])
    assert first == ("in.mp4", "0.000", "0.9000", "happy")
    assert len(rows) == 10

    assert source.read_bytes() == original
    with av.open(tmp_path / "out.mp4") as written:
        assert [stream.type for stream in written.streams] == ["video", "audio"]
        codec = written.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    before, after = decode(source), decode(tmp_path / "out.mp4")
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=0.002)
    x, y, width, height = timeline.moments[0].face.box
    changed = np.abs(after[0][1].astype(int) - before[0][1]).max(axis=2) > 60
    assert changed[y + 2 : y + height - 2, x - 2 : x + 3].any(axis=1).mean() > 0.9  # the left side of the box
    drawn = [boxed_from(frame, plain) for (_, frame), (_, plain) in zip(after, before, strict=True)]
    assert np.diff(drawn[:-2]) == pytest.approx(10, abs=6)  # glides with the face instead of hopping
    inner = changed[y + height // 3 : y + 2 * height // 3, x + width // 3 : x + 2 * width // 3]
    assert inner.mean() < 0.05


@pytest.mark.parametrize(
    ("name", "codecs", "written"),
    [
        ("in.mp4", {}, "aac"),
        ("in.ts", {}, "aac"),
        ("in.webm", {"codec": "libvpx-vp9", "sound_codec": "libopus"}, "opus"),
        ("in.mkv", {"sound_codec": "flac"}, "flac"),
        ("in.mov", {"sound_codec": "pcm_s16le"}, "aac"),
        ("in.avi", {"codec": "mpeg4", "sound_codec": "ac3"}, "aac"),
    ],
)
def test_the_sound_comes_along_in_time_with_the_pictures(tmp_path, name, codecs, written):
    source = encode(tmp_path / name, quarters(60, width=64, height=64), sound=2, **codecs)
    annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    codec, heard = loudness(tmp_path / "out.mp4")
    assert codec == written
    assert heard[:7] == [True, True, False, False, True, True, False]


def test_sound_that_can_be_copied_is_not_encoded_anew(tmp_path):
    def packets(path):
        with av.open(path) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    source = encode(tmp_path / "in.mp4", quarters(30, width=64, height=64), sound=1)
    annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    copied, original = packets(tmp_path / "out.mp4"), packets(source)
    assert copied == original[-len(copied) :]
    # The encoder's lead-in lies before the first picture.
    assert len(original) - len(copied) <= 1


def test_damaged_sound_costs_nothing_but_the_sound(tmp_path):
    source = encode(tmp_path / "in.mov", quarters(30, width=64, height=64), sound=1, sound_codec="pcm_s16le")
    data = bytearray(source.read_bytes())
    data[data.index(b"sowt") : data.index(b"sowt") + 4] = b"none"
    source.write_bytes(data)
    annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    assert len(decode(tmp_path / "out.mp4")) == 30


def test_the_embedded_model_follows_a_smile(tmp_path):
    with Image.open(next((Path(__file__).parents[2] / "examples").glob("*-happy.jpg"))) as image:
        smile = np.asarray(image.convert("RGB").resize((320, 320)))
    source = encode(tmp_path / "in.mp4", people(12, (smile, 40, 6)))
    timeline = annotate_clip(EmotionClassifier.from_pretrained(), source, tmp_path / "out.mp4")
    assert [moment.face.label for moment in timeline.moments] == ["happy"] * 4
    assert {moment.face.id for moment in timeline.moments} == {1}


def test_two_people_have_a_number_each(tmp_path, person):
    small = np.asarray(Image.fromarray(person[:, ::-1]).resize((205, 240)))
    source = encode(tmp_path / "in.mp4", people(12, (person, 10, 1), (small, 420, -1)))
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    labels = {moment.face.id: moment.face.label for moment in timeline.moments}
    assert sorted(labels) == [1, 2]
    assert sorted(labels.values()) == ["happy", "sad"]
    assert len(timeline.moments) == 8


def test_who_leaves_the_picture_for_two_seconds_keeps_the_number(tmp_path, person):
    frames = [
        *people(5, (person, 20, 2)),
        *people(20),
        *people(5, (person, 380, -2)),
    ]
    source = encode(tmp_path / "in.mp4", frames, rate=10)
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    assert {moment.face.id for moment in timeline.moments} == {1}
    assert {moment.time > 2 for moment in timeline.moments} == {False, True}


@pytest.fixture(scope="module")
def portraits():
    """The examples' happy and angry people."""
    found = []
    for name in ("2-happy.jpg", "4-angry.jpg"):
        with Image.open(Path(__file__).parents[2] / "examples" / name) as image:
            found.append(np.asarray(image.convert("RGB").resize((280, 280))))
    return found


@pytest.mark.parametrize("length", [22, 25], ids=["between two searches", "at a search"])
def test_after_a_cut_another_person_in_the_same_place_has_another_number_and_own_answers(
    tmp_path, portraits, length
):
    happy, angry = portraits
    frames = [*people(length, (happy, 20, 1)), *people(25, (angry, 20 + length, 1))]
    source = encode(tmp_path / "in.mp4", frames, rate=25)
    timeline = annotate_clip(EmotionClassifier.from_pretrained(), source, tmp_path / "out.mp4")
    told = {(moment.face.id, moment.time < length / 25 - 0.01) for moment in timeline.moments}
    assert told == {(1, True), (2, False)}
    assert {moment.face.label for moment in timeline.moments if moment.face.id == 1} == {"happy"}
    assert {moment.face.label for moment in timeline.moments if moment.face.id == 2} <= {"angry", None}
    first = next(moment.time for moment in timeline.moments if moment.face.id == 2)
    assert first == pytest.approx(length / 25, abs=0.01)


@pytest.mark.parametrize("room", [120, 60], ids=["the same room", "another room"])
def test_nothing_is_drawn_on_an_empty_picture_after_a_cut(tmp_path, portraits, room):
    empty = np.full((360, 640, 3), room, np.uint8)
    frames = [*people(23, (portraits[0], 20, 1)), *[empty] * 20]
    source = encode(tmp_path / "in.mp4", frames, rate=25)
    annotate_clip(EmotionClassifier.from_pretrained(), source, tmp_path / "out.mp4")
    for (time, plain), (_, drawn) in zip(decode(source), decode(tmp_path / "out.mp4"), strict=True):
        changed = (np.abs(drawn.astype(int) - plain).max(axis=2) > 60).any()
        assert changed == (time < 23 / 25 - 0.01), time


def test_a_face_that_crosses_the_picture_fast_keeps_its_number(tmp_path, person):
    source = encode(tmp_path / "in.mp4", people(16, (person, 10, 24)), rate=25)
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    assert {moment.face.id for moment in timeline.moments} == {1}


def test_a_clip_without_faces_gives_an_empty_timeline(tmp_path):
    source = encode(tmp_path / "in.mp4", quarters(10))
    timeline = annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
    assert timeline.moments == ()
    [row] = csv.DictReader(io.StringIO(timeline.to_csv("in.mp4")))
    assert (row["file"], row["face"], row["reason"]) == ("in.mp4", "0", "no face")
    assert len(decode(tmp_path / "out.mp4")) == 10


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mov", {}),
        ("clip.mkv", {}),
        ("clip.ts", {}),
        ("clip.webm", {"codec": "libvpx-vp9"}),
        ("clip.avi", {"codec": "mpeg4"}),
        ("clip.gif", {"codec": "gif", "pixels": "rgb8", "rate": 10}),
        ("ten_bits.mp4", {"codec": "libx265", "pixels": "yuv420p10le"}),
    ],
)
def test_the_formats_of_cameras_and_browsers_are_read(tmp_path, name, options):
    frames = decode(encode(tmp_path / name, quarters(10), **options))
    assert len(frames) == 10
    for _, picture in frames:
        assert (picture.shape, picture.dtype) == ((240, 320, 3), np.uint8)
        assert np.abs(picture[20:100, 20:140].astype(int) - (250, 0, 0)).mean() < 6


@pytest.mark.parametrize(("degrees", "corner"), [(90, (0, -1)), (180, (-1, -1)), (270, (-1, 0))])
def test_a_phones_rotation_is_honoured(tmp_path, degrees, corner):
    path = turned(encode(tmp_path / "in.mp4", quarters(3)), degrees)
    annotate_clip(HappyOnTheLeft(), path, tmp_path / "out.mp4")
    for frames in (decode(path), decode(tmp_path / "out.mp4")):
        picture = frames[0][1].astype(int)
        assert picture.shape == ((240, 320, 3) if degrees == 180 else (320, 240, 3))
        quarter = np.array_split(np.array_split(picture, 2, axis=0)[corner[0]], 2, axis=1)[corner[1]]
        assert np.abs(np.median(quarter, axis=(0, 1)) - (250, 0, 0)).max() < 12


def test_a_clip_that_was_trimmed_without_encoding_anew_is_whole(tmp_path):
    """An edit list hides what was cut away; the frames in the header are still all."""
    source = encode(tmp_path / "in.mp4", quarters(90))
    with av.open(source) as whole, av.open(tmp_path / "trimmed.mp4", "w") as trimmed:
        stream = whole.streams.video[0]
        copied = trimmed.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.dts is not None:
                packet.pts -= round(2 / stream.time_base)
                packet.dts -= round(2 / stream.time_base)
                packet.stream = copied
                trimmed.mux(packet)
    with av.open(tmp_path / "trimmed.mp4") as container:
        assert container.streams.video[0].frames == 90
    with Clip(tmp_path / "trimmed.mp4") as clip:
        assert clip.seconds == pytest.approx(1, abs=0.1)
        assert len(list(clip.frames())) == pytest.approx(30, abs=3)


@pytest.mark.parametrize("turns", [[(320, 240), (240, 320)], [(240, 320), (320, 240), (240, 320)]])
def test_a_phone_that_was_turned_while_recording_gives_borders_instead_of_squashed_faces(tmp_path, turns):
    path = tmp_path / "turned.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.pix_fmt, (stream.width, stream.height) = "yuvj420p", turns[0]
        for index, (width, height) in enumerate(turns):
            encoder = av.CodecContext.create("mjpeg", "w")
            encoder.pix_fmt, encoder.width, encoder.height = "yuvj420p", width, height
            encoder.time_base = Fraction(1, 25)
            picture = np.full((height, width, 3), 60, np.uint8)
            picture[: height // 2, : width // 2] = (250, 0, 0)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            for packet in encoder.encode(frame.reformat(format="yuvj420p")) + encoder.encode(None):
                packet.pts = packet.dts = index
                packet.time_base, packet.stream = Fraction(1, 25), stream
                container.mux(packet)
    frames = [picture.astype(int) for _, picture in decode(path)]
    width, height = turns[0]
    assert [frame.shape for frame in frames] == [(height, width, 3)] * len(turns)
    for frame, (own_width, own_height) in zip(frames, turns, strict=True):
        scale = min(width / own_width, height / own_height)
        left, top = (width - own_width * scale) / 2, (height - own_height * scale) / 2
        red = frame[..., 0] - frame[..., 1] > 120
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        assert columns[[0, -1]] == pytest.approx([left, left + own_width * scale / 2], abs=12)
        assert rows[[0, -1]] == pytest.approx([top, top + own_height * scale / 2], abs=12)
        if left > 12:
            assert frame[:, : int(left) - 8].max() < 12


def test_slow_motion_large_and_anamorphic_clips_become_ordinary_ones(tmp_path):
    slow = decode(encode(tmp_path / "slow.mp4", quarters(120), rate=120))
    assert len(slow) == 30
    assert np.diff([time for time, _ in slow]) == pytest.approx(1 / 30, abs=0.002)
    large = decode(encode(tmp_path / "large.mp4", quarters(2, width=2560, height=1440)))
    assert large[0][1].shape == (720, 1280, 3)
    wide = decode(encode(tmp_path / "wide.mp4", quarters(2), aspect=Fraction(2, 1)))
    assert wide[0][1].shape == (240, 640, 3)


def test_a_recording_without_a_stated_length_is_annotated(tmp_path):
    source = recorded_in_a_browser(tmp_path / "in.webm", quarters(30))
    with Clip(source) as clip:
        assert clip.seconds is None
    fractions = []
    annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4", progress=fractions.append)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert len(decode(tmp_path / "out.mp4")) == 30


def test_clips_that_are_too_long_are_refused(tmp_path):
    stated = encode(tmp_path / "stated.mp4", quarters(60))
    with pytest.raises(InvalidVideoError, match="of 2 seconds is too long: up to 1 seconds"):
        Clip(stated, max_seconds=1)
    unstated = recorded_in_a_browser(tmp_path / "unstated.webm", quarters(40))
    with pytest.raises(InvalidVideoError, match=r"too long: up to 0\.5 seconds"):
        annotate_clip(HappyOnTheLeft(), unstated, tmp_path / "out.mp4", max_seconds=0.5)
    assert not (tmp_path / "out.mp4").exists()
    assert len(decode(stated, max_seconds=2)) == 60


@pytest.fixture
def bad(tmp_path, request):
    """A file that is no proper clip, by the name of what is wrong with it."""
    path = tmp_path / "bad.mp4"
    if request.param == "nothing":
        path.write_bytes(b"")
    elif request.param == "text":
        path.write_text("no video " * 500)
    elif request.param == "picture":
        Image.new("RGB", (64, 64)).save(path, format="JPEG")
    elif request.param == "sound":
        with av.open(path, "w") as container:
            stream = container.add_stream("aac", rate=48000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
            frame.rate = 48000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    elif request.param == "playlist":
        encode(tmp_path / "other.ts", quarters(10))
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/other.ts\n#EXT-X-ENDLIST\n"
        )
    elif request.param == "list of files":
        encode(tmp_path / "other.ts", quarters(10))
        path.write_text("ffconcat version 1.0\nfile 'other.ts'\n")
    elif request.param == "no index":
        path.write_bytes(encode(tmp_path / "good.mp4", quarters(30)).read_bytes()[:-600])
    else:
        data = bytearray(encode(path, quarters(30), options={"movflags": "+faststart"}).read_bytes())
        half = len(data) // 2
        if request.param == "cut":
            del data[half:]
        else:
            data[half:] = bytes(len(data) - half)
        path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("nothing", NOT_A_CLIP),
        ("text", NOT_A_CLIP),
        ("picture", NOT_A_CLIP),
        ("sound", "sound but no picture"),
        ("playlist", NOT_A_CLIP),
        ("list of files", NOT_A_CLIP),
        ("no index", NOT_A_CLIP),
        ("cut", r"damaged or incomplete: it breaks off after 0\.\d seconds"),
        ("zeros", r"damaged or incomplete: it breaks off after 0\.\d seconds"),
    ],
    indirect=["bad"],
)
def test_what_is_no_proper_clip_is_refused_and_leaves_nothing_behind(tmp_path, bad, message):
    with pytest.raises(InvalidVideoError, match=message):
        annotate_clip(HappyOnTheLeft(), bad, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_progress_can_cancel(tmp_path):
    def cancel(fraction):
        if fraction > 0.3:
            raise KeyboardInterrupt

    source = encode(tmp_path / "in.mp4", quarters(30))
    with pytest.raises(KeyboardInterrupt):
        annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4", progress=cancel)
    assert not (tmp_path / "out.mp4").exists()


def test_memory_does_not_grow_with_the_clip(tmp_path):
    peaks = []
    for frames in (10, 50):
        source = encode(tmp_path / f"{frames}.mp4", quarters(frames, width=160, height=120))
        if not peaks:
            annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")  # the detector loads once
        tracemalloc.start()
        annotate_clip(HappyOnTheLeft(), source, tmp_path / "out.mp4")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 5 * 160 * 120 * 3  # 40 frames more, but not even five more in memory
