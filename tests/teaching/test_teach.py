"""A model taught a few faces: better on them, and the same whichever of its files answers."""

import io
import zipfile

import numpy as np
import pytest

from emotion import EmotionClassifier, ModelLoadError
from emotion.model.keras_engine import KerasNetwork, load_keras
from emotion.model.loading import EMBEDDED
from emotion.teaching.teach import FineTuner, LiteRTFile, taught_names, with_keras_head
from emotion.vision import detector
from tests.drawn_faces import EMOTIONS, draw_face


def negatives(number, seed):
    """Drawn faces with light and dark swapped, which no network has seen, and what they show."""
    rng = np.random.default_rng(seed)
    shown = [emotion for emotion in EMOTIONS for _ in range(number)]
    return [255 - draw_face(emotion, rng) for emotion in shown], shown


def unpacked(content, folder):
    zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
    [model] = folder.iterdir()
    return model


def right(classifier, faces, shown):
    answers = [face.label or "neutral" for face in classifier.predict_faces(faces)]
    return np.mean(np.array(answers) == shown)


@pytest.fixture(scope="module")
def lesson():
    """The embedded model, taught drawn faces."""
    tuner = FineTuner(EmotionClassifier.from_pretrained())
    faces, shown = negatives(6, seed=0)
    features = np.stack([tuner.features(face) for face in faces])
    return tuner, *tuner.teach(features, shown)


def test_labels_and_a_face_at_rest_can_be_taught():
    classifier = EmotionClassifier.from_pretrained()
    assert taught_names(classifier) == (*classifier.labels, "neutral")


def test_teaching_is_a_gain_on_faces_that_the_network_misreads(lesson):
    tuner, taught, gain = lesson
    assert gain.faces == 24
    assert gain.is_sure
    assert tuner.changed(taught)
    faces, shown = negatives(20, seed=1)
    assert right(taught, faces, shown) > right(tuner.classifier, faces, shown) + 0.1
    assert taught.labels == tuner.classifier.labels
    assert taught.report is None, "the report is about the model as it was"
    assert taught.model_name == "embedded default, taught by you"


def test_a_taught_model_is_taken_home_and_answers_the_same_there(lesson, tmp_path):
    tuner, taught, _ = lesson
    folder = unpacked(tuner.pack(taught), tmp_path)
    home = EmotionClassifier.from_pretrained(folder)
    faces = np.random.default_rng(0).uniform(0, 255, (8, *home.network.input_shape)).astype(np.float32)
    np.testing.assert_allclose(home.network(faces), taught.network(faces), atol=1e-5)
    assert home.description.training["taught"] == "24 snapshots of one person, in the app"
    assert "its last layer was fitted to 24 snapshots of one person" in home.card
    assert not (folder / "report.json").exists()
    saved = home.save_pretrained(tmp_path / "again")
    np.testing.assert_allclose(EmotionClassifier.from_pretrained(saved).network(faces), home.network(faces))


def test_a_taught_model_can_be_taught_again(lesson, tmp_path):
    tuner, taught, _ = lesson
    again = FineTuner(EmotionClassifier.from_pretrained(unpacked(tuner.pack(taught), tmp_path)))
    for layer, fitted in zip(again.network.head.layers, taught.network.head.layers, strict=True):
        np.testing.assert_allclose(layer.kernel, fitted.kernel, atol=1e-6)


@pytest.mark.slow
def test_the_keras_file_answers_as_the_served_one_does(lesson, tmp_path):
    tuner, taught, _ = lesson
    network = KerasNetwork(load_keras(unpacked(tuner.pack(taught), tmp_path)))
    faces, _ = negatives(4, seed=2)
    batch = np.stack(faces)[..., None].astype(np.float32)
    # As far apart as the two files of the embedded model are: one of them has 8 bits.
    np.testing.assert_allclose(network(batch), taught.network(batch), atol=0.05)


def test_a_network_without_8_bits_is_taught_and_both_files_are_equal(trained_model, tmp_path):
    tuner = FineTuner(EmotionClassifier.from_pretrained(trained_model))
    faces, shown = negatives(6, seed=0)
    taught, _ = tuner.teach(np.stack([tuner.features(face) for face in faces]), shown)
    assert tuner.changed(taught)
    folder = unpacked(tuner.pack(taught), tmp_path)
    batch = np.stack(faces)[..., None].astype(np.float32)
    expected = taught.network(batch)
    np.testing.assert_allclose(EmotionClassifier.from_pretrained(folder).network(batch), expected, atol=1e-5)
    np.testing.assert_allclose(KerasNetwork(load_keras(folder))(batch), expected, atol=1e-4)


EMBEDDED_FILE = (EMBEDDED / "model.tflite").read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"", b"no network", detector.WEIGHTS.read_bytes(), EMBEDDED_FILE[:90000]],
    ids=["nothing", "text", "another graph", "cut off"],
)
def test_another_file_or_graph_is_no_network_that_can_be_taught(content):
    with pytest.raises(ModelLoadError, match="last layer cannot be found"):
        LiteRTFile(content)


def test_a_model_that_is_not_served_from_a_file_says_that_it_cannot_be_taught():
    base = EmotionClassifier.from_pretrained()
    with pytest.raises(
        ModelLoadError, match=r"This model cannot be taught\. .* Every model that this program trains can\."
    ):
        FineTuner(EmotionClassifier(base.network, base.description))
    with pytest.raises(ModelLoadError, match="Only a model that was taught here"):
        FineTuner(base).pack(base)


def test_files_of_two_models_are_not_mixed(lesson, trained_model):
    tuner, taught, _ = lesson
    other = (trained_model / "model.weights.h5").read_bytes()
    with pytest.raises(ModelLoadError, match="do not belong together"):
        with_keras_head(other, tuner.network.head, taught.network.head)
