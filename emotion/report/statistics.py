"""Whether a difference may be chance: tests and intervals. Arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from tqdm.auto import tqdm

RESAMPLES = 1000  # standard errors come out within 2 % of what more would give
PERMUTATIONS = 4999  # the smallest p-value is 0.0002, before it is corrected
Z = 1.959964  # standard errors on each side that hold 95 %

Interval = tuple[float, float]


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return how likely two equally good models differ so much, by McNemar's exact test, two-sided.

    Parameters
    ----------
    only_first, only_second : int
        Faces that one of them alone names right; faces on which both are right or wrong say nothing.

    Returns
    -------
    float
        Above 0, up to 1.
    """
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
    progress: bool = False,
) -> np.ndarray:
    """Measure again and again on faces drawn with replacement (Efron, "Bootstrap methods", 1979).

    Parameters
    ----------
    measure : callable
        int indices of faces, shape (n,) → figures, float of any shape. Figures of several models that
        are measured on the same faces make it a paired bootstrap.
    strata : np.ndarray
        int, shape (n,): as many faces are drawn of every stratum as it has.
    resamples : int
        How often.
    progress : bool
        Show a bar.

    Returns
    -------
    np.ndarray
        float64, shape (resamples, *figures).
    """
    rng = np.random.default_rng(0)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    return np.array(
        [
            measure(np.concatenate([rng.choice(faces, len(faces)) for faces in members]))
            for _ in tqdm(range(resamples), "Intervals", disable=not progress)
        ],
        np.float64,
    )


def interval_around(value: float, replicates: np.ndarray, *, low: float = 0.0, high: float = 1.0) -> Interval:
    """Return the 95 % interval of a figure from its standard error over bootstrap replicates.

    The replicates' own quantiles would not do: a calibration error is larger on every resample than on
    the faces themselves.

    Parameters
    ----------
    value : float
        What was measured.
    replicates : np.ndarray
        float, shape (resamples,), at least one a number.
    low, high : float
        What the figure can be.
    """
    half = Z * float(np.nanstd(replicates))
    return max(low, value - half), min(high, value + half)


def gap_p_values(
    measure: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, *, permutations: int = PERMUTATIONS
) -> np.ndarray:
    """Return how likely chance alone makes gaps so large between groups, for every pair of them.

    Faces are dealt out to groups of the same sizes at random. Gaps count in their standard errors, and each
    is compared with the largest one of every deal, so that the p-values are corrected for the number of
    groups (Westfall and Young, "Resampling-based multiple testing", 1993).

    Parameters
    ----------
    measure : callable
        codes → figures per group, float (figures, groups).
    codes : np.ndarray
        int, shape (n,): the group of each face, from 0; every group has faces.
    permutations : int
        How many deals.

    Returns
    -------
    np.ndarray
        float, shape (figures, groups, groups), symmetrical, diagonal 1.
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
