"""Metrics as pure functions: arrays in, figures out. What they are put together to is in `build`."""

import math

import numpy as np

CALIBRATION_BINS = 15


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, "Probable inference", 1927); total must be above 0."""
    z = 1.959964
    share = successes / total
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def top_k_accuracy(probabilities: np.ndarray, targets: np.ndarray, k: int) -> float:
    """Share of faces whose true class is among the k likeliest."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == targets[:, None]).any(axis=1).mean())


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): row the true class, column the predicted one."""
    return np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per class from a confusion matrix, each float (classes,); NaN where nothing can be said."""
    hits = np.diag(counts).astype(float)
    predicted, actual = counts.sum(axis=0), counts.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def roc_curve(scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates from (0, 0) to (1, 1), one point for each different score.

    `positives` is bool; both kinds must occur.
    """
    order = np.argsort(-scores, kind="stable")
    scores, positives = scores[order], positives[order]
    last_of_ties = np.append(np.diff(scores) != 0, True)
    true, false = np.cumsum(positives)[last_of_ties], np.cumsum(~positives)[last_of_ties]
    return np.insert(false / false[-1], 0, 0.0), np.insert(true / true[-1], 0, 0.0)


def area_under_curve(scores: np.ndarray, positives: np.ndarray) -> float:
    """Chance that a positive scores above a negative, ties counting half; NaN if one kind is missing."""
    if positives.all() or not positives.any():
        return math.nan
    false_rate, true_rate = roc_curve(scores, positives)
    return float(np.trapezoid(true_rate, false_rate))


def calibration_bins(
    confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS
) -> list[dict[str, float]]:
    """Mean confidence and accuracy in equal steps of confidence (lower edge excluded) that hold faces."""
    index = bin_index(confidence, bins)
    return [
        {
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(correct[index == k].mean()),
            "faces": int(np.sum(index == k)),
        }
        for k in np.unique(index)
    ]


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = CALIBRATION_BINS
) -> float:
    """Mean gap between confidence and accuracy over bins, weighted by faces (Naeini et al., 2015)."""
    if not len(confidence):
        return math.nan
    # A bin's gap, weighted by its faces, is the difference of two sums.
    gaps = np.bincount(bin_index(confidence, bins), confidence - correct)
    return float(np.abs(gaps).sum()) / len(confidence)


def calibration_error_by_chance(confidence: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """Return the calibration error that perfect confidences measure on so few faces, by simulation.

    It is the median of 1000. Each draws the answers right as often as `confidence` (float (n,), n above 0)
    says. With n faces the error cannot tell confidences apart that are better than this.
    """
    rng = np.random.default_rng(0)
    index = bin_index(confidence, bins)
    expected = np.bincount(index, confidence, minlength=bins)
    errors = [
        np.abs(expected - np.bincount(index, rng.random(len(index)) < confidence, minlength=bins)).sum()
        for _ in range(1000)
    ]
    return float(np.median(errors)) / len(index)


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of faces answered, ascending, and the share of wrong answers among them.

    One point for each threshold that separates faces (El-Yaniv and Wiener, "Selective classification", 2010).
    """
    order = np.argsort(-confidence, kind="stable")
    last_of_ties = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~correct[order])
    return answered[last_of_ties] / len(order), (wrong / answered)[last_of_ties]


def bin_index(confidence: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """Return int (n,): which bin of equal width, lower edge excluded, each confidence in 0..1 is in."""
    return np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)
