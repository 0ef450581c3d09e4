"""`--freeze`: the last layer of a trained network learns other faces or labels, and nothing else changes."""

import json

import keras
import numpy as np
import pytest

from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.model.keras_engine import load_keras
from emotion.training.command import main
from tests.conftest import SMALL_RUN

pytestmark = pytest.mark.slow


def leaf(folder):
    network = load_keras(folder)
    while inner := [layer for layer in network.layers if isinstance(layer, keras.Model)]:
        network = inner[0]
    return network


def test_new_labels_are_learned_in_one_step_without_repeating_the_settings(
    trained_model, drawn_data, tmp_path, capsys
):
    """The model was trained for angry, happy, sad; here neutral is a label, and angry is left out."""
    output = tmp_path / "frozen"
    typed = ["--start", str(trained_model), "--freeze", "--data", str(drawn_data), "--output", str(output)]
    assert main([*typed, "--labels", "neutral", "happy", "sad"]) == 0
    assert "Accuracy" in capsys.readouterr().out
    classifier = EmotionClassifier.from_pretrained(output)
    assert classifier.labels == classifier.outputs == ("neutral", "happy", "sad")
    low, _ = classifier.report.accuracy.interval
    assert low > 0.6, "chance is 0.33"
    settings = json.loads((output / "training.json").read_text())
    assert settings["width"] == SMALL_RUN["width"]
    assert "of which only the last layer was fitted" in classifier.card
    assert "epochs trained" not in classifier.card

    before, after = leaf(trained_model), leaf(output)
    for old, new in zip(before.layers[:-1], after.layers[:-1], strict=True):
        for one, other in zip(old.get_weights(), new.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert after.layers[-1].get_weights()[0].shape[1] == 3


@pytest.mark.parametrize(
    "settings", [{}, {"initial_weights": "teacher", "teacher_epochs": 3}, {"initial_weights": ""}]
)
def test_freezing_needs_a_trained_model(settings):
    with pytest.raises(ValueError, match="--freeze needs --initial-weights"):
        TrainingConfig(freeze=True, **settings)


def test_a_model_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--start", "nowhere", "--freeze", "--data", "faces"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no folder 'nowhere'.")
    assert not list(tmp_path.iterdir())
