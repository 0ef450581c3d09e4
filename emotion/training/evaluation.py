"""A network measured on a data set: answers, calibration, report, accuracy on damaged faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from emotion.config import TrainingConfig, public_source
from emotion.data.dataset import Dataset
from emotion.data.examples import Examples
from emotion.data.framing import WHOLE
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.engines import Network
from emotion.predictions.calibration import Calibration, calibrate
from emotion.predictions.display import percent
from emotion.report.build import build_report
from emotion.report.groups import groups_text
from emotion.report.report import FIGURES, DataFigures, Report, RobustnessFigures
from emotion.training.augmentation import CONDITIONS

ROBUSTNESS_FACES = 2000  # every condition costs a pass over the faces; more would only narrow the interval
BATCH_SIZE = 256  # faces in memory at a time


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; `probabilities`, float64 (faces, labels), are shown for the reported faces."""

    report: Report
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
    least_threshold: float = 0.0,
    balance: bool = False,
    history: Mapping[str, Sequence[float]] | None = None,
    groups: Mapping[str, Sequence[str | None]] | None = None,
) -> Evaluation:
    """Calibrate on one part of the held-out faces and report on the other.

    `network` maps float32 faces (n, size, size, channels) in 0..255 to float32 probabilities (n, outputs),
    labels first. `model` is what the report says about it. A finished model brings its `calibration`;
    otherwise it is fitted on `dataset.calibration`, with factors that `balance` the labels and a threshold of
    at least `least_threshold`. `history` lists `loss`, `accuracy`, `val_loss` and `val_accuracy` per epoch;
    `groups` maps each column to the group of each face of `dataset.report`.
    """
    settings = {"size": size, "channels": channels}
    if calibration is None:
        probabilities = predict_examples(network, dataset.calibration, title="Calibrating", **settings)
        calibration = calibrate(
            probabilities,
            dataset.calibration.targets,
            len(dataset.labels),
            dataset.calibration.source_of(),
            least=least_threshold,
            balance=balance,
        )
    probabilities = predict_examples(network, dataset.report, title="Evaluating", **settings)
    report = build_report(
        probabilities,
        dataset.report.targets,
        outputs=dataset.outputs,
        labels=dataset.labels,
        calibration=calibration,
        model=model,
        data=DataFigures(
            source=public_source(dataset.source),
            report_split=dataset.report_split,
            audit=dataset.audit,
            fingerprint=dataset.fingerprint,
            without_face=dataset.without_face.get("report"),
        ),
        sources=dataset.report.source_names(),
        robustness=measure_robustness(network, dataset.report, dataset.labels, calibration, **settings),
        groups=groups,
        history=history,
    )
    return Evaluation(report, calibration, calibration.apply(probabilities, len(dataset.labels))[0])


def predict_examples(
    network: Callable[[np.ndarray], np.ndarray], examples: Examples, *, size: int, channels: int, title: str
) -> np.ndarray:
    """Return what a network answers for all examples, float32 (n, ...), one batch in memory at a time."""
    batches = _batches(np.arange(len(examples)), title)
    parts = [network(examples.load(batch, size, channels).astype(np.float32)) for batch in batches]
    return np.concatenate(parts).astype(np.float32)


