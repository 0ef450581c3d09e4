"""How long one answer takes, from the file to the emotion, beside the package `fer` on the same files.

python -m benchmarks.latency
python -m benchmarks.latency --faces ../shared/fer2013/validation --output latency.json
python -m benchmarks.latency --only pictures --pictures 5 --rounds 4

Printed are medians and the ratio of medians, one row per figure:

pictures   wall and processor time of one picture file, and the faces found per picture, for photographs of
           640×480 and 1280×720 with one face and of 12 megapixels with a large face or without any. Both
           programs are processes that live on; they take turns on every file after a warm-up.
start      seconds that `EmotionClassifier.from_pretrained()` takes in a fresh process, import included,
           beside the import of numpy and Pillow; the first answer in a fresh process, beside `fer`; and
           `python app.py` until its first page, beside an empty Gradio app.

The photographs are composed (see `benchmarks.scenes`) from the pictures below the folder --faces, tight crops
of faces; without it, from the portraits in examples/, so that anyone can run this. `fer` is installed into an
environment of its own on first use.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.apps import EMPTY, OURS, ROOT, running
from benchmarks.peers.environments import fer_python
from benchmarks.rows import Row, add_output, hand_out, in_turn, medians
from benchmarks.scenes import CAMERA_QUALITY, JPEG_QUALITY, compose, face_files

TWELVE_MEGAPIXELS = (4000, 3000)  # pixels


@dataclass(frozen=True)
class Photograph:
    """One kind of picture: its size, the share of its height that a face takes, and its JPEG quality."""

    name: str
    size: tuple[int, int]
    shares: tuple[float, float] | None
    quality: int = JPEG_QUALITY


PHOTOGRAPHS = (
    Photograph("640×480, one face", (640, 480), (0.25, 0.55)),
    Photograph("1280×720, one face", (1280, 720), (0.25, 0.55)),
    Photograph("12 megapixels, one large face", TWELVE_MEGAPIXELS, (0.3, 0.8)),
    Photograph("12 megapixels, no face", TWELVE_MEGAPIXELS, None),
    Photograph("… one large face, JPEG quality 92", TWELVE_MEGAPIXELS, (0.3, 0.8), CAMERA_QUALITY),
)
# The portraits in examples/ show more than the face, so they are set in larger.
PORTRAIT = 1.2

READY = """
import time; start = time.perf_counter()
from emotion import EmotionClassifier; EmotionClassifier.from_pretrained()
print(time.perf_counter() - start)"""
IMPORTS = """
import time; start = time.perf_counter()
import numpy, PIL.Image
print(time.perf_counter() - start)"""
FIRST_ANSWER = """
import sys, time; start = time.perf_counter()
from emotion import EmotionClassifier; EmotionClassifier.from_pretrained().predict(sys.argv[1])
print(time.perf_counter() - start)"""
FER_FIRST_ANSWER = """
import sys, time; start = time.perf_counter()
import cv2
from fer.fer import FER; FER().detect_emotions(cv2.imread(sys.argv[1]))
print(time.perf_counter() - start)"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=Path, help="folder with tight face crops (default: examples/)")
    parser.add_argument("--only", choices=("pictures", "start"), help="leave the other out")
    parser.add_argument("--pictures", type=int, default=8, help="different ones per row (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is looked at (default: 5)")
    parser.add_argument("--starts", type=int, default=5, help="fresh processes of each kind (default: 5)")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    options = parser.parse_args()
    rows: list[Row] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = {kind: draw(kind, Path(folder), options) for kind in PHOTOGRAPHS}
            if options.only != "start":
                rows += looking(files, options.rounds)
            if options.only != "pictures":
                rows += starting(files[PHOTOGRAPHS[0]][0], options.starts)
    except (ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    hand_out(rows, options)
    return 0


def draw(kind: Photograph, folder: Path, options: argparse.Namespace) -> list[Path]:
    """Compose the pictures of one kind and write them as files."""
    faces, paths = face_files(options.faces), []
    for number in range(options.pictures):
        rng = np.random.default_rng([options.seed, PHOTOGRAPHS.index(kind), number])
        how: dict = {"size": kind.size, "quality": kind.quality, "colour": True}
        sources = []
        if kind.shares:
            larger = 1 if options.faces else PORTRAIT
            how["sides"] = tuple(round(kind.size[1] * min(1, share * larger)) for share in kind.shares)
            sources = [faces[rng.integers(len(faces))]]
        paths.append(folder / f"{PHOTOGRAPHS.index(kind)}-{number}.jpg")
        paths[-1].write_bytes(compose(sources, rng, **how).jpeg)
    return paths


def looking(files: dict[Photograph, list[Path]], rounds: int) -> list[Row]:
    """Let both programs look at every file in turn."""
    rows = []
    with (
        worker(sys.executable, "benchmarks.peers.emotion_times") as ours,
        worker(str(fer_python()), "benchmarks.peers.fer_times") as peer,
    ):
        for kind, paths in files.items():
            for look in (ours, peer):
                look(paths[0])
            turns = [path for _ in range(rounds) for path in paths]
            pairs = [
                (ours(path), peer(path)) for path in tqdm(turns, desc=kind.name, leave=False, disable=None)
            ]
            for key in ("wall", "processor"):
                times = [[answer[key] * 1000 for answer in answers] for answers in zip(*pairs, strict=True)]
                rows.append(medians(f"{kind.name}: {key} time", "ms", *times, beside="fer"))
            found = [np.mean([answer["faces"] for answer in answers]) for answers in zip(*pairs, strict=True)]
            rows.append(Row(f"{kind.name}: faces found", "per picture", *map(float, found), beside="fer"))
    return rows


@contextmanager
def worker(python: str, module: str) -> Iterator:
    """Start a process that answers about one path at a time; yields the function that asks it."""
    process = subprocess.Popen(
        [python, "-m", module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )

    def ask(path: Path) -> dict:
        process.stdin.write(f"{path}\n")
        said = process.stdout.readline()
        if not said:
            raise RuntimeError(f"{module} ended early. Run it by hand in {ROOT}: {python} -m {module}")
        return json.loads(said)

    try:
        process.stdout.readline()
        yield ask
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def starting(picture: Path, rounds: int) -> list[Row]:
    """Start fresh processes in turn."""

    def seconds(python: Path | str, code: str) -> float:
        done = subprocess.run(
            [python, "-c", code, picture], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"A fresh process failed: {done.stderr[-500:]}")
        return float(done.stdout.split()[-1])

    def first_page(script: Path) -> float:
        with running(script) as app:
            return app.first_page

    here, there = sys.executable, fer_python()
    fresh = (
        ("from_pretrained() in a fresh process", READY, here, IMPORTS, "import numpy, PIL"),
        ("first answer of a fresh process", FIRST_ANSWER, there, FER_FIRST_ANSWER, "fer"),
    )
    rows = []
    for figure, ours, python, peer, beside in fresh:
        seconds(here, ours), seconds(python, peer)  # files come from the disk's cache from here on
        turns = in_turn(
            lambda code=ours: seconds(here, code), lambda code=peer, at=python: seconds(at, code), rounds
        )
        rows.append(medians(figure, "s", *turns, beside=beside))
    turns = in_turn(lambda: first_page(OURS), lambda: first_page(EMPTY), rounds)
    rows.append(medians("python app.py to the first page", "s", *turns, beside="empty Gradio app"))
    return rows


if __name__ == "__main__":
    sys.exit(main())
