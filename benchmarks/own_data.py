"""What a training run makes of the pictures that people have: whole photographs, few of them, in any folder.

    python -m benchmarks.own_data [--only ROW ...] [--shared ../shared] [--epochs 12] [--freeze]

Rows: photographs, sizes, labels, neutral, speed, layouts. A picture counts as right in the app if its largest
face was found and the likeliest label is the true one. The table of the README came from here.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, print_rows
from benchmarks.scenes import compose, pictures_in
from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.data.copies import take_prints
from emotion.data.dataset import load_dataset
from emotion.data.framing import FaceMemory
from emotion.data.sources import open_source
from emotion.errors import DataError
from emotion.model.loading import EMBEDDED
from emotion.report.metrics import wilson_interval
from emotion.report.report import FIGURES
from emotion.training.runs import train_model

LABELS = ("angry", "happy", "sad")
OTHERS = ("surprise", "fear", "disgust")
CROPS, PHOTOGRAPHS = "crops", "whole photographs"
PICTURES_A_LABEL = 1000
ASKED_A_LABEL = 150
SIZES = (50, 200, 1000)

Files = dict[str, list[Path]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--epochs", type=int, help="of every run; by default what a run takes by default")
    parser.add_argument("--pictures", type=int, default=PICTURES_A_LABEL, help="a label, where no row says")
    parser.add_argument("--freeze", action="store_true", help="fit the last layer of the embedded model only")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            print_rows(list(ROWS[name](options, Path(folder))))
            sys.stdout.flush()


def photographs(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """The same faces as crops and set into photographs; what the report says and what the app does."""
    train = faces(options, "train", LABELS, options.pictures)
    asked = scenes(faces(options, "validation", LABELS, ASKED_A_LABEL), folder / "asked", seed=2)
    for kind in (CROPS, PHOTOGRAPHS):
        classifier = trained(
            options, folder / kind, train if kind == CROPS else scenes(train, folder / "set", 1)
        )
        right, count = right_in_app(classifier, asked)
        low, high = (100 * end for end in wilson_interval(right, count))
        yield Row(f"{count} photographs right in the app, trained on {kind}", "%", 100 * right / count)
        yield Row("… interval from", "%", low)
        yield Row("… to", "%", high)
        if classifier.report is not None:
            said = FIGURES["found_and_right"].read(classifier.report)
            said = classifier.report.accuracy.value if said is None else said
            yield Row("… the report says", "%", None if said is None else 100 * said)


def sizes(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Accuracy by the number of pictures a label, beside a start from nothing and the embedded model."""
    held_out = faces(options, "validation", LABELS, None)
    asked = {CROPS: held_out, PHOTOGRAPHS: scenes(held_out, folder / "asked", seed=2)}
    for kind, files in asked.items():
        right, count = right_in_app(EmotionClassifier.from_pretrained(), files)
        yield Row(f"embedded model, {count} {kind}", "% right", 100 * right / count)
    for size in SIZES:
        train = faces(options, "train", LABELS, size)
        for kind, files in asked.items():
            own = train if kind == CROPS else scenes(train, folder / f"set{size}", seed=1)
            shares = []
            for start in ({}, {"initial_weights": ""}):
                classifier = trained(options, folder / f"{kind}{size}{len(shares)}", own, **start)
                right, count = right_in_app(classifier, files)
                shares.append(100 * right / count)
            yield Row(f"{size} {kind} a label", "% right", *shares, "from nothing")


