"""Metrics, and whether a difference may be chance, as pure functions: arrays in, figures out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from tqdm.auto import tqdm

from emotion.predictions.calibration import TWO_SIDED_95 as Z

CALIBRATION_BINS = 15
RESAMPLES = 1000  # standard errors come out within 2 % of what more would give
PERMUTATIONS = 4999  # the smallest p-value is 0.0002, before it is corrected

Interval = tuple[float, float]


def wilson_interval(successes: int, total: int) -> tuple[float, float]:
    """95% interval of a proportion (Wilson, "Probable inference", 1927); total must be above 0."""
    share = successes / total
    centre = (share + Z**2 / (2 * total)) / (1 + Z**2 / total)
    half = Z / (1 + Z**2 / total) * math.sqrt(share * (1 - share) / total + Z**2 / (4 * total**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def top_k_accuracy(probabilities: np.ndarray, targets: np.ndarray, k: int) -> float:
    """Share of faces whose true class is among the k likeliest."""
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    return float((best == targets[:, None]).any(axis=1).mean())


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 (classes, classes): row the true class, column the predicted one."""
    return np.bincount(targets * classes + predicted, minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per class from a confusion matrix, each float (classes,); NaN where undefined."""
    hits = np.diag(counts).astype(float)
    predicted, actual = counts.sum(axis=0), counts.sum(axis=1)
    return _ratio(hits, predicted), _ratio(hits, actual), _ratio(2 * hits, predicted + actual)


def roc_curve(scores: np.ndarray, positives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates, one point per distinct score; both kinds must occur."""
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


def calibration_bins(confidence: np.ndarray, correct: np.ndarray) -> list[dict[str, float]]:
    """Mean confidence and accuracy in equal steps of confidence (lower edge excluded) that hold faces."""
    index = bin_index(confidence)
    return [
        {
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(correct[index == k].mean()),
            "faces": int(np.sum(index == k)),
        }
        for k in np.unique(index)
    ]


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean gap between confidence and accuracy over bins, weighted by faces (Naeini et al., 2015)."""
    if not len(confidence):
        return math.nan
    # A bin's gap, weighted by its faces, is the difference of two sums.
    gaps = np.bincount(bin_index(confidence), confidence - correct)
    return float(np.abs(gaps).sum()) / len(confidence)


def calibration_error_by_chance(confidence: np.ndarray) -> float:
    """Return the median calibration error of perfectly calibrated answers on as many faces, by simulation."""
    rng, bins = np.random.default_rng(0), CALIBRATION_BINS
    index = bin_index(confidence)
    expected = np.bincount(index, confidence, minlength=bins)
    errors = [
        np.abs(expected - np.bincount(index, rng.random(len(index)) < confidence, minlength=bins)).sum()
        for _ in range(1000)
    ]
    return float(np.median(errors)) / len(index)


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of faces answered, ascending, and of wrong answers among them (El-Yaniv, 2010)."""
    order = np.argsort(-confidence, kind="stable")
    last_of_ties = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~correct[order])
    return answered[last_of_ties] / len(order), (wrong / answered)[last_of_ties]


def bin_index(confidence: np.ndarray) -> np.ndarray:
    """Return int (n,): which bin of equal width, lower edge excluded, each confidence in 0..1 is in."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test, given how often one model alone is right."""
    total, fewer = only_first + only_second, min(only_first, only_second)
    # The tail of the binomial distribution of a fair coin, in whole numbers: nothing is rounded.
    term = tail = 1
    for heads in range(fewer):
        term = term * (total - heads) // (heads + 1)
        tail += term
    return min(1.0, 2 * tail / 2**total)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many there are, in the same order (Holm, 1979)."""
    corrected, largest = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return corrected


def bootstrap(
    measure: Callable[[np.ndarray], np.ndarray],
    strata: np.ndarray,
    *,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """Measure on faces drawn with replacement (Efron, "Bootstrap methods", 1979): (resamples, *figures).

    `measure` maps int indices of faces to figures; every stratum of `strata` (faces,) keeps its size.
    Measuring several models on the same indices makes it a paired bootstrap.
    """
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    return np.array(
        [
            measure(np.concatenate([rng.choice(faces, len(faces)) for faces in members]))
            for _ in tqdm(range(resamples), "Intervals", leave=False, delay=2, disable=None)
        ],
        np.float64,
    )


def interval_around(value: float, replicates: np.ndarray, *, low: float = 0.0) -> Interval:
    """Return the 95% interval of a figure from the standard error of its bootstrap replicates.

    Their quantiles would not do: a calibration error is larger on every resample than on the faces
    themselves.
    """
    half = Z * float(np.nanstd(replicates))
    return max(low, value - half), min(1.0, value + half)


def gap_p_values(
    measure: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, *, permutations: int = PERMUTATIONS
) -> np.ndarray:
    """Return p-values of the gaps between all pairs of groups: float (figures, groups, groups).

    A permutation test: faces are dealt at random to groups of the same sizes. Gaps are counted in standard
    errors, and each is compared with the largest of every deal, which corrects for the number of groups
    (Westfall and Young, "Resampling-based multiple testing", 1993). `measure` maps `codes`, the group of each
    face from 0, to float (figures, groups).
    """
    rng = np.random.default_rng(0)
    observed = measure(codes)
    dealt = np.array([measure(rng.permutation(codes)) for _ in range(permutations)])
    # What a small group measures by chance may differ from what a large one does: a calibration error.
    bias = dealt.mean(axis=0) - dealt.mean(axis=(0, 2), keepdims=True)[0]
    bias[np.abs(bias) < 4 * dealt.std(axis=0) / np.sqrt(permutations)] = 0
    sizes = np.bincount(codes)
    errors = np.sqrt(1 / sizes[:, None] + 1 / sizes[None, :])

    def gaps(figures: np.ndarray) -> np.ndarray:
        """Float (groups,) → (groups, groups)."""
        return np.abs(figures[:, None] - figures[None, :]) / errors

    p_values = np.ones((*observed.shape, len(sizes)))
    for row, figures in enumerate(observed - bias):
        largest = np.sort([gaps(deal).max() for deal in dealt[:, row] - bias[row]])
        # A hair less than observed: equal counts may differ in the last digit.
        as_large = permutations - np.searchsorted(largest, gaps(figures) - 1e-12)
        p_values[row] = (1 + as_large) / (1 + permutations)
    return p_values
