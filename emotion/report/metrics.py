"""How good a network is: metrics as pure functions on arrays, calibration, the "not sure" rule, the report.

Arrays in, figures out: the drawing lives in `plots`, the damaged faces in `robustness`, and nothing here
changes a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from emotion.runtime import Network
from emotion.training.robustness import CONDITIONS

if TYPE_CHECKING:
    from emotion.data.dataset import Dataset, Examples

REPORT_FORMAT = 1
CALIBRATION_BINS = 15
CURVE_POINTS = 101  # enough for a smooth line, few enough for a small report
ROBUSTNESS_FACES = 2000  # every condition costs a pass over the faces; more would only narrow the interval
TEMPERATURES = (0.2, 5.0)  # a handful of faces may ask for 0 or infinity; nobody should be served that

# What "not sure" is meant to reach, on faces that the threshold was not chosen on.
MAX_ERROR = 0.07  # of the faces that get an answer
MIN_ANSWERED = 0.80  # of the faces that show one of the labels
MIN_BACKGROUND_UNSURE = 0.60  # of the faces that show none of them
ENOUGH_CERTAINTY = 1.645  # standard errors: 95 %, one-sided


@dataclass(frozen=True)
class Calibration:
    """How raw probabilities become shown ones, and when no label is named.

    Attributes
    ----------
    temperature : float
        Divides the logits; above 1 the network was too sure of itself, below 1 not sure enough.
    threshold : float
        0 to 1: below this confidence the label is None.
    fitted_on : int
        Number of faces both were chosen on.
    """

    temperature: float
    threshold: float
    fitted_on: int


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    report : dict
        The content of `report.json`.
    calibration : Calibration
    probabilities : np.ndarray
        float32, shape (faces, outputs): the network's raw probabilities of the reported faces.
    """

    report: dict[str, Any]
    calibration: Calibration
    probabilities: np.ndarray


def evaluate(
    network: Network,
    dataset: Dataset,
    *,
    size: int,
    channels: int,
    model: dict[str, Any],
    calibration: Calibration | None = None,
    history: dict[str, Sequence[float]] | None = None,
    batch_size: int = 256,
    progress: bool = True,
) -> Evaluation:
    """Calibrate on one part of the held-out faces and report on the other.

    Parameters
    ----------
    network : callable
        float32 faces (n, size, size, channels) in 0..255 → float32 probabilities (n, outputs), of which
        the first are `dataset.labels`.
    dataset : Dataset
        Its `report` part is only measured, never chosen on.
    size, channels : int
        What the network takes.
    model : dict
        What the report says about the network: architecture, parameters and the like.
    calibration : Calibration, optional
        That of a finished model; by default it is fitted on `dataset.calibration`.
    history : dict, optional
        Lists `loss`, `accuracy`, `val_loss` and `val_accuracy`, one value an epoch.
    """
    settings = {"size": size, "channels": channels, "batch_size": batch_size, "progress": progress}
    if calibration is None:
        probabilities = predict_examples(network, dataset.calibration, title="Calibrating", **settings)
        calibration = calibrate(probabilities, dataset.calibration.targets, dataset.outputs, dataset.labels)
    probabilities = predict_examples(network, dataset.report, title="Evaluating", **settings)
    report = build_report(
        probabilities,
        dataset.report.targets,
        outputs=dataset.outputs,
        labels=dataset.labels,
        calibration=calibration,
        model=model,
        data={
            "source": public_source(dataset.source),
            "report_split": dataset.report_split,
            "audit": dataset.audit,
            "fingerprint": dataset.fingerprint,
        },
        robustness=measure_robustness(network, dataset.report, dataset.labels, **settings),
        history=history,
    )
    return Evaluation(report, calibration, probabilities)


