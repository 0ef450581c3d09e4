"""Temperature and confidence undo known distortions, and the "not sure" rule meets its goals where it can."""

from dataclasses import replace

import numpy as np
import pytest

from emotion.predictions import calibration as calibrating
from emotion.report import metrics as figures
from tests.report.synthetic import LABELS, synthetic


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_undoes_a_known_distortion(temperature):
    probabilities, targets = synthetic(faces=20_000, outputs=3, temperature=temperature)
    fitted = calibrating.fit_temperature(probabilities, targets)
    assert fitted == pytest.approx(temperature, rel=0.1)
    restored = calibrating.apply_temperature(probabilities, fitted)

    def error(p):
        return figures.expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == targets)

    assert error(restored) < 0.01
    assert temperature == 1 or error(probabilities) > 3 * error(restored)


def test_a_handful_of_faces_hardly_moves_the_temperature():
    probabilities = np.tile([0.7, 0.2, 0.1], (11, 1))
    assert 0.5 < calibrating.fit_temperature(probabilities, np.zeros(11, int)) < 1
    assert calibrating.fit_temperature(np.tile([0.7, 0.2, 0.1], (5000, 1)), np.zeros(5000, int)) < 0.3


def test_temperature_is_where_the_likelihood_is_highest():
    probabilities, targets = synthetic(faces=3000, outputs=3, temperature=1.7)

    def loss(temperature):
        tempered = calibrating.apply_temperature(probabilities, temperature)
        return -np.log(tempered[np.arange(len(targets)), targets]).mean()

    fitted = calibrating.fit_temperature(probabilities, targets)
    assert loss(fitted) < min(loss(fitted * 0.97), loss(fitted * 1.03))


def test_temperature_stays_in_its_range_for_faultless_and_for_missing_answers():
    faultless = np.tile([[0.9, 0.1], [0.2, 0.8]], (100_000, 1))
    right = np.tile([0, 1], 100_000)
    assert calibrating.fit_temperature(faultless, right) == calibrating.TEMPERATURES[0]
    assert calibrating.fit_temperature(faultless, 1 - right) == calibrating.TEMPERATURES[1]
    assert calibrating.fit_temperature(faultless[:0], np.array([], int)) == 1.0


def test_temperature_keeps_zero_probabilities_finite():
    tempered = calibrating.apply_temperature(np.array([[1.0, 0.0, 0.0]]), 2.0)
    assert np.isfinite(tempered).all()
    assert tempered.sum() == pytest.approx(1)


def test_tempering_then_restricting_equals_restricting_then_tempering():
    probabilities, _ = synthetic(faces=50)
    one = calibrating.renormalise(calibrating.apply_temperature(probabilities, 1.6), 3)
    other = calibrating.apply_temperature(calibrating.renormalise(probabilities, 3), 1.6)
    assert np.allclose(one, other)


def rule_figures(threshold, confidence, correct, background):
    answered = confidence >= threshold
    return answered.mean(), 1 - correct[answered].mean(), (background < threshold).mean()


def test_threshold_meets_all_goals_where_that_is_possible():
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, 2000)
    correct = rng.random(2000) < 0.55 + 0.45 * confidence
    background = rng.beta(1.5, 2, 1000)
    threshold = calibrating.choose_threshold(confidence, correct, background)
    answered, error, unsure = rule_figures(threshold, confidence, correct, background)
    assert answered >= 0.80
    assert error <= 0.07
    assert unsure >= 0.60
    assert rule_figures(0, confidence, correct, background)[1] > 0.07  # the rule had work to do


def test_threshold_answers_all_it_can_once_the_goals_are_safe():
    confidence = np.linspace(0.5, 1, 1000)
    background = np.linspace(0.0, 0.3, 500)
    threshold = calibrating.choose_threshold(confidence, np.ones(1000, bool), background)
    assert 0.6 * 0.3 < threshold < 0.3  # a safe majority of the background is out, no labelled face is
    assert calibrating.choose_threshold(confidence, np.ones(1000, bool), background[:0]) == 0.0


