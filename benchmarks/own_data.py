"""What a training run makes of the pictures that people have: whole photographs, few of them, in any folder.

    python -m benchmarks.own_data [--only ROW ...] [--shared ../shared] [--work FOLDER]

Rows: layouts, speed, photographs, neutral, sizes, labels, kaggle; and nothing, the last three from nothing,
which takes hours. A picture counts as right in the app if its largest face was found and the likeliest label
is the true one. With --work, what was trained is kept there and not trained again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.rows import Row, print_rows
from benchmarks.scenes import compose, pictures_in
from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.data.copies import take_prints
from emotion.data.dataset import load_dataset
from emotion.data.examples import Wanted
from emotion.data.framing import FaceMemory
from emotion.data.sources import open_source
from emotion.errors import DataError
from emotion.report.metrics import wilson_interval
from emotion.report.report import FIGURES
from emotion.training.runs import evaluate_model, starting_config, train_model

LABELS = ("angry", "happy", "sad")
OTHERS = ("surprise", "fear", "disgust")
CROPS, PHOTOGRAPHS = "crops", "photographs"
SIZES = (50, 200, 1000)  # pictures a label
OTHERS_SIZE = 200
ASKED, REPORTED = 150, 60  # photographs a label
# Pictures of the Kaggle set that train.py takes by default. FER2013's validation faces and some press
# photographs stand for its held-out ones.
KAGGLE_TRAIN, KAGGLE_HELD_OUT = 6800, 2278
FROM_NOTHING = {"initial_weights": ""}

Files = dict[str, list[Path]]


@dataclass(frozen=True)
class Spent:
    """Seconds of a piece of work: of the clock, and of all processors."""

    wall: float
    processors: float

    def rows(self, what: str) -> Iterator[Row]:
        """Give both; the second is what a machine of two cores with nothing else to do would take at best."""
        yield Row(f"{what}, by the clock", "s", self.wall)
        yield Row(f"{what}, processor seconds over two cores", "s", self.processors / 2)


class Bench:
    """The pictures that are trained on and asked about, and the models trained on them, in a work folder."""

    def __init__(self, shared: Path, work: Path) -> None:
        self.shared, self.work = shared, work

    def faces(self, split: str, names: Sequence[str], count: int | None = None) -> Files:
        """Choose crops of FER2013, always the same ones and the smaller choice within the larger.

        Of the validation split it is the half that nothing was ever chosen on.
        """
        folder = self.shared / "fer2013" / "train"
        listed = (
            {name: pictures_in(folder / name) for name in names}
            if split == "train"
            else self._reported_half(tuple(names))
        )
        rng = np.random.default_rng(0)
        return {
            name: [paths[index] for index in rng.permutation(len(paths))[:count]]
            for name, paths in listed.items()
        }

    def _reported_half(self, names: tuple[str, ...]) -> Files:
        """Return the half by label; finding it means looking for copies in all of FER2013, so it is kept."""
        root, kept = self.shared / "fer2013", self.work / f"reported-{'-'.join(names)}.json"
        if not kept.exists():
            config = TrainingConfig(data=(str(root),), labels=names)
            report = load_dataset(config, evaluation=True).report
            listed: dict[str, list[str]] = {name: [] for name in names}
            for identifier, target in zip(report.identifiers, report.targets.tolist(), strict=True):
                listed[names[target]].append(identifier)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps(listed))
        return {name: [root / path for path in paths] for name, paths in json.loads(kept.read_text()).items()}

    def scenes(self, files: Files) -> Files:
        """Set every face upright into a photograph of 640×480, at 110 to 260 pixels."""
        made: Files = {}
        for label, paths in files.items():
            folder = self.work / "photographs" / label
            folder.mkdir(parents=True, exist_ok=True)
            made[label] = [folder / f"{path.parent.parent.name}-{path.stem}.jpg" for path in paths]
            for path, target in zip(paths, made[label], strict=True):
                if not target.exists():
                    rng = np.random.default_rng(zlib.crc32(target.name.encode()))
                    target.write_bytes(compose([path], rng).jpeg)
        return made

    def pictures(self, kind: str, split: str, names: Sequence[str], count: int | None = None) -> Files:
        """Return crops, or the same faces in photographs."""
        files = self.faces(split, names, count)
        return files if kind == CROPS else self.scenes(files)

    def train(self, name: str, splits: dict[str, Files], **settings: object) -> EmotionClassifier:
        """Train with default settings on a folder per label, or take what was trained before.

        `splits` are by folder; "" is no folder.
        """
        run, data = self.work / "runs" / name, self.work / "data" / name
        spent = self.work / f"{name}.json"
        if not spent.exists():
            for split, files in splits.items():
                link(files, data / split)
            given = {"data": (str(data),), **settings}
            with stopwatch() as seconds:
                train_model(starting_config(None, {}, given), run, overwrite=True)
            spent.write_text(json.dumps(seconds))
        return EmotionClassifier.from_pretrained(run)

    def trained_on(self, kind: str, size: int, *, nothing: bool = False) -> EmotionClassifier:
        """Train on this many pictures a label."""
        files = self.pictures(kind, "train", LABELS, size)
        start = FROM_NOTHING if nothing else {}
        return self.train(f"{kind}-{size}{'-nothing' * nothing}", {"": files}, **start)

    def trained_on_others(self, *, nothing: bool = False) -> EmotionClassifier:
        """Train on labels that the embedded model does not have."""
        files = self.faces("train", OTHERS, OTHERS_SIZE)
        start = FROM_NOTHING if nothing else {}
        return self.train(f"others{'-nothing' * nothing}", {"": files}, labels=OTHERS, **start)

    def trained_like_kaggle(self, *, nothing: bool = False) -> EmotionClassifier:
        """Train on as many pictures as the Kaggle set has, held-out ones included."""
        train = self.faces("train", LABELS, -(-KAGGLE_TRAIN // len(LABELS)))
        held_out = {name: pictures_in(self.shared / "fer2013" / "validation" / name) for name in LABELS}
        more = KAGGLE_HELD_OUT - sum(map(len, held_out.values()))
        for name in ("angry", "sad", "happy"):
            extra = pictures_in(self.shared / "press" / "validation" / name)[: max(more, 0)]
            held_out[name], more = held_out[name] + extra, more - len(extra)
        start = FROM_NOTHING if nothing else {}
        return self.train(f"kaggle{'-nothing' * nothing}", {"train": train, "test": held_out}, **start)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    usual = [name for name in ROWS if name != "nothing"]
    parser.add_argument("--only", nargs="+", choices=ROWS, default=usual)
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, help="where pictures and models are kept")
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.shared, options.work or Path(folder))
        for name in options.only:
            print_rows(ROWS[name](bench))


def photographs(bench: Bench) -> Iterator[Row]:
    """The same faces as crops and set into photographs; what a report says and what the app does.

    The report of the run itself is on pictures that the weights it started from were trained on.
    """
    found = bench.pictures(PHOTOGRAPHS, "validation", LABELS, ASKED + REPORTED)
    asked = {name: paths[:ASKED] for name, paths in found.items()}
    others = bench.work / "data" / "reported"
    link({name: paths[ASKED:] for name, paths in found.items()}, others)
    for kind in (CROPS, PHOTOGRAPHS):
        classifier = bench.trained_on(kind, SIZES[-1])
        right, count = right_in_app(classifier, asked)
        yield Row(f"{count} photographs right in the app, trained on {kind}", "%", 100 * right / count)
        for end, value in zip(("from", "to"), wilson_interval(right, count), strict=True):
            yield Row(f"… interval {end}", "%", 100 * value)
        with tempfile.TemporaryDirectory() as folder:
            report = evaluate_model(str(classifier.folder), str(others), folder)
        said = FIGURES["found_and_right"].read(report)
        yield Row(
            f"… found and right, says a report on {REPORTED * len(LABELS)} others", "%", said and 100 * said
        )


def sizes(bench: Bench) -> Iterator[Row]:
    """Accuracy by the number of pictures a label, beside the embedded model."""
    embedded = EmotionClassifier.from_pretrained()
    known: dict[str, float] = {}
    for size in SIZES:
        for kind in (CROPS, PHOTOGRAPHS):
            asked = bench.pictures(kind, "validation", LABELS)
            known[kind] = known.get(kind) or share_right(embedded, asked)
            share = share_right(bench.trained_on(kind, size), asked)
            yield Row(f"{size} {kind} a label", "% right", share, known[kind], "embedded model")


def labels(bench: Bench) -> Iterator[Row]:
    """Labels that the embedded model does not have."""
    share = share_right(bench.trained_on_others(), bench.faces("validation", OTHERS))
    yield Row(f"surprise, fear, disgust from {OTHERS_SIZE} pictures each", "% right", share)


def nothing(bench: Bench) -> Iterator[Row]:
    """The same from nothing."""
    asked = bench.faces("validation", LABELS)
    share = share_right(bench.trained_on_others(nothing=True), bench.faces("validation", OTHERS))
    yield Row(f"surprise, fear, disgust from {OTHERS_SIZE} each, from nothing", "% right", share)
    for size in SIZES:
        share = share_right(bench.trained_on(CROPS, size, nothing=True), asked)
        yield Row(f"{size} crops a label, from nothing", "% right", share)
    share = share_right(bench.trained_like_kaggle(nothing=True), asked)
    yield Row("the Kaggle set's size, from nothing", "% right", share)


def kaggle(bench: Bench) -> Iterator[Row]:
    """A run of the size that train.py has without --data."""
    classifier = bench.trained_like_kaggle()
    seconds = Spent(*json.loads((bench.work / "kaggle.json").read_text()))
    yield from seconds.rows(f"{KAGGLE_TRAIN} pictures, {KAGGLE_HELD_OUT} held out, to the saved model")
    share = share_right(classifier, bench.faces("validation", LABELS))
    yield Row("… right in the app", "%", share)


def neutral(bench: Bench) -> Iterator[Row]:
    """Faces at rest that are called an emotion after a run without a neutral folder."""
    classifier = bench.trained_on(CROPS, SIZES[1])
    at_rest = pictures_in(bench.shared / "press" / "validation" / "neutral")
    named = []
    for model in (classifier, EmotionClassifier.from_pretrained()):
        answers = [model.predict(path) for path in at_rest]
        named.append(sum(bool(found) and found[0].label is not None for found in answers))
    ours, known = (100 * count / len(at_rest) for count in named)
    yield Row(f"{len(at_rest)} neutral faces called an emotion", "%", ours, known, "embedded model")


def speed(bench: Bench) -> Iterator[Row]:
    """Reading and framing, beside reading alone."""
    files = bench.pictures(PHOTOGRAPHS, "train", LABELS, SIZES[-1])
    link(files, bench.work / "data" / "speed")
    yield from framing_time("photographs of 640×480", bench.work / "data" / "speed", LABELS)
    yield from framing_time("crops of 48×48", bench.shared / "fer2013" / "train", ())


def layouts(bench: Bench) -> Iterator[Row]:
    """Pictures that are used of each of the shapes in which people keep data sets."""
    script, folder = bench.shared / "cases" / "data_layouts.py", bench.work / "layouts"
    subprocess.run([sys.executable, script, folder], check=True, stdout=subprocess.DEVNULL)
    for root in sorted(path for path in folder.iterdir() if path.is_dir()):
        own = ("wütend", "fröhlich", "traurig") if root.name == "decomposed" else LABELS
        count = sum(path.is_file() for path in root.rglob("*"))
        try:
            source = open_source(str(root), Wanted(own))
        except DataError as error:
            yield Row(f"{root.name}: {error}".replace(str(folder), "…"), "pictures used", 0, count, "of")
            continue
        used = sum(map(len, source.splits.values()))
        yield Row(root.name, "pictures used", used, count, "of")


ROWS = {
    "layouts": layouts,
    "speed": speed,
    "photographs": photographs,
    "neutral": neutral,
    "sizes": sizes,
    "labels": labels,
    "kaggle": kaggle,
    "nothing": nothing,
}


def link(files: Files, folder: Path) -> None:
    """Link files into a folder per label."""
    for name, paths in files.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in paths:
            if not (folder / name / path.name).is_symlink():
                (folder / name / path.name).symlink_to(path.resolve())


def right_in_app(classifier: EmotionClassifier, files: Files) -> tuple[int, int]:
    """Ask the classifier as the app does; return right answers and pictures."""
    right = count = 0
    for name, paths in files.items():
        for path in paths:
            found = classifier.predict(path)
            best = max(found[0].probabilities.items(), key=lambda item: item[1])[0] if found else None
            right, count = right + (best == name), count + 1
    return right, count


def share_right(classifier: EmotionClassifier, files: Files) -> float:
    """Return the same in percent."""
    right, count = right_in_app(classifier, files)
    return 100 * right / count


@contextmanager
def stopwatch() -> Iterator[list[float]]:
    """Measure the block: the list is empty before, then wall and processor seconds, of children too."""
    spent: list[float] = []
    begun, used = time.perf_counter(), sum(os.times()[:4])
    yield spent
    spent += [time.perf_counter() - begun, sum(os.times()[:4]) - used]


def framing_time(what: str, root: Path, names: Sequence[str]) -> Iterator[Row]:
    """Measure reading and framing of a folder, and reading alone."""
    examples = next(iter(open_source(str(root), Wanted(tuple(names))).splits.values()))
    for memory, done in ((FaceMemory(None), "searched and framed"), (None, "only read")):
        with stopwatch() as seconds:
            take_prints(examples, memory=memory, smallest=48)
        yield from Spent(*seconds).rows(f"{len(examples)} {what}, {done}")


if __name__ == "__main__":
    main()
