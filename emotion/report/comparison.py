"""Several models on the same faces: figures with intervals, whether differences may be chance, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from emotion.predictions.calibration import Calibration
from emotion.predictions.display import percent
from emotion.report import metrics
from emotion.report.build import build_report
from emotion.report.groups import SIGNIFICANT, aligned, groups_text, p_in_words
from emotion.report.metrics import Interval, bootstrap, holm, interval_around, mcnemar_p
from emotion.report.report import FIGURES, DataFigures, Report

FORMAT = 1
MEBIBYTE = 2**20

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
    """One model's answers: raw softmax (faces, outputs), the common labels first, and its own calibration."""

    name: str
    probabilities: np.ndarray
    calibration: Calibration
    bytes: int | None = None
    seconds_per_face: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95% interval; None where it could not be measured."""

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
    """Two models, face by face: McNemar's exact test, also corrected for the number of pairs (Holm).

    `differences` holds the first minus the second of every figure of `COMPARED`.
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
    """Several models on the same faces; `agreed_faces` are those whose voters agree, 0 without votes."""

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

    @classmethod
    def of(cls, own: Answers, targets: np.ndarray, labels: int, majorities: np.ndarray) -> _Faces:
        shown, confidence = own.calibration.apply(own.probabilities, labels)
        sure = confidence >= own.calibration.threshold
        answer, probability = shown.argmax(axis=1), shown.max(axis=1)
        return cls(targets, labels, majorities, answer, probability, confidence, sure)

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
        """Return every figure of `COMPARED`, NaN where it cannot be measured."""
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
        for name, (count, total) in self.shares(chosen).items():
            found[name] = count / total if total else math.nan
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
) -> Comparison:
    """Compare models by their answers to the same faces.

    `targets` (faces,) indexes `outputs`, whose first are the `labels`. `majorities` (faces,) is the label
    that most voters see, -1 where they disagree; `groups` maps a column to the group of each face.
    """
    if majorities is None:
        majorities = np.full(len(targets), -1)
    models = [_Faces.of(own, targets, len(labels), majorities) for own in answers]
    everything = np.arange(len(targets))
    values = np.array([model.figures(everything) for model in models])
    labelled = targets < len(labels)
    replicates = bootstrap(
        lambda chosen: np.array([model.figures(chosen) for model in models]),
        labelled.astype(np.int64),
    )
    figures = [
        ModelFigures(
            name=own.name,
            figures=_estimates(values[index], replicates[:, index], model.shares(everything), 0.0),
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


def _estimates(
    values: np.ndarray, replicates: np.ndarray, shares: Mapping[str, tuple[int, int]], least: float
) -> dict[str, Estimate]:
    """Return figures with intervals, not below `least`: Wilson's of shares, by the bootstrap of others."""
    found = dict.fromkeys(COMPARED, Estimate())
    for column, (name, value) in enumerate(zip(COMPARED, values.tolist(), strict=True)):
        if not math.isnan(value):
            low, high = (
                metrics.wilson_interval(*shares[name])
                if name in shares
                else interval_around(value, replicates[:, column], low=least)
            )
            found[name] = Estimate(round(value, 6), (round(low, 6), round(high, 6)))
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
            differences=_estimates(values[i] - values[j], replicates[:, i] - replicates[:, j], {}, -1),
        )
        for (i, j), alone, p_value, corrected in zip(pairs, only, p_values, holm(p_values), strict=True)
    )