def test_threshold_without_background_trades_errors_for_answers():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.4, 1, 4000)
    correct = rng.random(4000) < confidence**0.22
    threshold = calibrating.choose_threshold(confidence, correct, np.empty(0))
    answered, error, _ = rule_figures(threshold, confidence, correct, np.zeros(1))
    assert 1 - correct.mean() > 0.07 >= error
    assert 0.80 <= answered < 1


def test_threshold_of_a_hopeless_network_still_answers_somebody():
    rng = np.random.default_rng(4)
    confidence, correct = rng.random(500), rng.random(500) < 0.4
    threshold = calibrating.choose_threshold(confidence, correct, rng.random(500))
    answered, _, unsure = rule_figures(threshold, confidence, correct, rng.random(500))
    assert answered > 0
    assert unsure > 0


def test_a_network_that_guesses_answers_little_rather_than_wrong():
    rng = np.random.default_rng(3)
    confidence, correct = rng.uniform(0.4, 0.9, 400), rng.random(400) < 0.4
    correct[confidence > 0.88] = True
    threshold = calibrating.choose_threshold(confidence, correct, np.empty(0))
    assert (~correct[confidence >= threshold]).mean() <= calibrating.MAX_ERROR
    assert 0 < (confidence >= threshold).sum() < 40
    threshold = calibrating.choose_threshold(confidence, np.zeros(400, bool), np.empty(0))
    assert not (confidence >= threshold).any()


def test_threshold_without_faces_always_answers():
    assert calibrating.choose_threshold(np.empty(0), np.empty(0, bool), np.array([0.3])) == 0.0


def test_calibrate_uses_labels_for_the_temperature_and_background_for_the_threshold():
    probabilities, targets = synthetic(temperature=2.0)
    calibration = calibrating.calibrate(probabilities, targets, len(LABELS))
    labelled = targets < 3
    only = calibrating.calibrate(probabilities[labelled], targets[labelled], len(LABELS))
    assert calibration.temperature == only.temperature
    assert calibration.temperature > 1
    tempered = calibrating.apply_temperature(probabilities, calibration.temperature)
    confidence, correct = tempered[:, :3].max(axis=1), tempered[:, :3].argmax(axis=1) == targets
    assert calibration.threshold == calibrating.choose_threshold(
        confidence[labelled], correct[labelled], confidence[~labelled]
    )
    assert calibration.fitted_on == 3000


def test_the_threshold_keeps_its_promise_on_every_source():
    rng = np.random.default_rng(3)
    easy, hard = rng.uniform(0.6, 1.0, 2000), rng.uniform(0.55, 0.95, 2000)
    confidence, sources = np.concatenate([easy, hard]), np.repeat([0, 1], 2000)
    background = np.concatenate([rng.uniform(0.0, 0.5, 2000), rng.uniform(0.3, 0.7, 2000)])
    correct = np.ones(4000, bool)
    pooled = calibrating.choose_threshold(confidence, correct, background)
    both = calibrating.choose_threshold(
        confidence, correct, background, sources=sources, background_sources=sources
    )
    assert pooled < both
    assert (background[2000:] < both).mean() > 0.6
    assert (background[2000:] < pooled).mean() < 0.6


def rare_label(faces=6000, *, rare=0.05):
    """Answers of a network that was trained where label 0 is rare: its logits are right for that mix."""
    rng = np.random.default_rng(3)
    targets = rng.choice(3, faces, p=[rare, 0.5, 0.5 - rare])
    logits = rng.normal(0, 1, (faces, 3)) + 1.6 * np.eye(3)[targets] + np.log([rare, 0.5, 0.5 - rare])
    return calibrating.softmax(logits), targets


