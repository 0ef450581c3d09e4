"""What a report holds: its figures as frozen dataclasses, and which figures and plots there are.

`build` makes one; card, plots and page read it. The field names are the keys of `report.json`. Of
a stranger's `report.json`, the valid parts are read, and the rest is None or empty.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from emotion.predictions.calibration import ENOUGH_CERTAINTY, MAX_ERROR
from emotion.predictions.display import percent
from emotion.report.groups import GroupColumn, PeopleFigures
from emotion.report.reading import read_fields, read_json

REPORT_FILE = "report.json"
PLOTS_FOLDER = "plots"
FORMAT = 1
HARDLY_ANY = 0.1  # share of faces answered below which a model is of little use

Curve = tuple[float, ...]


@dataclass(frozen=True)
class DataFigures:
    """The faces that the figures are about, and what was found in the data set.

    `without_face` counts the held-out pictures in which the search found no face; None where it did not look.
    """

    source: str | None = None
    report_split: str | None = None
    audit: dict[str, Any] | None = None
    fingerprint: str | None = None
    faces: int = 0
    without_face: int | None = None
    per_label: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Accuracy:
    """Share of the labelled faces that were named right, with its 95% interval."""

    value: float | None = None
    interval: tuple[float, float] | None = None
    faces: int = 0


@dataclass(frozen=True)
class ClassFigures:
    """How one label does; `support` counts its faces."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int = 0


@dataclass(frozen=True)
class ConfusionMatrix:
    """Row the true label, column the answer."""

    labels: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()

    @property
    def faces(self) -> int:
        """Number of faces in the table."""
        return sum(map(sum, self.counts))


@dataclass(frozen=True)
class RocCurve:
    """One label against the rest."""

    auc: float | None = None
    false_positive_rate: Curve | None = None
    true_positive_rate: Curve | None = None

    @property
    def is_drawable(self) -> bool:
        """Whether there is a curve, and its area."""
        return self.auc is not None and _is_curve(self.false_positive_rate, self.true_positive_rate)


@dataclass(frozen=True)
class CalibrationBin:
    """Faces of like confidence, and how many of them were named right."""

    confidence: float
    accuracy: float
    faces: int


@dataclass(frozen=True)
class CalibrationFigures:
    """How far confidences can be trusted, before and after temperature scaling."""

    temperature: float | None = None
    fitted_on: int = 0
    expected_calibration_error_before: float | None = None
    expected_calibration_error_after: float | None = None
    expected_calibration_error_by_chance: float | None = None
    bins_before: tuple[CalibrationBin, ...] = ()
    bins: tuple[CalibrationBin, ...] = ()


@dataclass(frozen=True)
class RiskCoverage:
    """Share of faces answered, and of wrong answers among them, for every threshold."""

    coverage: Curve = ()
    risk: Curve = ()

    @property
    def is_drawable(self) -> bool:
        """Whether there is a curve."""
        return _is_curve(self.coverage, self.risk)


@dataclass(frozen=True)
class NotSureFigures:
    """What the "not sure" rule does, on faces with a label and on the others."""

    threshold: float | None = None
    coverage: float | None = None
    error_among_answered: float | None = None
    confidence_auroc: float | None = None
    background_not_sure: dict[str, float] = field(default_factory=dict)
    background_auroc: dict[str, float | None] = field(default_factory=dict)
    risk_coverage: RiskCoverage | None = None


@dataclass(frozen=True)
class SourceFigures:
    """What is measured on the faces of one data source alone; `balanced_accuracy` is the mean recall."""

    accuracy: Accuracy = field(default_factory=Accuracy)
    guessing: float | None = None
    balanced_accuracy: float | None = None
    calibration_error: float | None = None
    not_sure: NotSureFigures = field(default_factory=NotSureFigures)


