"""A finished model calibrated again on other faces or in another way; its network stays as it is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from emotion.config import as_sources, public_source
from emotion.data.dataset import load_dataset
from emotion.errors import DataError
from emotion.model.classifier import EmotionClassifier
from emotion.training.evaluation import evaluate, framing_of, settings_of
from emotion.training.folder import refuse_used_folder, written_by_one_run
from emotion.training.runs import record_audit
from emotion.training.saving import write_wrong_faces

RECALIBRATE = " --recalibrate "


def recalibrate_model(
    reference: str,
    data: str | Sequence[str],
    output: str | os.PathLike[str],
    *,
    balance: bool = False,
    about: Mapping[str, str | None] | None = None,
    revision: str | None = None,
    command: str | None = None,
    overwrite: bool = False,
) -> EmotionClassifier:
    """Fit a model's temperature, threshold and, with `balance`, label factors anew; report on other faces.

    One half of the held-out pictures is fitted to, the other is reported on; the halves are those of training
    where the model was trained on the same pictures. `output` becomes a saved model with the same network
    files, byte for byte. `about` may state `license`, `license_note` and `data_note` in place of the model's
    own; `command` is for the card; `overwrite` replaces a run or a model. Raises ModelLoadError, DataError or
    TrainingError.
    """
    classifier = EmotionClassifier.from_pretrained(reference, revision=revision)
    labels, outputs = classifier.labels, classifier.outputs
    config = replace(
        settings_of(classifier),
        data=as_sources(data),
        labels=labels,
        background=outputs[len(labels) :],
        sampling=(),
        framing=framing_of(classifier),
    )
    if not overwrite:
        refuse_used_folder(output)
    with written_by_one_run(output) as folder:
        dataset = record_audit(load_dataset(config, evaluation=True), folder)
        if not (dataset.calibration.targets < len(labels)).any():
            raise DataError(
                f"{dataset.source} leaves no labelled face to calibrate on. Add pictures: at least a "
                "handful of each label, better hundreds."
            )
        model = dict(classifier.report.model) if classifier.report else {}
        # What an earlier recalibration fitted is gone.
        earlier = [line for line in str(model.get("command") or "").splitlines() if RECALIBRATE not in line]
        model["command"] = "\n".join([*earlier, *([command] if command else [])]) or None
        model["measured"] = "model.tflite" if not hasattr(classifier.network, "model") else None
        evaluation = evaluate(
            classifier.network,
            dataset,
            size=classifier.input_size,
            channels=classifier.channels,
            model={key: value for key, value in model.items() if value is not None},
            balance=balance,
        )
        source = public_source(dataset.source)
        fitted = {"source": source, "part": dataset.report_split, "fingerprint": dataset.fingerprint}
        description = replace(
            classifier.description,
            calibration=evaluation.calibration,
            training=classifier.description.training | {"balance_labels": balance} | dict(about or {}),
            data=classifier.description.data | {"calibrated_on": fitted},
        )
        EmotionClassifier(
            classifier.network, description, report=evaluation.report, folder=classifier.folder
        ).save_pretrained(folder, litert_precision=config.litert_precision)
        write_wrong_faces(dataset, evaluation.probabilities, folder)
    return EmotionClassifier.from_pretrained(output)
