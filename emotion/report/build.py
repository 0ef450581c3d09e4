"""A report put together from probabilities and targets. The figures themselves are computed in `metrics`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import numpy as np

from emotion.predictions.calibration import Calibration, renormalise
from emotion.report import metrics
from emotion.report.groups import measure_groups
from emotion.report.report import (
    Accuracy,
    CalibrationBin,
    CalibrationFigures,
    ClassFigures,
    ConfusionMatrix,
    Curve,
    DataFigures,
    History,
    NotSureFigures,
    Report,
    RiskCoverage,
    RobustnessFigures,
    RocCurve,
    SourceFigures,
)

CURVE_POINTS = 101  # enough for a smooth line, few enough for a small report


def build_report(
    probabilities: np.ndarray,
    targets: np.ndarray,
    *,
    outputs: Sequence[str],
    labels: Sequence[str],
    calibration: Calibration,
    model: dict[str, Any] | None = None,
    data: DataFigures | None = None,
    sources: Sequence[str] | None = None,
    robustness: RobustnessFigures | None = None,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
) -> Report:
    """Return every figure that the page, the card and the plots show; None for what could not be measured.

    `probabilities` (faces, at least len(labels)) is the network's raw softmax, labels first; `targets`
    (faces,) indexes `outputs`, whose first are the `labels`. `calibration` was chosen on other faces.
    `sources` and the lists in `groups` have one entry a face; groups are measured on labelled faces.
    """
    labelled = targets < len(labels)
    truth = targets[labelled]
    shown, confidence = calibration.apply(probabilities, len(labels))
    shown = shown[labelled]
    correct = shown.argmax(axis=1) == truth
    counts = metrics.confusion_matrix(truth, shown.argmax(axis=1), len(labels))
    per_class = _per_class(counts, labels)
    f1 = [figures.f1 for figures in per_class.values() if figures.f1 is not None]
    names = {name: int(np.sum(targets == k)) for k, name in enumerate(outputs)}
    measure = partial(build_report, outputs=outputs, labels=labels, calibration=calibration)
    faces = np.flatnonzero(labelled).tolist()
    columns = {name: [own[index] for index in faces] for name, own in (groups or {}).items()}
    sure = confidence[labelled] >= calibration.threshold
    top2 = metrics.top_k_accuracy(shown, truth, 2) if len(labels) > 2 and len(truth) else math.nan
    return Report(
        model=model or {},
        data=replace(data or DataFigures(), faces=len(targets), per_label=names),
        accuracy=_accuracy(correct),
        top2_accuracy=_rounded(top2),
        macro_f1=_rounded(float(np.mean(f1))) if f1 else None,
        per_class=per_class,
        confusion_matrix=ConfusionMatrix(tuple(labels), tuple(tuple(map(int, row)) for row in counts)),
        roc={name: _roc(shown[:, k], truth == k) for k, name in enumerate(labels)},
        calibration=_calibration(
            renormalise(probabilities, len(labels))[labelled], shown, truth, calibration
        ),
        not_sure=_not_sure(confidence, correct, targets, outputs, len(labels), calibration.threshold),
        sources={} if sources is None else _sources(sources, probabilities, targets, measure),
        robustness=robustness,
        groups=measure_groups(columns, probability=shown.max(axis=1), correct=correct, sure=sure),
        history=_history(history) if history else None,
    )


def _sources(
    sources: Sequence[str],
    probabilities: np.ndarray,
    targets: np.ndarray,
    measure: Callable[[np.ndarray, np.ndarray], Report],
) -> dict[str, SourceFigures]:
    figures: dict[str, SourceFigures] = {}
    for name in dict.fromkeys(sources):
        own = np.array(sources) == name
        report = measure(probabilities[own], targets[own])
        recalls = [row.recall for row in report.per_class.values() if row.recall is not None]
        figures[name] = SourceFigures(
            accuracy=report.accuracy,
            guessing=None if report.guessing is None else _rounded(report.guessing),
            balanced_accuracy=_rounded(float(np.mean(recalls))) if recalls else None,
            calibration_error=report.calibration.expected_calibration_error_after,
            not_sure=replace(report.not_sure, risk_coverage=None),
        )
    return figures


def _accuracy(correct: np.ndarray) -> Accuracy:
    if not len(correct):
        return Accuracy()
    low, high = metrics.wilson_interval(int(correct.sum()), len(correct))
    return Accuracy(_rounded(correct.mean()), (round(low, 6), round(high, 6)), len(correct))


def _per_class(counts: np.ndarray, labels: Sequence[str]) -> dict[str, ClassFigures]:
    figures = zip(*metrics.precision_recall_f1(counts), counts.sum(axis=1), strict=True)
    return {
        name: ClassFigures(_rounded(precision), _rounded(recall), _rounded(f1), int(support))
        for name, (precision, recall, f1, support) in zip(labels, figures, strict=True)
    }


def _roc(scores: np.ndarray, positives: np.ndarray) -> RocCurve:
    area = metrics.area_under_curve(scores, positives)
    if math.isnan(area):
        return RocCurve()
    return RocCurve(_rounded(area), *_thin(*metrics.roc_curve(scores, positives)))


def _calibration(
    before: np.ndarray, after: np.ndarray, truth: np.ndarray, calibration: Calibration
) -> CalibrationFigures:
    """Compare the labels' probabilities (faces, labels) before and after temperature scaling."""
    known = CalibrationFigures(_rounded(calibration.temperature), calibration.fitted_on)
    if not len(truth):
        return known
    faces = [(shown.max(axis=1), shown.argmax(axis=1) == truth) for shown in (before, after)]
    error_before, error = (metrics.expected_calibration_error(*answers) for answers in faces)
    by_chance = metrics.calibration_error_by_chance(after.max(axis=1))
    return replace(
        known,
        expected_calibration_error_before=_rounded(error_before),
        expected_calibration_error_after=_rounded(error),
        expected_calibration_error_by_chance=_rounded(by_chance),
        bins_before=_bins(metrics.calibration_bins(*faces[0])),
        bins=_bins(metrics.calibration_bins(*faces[1])),
    )


