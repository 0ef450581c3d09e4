"""Raw probabilities made honest: temperature, renormalisation, confidence, and when no label is named.

The only place that knows how a network's outputs become the probabilities that people see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

LEAST_PROBABILITY = 1e-12  # what a probability of 0 counts as, so that its logarithm is finite
TEMPERATURES = (0.2, 5.0)
# A handful of faces, all named right, would ask for 0 (measured: 11 faces gave 0.2). This pull towards 1
# keeps them near it, and hardly moves the fit to a thousand.
TEMPERATURE_PULL = 5.0

# What "not sure" is meant to reach, on faces that the threshold was not chosen on.
MAX_ERROR = 0.07  # of the faces that get an answer
MIN_ANSWERED = 0.80  # of the faces that show one of the labels
MIN_BACKGROUND_UNSURE = 0.60  # of the faces that show none of them
ENOUGH_CERTAINTY = 1.645  # standard errors: 95 %, one-sided
WEAK_PRIOR = 1e-3  # of label factors: moves those of the embedded model by less than 0.01
MOST_STEPS = 30  # of Newton's method, which takes about six
TWO_SIDED_95 = 1.959964  # standard errors on each side of a 95 % interval


@dataclass(frozen=True)
class Calibration:
    """How raw probabilities become the shown ones, and when no label is named.

    `temperature` divides the logits; below `threshold` the label is None; `fitted_on` counts the faces.
    `label_factors` says for each label how much more often it occurs than the network expects, when one
    label is chosen among them; empty for as often. It does not touch the confidence: a neutral face would
    become "angry" more often with it (8 to 17% of the answers about people over 75).
    """

    temperature: float
    threshold: float
    fitted_on: int
    label_factors: tuple[float, ...] = ()

    def apply(self, raw: np.ndarray, labels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what people see: probabilities among the labels, float64 (n, labels), and confidences (n,).

        `raw` (n, outputs) is the network's softmax, its first `labels` columns are the labels.
        """
        tempered = apply_temperature(raw, self.temperature)[..., :labels]
        shown = renormalise(tempered * self.label_weights(labels), labels)
        best = shown.argmax(axis=-1)[..., None]
        return shown, np.take_along_axis(tempered, best, axis=-1)[..., 0]

    def label_weights(self, labels: int) -> np.ndarray:
        """Return what the tempered probability of each label is multiplied by, to choose among them."""
        factors = np.array(self.label_factors or (1.0,) * labels)
        return factors ** (1 / self.temperature)