def build_report(
    probabilities: np.ndarray,
    targets: np.ndarray,
    *,
    outputs: Sequence[str],
    labels: Sequence[str],
    calibration: Calibration,
    model: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    robustness: dict[str, Any] | None = None,
    history: dict[str, Sequence[float]] | None = None,
) -> dict[str, Any]:
    """The content of `report.json`: every figure that the page, the card and the plots show.

    What could not be measured (a class without faces, no background, no history) is None.

    Parameters
    ----------
    probabilities : np.ndarray
        float, shape (n, at least len(labels)): raw softmax of the network, labels first.
    targets : np.ndarray
        int, shape (n,): index into `outputs`.
    outputs, labels : sequence of str
        Names of the targets; the first of `outputs` are the `labels`, the others background.
    """
    classes = len(labels)
    labelled = targets < classes
    truth = targets[labelled]
    tempered = apply_temperature(probabilities, calibration.temperature)
    shown = renormalise(tempered, classes)[labelled]
    predicted = shown.argmax(axis=1)
    correct = predicted == truth
    faces = len(truth)
    counts = confusion_matrix(truth, predicted, classes)
    precision, recall, f1 = precision_recall_f1(counts)
    report = {
        "format": REPORT_FORMAT,
        "model": model or {},
        "data": {
            "source": None,
            "report_split": None,
            "audit": None,
            "fingerprint": None,
            **(data or {}),
            "faces": len(targets),
            "per_label": {name: int(np.sum(targets == k)) for k, name in enumerate(outputs)},
        },
        "accuracy": {
            "value": correct.mean() if faces else None,
            "interval": wilson_interval(int(correct.sum()), faces) if faces else None,
            "faces": faces,
        },
        "top2_accuracy": top_k_accuracy(shown, truth, 2) if faces and classes > 2 else None,
        "macro_f1": np.nanmean(f1) if np.isfinite(f1).any() else None,
        "per_class": {
            name: {"precision": precision[k], "recall": recall[k], "f1": f1[k], "support": counts[k].sum()}
            for k, name in enumerate(labels)
        },
        "confusion_matrix": {"labels": list(labels), "counts": counts},
        "roc": {name: _roc_report(shown[:, k], truth == k) for k, name in enumerate(labels)},
        "calibration": _calibration_report(probabilities[labelled], shown, truth, calibration),
        "not_sure": _not_sure_report(tempered, targets, outputs, classes, calibration.threshold),
        "robustness": robustness,
        "history": history
        and {key: history.get(key) for key in ("loss", "accuracy", "val_loss", "val_accuracy")},
    }
    return _plain(report)


def predict_examples(
    network: Network,
    examples: Examples,
    *,
    size: int,
    channels: int,
    batch_size: int = 256,
    title: str = "Predicting",
    progress: bool = True,
) -> np.ndarray:
    """Raw probabilities of all examples, one batch in memory at a time: float32 (n, outputs)."""
    batches = _batches(np.arange(len(examples)), batch_size, title, progress=progress)
    parts = [network(examples.load(batch, size, channels).astype(np.float32)) for batch in batches]
    return np.concatenate(parts).astype(np.float32)


def measure_robustness(
    network: Network,
    examples: Examples,
    labels: Sequence[str],
    *,
    size: int,
    channels: int,
    batch_size: int = 256,
    progress: bool = True,
) -> dict[str, Any] | None:
    """Accuracy on faces that carry a label, clean and under every condition of `robustness`.

    Of more than `ROBUSTNESS_FACES` an evenly spaced selection is taken.

    Returns
    -------
    dict or None
        `faces` (how many were damaged), `clean` (accuracy as they are), `conditions` (name → accuracy) and
        their `mean`; None if no face carries a label.
    """
    classes = len(labels)
    labelled = np.flatnonzero(examples.targets < classes)
    if not len(labelled):
        return None
    if len(labelled) > ROBUSTNESS_FACES:
        labelled = labelled[np.linspace(0, len(labelled) - 1, ROBUSTNESS_FACES).astype(int)]
    correct = dict.fromkeys(["clean", *CONDITIONS], 0)
    for batch in _batches(labelled, batch_size, "Damaging faces", progress=progress):
        crops = examples.load(batch, size, channels)
        for name in correct:
            damaged = np.stack([CONDITIONS[name](crop) for crop in crops]) if name in CONDITIONS else crops
            predicted = network(damaged.astype(np.float32))[:, :classes].argmax(axis=1)
            correct[name] += int(np.sum(predicted == examples.targets[batch]))
    accuracies = {name: count / len(labelled) for name, count in correct.items()}
    clean = accuracies.pop("clean")
    mean = float(np.mean(list(accuracies.values())))
    return {"faces": len(labelled), "clean": clean, "conditions": accuracies, "mean": mean}


def calibrate(
    probabilities: np.ndarray, targets: np.ndarray, outputs: Sequence[str], labels: Sequence[str]
) -> Calibration:
    """Choose temperature and threshold; give it faces that no figure is reported on.

    Parameters are those of `build_report`.
    """
    classes = len(labels)
    labelled = targets < classes
    temperature = fit_temperature(renormalise(probabilities, classes)[labelled], targets[labelled])
    tempered = apply_temperature(probabilities, temperature)
    confidence = confidences(tempered, classes)
    correct = tempered[labelled, :classes].argmax(axis=1) == targets[labelled]
    threshold = choose_threshold(confidence[labelled], correct, confidence[~labelled])
    return Calibration(temperature=temperature, threshold=threshold, fitted_on=len(targets))


