"""A finished model can be measured again: on its own data as it was reported, on other faces on all of them."""

import json

import numpy as np
import pytest

from emotion.errors import DataError
from emotion.training.runs import evaluate_model, summarise
from tests.drawn_faces import write_faces


def test_on_its_own_data_the_same_faces_are_reported(trained_model, drawn_data, tmp_path):
    report = evaluate_model(str(trained_model), str(drawn_data), tmp_path / "evaluation")
    first = json.loads((trained_model / "report.json").read_text())
    assert report["accuracy"] == first["accuracy"]
    assert report["confusion_matrix"] == first["confusion_matrix"]
    assert report["calibration"]["temperature"] == first["calibration"]["temperature"]
    assert json.loads((tmp_path / "evaluation" / "report.json").read_text()) == report
    assert (tmp_path / "evaluation" / "plots" / "confusion_matrix.png").exists()


def test_on_other_faces_all_of_them_count(trained_model, tmp_path):
    write_faces(tmp_path / "others", ("angry", "happy", "sad"), 12, np.random.default_rng(99))
    report = evaluate_model(str(trained_model), str(tmp_path / "others"), tmp_path / "evaluation")
    assert report["accuracy"]["faces"] == 36
    assert report["data"]["report_split"] == "all faces"
    assert "on 36 faces" in summarise(report)


def test_faces_with_other_labels_are_refused(trained_model, tmp_path):
    write_faces(tmp_path / "others", ("angry", "happy"), 5, np.random.default_rng(99))
    with pytest.raises(DataError, match="sad"):
        evaluate_model(str(trained_model), str(tmp_path / "others"), tmp_path / "evaluation")
