"""What the page says about a model."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emotion import EmotionClassifier
from emotion.report.groups import measure_groups
from emotion.report.report import History, Report
from emotion.web.html.report import model_summary
from tests.web.faces import LABELS


def test_the_report_of_the_embedded_model_is_shown():
    classifier = EmotionClassifier.from_pretrained()
    html = model_summary(classifier)
    assert f"{classifier.report.accuracy.value:.1%}" in html
    assert "<table" in html
    assert "Calibration" in html
    assert "Limits" in html
    assert all(label in html for label in classifier.labels)


def test_the_curves_of_the_report_are_drawn_with_their_figures():
    history = History(loss=(0.9, 0.5), accuracy=(0.6, 0.8), val_loss=(0.8, 0.6), val_accuracy=(0.65, 0.78))
    report = replace(EmotionClassifier.from_pretrained().report, history=history)
    html = model_summary(SimpleNamespace(labels=LABELS, threshold=0.5, report=report))
    for label, curve in report.roc.items():
        assert f"{label}, area {curve.auc:.3f}" in html
    assert f"validation, {report.history.val_accuracy[-1]:.3f} at the end" in html
    # Calibration, three ROC curves, and two lines each of loss and accuracy.
    assert html.count("<polyline") == 1 + 3 + 2 + 2


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"history": {"val_loss": [0.25]}}, "validation, 0.250 at the end"),
        ({"history": {"loss": [1.0] * 5000}}, "training, 1.000 at the end"),
        (
            {"roc": {"<b>": {"auc": 0.5, "false_positive_rate": [0, 9], "true_positive_rate": [-4, 1]}}},
            "&lt;b&gt;",
        ),
    ],
)
def test_curves_of_strangers_stay_within_their_charts(part, shown):
    report = Report.from_dict({"macro_f1": 0.5, **part})
    html = model_summary(SimpleNamespace(labels=LABELS, threshold=0.5, report=report))
    assert shown in html
    [points] = re.findall('points="([^"]+)"', html)
    places = [float(place) for pair in points.split() for place in pair.split(",")]
    assert 0 <= min(places) <= max(places) <= 100
    assert len(points) < 5000


def test_a_report_with_gaps_shows_what_is_there():
    classifier = SimpleNamespace(
        labels=LABELS, threshold=0.5, report=Report.from_dict({"accuracy": None, "macro_f1": 0.5})
    )
    html = model_summary(classifier)
    assert "50.0%" in html
    assert "None" not in html
    assert "nan" not in html
    assert "without a report" in model_summary(SimpleNamespace(labels=LABELS, report=None))


def test_groups_are_shown_with_their_gaps_and_what_was_not_measured_is_said():
    right = np.arange(80) % 40 < np.repeat([36, 12], 40)
    groups = measure_groups(
        {"<b>glasses": ["no"] * 40 + ["yes"] * 40, "age": ["9"] * 7 + [None] * 73},
        probability=np.full(80, 0.75),
        correct=right,
        sure=right,
    )
    report = Report.from_dict({"macro_f1": 0.5})
    classifier = SimpleNamespace(labels=LABELS, threshold=0.5, report=replace(report, groups=groups))
    html = model_summary(classifier)
    assert "90.0%" in html
    assert "Largest gap in accuracy by &lt;b&gt;glasses: 60.0 points, yes below no; p &lt; 0.001" in html
    assert "fewer than 30 faces: 9 (7)" in html
    assert "Not measured" not in html
    classifier.report = report
    assert "Not measured: nobody said which groups of people" in model_summary(classifier)


@pytest.mark.parametrize(
    "report",
    [
        ["accuracy"],
        {"accuracy": "high"},
        {"accuracy": {"interval": ["a", "b"]}},
        {"confusion_matrix": {"labels": LABELS, "counts": [["many"]]}},
        {"calibration": {"bins": [{"faces": 500}]}},
        {"per_class": {"sad": {"support": float("inf")}}},
    ],
)
def test_a_report_that_makes_no_sense_says_so(report):
    classifier = SimpleNamespace(labels=LABELS, threshold=0.5, report=Report.from_dict(report))
    assert "report of this model cannot be read" in model_summary(classifier)
