"""How often a model is right, how well it knows what it does not know, and what its peers say.

All are asked about the same faces in the same run; several sources are measured one by one.

python -m benchmarks.accuracy --data ../shared/fer2013 ../shared/press --peers
python -m benchmarks.accuracy --data ../shared/fer2013 --model runs/today --output accuracy.json
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import PEERS
from emotion import EmotionClassifier
from emotion.config import TrainingConfig, public_source
from emotion.data.dataset import Dataset, load_dataset
from emotion.data.examples import Examples
from emotion.data.soft_targets import load_majorities
from emotion.errors import EmotionError
from emotion.model.description import LITERT_FILE
from emotion.predictions.calibration import renormalise
from emotion.predictions.display import percent
from emotion.report.metrics import expected_calibration_error, wilson_interval
from emotion.training.evaluation import Evaluation, evaluate, framing_of

VOTES_FILE = "ferplus_votes.csv"
TIMED_CALLS = 300
PEER_FACE = 48  # pixels: FER2013 faces as they are


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", required=True, nargs="+", help="the faces: folders or other sources that train.py takes"
    )
    parser.add_argument("--model", help="owner/name or a folder; by default the embedded model")
    parser.add_argument(
        "--peers", action="store_true", help="also run fer and face-api.js, installed on first use"
    )
    parser.add_argument("--output", type=Path, help="write all figures to this JSON file too")
    options = parser.parse_args()
    try:
        figures = measure(options.data, options.model, peers=options.peers)
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n\n".join(f"## {name}\n\n{render(own)}" for name, own in figures.items()))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(data: Sequence[str], reference: str | None, *, peers: bool) -> dict[str, dict[str, Any]]:
    """All figures of each source as JSON's own types; everything runs on one core."""
    if hasattr(os, "sched_setaffinity"):  # threads and programs started from here on stay on that core, too
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    classifier = EmotionClassifier.from_pretrained(reference)
    background = classifier.outputs[len(classifier.labels) :] or ("neutral",)
    config = TrainingConfig.from_dict(classifier.description.training)
    config = replace(
        config,
        data=tuple(data),
        labels=classifier.labels,
        background=background,
        sampling=(),
        framing=framing_of(classifier),
    )
    dataset = load_dataset(config)
    same = dataset.fingerprint == classifier.description.data.get("fingerprint")
    return {
        name: {"same_data_as_training": same} | measure_source(classifier, part, Path(folder), peers=peers)
        for folder, (name, part) in zip(data, by_source(dataset).items(), strict=True)
    }


def by_source(dataset: Dataset) -> dict[str, Dataset]:
    """The held-out faces of each source as a data set of their own."""
    names = dataset.report.sources
    if not names:
        return {public_source(dataset.source): dataset}
    held_out = {"calibration": dataset.calibration, "report": dataset.report}
    return {
        name: replace(
            dataset,
            source=name,
            **{
                split: examples.subset(np.flatnonzero(examples.source_of() == number))
                for split, examples in held_out.items()
            },
        )
        for number, name in enumerate(names)
    }


def measure_source(
    classifier: EmotionClassifier, dataset: Dataset, folder: Path, *, peers: bool
) -> dict[str, Any]:
    """The figures of one source."""
    evaluation = evaluate(
        classifier.network,
        dataset,
        size=classifier.input_size,
        channels=classifier.channels,
        model={"name": classifier.model_name, "outputs": list(classifier.outputs)},
        calibration=classifier.description.calibration,
    )
    votes = folder / VOTES_FILE
    figures = {
        "report": evaluation.report.to_dict(),
        "this_model": model_figures(classifier, dataset, evaluation, votes),
        "peers": {},
    }
    if peers:
        figures["peers"] = {name: peer_figures(name, dataset, votes) for name in PEERS}
    return figures


def model_figures(
    classifier: EmotionClassifier, dataset: Dataset, evaluation: Evaluation, votes: Path
) -> dict[str, Any]:
    """What `evaluate` does not measure: the agreed faces, the size and the time per face."""
    predicted = evaluation.probabilities.argmax(axis=1)
    faces = dataset.report.load(
        np.arange(min(len(dataset.report), 50)), classifier.input_size, classifier.channels
    )
    faces = faces.astype(np.float32)
    times = []
    for call in range(TIMED_CALLS):
        start = time.process_time()  # not the clock on the wall: other programs may share the core
        classifier.network(faces[call % len(faces)][None])
        times.append(time.process_time() - start)
    network_file = classifier.folder / LITERT_FILE
    return {
        "reported": accuracy_on_labels(predicted, dataset.report, dataset.labels),
        "agreed": accuracy_on_votes(predicted, dataset.report, dataset.labels, votes),
        "seconds_per_face": statistics.median(times),
        "bytes": network_file.stat().st_size if network_file.is_file() else None,
    }


