"""What the page says about a model."""

from types import SimpleNamespace

import pytest

from emotion import EmotionClassifier
from emotion.report.report import Report
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


def test_a_report_with_gaps_shows_what_is_there():
    classifier = SimpleNamespace(
        labels=LABELS, threshold=0.5, report=Report.from_dict({"accuracy": None, "macro_f1": 0.5})
    )
    html = model_summary(classifier)
    assert "50.0%" in html
    assert "None" not in html
    assert "nan" not in html
    assert "without a report" in model_summary(SimpleNamespace(labels=LABELS, report=None))


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
