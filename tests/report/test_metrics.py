"""Metrics, tests and intervals against scikit-learn, SciPy, published values, and by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from emotion.report import metrics as figures
from emotion.report.metrics import bootstrap, gap_p_values, holm, interval_around, mcnemar_p
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
    bins = figures.calibration_bins(confidence, correct)
    assert [row["faces"] for row in bins] == [2, 5]  # 0.6 lies in (8/15, 9/15], 1.0 in the last bin
    gaps = 2 * abs(0.6 - 0.5) + 5 * abs((4 * 0.95 + 1) / 5 - 4 / 5)
    assert figures.expected_calibration_error(confidence, correct) == pytest.approx(gaps / 7)


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


@pytest.mark.parametrize(("first", "second"), [(10, 20), (0, 6), (37, 37), (1, 0), (251, 300), (1500, 1390)])
def test_mcnemar_is_the_exact_binomial_test(first, second):
    assert mcnemar_p(first, second) == pytest.approx(stats.binomtest(first, first + second).pvalue, rel=1e-9)
    assert mcnemar_p(first, second) == mcnemar_p(second, first)


def test_mcnemar_on_the_example_of_agresti():
    # Agresti, "Categorical data analysis", 1990, table 10.1: approval by 86 and 150 who changed their mind.
    assert mcnemar_p(86, 150) == pytest.approx(3.7e-5, rel=0.02)


def test_models_that_never_differ_are_told_apart_by_nothing():
    assert mcnemar_p(0, 0) == 1.0


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_bootstrap_finds_the_standard_error_of_a_mean_and_keeps_the_strata():
    values = np.random.default_rng(0).normal(size=400)
    strata = np.arange(400) % 3
    drawn = bootstrap(
        lambda chosen: np.array([values[chosen].mean(), (strata[chosen] == 1).sum()]), strata, resamples=2000
    )
    assert drawn[:, 0].std() == pytest.approx(values.std() / math.sqrt(400), rel=0.06)
    assert set(drawn[:, 1]) == {133}
    low, high = interval_around(0.5, drawn[:, 0], low=-1)
    assert (low, high) == pytest.approx((0.5 - 0.098, 0.5 + 0.098), abs=0.01)
    assert interval_around(0.01, drawn[:, 0])[0] == 0.0


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(5), 0
    for _ in range(100):
        values = rng.random(200) < 0.8
        drawn = bootstrap(lambda chosen, v=values: np.array(v[chosen].mean()), np.zeros(200), resamples=100)
        low, high = interval_around(float(values.mean()), drawn)
        held += low <= 0.8 <= high
    assert 89 <= held <= 99, "95 are expected"


def two_groups(right_of_first, right_of_second, faces=100):
    codes = np.repeat([0, 1], faces)
    correct = np.concatenate([np.arange(faces) < right_of_first, np.arange(faces) < right_of_second])
    return codes, lambda dealt: (np.bincount(dealt, correct) / np.bincount(dealt))[None]


@pytest.mark.parametrize("right", [(80, 60), (80, 70), (80, 78)])
def test_the_gap_of_two_groups_is_as_unlikely_as_fisher_says(right):
    codes, measure = two_groups(*right)
    expected = stats.fisher_exact([[right[0], 100 - right[0]], [right[1], 100 - right[1]]]).pvalue
    assert gap_p_values(measure, codes)[0, 0, 1] == pytest.approx(expected, abs=0.02)


def test_a_small_group_does_not_hide_the_gap_between_two_large_ones():
    codes = np.repeat([0, 1, 2], [1000, 1000, 30])
    correct = np.concatenate([np.arange(1000) < 850, np.arange(1000) < 750, np.arange(30) < 24])
    p_values = gap_p_values(
        lambda dealt: (np.bincount(dealt, correct) / np.bincount(dealt))[None], codes, permutations=999
    )
    assert p_values[0, 0, 1] == 0.001
    assert p_values[0, 0, 2] > 0.2
    assert np.array_equal(p_values[0], p_values[0].T)


def test_without_a_true_gap_few_are_found():
    rng, found = np.random.default_rng(3), 0
    codes = np.repeat(np.arange(5), [300, 100, 40, 40, 30])
    for _ in range(60):
        correct = rng.random(510) < 0.8
        p_values = gap_p_values(
            lambda dealt, correct=correct: (np.bincount(dealt, correct) / np.bincount(dealt))[None],
            codes,
            permutations=99,
        )
        found += p_values.min() < 0.05
    assert found <= 8, "of 60, 3 are expected"