def public_source(source: str) -> str:
    """The name of a data source without the folders above it, which are nobody's business."""
    absolute = PurePath(source).is_absolute() or PureWindowsPath(source).is_absolute()
    return PureWindowsPath(source).name if absolute else source


# Probabilities


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T) of probabilities (n, outputs), as float64."""
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def renormalise(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """The first `classes` columns, scaled so that each row sums to 1, as float64."""
    kept = np.maximum(np.asarray(probabilities[:, :classes], np.float64), 1e-12)
    return kept / kept.sum(axis=1, keepdims=True)


def confidences(probabilities: np.ndarray, classes: int) -> np.ndarray:
    """The best label's probability among all outputs, so that what looks like background scores low."""
    return probabilities[:, :classes].max(axis=1)


def fit_temperature(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that makes the given answers likeliest (Guo et al., "On calibration", 2017).

    Parameters
    ----------
    probabilities : np.ndarray
        float, shape (n, classes), rows sum to 1.
    targets : np.ndarray
        int, shape (n,), in 0..classes.

    Returns
    -------
    float
        Within `TEMPERATURES`; 1.0 if there are no faces to fit.
    """
    if not len(targets):
        return 1.0
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12))
    answers = logits[np.arange(len(targets)), targets].mean()
    low, high = np.log(TEMPERATURES)
    # The likelihood is concave in 1 / T, so its slope changes sign once: halve the interval around it.
    for _ in range(50):
        middle = (low + high) / 2
        expected = (apply_temperature(probabilities, math.exp(middle)) * logits).sum(axis=1).mean()
        low, high = (low, middle) if expected < answers else (middle, high)
    return round(math.exp((low + high) / 2), 4)


def choose_threshold(
    confidence: np.ndarray,
    correct: np.ndarray,
    background_confidence: np.ndarray,
    *,
    max_error: float = MAX_ERROR,
    min_answered: float = MIN_ANSWERED,
    min_background_unsure: float = MIN_BACKGROUND_UNSURE,
) -> float:
    """The confidence below which a face is called "not sure".

    There are up to three goals: few wrong answers among those given, most faces answered, most
    background faces not answered. For every threshold each goal has a distance to its limit, counted
    in standard errors, which tells how surely it is met on new faces too. The threshold chosen is the
    one whose worst goal is best; a goal met with 95 % certainty cannot become better, and among equals
    the lowest threshold wins, because it answers most.

    Parameters
    ----------
    confidence, correct : np.ndarray
        float and bool, shape (n,): faces that show one of the labels.
    background_confidence : np.ndarray
        float, shape (m,): faces that show none; empty drops the third goal.

    Returns
    -------
    float
        0 to 0.999 in steps of 0.001; 0.0 (always answer) without faces to choose on.
    """
    total = len(confidence)
    if not total:
        return 0.0
    thresholds = np.arange(1000) / 1000
    answered = _at_least(confidence, thresholds)
    wrong = _at_least(confidence[~correct], thresholds)
    goals = [
        _standard_errors(max_error * answered - wrong, max_error, answered),
        _standard_errors(answered - min_answered * total, min_answered, total),
    ]
    if background := len(background_confidence):
        unsure = background - _at_least(background_confidence, thresholds)
        goals.append(
            _standard_errors(unsure - min_background_unsure * background, min_background_unsure, background)
        )
    worst = np.min(goals, axis=0).clip(max=ENOUGH_CERTAINTY)
    return float(thresholds[worst.argmax()])


# Metrics


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
    """False and true positive rates from (0, 0) to (1, 1), one point for each different score.

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
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        {
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(correct[index == k].mean()),
            "faces": int(np.sum(index == k)),
        }
        for k in np.unique(index)
    ]


def expected_calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """Mean gap between confidence and accuracy, weighted by faces (Naeini et al., 2015)."""
    faces = sum(row["faces"] for row in bins)
    return sum(row["faces"] * abs(row["confidence"] - row["accuracy"]) for row in bins) / faces


