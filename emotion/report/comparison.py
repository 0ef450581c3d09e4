"""Several models on the same faces: figures with intervals, and whether their differences may be chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from emotion.predictions.calibration import Calibration
from emotion.report import metrics
from emotion.report.build import build_report
from emotion.report.report import DataFigures, Report
from emotion.report.statistics import Interval, bootstrap, holm, interval_around, mcnemar_p

FORMAT = 1
SIGNIFICANT = 0.05

# What models are compared by, in this order: key of `FIGURES` or this one, which needs votes.
AGREED = "agreed_accuracy"
COMPARED = (
    "accuracy",
    AGREED,
    "macro_f1",
    "calibration_error",
    "answered",
    "wrong_among_answered",
    "confidence_auroc",
)


@dataclass(frozen=True)
class Answers:
    """What one model says about the faces.

    Attributes
    ----------
    name : str
        As a person knows the model; each another one.
    probabilities : np.ndarray
        float, shape (faces, outputs): raw softmax, the common labels first.
    calibration : Calibration
        The model's own.
    bytes : int or None
        Size of the file that is served.
    seconds_per_face : float or None
        Measured in turn with the other models.
    """

    name: str
    probabilities: np.ndarray
    calibration: Calibration
    bytes: int | None = None
    seconds_per_face: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where it could not be measured."""

    value: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class ModelFigures:
    """One model; `figures` by the names in `COMPARED`."""

    name: str
    figures: dict[str, Estimate]
    bytes: int | None
    seconds_per_face: float | None
    report: Report


@dataclass(frozen=True)
class Pair:
    """Two models, face by face.

    Attributes
    ----------
    first, second : str
        Their names.
    both_right, only_first, only_second, both_wrong : int
        Labelled faces that so many of them name right.
    p_value : float
        McNemar's exact test.
    corrected_p_value : float
        The same, corrected for the number of pairs (Holm).
    differences : dict
        First minus second, of every figure of `COMPARED`; intervals by a paired bootstrap.
    """

    first: str
    second: str
    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    p_value: float
    corrected_p_value: float
    differences: dict[str, Estimate]

    @property
    def better(self) -> str | None:
        """The model that names more faces right; None where that may be chance."""
        if self.corrected_p_value >= SIGNIFICANT:
            return None
        return self.first if self.only_first > self.only_second else self.second


