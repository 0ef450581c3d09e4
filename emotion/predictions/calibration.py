"""Raw probabilities made honest: temperature, renormalisation, confidence, and when no label is named.

The only place that knows how a network's outputs become the probabilities that people see.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
TWO_SIDED_95 = 1.959964  # standard errors on each side of a 95 % interval


@dataclass(frozen=True)
class Calibration:
    """How raw probabilities become the shown ones, and when no label is named.

    `temperature` divides the logits; below `threshold` the label is None; `fitted_on` counts the faces.
    """

    temperature: float
    threshold: float
    fitted_on: int

    def apply(self, raw: np.ndarray, labels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what people see: probabilities among the labels, float64 (n, labels), and confidences (n,).

        `raw` (n, outputs) is the network's softmax, its first `labels` columns are the labels.
        """
        tempered = apply_temperature(raw, self.temperature)
        return renormalise(tempered, labels), confidences(tempered, labels)


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


def confidences(probabilities: np.ndarray, labels: int) -> np.ndarray:
    """Return the best label's probability among all outputs, so that background scores low: (...,)."""
    return probabilities[..., :labels].max(axis=-1)


def calibrate(
    probabilities: np.ndarray,
    targets: np.ndarray,
    labels: int,
    sources: np.ndarray | None = None,
    *,
    least: float = 0.0,
) -> Calibration:
    """Choose temperature and threshold on faces that no figure is reported on.

    `probabilities` (n, outputs) is raw softmax, labels first; `targets` (n,) the true output; `sources` (n,)
    where each face is from. The threshold is to reach its goals on each source, and is `least` or more.
    """
    labelled = targets < labels
    temperature = fit_temperature(renormalise(probabilities, labels)[labelled], targets[labelled])
    tempered = apply_temperature(probabilities, temperature)
    confidence = confidences(tempered, labels)
    correct = tempered[labelled, :labels].argmax(axis=1) == targets[labelled]
    sources = np.zeros(len(targets), np.int64) if sources is None else sources
    threshold = choose_threshold(
        confidence[labelled],
        correct,
        confidence[~labelled],
        sources=sources[labelled],
        background_sources=sources[~labelled],
    )
    return Calibration(temperature=temperature, threshold=max(threshold, least), fitted_on=len(targets))


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Return the likeliest temperature (Guo et al., "On calibration", 2017), within `TEMPERATURES`.

    Its logarithm has a normal prior around 0, so that a few faces cannot move it far.
    """
    if not len(targets):
        return 1.0
    logits = scaled_logits(probabilities)
    answers = logits[np.arange(len(targets)), targets].mean()
    low, high = np.log(TEMPERATURES)
    # The slope of the likelihood and of the prior along log 1 / T changes sign once: halve the interval.
    for _ in range(50):
        middle = (low + high) / 2
        expected = (apply_temperature(probabilities, math.exp(middle)) * logits).sum(axis=1).mean()
        slope = len(targets) * math.exp(-middle) * (answers - expected) + TEMPERATURE_PULL * middle
        low, high = (low, middle) if slope > 0 else (middle, high)
    return round(math.exp((low + high) / 2), 4)


def choose_threshold(
    confidence: np.ndarray,
    correct: np.ndarray,
    background_confidence: np.ndarray,
    *,
    sources: np.ndarray | None = None,
    background_sources: np.ndarray | None = None,
    max_error: float = MAX_ERROR,
    min_answered: float = MIN_ANSWERED,
    min_background_unsure: float = MIN_BACKGROUND_UNSURE,
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
        goals.append(_standard_errors(max_error * answered - wrong, max_error, answered))
        goals.append(_standard_errors(answered - min_answered * len(own), min_answered, len(own)))
    for source in np.unique(background_sources):
        own = background_confidence[background_sources == source]
        unsure = len(own) - _at_least(own, thresholds)
        surplus = unsure - min_background_unsure * len(own)
        goals.append(_standard_errors(surplus, min_background_unsure, len(own)))
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