def test_label_factors_serve_a_rare_label_as_well_as_common_ones():
    probabilities, targets = rare_label()
    plain = calibrating.calibrate(probabilities, targets, 3)
    balanced = calibrating.calibrate(probabilities, targets, 3, balance=True)

    def recalls(calibration):
        best = calibration.apply(probabilities, 3)[0].argmax(axis=1)
        return np.array([(best == k)[targets == k].mean() for k in range(3)])

    assert plain.label_factors == ()
    assert recalls(plain)[0] < 0.3
    assert np.ptp(recalls(balanced)) < 0.08
    assert recalls(balanced).mean() > recalls(plain).mean() + 0.1
    assert np.log(balanced.label_factors).sum() == pytest.approx(0, abs=1e-3)
    # They undo the mix that the network was trained on.
    expected = 1 / np.array([0.05, 0.5, 0.45])
    assert np.allclose(balanced.label_factors, expected / np.exp(np.log(expected).mean()), rtol=0.25)


def test_label_factors_buy_no_answers_about_faces_without_a_label():
    random = np.random.default_rng(0)
    probabilities, targets = rare_label()
    share = random.beta(2, 1, len(probabilities))[:, None]
    labelled = np.column_stack([probabilities * share, 1 - share])
    neutral = random.dirichlet([1.5, 1.5, 1.5, 3.0], 400)
    raw, truth = np.concatenate([labelled, neutral]), np.append(targets, np.full(400, 3))
    sources = np.append(random.integers(0, 2, len(targets)), np.repeat([0, 1], 200))
    plain = calibrating.calibrate(raw, truth, 3, sources)
    balanced = calibrating.calibrate(raw, truth, 3, sources, balance=True)

    def answered(calibration, source):
        rows = (truth == 3) & (sources == source)
        return int((calibration.apply(raw[rows], 3)[1] >= calibration.threshold).sum())

    assert balanced.label_factors
    for source in (0, 1):
        assert 0 < answered(balanced, source) <= answered(plain, source)
    # And it answers no fewer than that: a little below, there are too many in one of the sources.
    lower = replace(balanced, threshold=balanced.threshold - 0.001)
    assert any(answered(lower, source) > answered(plain, source) for source in (0, 1))


def test_the_confidence_is_the_networks_own_whatever_the_factors():
    raw = np.array([[0.30, 0.35, 0.05, 0.30]])
    calibration = calibrating.Calibration(1.0, 0.5, 0, (2.0, 1.0, 1.0))
    shown, confidence = calibration.apply(raw, 3)
    assert shown.argmax() == 0
    assert shown[0] == pytest.approx(np.array([0.60, 0.35, 0.05]))
    assert confidence == pytest.approx([0.30])
    # At another temperature the factors weigh the raw probabilities, as if the network had learned them.
    warm = calibrating.Calibration(2.0, 0.5, 0, (2.0, 1.0, 1.0)).apply(raw, 3)[0]
    weighed = calibrating.renormalise(raw * [2.0, 1.0, 1.0, 1.0], 3)
    assert warm == pytest.approx(calibrating.apply_temperature(weighed, 2.0))


def test_factors_stay_finite_on_a_handful_of_faces_and_are_none_without_faces_of_each_label():
    few = np.array([[0.98, 0.01, 0.01], [0.01, 0.98, 0.01], [0.01, 0.01, 0.98]])
    assert calibrating.fit_label_factors(few, np.array([0, 1, 2])) == pytest.approx((1, 1, 1), abs=0.01)
    wrong = calibrating.fit_label_factors(few, np.array([1, 1, 2]))
    assert wrong == ()
    assert calibrating.fit_label_factors(few[:0], np.array([], int)) == ()


def test_every_source_counts_the_same_for_the_temperature():
    many, targets = synthetic(faces=9000, outputs=3, temperature=0.5)
    few, few_targets = synthetic(faces=300, outputs=3, temperature=2.0)
    together = np.concatenate([many, few]), np.concatenate([targets, few_targets])
    sources = np.repeat([0, 1], [9000, 300])
    one = calibrating.calibrate(*together, 3).temperature
    each = calibrating.calibrate(*together, 3, sources).temperature
    assert one == pytest.approx(0.5, rel=0.1)
    assert 0.6 < each < 2.0
