"""A report is put together of figures that fit together, and says None where nothing could be measured."""

import json

import numpy as np
import pytest

from emotion.predictions.calibration import Calibration
from emotion.report.build import CURVE_POINTS, build_report
from tests.report.synthetic import LABELS, OUTPUTS, report_of, synthetic


def test_report_is_json_and_its_figures_fit_together():
    report = report_of().to_dict()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    counts = np.array(report["confusion_matrix"]["counts"])
    assert (
        report["accuracy"]["faces"]
        == counts.sum()
        == sum(row["faces"] for row in report["calibration"]["bins"])
    )
    assert report["accuracy"]["value"] == pytest.approx(np.trace(counts) / counts.sum(), abs=1e-6)
    low, high = report["accuracy"]["interval"]
    assert low < report["accuracy"]["value"] < high
    assert report["data"]["per_label"]["happy"] == report["per_class"]["happy"]["support"] == counts[1].sum()
    assert report["data"]["faces"] == 1500
    assert sum(report["data"]["per_label"].values()) == 1500
    calibration = report["calibration"]
    assert calibration["expected_calibration_error_after"] < calibration["expected_calibration_error_before"]
    not_sure = report["not_sure"]
    curve = not_sure["risk_coverage"]
    assert curve["risk"][-1] == pytest.approx(1 - report["accuracy"]["value"], abs=1e-6)
    assert np.interp(not_sure["coverage"], curve["coverage"], curve["risk"]) == pytest.approx(
        not_sure["error_among_answered"], abs=0.01
    )
    assert set(not_sure["background_not_sure"]) == {"neutral", "fear"}
    assert len(curve["risk"]) <= CURVE_POINTS
    assert report["roc"]["sad"]["true_positive_rate"][-1] == 1
    assert report["robustness"] is None
    assert report["history"] is None


def test_report_on_another_data_set_without_background_or_with_one_class_only():
    probabilities, targets = synthetic(faces=100)
    calibration = Calibration(1.0, 0.5, 100)
    no_background = build_report(
        probabilities[targets < 3],
        targets[targets < 3],
        outputs=LABELS,
        labels=LABELS,
        calibration=calibration,
    ).to_dict()
    assert no_background["not_sure"]["background_not_sure"] == {}
    assert no_background["not_sure"]["confidence_auroc"] is None
    angry = build_report(
        probabilities[targets == 0],
        targets[targets == 0],
        outputs=LABELS,
        labels=LABELS,
        calibration=calibration,
    ).to_dict()
    assert angry["per_class"]["sad"]["recall"] is None
    assert angry["roc"]["angry"]["auc"] is None
    assert angry["macro_f1"] is not None
    json.dumps(angry, allow_nan=False)


def test_report_without_any_labelled_face_has_no_figures():
    report = build_report(
        np.full((4, 5), 0.2),
        np.full(4, 3),
        outputs=OUTPUTS,
        labels=LABELS,
        calibration=Calibration(1.0, 0.5, 0),
    ).to_dict()
    assert report["accuracy"] == {"value": None, "interval": None, "faces": 0}
    assert report["not_sure"]["background_not_sure"] == {"neutral": 1.0}
    json.dumps(report, allow_nan=False)


def test_two_labels_have_no_top_2_accuracy():
    probabilities, targets = synthetic(faces=50, outputs=2)
    report = build_report(
        probabilities,
        targets,
        outputs=("no", "yes"),
        labels=("no", "yes"),
        calibration=Calibration(1.0, 0.0, 50),
    ).to_dict()
    assert report["top2_accuracy"] is None
    assert report["macro_f1"] > 0.5
