"""What each `--litert-precision` costs and saves: size, processor time and changed answers, against float32.

python -m benchmarks.precision --data ../shared/fer2013
python -m benchmarks.precision --data ../shared/fer2013 --model runs/today
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import percent, table
from emotion import EmotionClassifier
from emotion.config import TrainingConfig
from emotion.data.dataset import load_dataset
from emotion.errors import EmotionError
from emotion.model.description import LITERT_FILE
from emotion.model.engines import LiteRTNetwork
from emotion.model.keras_engine import export_litert, load_keras
from emotion.model.loading import EMBEDDED

PRECISIONS = ("float32", "float16", "int8")
TIMED_ROUNDS = 200


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="labelled faces; the calibration half is asked")
    parser.add_argument(
        "--model", default=EMBEDDED, help="folder of a saved model; by default the embedded one"
    )
    options = parser.parse_args()
    try:
        print(measure(options.data, Path(options.model)))
    except EmotionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def measure(data: str, model: Path) -> str:
    """Return the table; everything runs on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    classifier = EmotionClassifier.from_pretrained(model)
    config = TrainingConfig.from_dict(classifier.description.training)
    examples = load_dataset(replace(config, data=data)).calibration
    size = classifier.input_size
    faces = examples.load(np.arange(len(examples)), size, classifier.channels).astype(np.float32)
    keras_model = load_keras(model)
    networks, bytes_ = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in PRECISIONS:
            path = Path(folder) / f"{precision}.{LITERT_FILE}"
            export_litert(keras_model, path, size=size, precision=precision)
            networks[precision], bytes_[precision] = LiteRTNetwork(path), path.stat().st_size
    seconds = processor_seconds(networks, faces)
    answers = {precision: network(faces) for precision, network in networks.items()}
    labels = len(classifier.labels)
    full = answers["float32"]
    rows = [["", *PRECISIONS]]
    rows.append(["size of model.tflite", *(f"{bytes_[p] / 2**20:.2f} MiB" for p in PRECISIONS)])
    times = [f"{seconds[p] * 1000:.2f} ms ({seconds[p] / seconds['float32']:.2f}×)" for p in PRECISIONS]
    rows.append(["processor time per face (× float32's)", *times])
    changes = [np.abs(answers[p] - full) for p in PRECISIONS]
    rows.append(["mean change of a probability", *(f"{change.mean():.4f}" for change in changes)])
    rows.append(["largest change of a probability", *(f"{change.max():.4f}" for change in changes)])
    same = [
        float((answers[p][:, :labels].argmax(axis=1) == full[:, :labels].argmax(axis=1)).mean())
        for p in PRECISIONS
    ]
    rows.append([f"same label, of {len(faces)} faces", *map(percent, same)])
    return table(rows)


def processor_seconds(networks: dict[str, LiteRTNetwork], faces: np.ndarray) -> dict[str, float]:
    """Median processor time of one face, the networks taking turns."""
    times: dict[str, list[float]] = {name: [] for name in networks}
    for turn in range(TIMED_ROUNDS):
        for name, network in networks.items():
            start = time.process_time()
            network(faces[turn % len(faces)][None])
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


if __name__ == "__main__":
    sys.exit(main())