def labels(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Labels that the embedded model does not have."""
    train = faces(options, "train", OTHERS, 200)
    asked = faces(options, "validation", OTHERS, None)
    shares = []
    for start in ({}, {"initial_weights": ""}):
        classifier = trained(options, folder / str(len(shares)), train, labels=OTHERS, **start)
        right, count = right_in_app(classifier, asked)
        shares.append(100 * right / count)
    yield Row("surprise, fear, disgust from 200 pictures each", "% right", *shares, "from nothing")


def neutral(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Faces at rest that are called an emotion after a run without a neutral folder."""
    classifier = trained(options, folder, faces(options, "train", LABELS, options.pictures))
    at_rest = pictures_in(options.shared / "press" / "validation" / "neutral")
    for name, model in (("default run", classifier), ("embedded model", EmotionClassifier.from_pretrained())):
        answers = [model.predict(path) for path in at_rest]
        named = sum(bool(found) and found[0].label is not None for found in answers)
        yield Row(f"{len(at_rest)} neutral faces called an emotion, {name}", "%", 100 * named / len(at_rest))


def speed(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Reading and framing, beside reading alone."""
    files = scenes(faces(options, "train", LABELS, options.pictures), folder / "set", seed=1)
    arrange(files, folder / "data")
    yield timed("photographs of 640×480 framed", folder / "data")
    yield timed("crops of 48×48 framed", options.shared / "fer2013" / "train")


def layouts(options: argparse.Namespace, folder: Path) -> Iterator[Row]:
    """Pictures that are used of each of the shapes in which people keep data sets."""
    script = options.shared / "cases" / "data_layouts.py"
    subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.DEVNULL)
    for root in sorted(path for path in folder.iterdir() if path.is_dir()):
        own = ("wütend", "fröhlich", "traurig") if root.name == "decomposed" else LABELS
        count = sum(path.is_file() for path in root.rglob("*"))
        try:
            source = open_source(str(root), labels=own)
        except DataError as error:
            yield Row(f"{root.name}: {error}".replace(str(folder), "…"), "pictures used", 0, count, "of")
            continue
        used = sum(map(len, source.splits.values()))
        yield Row(root.name, "pictures used", used, count, "of")


ROWS = {
    "photographs": photographs,
    "sizes": sizes,
    "labels": labels,
    "neutral": neutral,
    "speed": speed,
    "layouts": layouts,
}


def faces(options: argparse.Namespace, split: str, names: Sequence[str], count: int | None) -> Files:
    """Choose crops of FER2013, always the same ones and the smaller choice within the larger; None is all.

    Of the validation split it is the half that nothing was ever chosen on.
    """
    root = options.shared / "fer2013"
    if split == "train":
        listed = {name: pictures_in(root / "train" / name) for name in names}
    else:
        config = TrainingConfig(data=str(root), labels=tuple(names))
        report = load_dataset(config, evaluation=True, progress=False).report
        listed = {name: [] for name in names}
        for identifier, target in zip(report.identifiers, report.targets.tolist(), strict=True):
            listed[names[target]].append(root / identifier)
    rng = np.random.default_rng(0)
    return {
        name: [paths[index] for index in rng.permutation(len(paths))[:count]]
        for name, paths in listed.items()
    }


def scenes(files: Files, folder: Path, seed: int) -> Files:
    """Set every face upright into a photograph of 640×480, at 110 to 260 pixels."""
    rng = np.random.default_rng(seed)
    made: Files = {}
    for name, paths in files.items():
        (folder / name).mkdir(parents=True)
        made[name] = [folder / name / f"{path.stem}.jpg" for path in paths]
        for path, target in zip(paths, made[name], strict=True):
            target.write_bytes(compose([path], rng).jpeg)
    return made


def arrange(files: Files, folder: Path) -> None:
    """Link files into a folder per label."""
    for name, paths in files.items():
        (folder / name).mkdir(parents=True)
        for path in paths:
            (folder / name / path.name).symlink_to(path.resolve())


def trained(options: argparse.Namespace, folder: Path, files: Files, **settings: object) -> EmotionClassifier:
    """Train with default settings on a folder per label."""
    arrange(files, folder / "data")
    if options.epochs:
        settings["epochs"] = options.epochs
    if options.freeze:
        settings |= {"freeze": True, "initial_weights": str(EMBEDDED)}
    return train_model(TrainingConfig(data=str(folder / "data"), **settings), folder / "run")


def right_in_app(classifier: EmotionClassifier, files: Files) -> tuple[int, int]:
    """Ask the classifier as the app does; return right answers and pictures."""
    right = count = 0
    for name, paths in files.items():
        for path in paths:
            found = classifier.predict(path)
            best = max(found[0].probabilities.items(), key=lambda item: item[1])[0] if found else None
            right, count = right + (best == name), count + 1
    return right, count


def timed(what: str, root: Path) -> Row:
    """Measure reading and framing of a folder beside reading alone, in seconds of this machine."""
    source = open_source(str(root), labels=LABELS)
    examples = next(iter(source.splits.values()))
    seconds = []
    for memory in (FaceMemory(None), None):
        begun = time.perf_counter()
        take_prints(examples, memory=memory, smallest=48)
        seconds.append(time.perf_counter() - begun)
    return Row(f"{len(examples)} {what}", "s", *seconds, "without")


if __name__ == "__main__":
    main()
