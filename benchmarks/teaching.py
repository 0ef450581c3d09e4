"""What "Teach it" brings, whether its interval keeps its promise, and how long it takes.

python -m benchmarks.teaching --data ../shared/fer2013
python -m benchmarks.teaching --data FOLDER --model owner/name --visitors 40

A visitor is a camera: one of the kinds of damage that training's report measures (too dark, blurred, …),
which all faces have in common here. The faces are those of FER2013's validation folder, or of any folder
with one folder per label. Of each visitor some are taught; others, which the lesson never sees, tell the
true gain. Many faces of one real person would be better, and are not to be had with a licence that allows
it: expect more of one person.

Printed are, for several numbers of snapshots per expression: the mean true gain in right answers; how often
the interval that the app shows holds it; how often a gain is called sure, and how often that is wrong (the
true gain is 0 or less); and the seconds of one lesson.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.rows import Row, print_rows
from emotion import EmotionClassifier
from emotion.teaching.teach import FineTuner, taught_names
from emotion.training.augmentation import CONDITIONS

SNAPSHOTS = (5, 10, 20, 40)
FRESH = 60  # faces of each expression that tell the true gain
MOST = 300  # faces of each expression that are looked at


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model")
    parser.add_argument("--visitors", type=int, default=60, help="for every number of snapshots")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tuner = FineTuner(EmotionClassifier.from_pretrained(options.model))
    features, shown = look(tuner, options.data)
    rng = np.random.default_rng(options.seed)
    rows = []
    for number in SNAPSHOTS:
        lessons = [
            lesson(tuner, features[rng.choice(list(features))], shown, number, rng)
            for _ in tqdm(range(options.visitors), f"{number} snapshots")
        ]
        gains, inside, sure, seconds = (np.array(column) for column in zip(*lessons, strict=True))
        each = f"{number} snapshots of each expression"
        rows += [
            Row(f"{each}: true gain, mean", "points", 100 * gains.mean()),
            Row(f"{each}: the interval holds it", "%", 100 * inside.mean()),
            Row(f"{each}: a gain is called sure", "%", 100 * sure.mean()),
            Row(f"{each}: … and is none", "%", 100 * (sure & (gains <= 0)).mean()),
            Row(f"{each}: one lesson, median", "s", float(np.median(seconds))),
            Row(f"{each}: one lesson, longest", "s", seconds.max()),
        ]
    print_rows(rows)


def look(tuner: FineTuner, data: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features of the same faces through every camera, and what each shows."""
    folder = data / "validation" if (data / "validation").is_dir() else data
    faces, shown = [], []
    for name in taught_names(tuner.classifier):
        for path in sorted((folder / name).iterdir())[:MOST]:
            size = (tuner.classifier.input_size,) * 2
            mode = "L" if tuner.classifier.channels == 1 else "RGB"
            pixels = np.asarray(Image.open(path).convert(mode).resize(size))
            faces.append(pixels.reshape(*size, -1))
            shown.append(name)
    features = {}
    for name, damage in tqdm(CONDITIONS.items(), "Cameras"):
        damaged = np.stack([damage(face) for face in faces]).astype(np.float32)
        features[name] = tuner.network.features(damaged)
    return features, np.array(shown)


def lesson(
    tuner: FineTuner, features: np.ndarray, shown: np.ndarray, number: int, rng: np.random.Generator
) -> tuple[float, bool, bool, float]:
    """The true gain of one visitor, whether the interval holds it, whether it is called sure, and seconds."""
    chosen = {name: rng.permutation(np.flatnonzero(shown == name)) for name in dict.fromkeys(shown)}
    taught_on = np.concatenate([places[:number] for places in chosen.values()])
    fresh = np.concatenate([places[number : number + FRESH] for places in chosen.values()])
    started = time.perf_counter()
    taught, gain = tuner.teach(features[taught_on], shown[taught_on].tolist())
    seconds = time.perf_counter() - started
    judge = tuner.judge(shown[fresh].tolist())
    heads = (tuner.network.head, taught.network.head)
    before, after = (judge(head.answer(features[fresh])).mean() for head in heads)
    low, high = gain.interval
    return after - before, low <= after - before <= high, gain.is_sure, seconds


if __name__ == "__main__":
    main()