def calibration_error_by_chance(confidence: np.ndarray, bins: int = CALIBRATION_BINS) -> float:
    """The calibration error that perfect confidences measure on so few faces: the median of 1000 simulations.

    Each draws the answers right as often as `confidence` (float (n,), n above 0) says. With n faces the error
    cannot tell confidences apart that are better than this.
    """
    rng = np.random.default_rng(0)
    errors = [
        expected_calibration_error(
            calibration_bins(confidence, rng.random(len(confidence)) < confidence, bins)
        )
        for _ in range(1000)
    ]
    return float(np.median(errors))


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of faces answered, ascending, and the share of wrong answers among them.

    One point for each threshold that separates faces (El-Yaniv and Wiener, "Selective classification", 2010).
    """
    order = np.argsort(-confidence, kind="stable")
    last_of_ties = np.append(np.diff(confidence[order]) != 0, True)[: len(order)]
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~correct[order])
    return answered[last_of_ties] / len(order), (wrong / answered)[last_of_ties]


# Parts of the report


def _roc_report(scores: np.ndarray, positives: np.ndarray) -> dict[str, Any]:
    auc = area_under_curve(scores, positives)
    if math.isnan(auc):
        return {"auc": None, "false_positive_rate": None, "true_positive_rate": None}
    false_rate, true_rate = _thin(*roc_curve(scores, positives))
    return {"auc": auc, "false_positive_rate": false_rate, "true_positive_rate": true_rate}


def _calibration_report(
    raw: np.ndarray, shown: np.ndarray, truth: np.ndarray, calibration: Calibration
) -> dict[str, Any]:
    before, after = (
        calibration_bins(p.max(axis=1), p.argmax(axis=1) == truth)
        for p in (renormalise(raw, shown.shape[1]), shown)
    )
    return {
        "temperature": calibration.temperature,
        "fitted_on": calibration.fitted_on,
        "expected_calibration_error_before": expected_calibration_error(before) if before else None,
        "expected_calibration_error_after": expected_calibration_error(after) if after else None,
        "expected_calibration_error_by_chance": calibration_error_by_chance(shown.max(axis=1))
        if after
        else None,
        "bins_before": before,
        "bins": after,
    }


def _not_sure_report(
    tempered: np.ndarray, targets: np.ndarray, outputs: Sequence[str], classes: int, threshold: float
) -> dict[str, Any]:
    confidence = confidences(tempered, classes)
    labelled = targets < classes
    correct = tempered[labelled, :classes].argmax(axis=1) == targets[labelled]
    answered = confidence[labelled] >= threshold
    background = {
        name: confidence[targets == k]
        for k, name in enumerate(outputs)
        if k >= classes and np.any(targets == k)
    }
    coverage, risk = _thin(*risk_coverage(confidence[labelled], correct))
    return {
        "threshold": threshold,
        "coverage": answered.mean() if len(correct) else None,
        "error_among_answered": 1 - correct[answered].mean() if answered.any() else None,
        "confidence_auroc": area_under_curve(confidence, labelled),
        "background_not_sure": {name: np.mean(values < threshold) for name, values in background.items()},
        "background_auroc": {
            name: area_under_curve(
                np.concatenate([confidence[labelled], values]),
                np.arange(len(correct) + len(values)) < len(correct),
            )
            for name, values in background.items()
        },
        "risk_coverage": {"coverage": coverage, "risk": risk} if len(correct) else None,
    }


# Helpers


def _batches(indices: np.ndarray, batch_size: int, title: str, *, progress: bool) -> Any:
    starts = range(0, len(indices), batch_size)
    return tqdm(
        (indices[start : start + batch_size] for start in starts), title, len(starts), disable=not progress
    )


def _at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many values reach each threshold."""
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")


def _standard_errors(surplus: np.ndarray, limit: float, trials: np.ndarray | int) -> np.ndarray:
    """How far a count lies on the good side of its limit, in standard errors of a share at that limit."""
    return surplus / np.sqrt(np.maximum(trials, 1) * limit * (1 - limit))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator > 0)


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `CURVE_POINTS` points of a curve, both ends kept."""
    if len(x) <= CURVE_POINTS:
        return x, y
    kept = np.linspace(0, len(x) - 1, CURVE_POINTS).round().astype(int)
    return x[kept], y[kept]


def _plain(value: Any) -> Any:
    """JSON's own types, floats at six decimals and None for what is not a number."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, bool | str | None):
        return value
    if isinstance(value, int | np.integer):
        return int(value)
    value = float(value)
    return round(value, 6) if math.isfinite(value) else None
