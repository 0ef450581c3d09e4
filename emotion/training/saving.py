"""Fitted networks saved as a model, with its report: what is saved is evaluated once."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError

from emotion import __version__
from emotion.config import EMBEDDED, TrainingConfig, public_source
from emotion.data.dataset import Dataset
from emotion.data.people import load_groups
from emotion.model.classifier import EmotionClassifier
from emotion.model.description import LITERT_FILE, Description, library_versions
from emotion.model.engines import LiteRTNetwork, Network
from emotion.model.keras_engine import KerasNetwork, export_litert
from emotion.predictions.display import percent
from emotion.program import PACKAGE
from emotion.report.metadata import datasets_on_hub
from emotion.report.plots import faces_sheet
from emotion.training.devices import hardware
from emotion.training.evaluation import evaluate
from emotion.training.fit import FittedNetwork
from emotion.training.networks import average_networks

# Stays on this disk and is never published, because it shows people.
WRONG_FACES_FILE = "wrong_faces.png"
MOST_WRONG_FACES = 32
EMBEDDED_MODEL = f"the model embedded in {PACKAGE} {__version__}"
SHEET_FACE = 48  # pixels


def save_model(
    fitted: Sequence[FittedNetwork],
    config: TrainingConfig,
    dataset: Dataset,
    folder: Path,
    *,
    seconds: float,
    command: str | None = None,
    emissions: Mapping[str, object] | None = None,
) -> None:
    """Calibrate, evaluate and write a model, its report and the faces that it got wrong.

    Several `fitted` networks are averaged; the history of the first is reported. `seconds` is how long all
    of them, and their teachers in the same run, were trained; `emissions` as `Tracking.emissions` gives them.
    """
    first = fitted[0]
    model = first.network if len(fitted) == 1 else average_networks([member.network for member in fitted])
    served = served_network(model, config)
    about = {
        "architecture": config.architecture,
        "parameters": int(model.count_params()),
        "epochs_trained": len(first.history["loss"]) if first.history else None,
        "best_epoch": first.best_epoch or None,
        "ended": f"by Ctrl-C, early in {config.epochs} epochs" if fitted[-1].interrupted else None,
        "faces_trained_on": len(dataset.train),
        "hours": round(seconds / 3600, 3),
        "hardware": hardware(),
        "base_model": base_models(config) or None,
        "measured": LITERT_FILE if isinstance(served, LiteRTNetwork) else None,
        "command": command,
    } | dict(emissions or {})
    size, channels = config.image_size, config.channels
    evaluation = evaluate(
        served,
        dataset,
        size=size,
        channels=channels,
        model=about,
        least_threshold=_least_threshold(config, dataset),
        balance=config.balance_labels,
        history=first.history or None,
        groups=load_groups(config.groups, dataset.report) if config.groups else None,
    )
    description = Description(
        labels=dataset.labels,
        outputs=dataset.outputs,
        input_size=size,
        channels=channels,
        calibration=evaluation.calibration,
        training=public_settings(config) | {"license": config.license or license_of(config.data)},
        data={
            "source": public_source(dataset.source),
            "fingerprint": dataset.fingerprint,
            "report_split": dataset.report_split,
        },
        versions=library_versions(),
    )
    EmotionClassifier(KerasNetwork(model), description, report=evaluation.report).save_pretrained(
        folder, litert_precision=config.litert_precision
    )
    write_wrong_faces(dataset, evaluation.probabilities, folder)


def _least_threshold(config: TrainingConfig, dataset: Dataset) -> float:
    """Return the threshold of the background teacher where no held-out picture shows a background.

    The labels alone would call every face sure: a threshold is chosen on what it has to keep out.
    """
    if config.background_teacher is None or (dataset.calibration.targets >= len(dataset.labels)).any():
        return 0.0
    return EmotionClassifier.from_pretrained(config.background_teacher).threshold


def served_network(model: keras.Model, config: TrainingConfig) -> Network:
    """Return what will answer for a trained network: a file of fewer bits answers otherwise than Keras."""
    if config.litert_precision == "float32" or keras.backend.backend() != "tensorflow":
        return KerasNetwork(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / LITERT_FILE
        export_litert(model, path, size=config.image_size, precision=config.litert_precision)
        return LiteRTNetwork(path)


def license_of(sources: Sequence[str]) -> str | None:
    """Return the licence that all data sources state in their cards on the Hub; None if one states none."""
    found = {_card_license(source) for source in sources}
    return found.pop() if len(found) == 1 else None


def _card_license(source: str) -> str | None:
    names = datasets_on_hub(source)
    if not names:
        return None
    try:
        data = HfApi().dataset_info(names[0]).card_data
    except (HfHubHTTPError, OSError, ValueError):  # offline, say: then it is not known
        return None
    stated = data.get("license") if data else None
    return stated if isinstance(stated, str) else None


def base_models(config: TrainingConfig) -> list[str]:
    """Return the models that a run started from or learned from: on the Hub, or the embedded one."""
    used = (config.initial_weights, config.background_teacher, *config.teacher)
    given = [name for name in used if name and (name == EMBEDDED or not Path(name).is_dir())]
    names = [EMBEDDED_MODEL if name == EMBEDDED else name.partition("@")[0] for name in given]
    return list(dict.fromkeys(name for name in names if name == EMBEDDED_MODEL or name.count("/") == 1))


def write_wrong_faces(dataset: Dataset, probabilities: np.ndarray, folder: Path) -> Path | None:
    """Draw the reported faces whose wrong answer was most certain; for looking at, never for publishing.

    `probabilities` are float (len(dataset.report), at least len(dataset.labels)), labels first. Returns the
    PNG file; None, and no file, if nothing is wrong.
    """
    labels, examples = dataset.labels, dataset.report
    best = probabilities[:, : len(labels)].argmax(axis=1)
    certainty = probabilities[np.arange(len(best)), best]
    wrong = np.flatnonzero((examples.targets < len(labels)) & (best != examples.targets))
    wrong = wrong[np.argsort(-certainty[wrong], kind="stable")][:MOST_WRONG_FACES]
    captions = [
        f"{labels[examples.targets[index]]}\n→ {labels[best[index]]} {percent(certainty[index])}"
        for index in wrong
    ]
    return faces_sheet(
        list(examples.load(wrong, SHEET_FACE, 1)),
        captions,
        folder / WRONG_FACES_FILE,
        title="Most certain and wrong: the label given, and the answer",
    )


def public_settings(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of a run without the folders that lead to its files."""
    settings = config.to_dict()
    for name in ("data", "teacher", "members"):
        settings[name] = [public_source(path) for path in settings[name]]
    for name in ("soft_labels", "people", "groups", "initial_weights", "background_teacher"):
        settings[name] = settings[name] and public_source(settings[name])
    return settings
