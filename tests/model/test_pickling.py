"""A classifier goes to other processes as the address of its model."""

import pickle
import shutil
from dataclasses import replace

import pytest

from emotion import EmotionClassifier
from emotion.errors import ModelLoadError
from emotion.model.loading import EMBEDDED

HAPPY = "examples/2-happy.jpg"


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(EMBEDDED, tmp_path / "model")


def test_a_pickled_classifier_answers_as_before():
    classifier = EmotionClassifier.from_pretrained()
    pickled = pickle.dumps(classifier)
    assert len(pickled) < 20_000, "the weights stay where they are"
    assert pickle.loads(pickled).predict(HAPPY) == classifier.predict(HAPPY)


def test_a_relative_folder_is_found_from_elsewhere(copied, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickled = pickle.dumps(EmotionClassifier.from_pretrained("model"))
    monkeypatch.chdir("/")
    assert pickle.loads(pickled).folder == copied


def test_what_was_changed_in_memory_goes_along(copied):
    classifier = EmotionClassifier.from_pretrained(copied)
    calibration = replace(classifier.description.calibration, threshold=0.99)
    classifier.description = replace(classifier.description, calibration=calibration)
    assert pickle.loads(pickle.dumps(classifier)).threshold == 0.99


def test_a_folder_that_is_gone_is_named(copied):
    pickled = pickle.dumps(EmotionClassifier.from_pretrained(copied))
    shutil.rmtree(copied)
    with pytest.raises(
        ModelLoadError, match=f"{copied} of a pickled model is not on this computer.*owner/name"
    ):
        pickle.loads(pickled)


def test_another_model_in_the_same_folder_is_refused(copied):
    classifier = EmotionClassifier.from_pretrained(copied)
    hashes = classifier.description.files | {"model.tflite": "0" * 64}
    classifier.description = replace(classifier.description, files=hashes)
    with pytest.raises(ModelLoadError, match="not the one that was pickled"):
        pickle.loads(pickle.dumps(classifier))


def test_a_model_in_memory_has_no_address():
    embedded = EmotionClassifier.from_pretrained()
    classifier = EmotionClassifier(embedded.network, embedded.description)
    with pytest.raises(ModelLoadError, match="save_pretrained"):
        pickle.dumps(classifier)