def peer_figures(name: str, dataset: Dataset, votes: Path) -> dict[str, Any]:
    """What a peer, given the best of its scores for our labels, says about all labelled held-out faces."""
    held_out = {"reported": dataset.report, "calibration": dataset.calibration}
    labelled = {
        split: examples.subset(np.flatnonzero(examples.targets < len(dataset.labels)))
        for split, examples in held_out.items()
    }
    faces = [examples.load(np.arange(len(examples)), PEER_FACE, 1)[..., 0] for examples in labelled.values()]
    try:
        scores = PEERS[name](np.concatenate(faces))
    except RuntimeError as error:
        return {"error": str(error)}
    missing = [label for label in dataset.labels if label not in scores.labels]
    if missing:
        return {"error": f"{name} does not know {', '.join(missing)}."}
    columns = [scores.labels.index(label) for label in dataset.labels]
    predicted = scores.probabilities[:, columns].argmax(axis=1)
    parts = dict(zip(labelled, np.split(predicted, [len(faces[0])]), strict=True))
    shown = renormalise(scores.probabilities[: len(faces[0]), columns], len(columns)).max(axis=1)
    right = parts["reported"] == labelled["reported"].targets
    return {
        "reported": accuracy_on_labels(parts["reported"], labelled["reported"], dataset.labels),
        "all": pooled([accuracy_on_labels(parts[split], labelled[split], dataset.labels) for split in parts]),
        "agreed": accuracy_on_votes(parts["reported"], labelled["reported"], dataset.labels, votes),
        "agreed_all": pooled(
            [accuracy_on_votes(parts[split], labelled[split], dataset.labels, votes) for split in parts]
        ),
        "expected_calibration_error": expected_calibration_error(shown, right) if len(right) else None,
        "seconds_per_face": scores.seconds_per_face,
    }


def accuracy_on_labels(predicted: np.ndarray, examples: Examples, labels: tuple[str, ...]) -> dict[str, Any]:
    """Agreement with the data set's labels, over the faces that carry one."""
    labelled = examples.targets < len(labels)
    return proportion(int(np.sum(predicted[labelled] == examples.targets[labelled])), int(labelled.sum()))


def accuracy_on_votes(
    predicted: np.ndarray, examples: Examples, labels: tuple[str, ...], votes: Path
) -> dict[str, Any]:
    """Agreement with most voters, over the faces on which most voters agree."""
    if not votes.is_file():
        return proportion(0, 0)
    majorities = load_majorities(votes, examples, labels)
    agreed = majorities >= 0
    return proportion(int((predicted == majorities)[agreed].sum()), int(agreed.sum()))


def pooled(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The proportion over several sets of faces."""
    return proportion(sum(part["right"] for part in parts), sum(part["faces"] for part in parts))


def proportion(right: int, faces: int) -> dict[str, Any]:
    """A share with its 95 % interval; None where there are no faces."""
    if not faces:
        return {"right": 0, "faces": 0, "value": None, "interval": None}
    return {
        "right": right,
        "faces": faces,
        "value": right / faces,
        "interval": list(wilson_interval(right, faces)),
    }


def render(figures: dict[str, Any]) -> str:
    """The figures as Markdown tables."""
    ours, report = figures["this_model"], figures["report"]
    peers = {name: peer for name, peer in figures["peers"].items() if "error" not in peer}
    not_sure = report["not_sure"]
    auroc, unsure = not_sure["background_auroc"], not_sure["background_not_sure"]
    rows = [["", "this model", *peers]]

    def add(name: str, value: str, key: str | None = None) -> None:
        rows.append([name, value, *(share(peer[key]) if key else "–" for peer in peers.values())])

    add(f"accuracy, {report['accuracy']['faces']} reported faces", share(ours["reported"]), "reported")
    if peers:
        add(f"accuracy, all {next(iter(peers.values()))['all']['faces']} held-out faces", "–", "all")
    if ours["agreed"]["faces"]:
        agreed = f"accuracy, {ours['agreed']['faces']} of the reported faces that most voters agree on"
        add(agreed, share(ours["agreed"]), "agreed")
        if peers:
            faces = next(iter(peers.values()))["agreed_all"]["faces"]
            add(f"accuracy, all {faces} such faces", "–", "agreed_all")
    recalls = [row["recall"] for row in report["per_class"].values() if row["recall"] is not None]
    add("… the mean of the labels (balanced accuracy)", percent(statistics.mean(recalls)))
    rows.append(
        ["expected calibration error, 15 bins"]
        + [number(report["calibration"]["expected_calibration_error_after"])]
        + [number(peer["expected_calibration_error"]) for peer in peers.values()]
    )
    add(
        "… of perfectly calibrated answers on so few faces",
        number(report["calibration"]["expected_calibration_error_by_chance"]),
    )
    add("AUROC of the confidence, labelled against neutral faces", number(auroc.get("neutral")))
    add("faces answered", percent(not_sure["coverage"]))
    add("wrong among the answered", percent(not_sure["error_among_answered"]))
    for name, value in unsure.items():
        add(f"{name} faces that come out not sure", percent(value))
    add("size of model.tflite", f"{ours['bytes'] / 2**20:.2f} MiB" if ours["bytes"] else "–")
    seconds = ours["seconds_per_face"]
    rows.append(
        ["processor time per face (× this model's)", f"{1000 * seconds:.2f} ms"]
        + [
            f"{1000 * p['seconds_per_face']:.2f} ms ({p['seconds_per_face'] / seconds:.1f}×)"
            for p in peers.values()
        ]
    )
    robustness = report["robustness"]
    damaged = [["clean", percent(robustness["clean"])]]
    damaged += [[name, percent(value)] for name, value in robustness["conditions"].items()]
    damaged.append(["mean of the damaged", percent(robustness["mean"])])
    parts = [table(rows), table([["condition", "accuracy"], *damaged])]
    if not figures["same_data_as_training"]:
        parts.insert(
            0, "Note: not all the data this model was trained with; its training may have seen these faces."
        )
    parts += [f"{name}: {peer['error']}" for name, peer in figures["peers"].items() if "error" in peer]
    return "\n\n".join(parts)


def table(rows: list[list[str]]) -> str:
    """Rows as a Markdown table, the first being its head."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def share(proportion: dict[str, Any]) -> str:
    """82.4% (80.7–84.0)."""
    if proportion["value"] is None:
        return "–"
    low, high = proportion["interval"]
    return f"{percent(proportion['value'])} ({100 * low:.1f}–{100 * high:.1f})"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
