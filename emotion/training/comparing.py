"""Several models asked about the same faces: which faces, what they say, and the files that show it."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import numpy as np

from emotion.config import EVERYTHING_ELSE, TrainingConfig, as_sources, public_source
from emotion.data.dataset import Dataset, load_dataset
from emotion.data.examples import Examples, usual_word
from emotion.data.people import load_groups
from emotion.data.soft_targets import load_majorities
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import LITERT_FILE, WEIGHTS_FILE
from emotion.predictions.display import percent
from emotion.report.comparison import Answers, Comparison, compare, letters_of
from emotion.report.plots import draw_risk_coverage, faces_sheet
from emotion.report.report import DataFigures
from emotion.training.evaluation import all_held_out, predict_examples, settings_of

COMPARISON_FILE = "comparison.json"
PLOT_FILE = "risk_coverage.png"
# Stays on this disk and is never published, because it shows people.
FACES_FILE = "differing_faces.png"
MOST_FACES = 40
SHEET_FACE = 48  # pixels
MOST_MODELS = 26  # as many as there are letters
TIMED_FACES = 40


def compare_models(
    classifiers: Sequence[EmotionClassifier],
    data: str | Sequence[str],
    *,
    votes: str | None = None,
    groups: str | None = None,
    output: Path | None = None,
) -> Comparison:
    """Ask models about the same labelled faces, and compare what they say.

    They are compared on the labels that all have in common; each is given the best of its scores for these.
    On a data set that one of them was trained on, only the faces that nothing was chosen on count. On any
    other, all held-out faces do, and all faces of a folder without splits.

    `data`, `votes` and `groups` are as `data`, `soft_labels` and `groups` of `TrainingConfig`. `output` is a
    folder for the comparison as JSON, a plot, and the faces that the models differ on.
    """
    labels = common_labels(classifiers)
    names = _different([classifier.model_name for classifier in classifiers])
    dataset, notes = _held_out(classifiers, names, data, labels)
    examples = dataset.report
    majorities = load_majorities(votes, examples, labels) if votes else None
    grouped = load_groups(groups, examples) if groups else None
    seconds = measure_times(classifiers, examples)
    answers = [
        Answers(
            name=name,
            probabilities=_answers(classifier, examples, labels, title=name),
            calibration=classifier.description.calibration,
            bytes=_served_bytes(classifier),
            seconds_per_face=time_per_face,
        )
        for name, classifier, time_per_face in zip(names, classifiers, seconds, strict=True)
    ]
    comparison = compare(
        answers,
        examples.targets,
        outputs=dataset.outputs,
        labels=labels,
        data=DataFigures(
            source=public_source(dataset.source),
            report_split=dataset.report_split,
            fingerprint=dataset.fingerprint,
        ),
        majorities=majorities,
        groups=grouped,
        notes=notes,
    )
    if output:
        _write(comparison, answers, examples, output)
    return comparison


def common_labels(classifiers: Sequence[EmotionClassifier]) -> tuple[str, ...]:
    """Return the labels that all models have, as the first spells them; fewer than two are a DataError."""
    if not 2 <= len(classifiers) <= MOST_MODELS:
        raise DataError(f"Name 2 to {MOST_MODELS} models to compare.")
    known = [{usual_word(label) for label in classifier.labels} for classifier in classifiers]
    common = tuple(label for label in classifiers[0].labels if usual_word(label) in set.intersection(*known))
    if len(common) < 2:
        labels_of = "; ".join(f"{own.model_name}: {', '.join(own.labels)}" for own in classifiers)
        raise DataError(
            f"The models have less than two labels in common, so they cannot be compared "
            f"({labels_of}). For files of others, --outputs names what their numbers mean."
        )
    return common


def measure_times(classifiers: Sequence[EmotionClassifier], examples: Examples) -> list[float]:
    """Return the median seconds that each model takes for one face, measured in turn."""
    chosen = np.arange(min(len(examples), TIMED_FACES))
    faces = [examples.load(chosen, own.input_size, own.channels).astype(np.float32) for own in classifiers]
    times: list[list[float]] = [[] for _ in classifiers]
    for turn in (0, *chosen):  # the first one warms up
        for own, crops, measured in zip(classifiers, faces, times, strict=True):
            start = time.perf_counter()
            own.network(crops[turn : turn + 1])
            measured.append(time.perf_counter() - start)
    return [statistics.median(measured[1:]) for measured in times]


def _held_out(
    classifiers: Sequence[EmotionClassifier],
    names: Sequence[str],
    data: str | Sequence[str],
    labels: tuple[str, ...],
) -> tuple[Dataset, list[str]]:
    """Return the data set whose `report` part the models are compared on, and what to know about it."""
    wanted = {usual_word(label) for label in labels}
    others = {usual_word(name): name for own in classifiers for name in own.outputs}
    background = tuple(name for plain, name in others.items() if plain not in wanted) or EVERYTHING_ELSE
    config = TrainingConfig(
        data=as_sources(data),
        labels=labels,
        background=background,
        keep_copies=True,
        people=next((people for own in classifiers if (people := settings_of(own).people)), None),
        validation_fraction=min(settings_of(own).validation_fraction for own in classifiers),
    )
    dataset = load_dataset(config, evaluation=True)
    known = [_was_trained_on(own, dataset) for own in classifiers]
    if not any(known):
        dataset = all_held_out(dataset)
    elif config.people and "people" not in dataset.audit:
        raise DataError(
            f"One of the models was trained with --people {config.people}, which is not here: put it where "
            "the command runs, so that the faces that it was trained on can be left out."
        )
    notes = []
    if unknown := [name for name, trained in zip(names, known, strict=True) if not trained]:
        notes.append(
            f"{', '.join(unknown)}: trained on other pictures, as far as is known; should these faces be "
            "among them, the figures flatter."
        )
    uncalibrated = [
        name
        for name, own in zip(names, classifiers, strict=True)
        if not own.description.calibration.fitted_on
    ]
    if uncalibrated:
        notes.append(f"{', '.join(uncalibrated)}: as it comes, without calibration or a threshold.")
    return dataset, notes


def _was_trained_on(classifier: EmotionClassifier, dataset: Dataset) -> bool:
    """Tell whether a model's halves are those of this data set; a source of the same name counts, too.

    Each source is halved separately, so one in common is enough.
    """
    own = classifier.description.data
    common = _source_names(str(own.get("source") or "")) & _source_names(dataset.source)
    return own.get("fingerprint") == dataset.fingerprint or bool(common)


def _source_names(source: str) -> set[str]:
    """Return the names of sources, which are told as `one + another`, without the folders above them."""
    return {PureWindowsPath(public_source(part)).name.lower() for part in source.split(" + ") if part}


def _answers(
    classifier: EmotionClassifier, examples: Examples, labels: tuple[str, ...], *, title: str
) -> np.ndarray:
    """Return the raw probabilities of all faces, the common labels first."""
    size, channels = classifier.input_size, classifier.channels
    raw = predict_examples(classifier.network, examples, size=size, channels=channels, title=title)
    columns = [usual_word(name) for name in classifier.outputs]
    first = [columns.index(usual_word(label)) for label in labels]
    return raw[:, first + [index for index in range(len(columns)) if index not in first]]


def _served_bytes(classifier: EmotionClassifier) -> int | None:
    if classifier.folder is None:
        file = Path(classifier.model_name)
        return file.stat().st_size if file.is_file() else None
    files = [classifier.folder / name for name in (LITERT_FILE, WEIGHTS_FILE)]
    return next((file.stat().st_size for file in files if file.is_file()), None)


def _different(names: Sequence[str]) -> list[str]:
    """Return the names; a repeated one gets a number."""
    return [
        name if name not in names[:index] else f"{name} ({names[: index + 1].count(name)})"
        for index, name in enumerate(names)
    ]


def _write(comparison: Comparison, answers: Sequence[Answers], examples: Examples, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(comparison.to_dict(), indent=1, allow_nan=False)
    (folder / COMPARISON_FILE).write_text(text + "\n", encoding="utf-8")
    letters = letters_of(comparison)
    reports = {f"{letters[model.name]}: {model.name}": model.report for model in comparison.models}
    draw_risk_coverage(reports, folder / PLOT_FILE)
    _draw_differing_faces(comparison, answers, examples, folder / FACES_FILE)


def _draw_differing_faces(
    comparison: Comparison, answers: Sequence[Answers], examples: Examples, path: Path
) -> None:
    """Draw the labelled faces that the models name differently, the most certain disagreements first."""
    labels = comparison.labels
    shown = np.array([own.calibration.apply(own.probabilities, len(labels))[0] for own in answers])
    best, certainty = shown.argmax(axis=2), shown.max(axis=2)
    differing = np.flatnonzero((examples.targets < len(labels)) & (best != best[0]).any(axis=0))
    # The confidence of the less sure model: a toss-up does not count as disagreement.
    least = certainty.min(axis=0)[differing]
    chosen = differing[np.argsort(-least, kind="stable")][:MOST_FACES]
    letters = list(letters_of(comparison).values())
    captions = [
        "\n".join(
            [labels[examples.targets[face]]]
            + [
                f"{letter}: {labels[best[model, face]]} {percent(certainty[model, face])}"
                for model, letter in enumerate(letters)
            ]
        )
        for face in chosen
    ]
    named = ", ".join(f"{letter} = {own.name}" for letter, own in zip(letters, answers, strict=True))
    faces_sheet(
        list(examples.load(chosen, SHEET_FACE, 1)),
        captions,
        path,
        title=f"The label given, and what each model says: {len(chosen)} of {len(differing)} faces that they "
        f"differ on\n{named}",
    )
