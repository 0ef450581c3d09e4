"""How fast `train.py` shows pictures to a network, beside a plain Keras loop over arrays in memory.

python -m benchmarks.training
python -m benchmarks.training --data ../shared/fer2013 --pictures 8192 --rounds 5 --output training.json

Both fit the same network with the same optimiser on the same pictures, in turn, an epoch each. Ours decodes
files and changes every face anew; the plain loop has decoded pictures in memory and changes nothing. Printed
is one row per figure: pictures per second, in the first epoch (which decodes) and later, and the share of the
time in which the network had to wait for pictures.

The pictures are those of --data, or faces that the tests draw.
"""

import argparse
import functools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from benchmarks.rows import Row, add_output, hand_out, in_turn, medians
from emotion.config import TrainingConfig
from emotion.data.batches import FaceBatches
from emotion.data.examples import CachedExamples, Examples, Wanted
from emotion.data.sources import open_source
from emotion.training.augmentation import augment
from emotion.training.fit import compile_network
from emotion.training.networks import build_network


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="labelled pictures (default: drawn ones)")
    parser.add_argument("--pictures", type=int, default=4096, help="per epoch (default: 4096)")
    parser.add_argument("--rounds", type=int, default=3, help="later epochs of each kind (default: 3)")
    parser.add_argument("--workers", type=int, help="as train.py's (default: the same)")
    parser.add_argument("--batch-size", type=int, help="as train.py's (default: the same)")
    parser.add_argument("--precision", help="as train.py's (default: the same)")
    add_output(parser)
    options = parser.parse_args()
    names = ("workers", "batch_size", "precision")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(TrainingConfig(data=options.data or draw(Path(folder)), labels=(), **given), options)
    hand_out(rows, options)
    return 0


def draw(folder: Path) -> str:
    """Write drawn faces; which they are does not matter."""
    from tests.drawn_faces import EMOTIONS, write_data_set

    return str(write_data_set(folder, train=256, validation=1, emotions=EMOTIONS))


def compare(config: TrainingConfig, options: argparse.Namespace) -> list[Row]:
    """Fit both ways, an epoch in turn, and return a row per figure."""
    source = open_source(config.data[0], Wanted(config.labels))
    examples = source.splits.get("train") or source.splits["all"]
    chosen = examples.subset(np.arange(options.pictures) % len(examples))
    outputs = len(source.outputs)
    ours, plain = Fitting(config, outputs), Fitting(config, outputs)
    batches = prepare(config, chosen, outputs)
    faces = chosen.load(np.arange(len(chosen)), config.image_size, config.channels).astype(np.float32)
    arrays = (faces, np.eye(outputs, dtype=np.float32)[chosen.targets])
    # One step compiles; the decoded faces that it leaves behind are a hundredth of the epoch.
    for fitting in (ours, plain):
        fitting.network.train_on_batch(*(array[: config.batch_size] for array in arrays))
    first = ours.epoch(batches)
    first_plain = plain.epoch(*arrays)
    later, later_plain = in_turn(lambda: ours.epoch(batches), lambda: plain.epoch(*arrays), options.rounds)
    name, beside = f"{config.architecture}, {config.workers} workers", "a plain Keras loop"
    rate = "pictures per second"
    return [
        Row(f"{name}: the first epoch", rate, first, first_plain, beside),
        medians(f"{name}: later epochs", rate, later, later_plain, beside),
        Row(f"{name}: waited for pictures, the first epoch", "%", 100 * ours.waited[0]),
        Row(f"{name}: waited for pictures, later epochs", "%", 100 * float(np.median(ours.waited[1:]))),
    ]


def prepare(config: TrainingConfig, examples: Examples, outputs: int) -> FaceBatches:
    """Make the batches that `emotion.training.fit` would."""
    cached = CachedExamples.of(examples, config.image_size, config.channels, limit=config.cache_mib * 2**20)
    return FaceBatches(
        cached,
        outputs=outputs,
        batch_size=config.batch_size,
        size=config.image_size,
        channels=config.channels,
        shuffle=True,
        seed=config.seed,
        augment=functools.partial(augment, config=config),
        workers=config.workers,
    )


class Fitting:
    """A network that is fitted epoch by epoch, and how long each took.

    Attributes
    ----------
    waited : list of float
        Of every epoch, the share of its time in which the network waited for the next batch, 0..1.
    """

    def __init__(self, config: TrainingConfig, outputs: int) -> None:
        self.batch_size = config.batch_size
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(config.precision)
        self.network = build_network(config, outputs)
        keras.config.set_dtype_policy(before)
        compile_network(self.network, config, steps_per_epoch=100)
        self.waited: list[float] = []

    def epoch(self, *data: object) -> float:
        """Fit one epoch and return the pictures per second."""
        batches = data[0] if isinstance(data[0], FaceBatches) else None
        options = {"shuffle": False} if batches is not None else {"batch_size": self.batch_size}
        with waiting() as seconds:
            started = time.perf_counter()
            self.network.fit(*data, verbose=0, **options)
            took = time.perf_counter() - started
        self.waited.append(sum(seconds) / took)
        return (len(batches.examples) if batches is not None else len(data[0])) / took


@contextmanager
def waiting() -> Iterator[list[float]]:
    """Measure the seconds for which Keras waits for each batch that threads prepare for it."""
    seconds: list[float] = []
    original = PyDatasetAdapter._get_iterator  # noqa: SLF001 (Keras offers no other place to look)

    def measured(adapter: PyDatasetAdapter) -> Iterator[object]:
        batches = original(adapter)
        while True:
            started = time.perf_counter()
            batch = next(batches, None)
            seconds.append(time.perf_counter() - started)
            if batch is None:
                return
            yield batch

    PyDatasetAdapter._get_iterator = measured  # noqa: SLF001
    try:
        yield seconds
    finally:
        PyDatasetAdapter._get_iterator = original  # noqa: SLF001


if __name__ == "__main__":
    sys.exit(main())
