"""Metrics against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn import metrics

from emotion.report import metrics as figures
from tests.report.synthetic import synthetic


def test_per_class_figures_agree_with_scikit_learn():
    probabilities, targets = synthetic(outputs=3)
    predicted = probabilities.argmax(axis=1)
    counts = figures.confusion_matrix(targets, predicted, 3)
    assert np.array_equal(counts, metrics.confusion_matrix(targets, predicted))
    expected = metrics.precision_recall_fscore_support(targets, predicted)[:3]
    assert np.allclose(figures.precision_recall_f1(counts), expected)


def test_a_class_never_met_has_no_figures_rather_than_zero():
    counts = figures.confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    precision, recall, f1 = figures.precision_recall_f1(counts)
    assert np.isnan([precision[2], recall[2], f1[2]]).all()
    assert recall[0] == 0.5
    assert precision[1] == 0.5


def test_roc_and_area_agree_with_scikit_learn_also_with_ties():
    rng = np.random.default_rng(1)
    positives = rng.random(500) < 0.3
    scores = np.round(rng.random(500) + 0.4 * positives, 1)
    false_rate, true_rate = figures.roc_curve(scores, positives)
    expected = metrics.roc_curve(positives, scores, drop_intermediate=False)
    assert np.allclose(false_rate, expected[0])
    assert np.allclose(true_rate, expected[1])
    assert figures.area_under_curve(scores, positives) == pytest.approx(
        metrics.roc_auc_score(positives, scores)
    )


@pytest.mark.parametrize("positives", [[True, True], [False, False]])
def test_area_needs_both_kinds(positives):
    assert np.isnan(figures.area_under_curve(np.array([0.2, 0.8]), np.array(positives)))


def test_top_k_accuracy_agrees_with_scikit_learn():
    probabilities, targets = synthetic(outputs=4)
    expected = metrics.top_k_accuracy_score(targets, probabilities, k=2)
    assert figures.top_k_accuracy(probabilities, targets, 2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_wilson_interval_as_printed_by_newcombe(successes, total, low, high):
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    assert figures.wilson_interval(successes, total) == pytest.approx((low, high), abs=5e-5)


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.6, 0.6, 1.0])
    correct = np.array([True, True, True, False, True, False, True])
    bins = figures.calibration_bins(confidence, correct, bins=10)
    assert [row["faces"] for row in bins] == [2, 5]  # 0.6 lies in (0.5, 0.6], 1.0 in the last bin
    gaps = 2 * abs(0.6 - 0.5) + 5 * abs((4 * 0.95 + 1) / 5 - 4 / 5)
    assert figures.expected_calibration_error(confidence, correct, bins=10) == pytest.approx(gaps / 7)


def test_risk_coverage_groups_ties_and_ends_with_all_faces():
    confidence = np.array([0.9, 0.8, 0.8, 0.3])
    correct = np.array([True, True, False, False])
    coverage, risk = figures.risk_coverage(confidence, correct)
    assert coverage.tolist() == [0.25, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])


def test_perfect_confidences_still_measure_an_error_on_few_faces():
    few, many = (np.random.default_rng(3).uniform(0.5, 1, faces) for faces in (200, 20_000))
    by_chance = figures.calibration_error_by_chance(few)
    assert 0.03 < by_chance < 0.12
    assert figures.calibration_error_by_chance(many) < by_chance / 5
    right = np.random.default_rng(4).random(200) < few
    measured = figures.expected_calibration_error(few, right)
    assert by_chance / 3 < measured < by_chance * 3
    assert figures.calibration_error_by_chance(np.ones(50)) == 0
