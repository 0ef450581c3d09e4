"""The heatmap lies where a network really looks, and its drawing can be read by everybody."""

from pathlib import Path

import keras
import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from emotion.model.classifier import EmotionClassifier
from emotion.model.description import Description
from emotion.model.engines import LiteRTNetwork
from emotion.model.explain import REGIONS, heatmap, hottest_regions, overlay, viridis
from emotion.model.keras_engine import KerasNetwork
from emotion.predictions.calibration import Calibration
from emotion.vision.crop import crop_face
from emotion.vision.faces import detect_faces

pytestmark = pytest.mark.slow

SIZE = 48
MOUTH = np.s_[32:42, 14:34]
LEFT_EYE = np.s_[14:20, 10:20]


class BrightnessReader:
    """A softmax network that reads the mean brightness of one region: bright says happy, dark says sad."""

    labels = ("angry", "happy", "sad")
    outputs = ("angry", "happy", "sad", "neutral")
    input_size = SIZE

    def __init__(self, region, *, gain=4.0, channels=1, temperature=1.5, neutral=0.0):
        self.region, self.gain, self.neutral = region, gain, neutral
        self.channels, self.temperature = channels, temperature

    def network(self, crops):
        assert crops.dtype == np.float32
        assert crops.shape[1:] == (SIZE, SIZE, self.channels)
        assert crops.min() >= 0
        assert crops.max() <= 255
        rows, columns = self.region
        evidence = self.gain * (crops[:, rows, columns].mean(axis=(1, 2, 3)) / 255 - 0.5)
        logits = np.stack([0 * evidence, evidence, -evidence, 0 * evidence + self.neutral], axis=1)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def face():
    """A grey face with a bright mouth, a bright left eye, and noise all over."""
    picture = np.random.default_rng(0).normal(110, 12, (SIZE, SIZE))
    picture[MOUTH] += 110
    picture[LEFT_EYE] += 110
    return np.clip(picture, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("region", [MOUTH, LEFT_EYE], ids=["mouth", "left eye"])
@pytest.mark.parametrize("gain", [1.0, 80.0], ids=["unsure", "saturated"])
def test_the_heat_lies_on_the_region_that_the_network_reads(face, region, gain):
    classifier = BrightnessReader(region, gain=gain)
    before = face.copy()
    heat = heatmap(classifier, face)
    assert (heat.shape, heat.dtype) == ((SIZE, SIZE), np.float32)
    assert (heat.min(), heat.max()) == (0, 1)
    inside = np.zeros((SIZE, SIZE), bool)
    inside[region] = True
    assert inside[np.unravel_index(heat.argmax(), heat.shape)]
    assert heat[inside].mean() > 5 * heat[~inside].mean()
    assert np.array_equal(face, before)


@pytest.fixture(scope="module")
def trained():
    """A small convolutional network that learned "happy" from bright mouths, amid much distraction."""
    keras.utils.set_random_seed(0)
    noise = np.random.default_rng(0)
    faces = noise.normal(110, 25, (600, SIZE, SIZE, 1))
    targets = noise.integers(0, 3, 600)
    faces[:, *MOUTH] += np.array([0, 90, -90])[targets][:, None, None, None]
    faces[:, *LEFT_EYE] += noise.choice([-90, 0, 90], 600)[:, None, None, None]
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(8, 5, strides=2, activation="relu"),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(np.clip(faces, 0, 255), targets, epochs=8, batch_size=32, verbose=0)
    assert history.history["accuracy"][-1] > 0.97
    labels = BrightnessReader.labels
    description = Description(labels, labels, SIZE, 1, Calibration(1.2, 0.5, 100), {}, {}, {})
    return EmotionClassifier(KerasNetwork(model), description)


@pytest.fixture(params=["Keras", "LiteRT"])
def classifier(request, trained, tmp_path):
    if request.param == "Keras":
        return trained
    loaded = EmotionClassifier.from_pretrained(trained.save_pretrained(tmp_path))
    assert isinstance(loaded.network, LiteRTNetwork)
    return loaded


def test_the_heat_lies_where_a_trained_network_learned_to_look(classifier, face):
    assert classifier.predict_faces([face])[0].label == "happy"
    heat = heatmap(classifier, face)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 28 <= row < 46
    assert 10 <= column < 38
    inside = np.zeros((SIZE, SIZE), bool)
    inside[MOUTH] = True
    assert heat[inside].mean() > 3 * heat[~inside].mean()
    assert heat[LEFT_EYE].mean() < 0.3
    assert "mouth" in hottest_regions(heat)


def test_the_embedded_model_sees_a_smile_at_the_mouth():
    with Image.open(next((Path(__file__).parents[2] / "examples").glob("*-happy.jpg"))) as image:
        picture = np.asarray(image.convert("RGB"))
    embedded = EmotionClassifier.from_pretrained()
    crop = crop_face(picture, detect_faces(picture)[0], size=embedded.input_size, channels=embedded.channels)
    assert hottest_regions(heatmap(embedded, crop, label="happy")) == ("corners",)


def test_colour_networks_are_explained_alike(face):
    coloured = np.repeat(face[..., None], 3, axis=2)
    heat = heatmap(BrightnessReader(MOUTH, channels=3), coloured)
    np.testing.assert_allclose(heat, heatmap(BrightnessReader(MOUTH), face), atol=1e-3)
    np.testing.assert_array_equal(
        heatmap(BrightnessReader(MOUTH), face[..., None]), heatmap(BrightnessReader(MOUTH), face)
    )


def test_what_speaks_for_one_label_does_not_speak_for_the_other(face):
    classifier = BrightnessReader(MOUTH)
    np.testing.assert_array_equal(heatmap(classifier, face), heatmap(classifier, face, label="happy"))
    assert heatmap(classifier, face, label="sad").max() == 0


def test_a_background_output_is_explained_only_when_it_is_asked_for(face):
    classifier = BrightnessReader(MOUTH, neutral=3.0)  # neutral is the most likely output
    np.testing.assert_array_equal(heatmap(classifier, face), heatmap(classifier, face, label="happy"))
    assert not np.array_equal(
        heatmap(classifier, face, label="neutral"), heatmap(classifier, face, label="happy")
    )


def test_an_answer_that_rests_on_no_part_gives_no_heat(face):
    heat = heatmap(BrightnessReader(MOUTH, gain=0.0), face)
    assert not heat.any()
    assert hottest_regions(heat) == ()


def test_the_hottest_regions_are_named(face):
    assert hottest_regions(heatmap(BrightnessReader(MOUTH), face))[0] == "mouth"
    assert hottest_regions(heatmap(BrightnessReader(LEFT_EYE), face))[0] in ("eyes", "brows")
    assert hottest_regions(np.ones((SIZE, SIZE), np.float32)) == tuple(REGIONS)
    corners = np.zeros((SIZE, SIZE), np.float32)
    corners[30:38, 12:20] = corners[30:38, 28:36] = 1
    assert hottest_regions(corners) == ("corners",)


def test_wrong_crops_and_labels_are_named(face):
    with pytest.raises(ValueError, match=r"shape \(40, 48\).*crop_face"):
        heatmap(BrightnessReader(MOUTH), face[:40])
    with pytest.raises(ValueError, match="network reads"):
        heatmap(BrightnessReader(MOUTH, channels=3), face)
    with pytest.raises(ValueError, match=r"'bored'.*angry, happy, sad"):
        heatmap(BrightnessReader(MOUTH), face, label="bored")


def test_the_overlay_is_readable_without_colours():
    grey = np.full((192, 192, 3), 128, np.uint8)
    ramp = np.tile(np.linspace(0, 1, SIZE, dtype=np.float32), (SIZE, 1))
    drawn = overlay(grey, ramp)
    assert (drawn.shape, drawn.dtype) == ((192, 192, 3), np.uint8)
    lightness = drawn.astype(float) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness.mean(axis=0)) > -0.6).all()  # hotter is never darker
    assert lightness[:, -1].mean() > 2 * lightness[:, 0].mean()


def test_the_overlay_keeps_the_face_visible(face):
    drawn = overlay(face, np.zeros((SIZE, SIZE), np.float32)).astype(float).mean(axis=2)
    assert np.corrcoef(drawn.ravel(), face.ravel())[0, 1] > 0.99
    hot = overlay(face, np.ones((SIZE, SIZE), np.float32)).astype(float).mean(axis=2)
    assert np.corrcoef(hot.ravel(), face.ravel())[0, 1] > 0.9


def test_the_colours_are_those_of_matplotlibs_viridis():
    heat = np.linspace(0, 1, 5001)
    expected = 255 * colormaps["viridis"](heat)[:, :3]
    np.testing.assert_allclose(viridis(heat), expected, atol=3)
    assert viridis(np.zeros((2, 3))).shape == (2, 3, 3)
