"""A finished model calibrated again: other answers from the same network, measured on faces not fitted to."""

import pytest

from emotion.errors import TrainingError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import NETWORK_FILES
from emotion.training.command import main
from emotion.training.recalibration import recalibrate_model

pytestmark = pytest.mark.slow


def test_the_network_stays_and_the_calibration_says_what_it_was_fitted_on(
    trained_model, drawn_data, tmp_path, capsys
):
    output = tmp_path / "balanced"
    arguments = ["--recalibrate", str(trained_model), "--data", str(drawn_data), "--balance-labels"]
    arguments += ["--license", "cc-by-4.0", "--license-note", "Drawn by a program."]
    assert main([*arguments, "--output", str(output)]) == 0
    assert f"The model, its card and its plots are in {output}." in capsys.readouterr().out

    before, after = map(EmotionClassifier.from_pretrained, (trained_model, output))
    for name in NETWORK_FILES:
        assert (output / name).read_bytes() == (trained_model / name).read_bytes()
    calibration = after.description.calibration
    assert len(calibration.label_factors) == len(after.labels)
    assert calibration.fitted_on == before.description.calibration.fitted_on
    fitted = after.description.data["calibrated_on"]
    assert fitted["source"] == drawn_data.name
    assert fitted["fingerprint"] == before.description.data["fingerprint"]
    # The halves are those of training: what is reported was neither trained on nor fitted to.
    assert after.report.accuracy.faces == before.report.accuracy.faces
    assert "The calibration serves every label alike" in after.card
    assert "--balance-labels" in after.card
    assert str(drawn_data.parent) not in after.card
    assert "published under `cc-by-4.0`. Drawn by a program." in after.card

    # A second recalibration replaces the first, in the card's commands, too.
    assert main(["--recalibrate", str(output), *arguments[2:4], "--output", str(tmp_path / "plain")]) == 0
    plain = EmotionClassifier.from_pretrained(tmp_path / "plain")
    assert plain.report.model["command"].count("--recalibrate") == 1
    assert plain.description.calibration.label_factors == ()

    with pytest.raises(TrainingError, match="overwrite"):
        recalibrate_model(str(trained_model), str(drawn_data), output)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--recalibrate needs --data"),
        (["--data", "x", "--epochs", "3"], "--epochs would do nothing"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_recalibrated_is_said(trained_model, arguments, message, capsys, tmp_path):
    output = tmp_path / "out"
    assert main(["--recalibrate", str(trained_model), *arguments, "--output", str(output)]) == 2
    assert message in capsys.readouterr().err
    assert not (output / "emotion.json").exists()