def measure_robustness(
    network: Network,
    examples: Examples,
    labels: Sequence[str],
    calibration: Calibration,
    *,
    size: int,
    channels: int,
) -> RobustnessFigures | None:
    """Measure the accuracy on faces that carry a label, clean and under every condition.

    Of more than `ROBUSTNESS_FACES`, an evenly spaced selection counts. None if no face carries a label.
    """
    classes = len(labels)
    labelled = np.flatnonzero(examples.targets < classes)
    if not len(labelled):
        return None
    if len(labelled) > ROBUSTNESS_FACES:
        labelled = labelled[np.linspace(0, len(labelled) - 1, ROBUSTNESS_FACES).astype(int)]
    correct = dict.fromkeys(["clean", *CONDITIONS], 0)
    # One step of the bar is one condition: a batch of all of them takes many seconds.
    steps = len(correct) * -(-len(labelled) // BATCH_SIZE)
    with tqdm(desc="Damaging faces", total=steps, disable=None) as bar:
        for batch in _batches(labelled):
            crops = examples.load(batch, size, channels)
            for name in correct:
                damage = CONDITIONS.get(name)
                damaged = np.stack([damage(crop) for crop in crops]) if damage else crops
                shown, _ = calibration.apply(network(damaged.astype(np.float32)), classes)
                correct[name] += int(np.sum(shown.argmax(axis=1) == examples.targets[batch]))
                bar.update()
    accuracies = {name: round(count / len(labelled), 6) for name, count in correct.items()}
    clean = accuracies.pop("clean")
    mean = round(float(np.mean(list(accuracies.values()))), 6)
    return RobustnessFigures(len(labelled), clean, accuracies, mean)


def summary(report: Report | None) -> str:
    """Return the figures of a report that a person looks at first, as a few lines of text."""
    if report is None or report.accuracy.value is None or report.accuracy.interval is None:
        return "No face with a label was held out, so there is nothing to report."
    accuracy, calibration, not_sure = report.accuracy, report.calibration, report.not_sure
    low, high = map(percent, report.accuracy.interval)
    lines = [
        *report.warnings,
        f"Accuracy {percent(accuracy.value)} (95% interval {low} to {high}; guessing reaches "
        f"{percent(report.guessing)}) on {accuracy.faces} faces that nothing was chosen on "
        f"({report.data.report_split}).",
        *found_line(report),
        f"Expected calibration error {calibration.expected_calibration_error_after:.3f} "
        f"({calibration.expected_calibration_error_before:.3f} before temperature scaling).",
    ]
    if not_sure.error_among_answered is not None:
        lines.append(
            f"Answers {percent(not_sure.coverage)} of the faces with a label, and is wrong on "
            f"{percent(not_sure.error_among_answered)} of those; on the others it says 'not sure'."
        )
    if not (report.data.audit or {}).get("people"):
        lines.append("Whether people of the training pictures are among these faces is not known (--people).")
    for label, figures in report.per_class.items():
        precision, recall = percent(figures.precision, "none"), percent(figures.recall, "none")
        lines.append(f"  {label}: precision {precision}, recall {recall} ({figures.support} faces)")
    for name, source in report.sources.items():
        answered, wrong = source.not_sure.coverage, source.not_sure.error_among_answered
        unsure = source.not_sure.background_not_sure
        lines.append(
            f"  On {name}: accuracy {percent(source.accuracy.value, 'none')} of {source.accuracy.faces} "
            f"(guessing reaches {percent(source.guessing, 'none')}), balanced "
            f"{percent(source.balanced_accuracy, 'none')}; answers {percent(answered, 'none')}, "
            f"{percent(wrong, 'none')} of them wrong; not sure about "
            + (", ".join(f"{percent(share)} of {kind}" for kind, share in unsure.items()) or "nothing else")
        )
    return "\n\n".join(filter(None, ["\n".join(lines), groups_text(report.groups)]))


def found_line(report: Report) -> list[str]:
    """Return what the app would do with the held-out pictures, as a line; empty where none was searched."""
    found, right = (FIGURES[name].read(report) for name in ("found", "found_and_right"))
    if found is None or right is None:
        return []
    return [
        f"A face was found in {percent(found)} of the held-out pictures; {percent(right)} were found and "
        "named right, which is what the app would reach."
    ]


def settings_of(classifier: EmotionClassifier) -> TrainingConfig:
    """Return the settings that a finished model was trained with; they are not to be trusted."""
    try:
        return TrainingConfig.from_dict(classifier.description.training)
    except ValueError as error:
        raise DataError(
            f"{classifier.model_name} has invalid settings: {error} Save or download the model again."
        ) from error


def framing_of(classifier: EmotionClassifier) -> str:
    """Return how a model's training pictures were framed; those of older models were taken whole."""
    return classifier.description.training.get("framing", WHOLE)


def all_held_out(dataset: Dataset) -> Dataset:
    """Report on every face that another data set holds out; on all of them where it holds none out."""
    held_out_by_folder = "test" in dataset.report_split or "validation" in dataset.report_split
    more = [dataset.report] if held_out_by_folder else [dataset.report, dataset.train]
    everything = dataset.calibration.joined(more)
    without = {split: 0 for split in dataset.without_face}
    used = ("calibration", "report") if held_out_by_folder else without
    without["report"] = sum(dataset.without_face.get(split, 0) for split in used)
    title = "all held-out faces" if held_out_by_folder else "all faces"
    return replace(dataset, report=everything, report_split=title, without_face=without)


def _batches(indices: np.ndarray, title: str | None = None) -> Iterator[np.ndarray]:
    """Yield the indices in batches, with a progress bar if there is a title for it."""
    for start in tqdm(range(0, len(indices), BATCH_SIZE), title, disable=None if title else True):
        yield indices[start : start + BATCH_SIZE]