def scaled_logits(probabilities: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return log p / T, float64, finite also where a probability is 0."""
    return np.log(np.maximum(np.asarray(probabilities, np.float64), LEAST_PROBABILITY)) / temperature


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return softmax(log p / T), float64, of probabilities (..., outputs)."""
    return softmax(scaled_logits(probabilities, temperature))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return softmax over the last axis, same type and shape."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def renormalise(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """Return the first `classes` columns, each row scaled to sum to 1; a row of zeros becomes uniform."""
    kept = np.maximum(np.asarray(probabilities[..., :classes], np.float64), LEAST_PROBABILITY)
    return kept / kept.sum(axis=-1, keepdims=True)


def calibrate(
    probabilities: np.ndarray,
    targets: np.ndarray,
    labels: int,
    sources: np.ndarray | None = None,
    *,
    balance: bool = False,
    least: float = 0.0,
) -> Calibration:
    """Choose temperature and threshold, and with `balance` the label factors, on faces not reported on.

    `probabilities` (n, outputs) is raw softmax, labels first; `targets` (n,) the true output; `sources` (n,)
    where each face is from. Every source counts the same for the temperature. The threshold is to reach its
    goals on each source, and is `least` or more. With label factors, no more faces without a label get an
    answer than without the factors, of each kind and source: rare labels are not paid for by neutral faces.
    """
    labelled = targets < labels
    sources = np.zeros(len(targets), np.int64) if sources is None else sources
    among, truth = renormalise(probabilities, labels)[labelled], targets[labelled]
    factors = fit_label_factors(among, truth) if balance else ()
    if factors:
        among = renormalise(among * factors, labels)
    shares = 1 / np.maximum(np.bincount(sources[labelled], minlength=1), 1)
    temperature = fit_temperature(among, truth, shares[sources[labelled]])
    calibration = Calibration(temperature, 0.0, len(targets), factors)
    shown, confidence = calibration.apply(probabilities, labels)
    threshold = choose_threshold(
        confidence[labelled],
        shown[labelled].argmax(axis=1) == truth,
        confidence[~labelled],
        sources=sources[labelled],
        background_sources=sources[~labelled],
    )
    if factors:
        plain = calibrate(probabilities, targets, labels, sources)
        answered = plain.apply(probabilities, labels)[1] >= plain.threshold
        kinds = np.stack([targets, sources], 1)[~labelled]
        threshold = max(threshold, threshold_for_as_few(confidence[~labelled], answered[~labelled], kinds))
    return replace(calibration, threshold=max(threshold, least))


def threshold_for_as_few(confidence: np.ndarray, answered: np.ndarray, kinds: np.ndarray) -> float:
    """Return the lowest threshold, in steps of 0.001, that answers no more of each kind than `answered`."""
    thresholds = np.arange(1000) / 1000
    lowest = 0.0
    for kind in np.unique(kinds, axis=0):
        own = (kinds == kind).all(axis=1)
        enough = _at_least(confidence[own], thresholds) <= answered[own].sum()
        lowest = max(lowest, float(thresholds[enough.argmax()] if enough.any() else thresholds[-1]))
    return lowest


def fit_label_factors(probabilities: np.ndarray, targets: np.ndarray) -> tuple[float, ...]:
    """Return the label factors that serve all labels alike; () unless there are faces of each.

    They are the biases of temperature scaling with biases (Alexandari et al., "Maximum likelihood with
    bias-corrected calibration", 2020), fitted with every label counting the same, however many faces it has,
    under a weak prior; the mean of their logarithms is 0.
    """
    labels = probabilities.shape[1]
    counts = np.bincount(targets, minlength=labels)
    if not counts.all():
        return ()
    weights = 1 / (labels * counts[targets])
    logits = scaled_logits(probabilities)
    truth = np.eye(labels)[targets]
    # One column for the slope, one a label for the bias: Newton's method, as the likelihood is concave.
    columns = np.concatenate(
        [logits[:, :, None], np.broadcast_to(np.eye(labels), (len(logits), labels, labels))], 2
    )
    fitted = np.array([1.0] + [0.0] * labels)
    held = WEAK_PRIOR * np.array([0.0] + [1.0] * labels)
    for _ in range(MOST_STEPS):
        answers = softmax(columns @ fitted)
        slope = np.einsum("n,nk,nkp->p", weights, answers - truth, columns) + held * fitted
        means = np.einsum("nk,nkp->np", answers, columns)
        curvature = np.einsum("n,nk,nkp,nkq->pq", weights, answers, columns, columns)
        curvature += np.diag(held) - np.einsum("n,np,nq->pq", weights, means, means)
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        fitted -= step * min(1.0, 1 / max(np.abs(step).max(), 1e-12))
        fitted[0] = np.clip(fitted[0], 1 / TEMPERATURES[1], 1 / TEMPERATURES[0])
    factors = fitted[1:] / fitted[0]
    return tuple(round(float(value), 4) for value in np.exp(factors - factors.mean()))


def fit_temperature(
    probabilities: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the likeliest temperature (Guo et al., "On calibration", 2017), within `TEMPERATURES`.

    Its logarithm has a normal prior around 0, so that a few faces cannot move it far; `weights` are (n,).
    """
    if not len(targets):
        return 1.0
    logits = scaled_logits(probabilities)
    answers = np.average(logits[np.arange(len(targets)), targets], weights=weights)
    low, high = np.log(TEMPERATURES)
    # The slope of the likelihood and of the prior along log 1 / T changes sign once: halve the interval.
    for _ in range(50):
        middle = (low + high) / 2
        expected = (apply_temperature(probabilities, math.exp(middle)) * logits).sum(axis=1)
        excess = answers - np.average(expected, weights=weights)
        slope = len(targets) * math.exp(-middle) * excess + TEMPERATURE_PULL * middle
        low, high = (low, middle) if slope > 0 else (middle, high)
    return round(math.exp((low + high) / 2), 4)


def choose_threshold(
    confidence: np.ndarray,
    correct: np.ndarray,
    background_confidence: np.ndarray,
    *,
    sources: np.ndarray | None = None,
    background_sources: np.ndarray | None = None,
) -> float:
    """Return the confidence below which a face is called "not sure": 0 to 0.999 in steps of 0.001.

    There are up to three goals for each source of faces: few wrong answers, most faces answered, most
    background faces not answered. The distance of each goal to its limit is counted in standard errors, which
    tells how surely it is met on new faces. The threshold whose worst goal is best wins; a goal met with 95 %
    certainty cannot become better, and among equals the lowest threshold wins, because it answers most.
    Where even that one is certain to give too many wrong answers, the lowest that does not is chosen, however
    little it answers.
    """
    if not len(confidence):
        return 0.0
    if sources is None:
        sources = np.zeros(len(confidence), np.int64)
    if background_sources is None:
        background_sources = np.zeros(len(background_confidence), np.int64)
    thresholds = np.arange(1000) / 1000
    goals = []
    for source in np.unique(sources):
        own = confidence[sources == source]
        answered = _at_least(own, thresholds)
        wrong = _at_least(confidence[(sources == source) & ~correct], thresholds)
        goals.append(_standard_errors(MAX_ERROR * answered - wrong, MAX_ERROR, answered))
        goals.append(_standard_errors(answered - MIN_ANSWERED * len(own), MIN_ANSWERED, len(own)))
    for source in np.unique(background_sources):
        own = background_confidence[background_sources == source]
        unsure = len(own) - _at_least(own, thresholds)
        surplus = unsure - MIN_BACKGROUND_UNSURE * len(own)
        goals.append(_standard_errors(surplus, MIN_BACKGROUND_UNSURE, len(own)))
    worst = np.min(goals, axis=0).clip(max=ENOUGH_CERTAINTY)
    chosen = int(worst.argmax())
    few_errors = np.min(goals[: 2 * len(np.unique(sources)) : 2], axis=0)
    if few_errors[chosen] < -ENOUGH_CERTAINTY:
        # Answering less is the one promise that a poor network can keep.
        chosen = int((few_errors >= 0).argmax()) if (few_errors >= 0).any() else len(thresholds) - 1
    return float(thresholds[chosen])


def _at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many values reach each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def _standard_errors(surplus: np.ndarray, limit: float, trials: np.ndarray | int) -> np.ndarray:
    """How far a count lies on the good side of its limit, in standard errors of a share at that limit."""
    return surplus / np.sqrt(np.maximum(trials, 1) * limit * (1 - limit))
