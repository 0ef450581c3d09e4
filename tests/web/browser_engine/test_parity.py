"""The engine in JavaScript gives Python's answers. Here it runs in Node."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from emotion import EmotionClassifier
from emotion.video.follow import answers_and_looks
from emotion.video.tracking import FaceTracker
from emotion.vision.crop import Place, crop_face, look
from emotion.vision.faces import detect_faces_in_frame
from tests.web.browser_engine.node import NODE, Node, picture_of
from tests.web.browser_engine.scenes import composed, example_pictures, faces_of_examples

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        NODE is None, reason="no Node on this machine: install it to compare the browser's engine"
    ),
]

SCENES = 21
# Of probabilities; sums of eight-bit products are equal, the float operations around them nearly so.
MEAN_DIFFERENCE, MOST_DIFFERENCE = 0.001, 0.01


@pytest.fixture(scope="module")
def classifier() -> EmotionClassifier:
    return EmotionClassifier.from_pretrained()


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> list[Path]:
    return faces_of_examples(tmp_path_factory.mktemp("faces"))


def test_pictures_get_the_same_answers(tmp_path, classifier, faces):
    pictures = [*example_pictures(), *composed(faces, SCENES)]
    node = Node(tmp_path)
    for picture in pictures:
        node.ask("look", picture)
    expected = [classifier.predict(picture) for picture in pictures]
    answers = node.answers()
    for found, wanted in zip(answers, expected, strict=True):
        assert [tuple(face["box"]) for face in found] == [face.box for face in wanted]
        for name in ("label", "reason", "tight"):
            assert [face[name] for face in found] == [getattr(face, name) for face in wanted]
    differences = [
        abs(face["probabilities"][label] - value)
        for found, wanted in zip(answers, expected, strict=True)
        for face, prediction in zip(found, wanted, strict=True)
        for label, value in prediction.probabilities.items()
    ]
    assert len(differences) > 3 * SCENES
    assert np.mean(differences) <= MEAN_DIFFERENCE
    assert np.max(differences) <= MOST_DIFFERENCE


def test_faces_are_followed_as_on_the_server(tmp_path, classifier, faces):
    """One of two people leaves, comes back and is known again."""
    frames = list(_film(faces))
    node, tracker = Node(tmp_path), _tracker(classifier)
    expected = []
    for time, frame in frames:
        node.ask("follow", frame, time=time)
        found = detect_faces_in_frame(frame)
        predictions, looks = answers_and_looks(classifier, frame, found)
        expected.append((tracker.update(predictions, time, looks), tracker.timeline.moments))
    assert max(face.id for followed, _ in expected for face in followed) == 2, "the film is what it says"
    shown = None
    for answer, (followed, moments) in zip(node.answers(), expected, strict=True):
        assert [_plain(face) for face in answer["faces"]] == [_plain(vars(face)) for face in followed]
        for face, wanted in zip(answer["faces"], followed, strict=True):
            assert face["confidence"] == pytest.approx(wanted.confidence, abs=MOST_DIFFERENCE)
        # What has not changed is not sent again.
        shown = answer["moments"] or shown
        assert [(each["time"], each["face"]["id"]) for each in shown] == [
            (pytest.approx(each.time), each.face.id) for each in moments
        ]


def test_pixels_are_pillows(tmp_path):
    """Resized, reduced, turned and blurred, to the bit."""
    rng = np.random.default_rng(3)
    colours, grey = rng.integers(0, 256, (97, 130, 3), np.uint8), rng.integers(0, 256, (48, 48), np.uint8)
    image, node = Image.fromarray(colours), Node(tmp_path)
    resampling = Image.Resampling
    expected = []
    for width, height, box in ((48, 48, None), (300, 211, None), (48, 48, (10.3, 5.7, 80.9, 76.3))):
        for name, method in (("CUBIC", resampling.BICUBIC), ("LINEAR", resampling.BILINEAR)):
            area = {} if box is None else {"box": box}
            node.ask("resize", colours, width=width, height=height, filter=name, **area)
            expected.append(image.resize((width, height), method, **area))
    for factor in (2, 3, 7):
        node.ask("reduce", colours, factor=factor)
        expected.append(image.reduce(factor))
    node.ask("reduced", colours, side=20, gap=2)
    expected.append(image.resize((20, 20), resampling.BILINEAR, reducing_gap=2.0))
    for angle in (-40, 13.7, 90, 200):
        for name, method in (("cubic", resampling.BICUBIC), ("linear", resampling.BILINEAR)):
            node.ask("rotate", colours, angle=angle, filter=name, fill=128)
            expected.append(image.rotate(angle, method, fillcolor=(128, 128, 128)))
    for radius in (0.8, 2.5, 6):
        node.ask("blur", grey, radius=radius)
        expected.append(Image.fromarray(grey).filter(ImageFilter.GaussianBlur(radius)))
    for answer, wanted in zip(node.answers(), expected, strict=True):
        assert (picture_of(answer).squeeze() == np.asarray(wanted)).all()


def test_crops_and_looks_are_pythons(tmp_path):
    """Grey and in colour, upright, turned, reduced, beyond the edge and as a whole picture."""
    rng = np.random.default_rng(4)
    noise = rng.integers(0, 256, (60, 90, 3), np.uint8)
    picture = np.asarray(Image.fromarray(noise).resize((1800, 1200), Image.Resampling.BICUBIC))
    eyes = ((700.0, 500.0), (900.0, 640.0))
    places = [
        Place((600, 400, 300, 380)),
        Place((600, 400, 300, 380), eyes),
        Place((-40, -60, 200, 240), eyes),
        Place((100, 50, 1100, 1100), eyes),
        Place((0, 0, 1800, 1200), None, tight=True),
    ]
    node, expected = Node(tmp_path), []
    for place in places:
        for size, channels in ((48, 1), (64, 3)):
            plain = {"box": place.box, "eyes": place.eyes, "tight": place.tight}
            node.ask("crop", picture, place=plain, size=size, channels=channels)
            expected.append(crop_face(picture, place, size=size, channels=channels))
    for crop in expected.copy():
        node.ask("describe", crop)
    answers = node.answers()
    for answer, wanted in zip(answers, expected, strict=False):
        assert (picture_of(answer).squeeze() == wanted).all()
    for answer, crop in zip(answers[len(expected) :], expected, strict=True):
        assert answer == pytest.approx(look(crop), abs=1e-5)


def _tracker(classifier):
    return FaceTracker(labels=classifier.labels, threshold=classifier.threshold)


def _film(files):
    """Yield frames, 640 × 480, with their times."""
    happy, angry = (Image.open(files[index]).resize((180, 180)) for index in (2, 4))
    for index in range(36):
        canvas = Image.new("RGB", (640, 480), (110, 120, 130))
        canvas.paste(happy, (60 + 3 * index, 120))
        # It is away for more than a second, and comes back elsewhere.
        if index < 10 or index > 26:
            canvas.paste(angry, (400 - 2 * index, 150 + 4 * (index % 5)))
        yield index / 8, np.asarray(canvas)


def _plain(face):
    return {
        name: tuple(value) if name == "box" else value
        for name, value in face.items()
        if name in ("id", "box", "label", "reason")
    }