@dataclass(frozen=True)
class Comparison:
    """Several models on the same faces.

    Attributes
    ----------
    data : DataFigures
        The faces.
    labels : tuple of str
        What all models tell apart.
    labelled_faces, agreed_faces : int
        Faces with a label, and those of them whose voters agree; the latter 0 without votes.
    models : tuple of ModelFigures
    pairs : tuple of Pair
        Every two models.
    notes : tuple of str
        What a reader must know to take the figures right.
    """

    data: DataFigures
    labels: tuple[str, ...]
    labelled_faces: int
    agreed_faces: int
    models: tuple[ModelFigures, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return JSON's own types."""
        pairs = [{**asdict(pair), "better": pair.better} for pair in self.pairs]
        return {"format": FORMAT, **asdict(self), "pairs": pairs}


@dataclass(frozen=True)
class _Faces:
    """The faces, and what one model says about each; arrays of all faces, in the same order."""

    targets: np.ndarray
    labels: int
    majorities: np.ndarray
    answer: np.ndarray
    probability: np.ndarray
    confidence: np.ndarray
    sure: np.ndarray

    @property
    def labelled(self) -> np.ndarray:
        return self.targets < self.labels

    @property
    def correct(self) -> np.ndarray:
        """Bool: never true of a face without a label."""
        return self.answer == self.targets

    def shares(self, chosen: np.ndarray) -> dict[str, tuple[int, int]]:
        """Return the figures that are shares of faces, as count and total."""
        known = chosen[self.labelled[chosen]]
        correct, sure, majority = self.correct[known], self.sure[known], self.majorities[known]
        agreed = majority >= 0
        return {
            "accuracy": (int(correct.sum()), len(known)),
            AGREED: (int((self.answer[known] == majority)[agreed].sum()), int(agreed.sum())),
            "answered": (int(sure.sum()), len(known)),
            "wrong_among_answered": (int((~correct[sure]).sum()), int(sure.sum())),
        }

    def figures(self, chosen: np.ndarray) -> np.ndarray:
        """Return every figure of `COMPARED`, NaN where there is none."""
        known = chosen[self.labelled[chosen]]
        counts = metrics.confusion_matrix(self.targets[known], self.answer[known], self.labels)
        f1 = metrics.precision_recall_f1(counts)[2]
        found = {
            "macro_f1": float(f1[~np.isnan(f1)].mean()) if len(known) else math.nan,
            "calibration_error": metrics.expected_calibration_error(
                self.probability[known], self.correct[known]
            ),
            "confidence_auroc": metrics.area_under_curve(self.confidence[chosen], self.labelled[chosen]),
        }
        found |= {
            name: count / total if total else math.nan for name, (count, total) in self.shares(chosen).items()
        }
        return np.array([found[name] for name in COMPARED])


def compare(
    answers: Sequence[Answers],
    targets: np.ndarray,
    *,
    outputs: Sequence[str],
    labels: Sequence[str],
    data: DataFigures | None = None,
    majorities: np.ndarray | None = None,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    notes: Sequence[str] = (),
    progress: bool = False,
) -> Comparison:
    """Compare models by what they say about the same faces.

    Parameters
    ----------
    answers : sequence of Answers
        One per model.
    targets : np.ndarray
        int, shape (faces,): index into `outputs`.
    outputs, labels : sequence of str
        Names of the targets; the first of `outputs` are the `labels`, the others background.
    data : DataFigures, optional
        Where the faces come from.
    majorities : np.ndarray, optional
        int, shape (faces,): the label that most voters see, -1 where they disagree.
    groups : mapping, optional
        Column → the group of each face, None where nobody said.
    notes : sequence of str
        Taken over.
    progress : bool
        Show a bar.
    """
    if majorities is None:
        majorities = np.full(len(targets), -1)
    models = [_faces(own, targets, len(labels), majorities) for own in answers]
    everything = np.arange(len(targets))
    values = np.array([model.figures(everything) for model in models])
    labelled = targets < len(labels)
    replicates = bootstrap(
        lambda chosen: np.array([model.figures(chosen) for model in models]),
        labelled.astype(np.int64),
        progress=progress,
    )
    figures = [
        ModelFigures(
            name=own.name,
            figures=_estimates(model.shares(everything), values[index], replicates[:, index]),
            bytes=own.bytes,
            seconds_per_face=own.seconds_per_face,
            report=build_report(
                own.probabilities,
                targets,
                outputs=outputs,
                labels=labels,
                calibration=own.calibration,
                model={"name": own.name},
                data=data,
                groups=groups,
            ),
        )
        for index, (own, model) in enumerate(zip(answers, models, strict=True))
    ]
    return Comparison(
        data=figures[0].report.data,
        labels=tuple(labels),
        labelled_faces=int(labelled.sum()),
        agreed_faces=int((labelled & (majorities >= 0)).sum()),
        models=tuple(figures),
        pairs=_pairs([own.name for own in answers], models, values, replicates),
        notes=tuple(notes),
    )


def _faces(own: Answers, targets: np.ndarray, labels: int, majorities: np.ndarray) -> _Faces:
    shown, confidence = own.calibration.apply(own.probabilities, labels)
    return _Faces(
        targets=targets,
        labels=labels,
        majorities=majorities,
        answer=shown.argmax(axis=1),
        probability=shown.max(axis=1),
        confidence=confidence,
        sure=confidence >= own.calibration.threshold,
    )


def _estimates(
    shares: Mapping[str, tuple[int, int]], values: np.ndarray, replicates: np.ndarray
) -> dict[str, Estimate]:
    """Return figures with their intervals: Wilson's of shares, by the bootstrap of all others."""
    found = {}
    for column, (name, value) in enumerate(zip(COMPARED, values.tolist(), strict=True)):
        if math.isnan(value):
            found[name] = Estimate()
        elif name in shares:
            found[name] = _estimate(value, metrics.wilson_interval(*shares[name]))
        else:
            found[name] = _estimate(value, interval_around(value, replicates[:, column]))
    return found


def _pairs(
    names: Sequence[str], models: Sequence[_Faces], values: np.ndarray, replicates: np.ndarray
) -> tuple[Pair, ...]:
    pairs = list(combinations(range(len(names)), 2))
    labelled = models[0].labelled
    right = [model.correct[labelled] for model in models]
    only = [(int((right[i] & ~right[j]).sum()), int((right[j] & ~right[i]).sum())) for i, j in pairs]
    p_values = [mcnemar_p(*alone) for alone in only]
    return tuple(
        Pair(
            first=names[i],
            second=names[j],
            both_right=int((right[i] & right[j]).sum()),
            only_first=alone[0],
            only_second=alone[1],
            both_wrong=int((~right[i] & ~right[j]).sum()),
            p_value=p_value,
            corrected_p_value=corrected,
            differences=_differences(values[i] - values[j], replicates[:, i] - replicates[:, j]),
        )
        for (i, j), alone, p_value, corrected in zip(pairs, only, p_values, holm(p_values), strict=True)
    )


def _differences(values: np.ndarray, replicates: np.ndarray) -> dict[str, Estimate]:
    return {
        name: Estimate()
        if math.isnan(value)
        else _estimate(value, interval_around(value, replicates[:, column], low=-1))
        for column, (name, value) in enumerate(zip(COMPARED, values.tolist(), strict=True))
    }


def _estimate(value: float, interval: Interval) -> Estimate:
    return Estimate(round(value, 6), (round(interval[0], 6), round(interval[1], 6)))