@dataclass(frozen=True)
class RobustnessFigures:
    """Accuracy on faces as they are, and damaged in every way."""

    faces: int = 0
    clean: float | None = None
    conditions: dict[str, float] = field(default_factory=dict)
    mean: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every figure is there."""
        return bool(self.conditions) and None not in (self.clean, self.mean)


@dataclass(frozen=True)
class History:
    """One value an epoch; `data_loss` is the loss without a penalty on the weights, where there is one."""

    loss: Curve | None = None
    data_loss: Curve | None = None
    accuracy: Curve | None = None
    val_loss: Curve | None = None
    val_accuracy: Curve | None = None


@dataclass(frozen=True)
class Report:
    """Everything that is measured about a model; what could not be measured is None or empty.

    `model` describes the network: architecture, parameters, the command that made it. `groups` is by column;
    `people` was counted on pictures from elsewhere.
    """

    model: dict[str, Any] = field(default_factory=dict)
    data: DataFigures = field(default_factory=DataFigures)
    accuracy: Accuracy = field(default_factory=Accuracy)
    top2_accuracy: float | None = None
    macro_f1: float | None = None
    per_class: dict[str, ClassFigures] = field(default_factory=dict)
    confusion_matrix: ConfusionMatrix = field(default_factory=ConfusionMatrix)
    roc: dict[str, RocCurve] = field(default_factory=dict)
    calibration: CalibrationFigures = field(default_factory=CalibrationFigures)
    not_sure: NotSureFigures = field(default_factory=NotSureFigures)
    sources: dict[str, SourceFigures] = field(default_factory=dict)
    robustness: RobustnessFigures | None = None
    groups: dict[str, GroupColumn] = field(default_factory=dict)
    people: tuple[PeopleFigures, ...] = ()
    history: History | None = None

    @property
    def has_figures(self) -> bool:
        """Whether it has any valid figure."""
        return any(figure.read(self) is not None for figure in FIGURES.values())

    @property
    def guessing(self) -> float | None:
        """The accuracy of always naming the most frequent label."""
        counts = [figures.support for figures in self.per_class.values()]
        return max(counts) / sum(counts) if sum(counts) else None

    @property
    def is_guessing(self) -> bool:
        """Whether the interval of the accuracy reaches down to guessing."""
        interval, guessing = self.accuracy.interval, self.guessing
        return interval is not None and guessing is not None and interval[0] <= guessing

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be known before any other figure, in whole sentences."""
        found: list[str] = []
        if self.is_guessing and self.accuracy.interval:
            found.append(
                "It may be no better than guessing: always naming the most frequent label is right for "
                f"{percent(self.guessing)} of these faces, and the interval of its accuracy begins at "
                f"{percent(self.accuracy.interval[0])}."
            )
        error, coverage = self.not_sure.error_among_answered, self.not_sure.coverage
        if coverage is not None and coverage < HARDLY_ANY:
            found.append(
                f"It answers only {percent(coverage)} of the faces and says “not sure” about the others: no "
                f"lower threshold keeps wrong answers to {percent(MAX_ERROR)}."
            )
        elif error is not None and coverage is not None:
            answered = coverage * self.accuracy.faces
            by_chance = ENOUGH_CERTAINTY * math.sqrt(MAX_ERROR * (1 - MAX_ERROR) / max(answered, 1))
            if error > MAX_ERROR + by_chance:
                found.append(
                    f"Its “not sure” misses its goal: {percent(error)} of its answers are wrong, and at most "
                    f"{percent(MAX_ERROR)} should be."
                )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `report.json`."""
        return {"format": FORMAT, **json.loads(json.dumps(asdict(self)))}

    @classmethod
    def from_dict(cls, values: object) -> Report:
        """Read a `report.json` of any origin; what is missing, malformed or inconsistent is None or empty."""
        read = read_fields(cls, values)
        labels, counts = read.confusion_matrix.labels, read.confusion_matrix.counts
        square = {len(counts), *map(len, counts)} == {len(labels)}
        risk, robustness = read.not_sure.risk_coverage, read.robustness
        return replace(
            read,
            confusion_matrix=read.confusion_matrix if square else ConfusionMatrix(),
            roc={name: curve if curve.is_drawable else RocCurve() for name, curve in read.roc.items()},
            not_sure=replace(read.not_sure, risk_coverage=risk if risk and risk.is_drawable else None),
            robustness=robustness if robustness and robustness.is_whole else None,
        )


@dataclass(frozen=True)
class Figure:
    """One number that describes a model; `metric` is its type in the `model-index` of a card."""

    title: str
    read: Callable[[Report], float | None]
    percent: bool = False
    metric: str | None = None


@dataclass(frozen=True)
class Plot:
    """One picture of a report, plots/<name>.png, and whether a report has something to draw."""

    title: str
    has_figures: Callable[[Report], bool]


def found_share(report: Report) -> float | None:
    """Return the share of the held-out pictures that gave a face."""
    faces, without = report.accuracy.faces, report.data.without_face
    return None if without is None or not faces else faces / (faces + without)


def found_and_right(report: Report) -> float | None:
    """Return the share of held-out pictures in which a face was found and named right, as the app does."""
    found, right = found_share(report), report.accuracy.value
    return None if found is None or right is None else found * right


# Every figure that card, page or terminal show. They select and order; a figure is defined only here.
FIGURES: dict[str, Figure] = {
    "accuracy": Figure("Accuracy", lambda report: report.accuracy.value, True, "accuracy"),
    "found": Figure("Held-out pictures in which a face was found", found_share, True),
    "found_and_right": Figure(
        "Held-out pictures in which a face was found and named right", found_and_right, True
    ),
    "top2_accuracy": Figure("Top-2 accuracy", lambda report: report.top2_accuracy, True),
    "macro_f1": Figure("Macro F1", lambda report: report.macro_f1, metric="f1"),
    "calibration_error": Figure(
        "Expected calibration error, 15 bins",
        lambda report: report.calibration.expected_calibration_error_after,
        metric="expected_calibration_error",
    ),
    "calibration_error_before": Figure(
        "… before temperature scaling", lambda report: report.calibration.expected_calibration_error_before
    ),
    "calibration_error_by_chance": Figure(
        "… of perfectly calibrated answers on so few faces, by chance",
        lambda report: report.calibration.expected_calibration_error_by_chance,
    ),
    "confidence_auroc": Figure(
        "AUROC of the confidence, labelled faces against others",
        lambda report: report.not_sure.confidence_auroc,
    ),
    "answered": Figure("Faces answered", lambda report: report.not_sure.coverage, True),
    "wrong_among_answered": Figure(
        "Wrong among the answered", lambda report: report.not_sure.error_among_answered, True
    ),
}

# Every plot there is, in the order in which the card shows them.
PLOTS: dict[str, Plot] = {
    "confusion_matrix": Plot("Confusion matrix", lambda report: report.confusion_matrix.faces > 0),
    "roc": Plot(
        "ROC of each label against the rest",
        lambda report: any(curve.auc is not None for curve in report.roc.values()),
    ),
    "calibration": Plot(
        "Calibration before and after temperature scaling",
        lambda report: bool(report.calibration.bins and report.calibration.bins_before),
    ),
    "risk_coverage": Plot(
        "Wrong answers against faces answered", lambda report: report.not_sure.risk_coverage is not None
    ),
    "robustness": Plot("Accuracy on damaged faces", lambda report: report.robustness is not None),
    "training": Plot(
        "Loss and accuracy while training",
        lambda report: any(asdict(report.history).values()) if report.history else False,
    ),
}


def read_report(path: Path) -> Report | None:
    """Return the report in a file; None if it cannot be read."""
    values = read_json(path)
    return Report.from_dict(values) if isinstance(values, dict) else None


def _is_curve(x: Curve | None, y: Curve | None) -> bool:
    return x is not None and y is not None and 0 < len(x) == len(y)