def comparison_text(comparison: Comparison) -> str:
    """Return the verdict on every pair, what was compared, the table, and the gaps between groups."""
    letters = letters_of(comparison)
    others = comparison.data.faces - comparison.labelled_faces
    background = f", and {others} that show none of them" if others else ""
    where = f" ({comparison.data.report_split})" if comparison.data.report_split else ""
    pairs = [(f"{letters[pair.first]} − {letters[pair.second]}", pair) for pair in comparison.pairs]
    together = len(pairs) == 1
    parts = [
        "\n".join(verdict(pair, letters) for _, pair in pairs),
        "\n".join(f"{letter}: {name}" for name, letter in letters.items()),
        f"{comparison.labelled_faces} faces of {', '.join(comparison.labels)}{background}, from "
        f"{comparison.data.source}{where}. In brackets: 95% intervals, those of differences by a paired "
        "bootstrap.",
        _table(comparison, letters, pairs if together else []),
        ""
        if together
        else aligned([["", *(title for title, _ in pairs)], *_difference_rows(comparison, pairs)]),
        "\n\n".join(
            groups_text(model.report.groups, f"{letters[model.name]}: ") for model in comparison.models
        ),
        "\n".join(f"Note: {note}" for note in comparison.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def letters_of(comparison: Comparison) -> dict[str, str]:
    """Return the letter that stands for each model in tables, plots and sheets, by name."""
    return {model.name: chr(ord("A") + index) for index, model in enumerate(comparison.models)}


def verdict(pair: Pair, letters: dict[str, str]) -> str:
    """Return which of two models is right more often, if that is known; `letters` stand for names."""
    first, second = letters[pair.first], letters[pair.second]
    corrected, finding = "", "On these faces neither is clearly better."
    if pair.corrected_p_value != pair.p_value:
        corrected = f", {p_in_words(pair.corrected_p_value)} corrected for the number of pairs"
    if pair.better is not None:
        better = letters[pair.better]
        finding = f"{better} is right more often, and that is unlikely to be chance (p < {SIGNIFICANT})."
    return (
        f"{finding} {first} alone is right on {pair.only_first} faces, {second} alone on {pair.only_second}; "
        f"McNemar's exact test: {p_in_words(pair.p_value)}{corrected}."
    )


def _table(comparison: Comparison, letters: dict[str, str], pairs: Sequence[tuple[str, Pair]]) -> str:
    models = comparison.models
    rows = [["", *letters.values(), *(title for title, _ in pairs)]]
    differences = {row[0]: row[1:] for row in _difference_rows(comparison, pairs)}
    for key in COMPARED:
        estimates = [model.figures[key] for model in models]
        if any(estimate.value is not None for estimate in estimates):
            title = _title(key, comparison)
            rows.append([title, *(_shown(key, estimate) for estimate in estimates), *differences[title]])
    rest = [""] * len(pairs)
    if any(model.bytes for model in models):
        sizes = [f"{model.bytes / MEBIBYTE:.2f} MiB" if model.bytes else "–" for model in models]
        rows.append(["Size", *sizes, *rest])
    if all(model.seconds_per_face for model in models):
        times = [model.seconds_per_face or 0.0 for model in models]
        shown = [f"{1000 * time:.2f} ms ({time / times[0]:.2f}×)" for time in times]
        rows.append(["Time a face, measured in turn", *shown, *rest])
    return aligned(rows)


def _difference_rows(comparison: Comparison, pairs: Sequence[tuple[str, Pair]]) -> list[list[str]]:
    """Return one row per figure that can be compared, a cell per pair."""
    return [
        [_title(key, comparison), *(_shown_difference(key, pair.differences[key]) for _, pair in pairs)]
        for key in COMPARED
        if any(model.figures[key].value is not None for model in comparison.models)
    ]


def _title(key: str, comparison: Comparison) -> str:
    if key == AGREED:
        return f"… {comparison.agreed_faces} of them that most voters agree on"
    return FIGURES[key].title


def _is_share(key: str) -> bool:
    return key == AGREED or FIGURES[key].percent


def _shown(key: str, estimate: Estimate) -> str:
    if estimate.value is None or estimate.interval is None:
        return "–"
    low, high = estimate.interval
    if _is_share(key):
        return f"{percent(estimate.value)} ({100 * low:.1f}–{100 * high:.1f})"
    return f"{estimate.value:.3f} ({low:.3f}–{high:.3f})"


def _shown_difference(key: str, estimate: Estimate) -> str:
    if estimate.value is None or estimate.interval is None:
        return "–"
    low, high = estimate.interval
    if _is_share(key):
        text = f"{100 * estimate.value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    else:
        text = f"{estimate.value:+.3f} ({low:+.3f} to {high:+.3f})"
    return text.replace("-", "−")
