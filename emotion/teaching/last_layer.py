"""Fit the last layer of a network to a few faces: arrays in, arrays out, no files and no pictures.

Only the features, the input of the last layer, are needed of each face; the rest of the network stays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emotion.predictions.calibration import LEAST_PROBABILITY, TWO_SIDED_95, softmax

FOLDS = 5
# How strongly the fit is held to the published layer, tried from the strongest on.
STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
MOST_STEPS = 400
SMALLEST_SLOPE = 1e-4

# Which of n answers (n, outputs) are right, as the app would give them.
Judge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LastLayer:
    """A dense layer with softmax: float32 kernel (features, outputs) and bias (outputs,)."""

    kernel: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return float32 (..., outputs) for features (..., features)."""
        return features @ self.kernel + self.bias


@dataclass(frozen=True)
class Head:
    """All last layers, of one shape, of a network whose answer is the mean of its members.

    A face passes through each member as it is and perhaps mirrored; `passes` is the layer that ends each
    pass.
    """

    layers: tuple[LastLayer, ...]
    passes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the weights."""
        return sum(layer.kernel.nbytes + layer.bias.nbytes for layer in self.layers)

    def answer(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities, float32 (n, outputs), for features (n, passes, features)."""
        answers = [
            softmax(self.layers[layer].logits(features[:, number]))
            for number, layer in enumerate(self.passes)
        ]
        return np.mean(answers, axis=0)


@dataclass(frozen=True)
class Gain:
    """Right answers before and after, on faces left out of the fit, and the difference's 95 % interval."""

    faces: int
    right_before: int
    right_after: int
    interval: tuple[float, float]

    @property
    def is_sure(self) -> bool:
        """Whether the gain is unlikely to be chance."""
        return self.interval[0] > 0


def teach(features: np.ndarray, targets: np.ndarray, head: Head, judge: Judge) -> tuple[Head, Gain]:
    """Fit the last layers to faces, and measure by nested cross-validation what that brings.

    How strongly the fit is held to the published `head` is chosen by cross-validation, separately for every
    fold that is left out, so that no face helps to choose the fit it is measured with. Where no strength
    helps, the layers stay as they are. `features` are float32 (n, passes, features) in the order in which the
    faces came, as neighbours share a fold; `targets` int (n,) are the outputs that they show, `FOLDS` or more
    of every one that occurs; `judge` tells which answers (n, outputs) are right.
    """
    folds = _folds(targets)
    weights = balanced(targets)
    leaving_out = [out for size in range(3) for out in itertools.combinations(range(FOLDS), size)]
    masks = np.array([weights * ~np.isin(folds, out) for out in leaving_out])
    wanted = np.eye(head.layers[0].bias.size, dtype=np.float32)[targets]
    fits = dict(zip(leaving_out, fit_layers(features, wanted, head, masks), strict=True))

    before = head.answer(features)
    # The last choice is to leave the layers as they are.
    losses = {
        out: np.array([losses_of(fitted.answer(features), targets) for fitted in (*fits[out], head)])
        for out in leaving_out
    }
    after = np.empty_like(before)
    for left in range(FOLDS):
        inner = np.zeros(len(STRENGTHS) + 1)
        for other in range(FOLDS):
            if other != left:
                here = folds == other
                inner += losses[tuple(sorted((left, other)))][:, here] @ weights[here]
        chosen = (*fits[(left,)], head)[int(inner.argmin())]
        after[folds == left] = chosen.answer(features[folds == left])
    outer = sum(losses[(left,)][:, folds == left] @ weights[folds == left] for left in range(FOLDS))
    return (*fits[()], head)[int(np.argmin(outer))], measure_gain(judge(before), judge(after))


def measure_gain(before: np.ndarray, after: np.ndarray) -> Gain:
    """Compare right answers, bool (n,), of the same faces before and after.

    The interval is that of Bonett and Price, "Adjusted Wald confidence interval for a difference of binomial
    proportions based on paired data", 2012, which covers 95 % for a handful of faces too.
    """
    faces = len(before)
    better = (np.sum(after & ~before) + 1) / (faces + 2)
    worse = (np.sum(before & ~after) + 1) / (faces + 2)
    half = TWO_SIDED_95 * math.sqrt((better + worse - (better - worse) ** 2) / (faces + 2))
    low, high = float(better - worse - half), float(better - worse + half)
    return Gain(faces, int(before.sum()), int(after.sum()), (max(low, -1.0), min(high, 1.0)))