def _bins(rows: Sequence[dict[str, float]]) -> tuple[CalibrationBin, ...]:
    return tuple(
        CalibrationBin(round(row["confidence"], 6), round(row["accuracy"], 6), int(row["faces"]))
        for row in rows
    )


def _not_sure(
    confidence: np.ndarray,
    correct: np.ndarray,
    targets: np.ndarray,
    outputs: Sequence[str],
    labels: int,
    threshold: float,
) -> NotSureFigures:
    """Measure the rule; `correct` covers the labelled faces, the other arrays all."""
    labelled = targets < labels
    known = confidence[labelled]
    answered = known >= threshold
    background = {
        name: targets == k for k, name in enumerate(outputs) if k >= labels and np.any(targets == k)
    }
    return NotSureFigures(
        threshold=_rounded(threshold),
        coverage=_rounded(answered.mean()) if len(correct) else None,
        error_among_answered=_rounded(1 - correct[answered].mean()) if answered.any() else None,
        confidence_auroc=_rounded(metrics.area_under_curve(confidence, labelled)),
        background_not_sure={
            name: round(float(np.mean(confidence[own] < threshold)), 6) for name, own in background.items()
        },
        background_auroc={
            name: _rounded(metrics.area_under_curve(confidence[labelled | own], labelled[labelled | own]))
            for name, own in background.items()
        },
        risk_coverage=RiskCoverage(*_thin(*metrics.risk_coverage(known, correct))) if len(correct) else None,
    )


def _history(curves: Mapping[str, Sequence[float]]) -> History:
    """Keep only curves without gaps."""
    names = [item.name for item in fields(History) if item.name in curves]
    return History(**{name: _curve(curves[name]) for name in names if all(map(math.isfinite, curves[name]))})


def _thin(x: np.ndarray, y: np.ndarray) -> tuple[Curve, Curve]:
    """Return at most `CURVE_POINTS` points of a curve, both ends kept."""
    if len(x) > CURVE_POINTS:
        kept = np.linspace(0, len(x) - 1, CURVE_POINTS).round().astype(int)
        x, y = x[kept], y[kept]
    return _curve(x), _curve(y)


def _curve(values: Iterable[float]) -> Curve:
    return tuple(round(float(value), 6) for value in values)


def _rounded(value: float) -> float | None:
    """Return a number at six decimals; None if it is not finite."""
    return round(float(value), 6) if math.isfinite(value) else None
