"""Fitting a last layer to a few faces: the right answer, an honest gain, and none where there is none."""

import numpy as np
import pytest
from scipy.optimize import minimize

from emotion.predictions.calibration import softmax
from emotion.teaching.last_layer import STRENGTHS, Head, LastLayer, fit_layers, measure_gain, teach

FEATURES, OUTPUTS = 12, 4


def layer(rng, scale=1.0):
    return LastLayer(
        rng.normal(0, scale, (FEATURES, OUTPUTS)).astype(np.float32),
        rng.normal(0, scale, OUTPUTS).astype(np.float32),
    )


def people(rng, number, spread=1.0):
    """Features of faces around one centre for each output, in two passes, and what they show."""
    targets = np.arange(number) % OUTPUTS
    centres = np.random.default_rng(7).normal(0, 1, (OUTPUTS, 1, FEATURES))
    return (centres[targets] + rng.normal(0, spread, (number, 2, FEATURES))).astype(np.float32), targets


def is_right(targets):
    return lambda answers: answers.argmax(axis=1) == targets


def test_the_fit_is_the_one_minimum_that_a_general_solver_finds():
    rng = np.random.default_rng(0)
    features, targets = people(rng, 30)
    published = layer(rng)
    [fits] = fit_layers(features[:, :1], np.eye(OUTPUTS)[targets], Head((published,), (0,)), np.ones((1, 30)))
    flat = features[:, 0].astype(float)
    centre = flat.mean(axis=0)
    spread = np.sqrt(((flat - centre) ** 2).sum(axis=1).mean())
    scaled = np.column_stack([(flat - centre) / spread, np.ones(30)])
    logits = published.logits(flat)
    for strength, fitted in zip(STRENGTHS, fits, strict=True):

        def cost(change, strength=strength):
            change = change.reshape(-1, OUTPUTS)
            chances = softmax(logits + scaled @ change)[np.arange(30), targets]
            return -np.log(chances).mean() + strength / 2 * (change**2).sum()

        best = minimize(cost, np.zeros((FEATURES + 1) * OUTPUTS)).x.reshape(-1, OUTPUTS)
        expected = logits + scaled @ best
        np.testing.assert_allclose(fitted.layers[0].logits(flat), expected, atol=5e-3)


def test_a_stronger_hold_leaves_the_layer_nearer_to_what_it_was():
    rng = np.random.default_rng(1)
    features, targets = people(rng, 40)
    head = Head((layer(rng), layer(rng)), (0, 1))
    [fits] = fit_layers(features, np.eye(OUTPUTS)[targets], head, np.ones((1, 40)))
    for member, published in enumerate(head.layers):
        moved = [np.abs(fitted.layers[member].kernel - published.kernel).sum() for fitted in fits]
        assert moved == sorted(moved)


def test_faces_that_count_nothing_change_nothing():
    rng = np.random.default_rng(2)
    features, targets = people(rng, 20)
    head = Head((layer(rng),), (0, 0))
    half = np.arange(20) < 10
    wanted = np.eye(OUTPUTS)[targets]
    misled = np.where(half[:, None], wanted, np.roll(wanted, 1, axis=1))
    first, second = (fit_layers(features, each, head, half[None])[0][-1] for each in (wanted, misled))
    np.testing.assert_array_equal(first.layers[0].kernel, second.layers[0].kernel)


def test_a_face_that_the_network_misreads_is_learned_and_the_gain_holds_on_fresh_faces():
    rng = np.random.default_rng(3)
    features, targets = people(rng, 40)
    head = Head((layer(rng, 0.3), layer(rng, 0.3)), (0, 1))
    taught, gain = teach(features, targets, head, is_right(targets))
    assert gain.is_sure
    assert gain.right_after > gain.right_before
    fresh, shown = people(rng, 400)
    before, after = (np.mean(is_right(shown)(each.answer(fresh))) for each in (head, taught))
    low, high = gain.interval
    assert low < after - before < high


def test_where_nothing_is_to_be_learned_the_layer_is_kept_or_the_gain_is_not_sure():
    """Each person's faces show nothing that tells the outputs apart: whatever is fitted is luck."""
    sure = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        features = rng.normal(0, 1, (20, 2, FEATURES)).astype(np.float32)
        targets = np.arange(20) % OUTPUTS
        _, gain = teach(features, targets, Head((layer(rng, 0.1),), (0, 0)), is_right(targets))
        sure += gain.is_sure
    assert sure <= 3, "one in forty is what 95 % certainty allows on this side"


def test_a_network_that_knows_a_face_already_stays_as_it_is():
    rng = np.random.default_rng(4)
    centres = np.random.default_rng(7).normal(0, 1, (OUTPUTS, FEATURES)).astype(np.float32)
    knowing = LastLayer(centres.T, (-(centres**2).sum(axis=1) / 2).astype(np.float32))
    features, targets = people(rng, 20)
    head = Head((knowing,), (0, 0))
    taught, gain = teach(features, targets, head, is_right(targets))
    assert taught is head
    assert (gain.right_before, gain.interval[0] < 0 < gain.interval[1]) == (gain.right_after, True)


@pytest.mark.parametrize(
    ("better", "worse", "sure"), [(0, 0, False), (3, 0, False), (8, 0, True), (8, 6, False)]
)
def test_a_gain_is_sure_only_where_luck_cannot_explain_it(better, worse, sure):
    before, after = np.zeros(20, bool), np.zeros(20, bool)
    after[:better] = True
    before[better : better + worse] = True
    gain = measure_gain(before, after)
    assert gain.is_sure == sure
    assert gain.interval[0] <= (better - worse) / 20 <= gain.interval[1]