def fit_layers(
    features: np.ndarray,
    wanted: np.ndarray,
    head: Head,
    masks: np.ndarray,
    *,
    strengths: Sequence[float] = STRENGTHS,
) -> list[list[Head]]:
    """Fit the last layers to several weightings of the same faces, with every strength.

    Each layer minimises the mean cross-entropy of its own passes plus half the strength times the squared
    change of its weights, on features scaled to unit spread. That is convex: there is one solution. Takes
    features (n, passes, features), target probabilities (n, outputs) and weights of the faces (weightings,
    n); returns, for every weighting, one head per strength.
    """
    fitted = []
    for number, layer in enumerate(head.layers):
        passes = [index for index, owner in enumerate(head.passes) if owner == number]
        flat = features[:, passes].reshape(-1, features.shape[-1])
        repeat = len(passes)
        answers, counts = wanted.repeat(repeat, axis=0), masks.repeat(repeat, axis=1)
        fitted.append(_fit_layer(flat, answers, layer, counts, np.asarray(strengths, np.float32)))
    kernels, biases = ([layer[part] for layer in fitted] for part in (0, 1))
    return [
        [
            Head(
                tuple(
                    LastLayer(kernel[mask, strength], bias[mask, strength])
                    for kernel, bias in zip(kernels, biases, strict=True)
                ),
                head.passes,
            )
            for strength in range(len(strengths))
        ]
        for mask in range(len(masks))
    ]


def _fit_layer(
    features: np.ndarray, wanted: np.ndarray, layer: LastLayer, masks: np.ndarray, strengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return kernels (weightings, strengths, features, outputs) and biases (…, outputs) of one layer."""
    centre = features.mean(axis=0)
    spread = max(float(np.sqrt(((features - centre) ** 2).sum(axis=1).mean())), 1e-6)
    scaled = np.column_stack([(features - centre) / spread, np.ones(len(features), np.float32)])
    # The change lies in the span of the faces: few faces need few numbers.
    left, sizes, basis = np.linalg.svd(scaled.astype(np.float32), full_matrices=False)
    change = _descend(left * sizes, wanted, layer.logits(features), masks, strengths[:, None])
    change = np.moveaxis(np.tensordot(basis, change, (0, 0)), 0, 2)
    kernel, bias = change[..., :-1, :] / spread, change[..., -1, :]
    return layer.kernel + kernel, layer.bias + bias - centre @ kernel


def _descend(
    faces: np.ndarray, wanted: np.ndarray, logits: np.ndarray, masks: np.ndarray, strengths: np.ndarray
) -> np.ndarray:
    """Minimise by Nesterov's accelerated gradient; return (numbers, weightings, strengths, outputs)."""
    shares = (masks / masks.sum(axis=1, keepdims=True)).astype(np.float32)
    curvature = np.array([np.linalg.eigvalsh((faces.T * share) @ faces)[-1] for share in shares])
    steepest = (0.5 * curvature[:, None, None] + strengths).astype(np.float32)
    root = np.sqrt(strengths / steepest)
    momentum = (1 - root) / (1 + root)
    # One matrix product for all weightings and strengths together.
    shape = (faces.shape[1], len(shares), len(strengths), wanted.shape[1])
    point = np.zeros(shape, np.float32)
    ahead = point
    logits, wanted, weights = logits[:, None, None], wanted[:, None, None], shares.T[:, :, None, None]
    for _ in range(MOST_STEPS):
        answers = softmax(logits + (faces @ ahead.reshape(len(ahead), -1)).reshape(-1, *shape[1:]))
        errors = (answers - wanted) * weights
        slope = (faces.T @ errors.reshape(len(errors), -1)).reshape(shape) + strengths * ahead
        following = ahead - slope / steepest
        ahead = following + momentum * (following - point)
        point = following
        if np.abs(slope).max() < SMALLEST_SLOPE:
            break
    return point


def _folds(targets: np.ndarray) -> np.ndarray:
    """Return the fold of every face: for each target, neighbours together."""
    folds = np.empty(len(targets), int)
    for target in np.unique(targets):
        places = np.flatnonzero(targets == target)
        folds[places] = np.arange(len(places)) * FOLDS // len(places)
    return folds


def balanced(targets: np.ndarray) -> np.ndarray:
    """Return weights that make every target count the same, with mean 1."""
    counts = np.bincount(targets)
    return len(targets) / (np.count_nonzero(counts) * counts[targets])


def losses_of(answers: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the negative logarithm of the probability that each answer (n, outputs) gives its target."""
    return -np.log(np.maximum(answers[np.arange(len(targets)), targets], LEAST_PROBABILITY))
