"""The app and the command line under load: many people, pictures and cameras, and the memory they take.

python -m benchmarks.load
python -m benchmarks.load --only people burst --faces ../shared/fer2013/validation --output load.json
python -m benchmarks.load --only growth folder            (long)

Every app is started by the benchmark itself on loopback and visited there. Printed is one row per figure, in
groups that --only picks (all but growth and folder unless named):

people   20 people who upload pictures of 640×480 and ask `/classify`, each as fast as the answers come, for a
         minute: errors, answers per second, the seconds within which 95 % come; beside an empty Gradio app
         (an image in, JSON out) that gets the same in turn.
burst    300 requests at the same moment: how many are answered, how many are told "busy" and how soon, how
         many fail.
memory   of the app and all its processes at its largest and afterwards, for 100 pictures of 12 megapixels
         asked of the API, then for 100 on the tab for one photo, each from a visitor whose session stays
         open.
live     camera frames per second that the server answers for, where browsers cannot, on one processor, inside
         the app's function and with everything around it;
         then eight cameras at once on all processors: frames per second of the slowest, and cameras that had
         to wait longer than a second for their first answer.
growth   memory after 2,000 requests, less that after the first 500.
folder   `python -m emotion` over 2,000 pictures: pictures per second beside `--workers 1`, the memory at its
         largest, and how much larger it is in the last quarter than in the second.

The pictures are composed (see `benchmarks.scenes`) from those below the folder --faces, or from the portraits
in examples/. Linux only.
"""

import argparse
import base64
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.apps import EMPTY, OURS, ROOT, App, MemoryLog, Told, Visitor, memory, running
from benchmarks.rows import Row, add_output, percentile, print_groups
from benchmarks.scenes import compose, face_files, film

TWELVE_MEGAPIXELS = (4000, 3000)  # pixels
PICTURES = 40  # different ones; every upload is made unique by a few bytes behind the picture
LARGE_PICTURES = 6
AT_ONCE = 4  # people who send large pictures at the same time
SETTLES_WITHIN = 3  # seconds after which memory is measured again
BUSY_WITHIN = 1.0  # seconds: what being told "busy" may take
CAMERAS = 8
FRAME_INTERVAL = 0.1  # seconds: the page's cameras send no faster
FRAMES = 40
FILM_SECONDS = 15


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS)[:4], metavar="GROUP")
    parser.add_argument("--faces", type=Path, help="folder with tight face crops (default: examples/)")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60, help="of uploading (default: 60)")
    parser.add_argument("--burst", type=int, default=300, help="requests at once (default: 300)")
    parser.add_argument("--photos", type=int, default=100, help="of 12 megapixels (default: 100)")
    parser.add_argument("--requests", type=int, default=2000, help="for growth (default: 2000)")
    parser.add_argument("--files", type=int, default=2000, help="for the folder (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    add_output(parser)
    options = parser.parse_args()
    return print_groups(GROUPS, options)


# --- Many people --------------------------------------------------------------------------------------------


def people(options: argparse.Namespace) -> list[Row]:
    """Let many people upload at once, to ours and to the empty app in turn, twice half the time each."""
    photographs = pictures(options, PICTURES)
    told: dict[Path, list[Told]] = {OURS: [], EMPTY: []}
    turn = options.seconds / 2
    for script in tqdm([OURS, EMPTY] * 2, desc="people", leave=False, disable=None):
        with running(script) as app:
            crowd(app, photographs, options.people, seconds=2)  # the first answers load libraries
            told[script] += crowd(app, photographs, options.people, seconds=turn)
    answered = {script: [each.seconds for each in said if not each.error] for script, said in told.items()}
    if not all(answered.values()):
        errors = [each.error for said in told.values() for each in said if each.error]
        raise RuntimeError(f"No request was answered: {errors[0] if errors else 'none came in time'}")
    ours, empty = answered[OURS], answered[EMPTY]
    name, beside = f"{options.people} people", "empty Gradio app"
    errors = [sum(each.error is not None for each in told[script]) for script in (OURS, EMPTY)]
    return [
        Row(f"{name}: errors", "requests", *errors, beside),
        Row(
            f"{name}: answers",
            "per second",
            len(ours) / options.seconds,
            len(empty) / options.seconds,
            beside,
        ),
        Row(f"{name}: 95 % within", "s", percentile(ours, 0.95), percentile(empty, 0.95), beside),
        Row(f"{name}: half within", "s", percentile(ours, 0.5), percentile(empty, 0.5), beside),
    ]


def crowd(app: App, photographs: list[bytes], number: int, *, seconds: float) -> list[Told]:
    """Let people upload picture after picture; return what they were told by those who asked in time."""
    end = time.monotonic() + seconds
    turns = iter(Uniquely(photographs))

    def person(_: int) -> list[Told]:
        told = []
        with closing(Visitor(app)) as visitor:
            while time.monotonic() < end:
                answer = visitor.classify(next(turns))
                if time.monotonic() <= end:
                    told.append(answer)
        return told

    with ThreadPoolExecutor(number) as threads:
        return list(itertools.chain.from_iterable(threads.map(person, range(number))))


def burst(options: argparse.Namespace) -> list[Row]:
    """Ask for far more answers at one moment than the app can give soon."""
    number = options.burst
    with running(OURS) as app:
        with closing(Visitor(app)) as visitor:
            visitor.classify(pictures(options, 1)[0])
            turns = Uniquely(pictures(options, PICTURES))
            paths = [visitor.upload(next(turns)) for _ in range(number)]
        start = threading.Barrier(number)

        def ask(path: str) -> Told:
            with closing(Visitor(app)) as visitor:
                start.wait()
                return visitor.classify_uploaded(path)

        with ThreadPoolExecutor(number) as threads:
            told = list(threads.map(ask, paths))
    busy = [each.seconds for each in told if each.busy]
    answered = [each.seconds for each in told if not each.error]
    name = f"{number} at one moment"
    return [
        Row(f"{name}: answered", "requests", len(answered)),
        Row(f"{name}: the last answer", "s", max(answered, default=None)),
        Row(f'{name}: told "busy"', "requests", len(busy)),
        Row(
            f'{name}: told "busy" within {BUSY_WITHIN:g} s',
            "requests",
            sum(each <= BUSY_WITHIN for each in busy),
        ),
        Row(f'{name}: the last one told "busy"', "s", max(busy, default=None)),
        Row(f"{name}: other errors", "requests", number - len(busy) - len(answered)),
    ]


# --- Memory -------------------------------------------------------------------------------------------------


def memory_of_photos(options: argparse.Namespace) -> list[Row]:
    """Send large photographs, first to the API, then from visitors that the app has to remember."""
    photographs = pictures(options, LARGE_PICTURES, size=TWELVE_MEGAPIXELS, sides=(900, 2400))
    rows = []
    for name, ask in (("API", Visitor.classify), ("tab, sessions open", Visitor.show_photo)):
        with running(OURS) as app:
            idle = memory(app.pid)
            visitors = [Visitor(app) for _ in range(options.photos)]
            with MemoryLog(app.pid) as log:
                told = spread(ask, visitors, Uniquely(photographs), f"photos, {name}")
                time.sleep(SETTLES_WITHIN)
                after = memory(app.pid)
            for visitor in visitors:
                visitor.close()
        figure = f"{options.photos} photos of 12 megapixels, {name}"
        rows += [
            Row(f"{figure}: most memory", "MB", log.peak, idle, "before the first"),
            Row(f"{figure}: afterwards", "MB", after, idle, "before the first"),
            Row(f"{figure}: errors", "requests", sum(each.error is not None for each in told)),
        ]
    return rows


def growth(options: argparse.Namespace) -> list[Row]:
    """Compare the memory after a quarter of many requests with that after all of them."""
    photographs = pictures(options, PICTURES)
    quarters = []
    with running(OURS) as app:
        visitors = [Visitor(app) for _ in range(AT_ONCE)]
        for _ in range(4):
            batch = [visitors[number % AT_ONCE] for number in range(options.requests // 4)]
            told = spread(Visitor.classify, batch, Uniquely(photographs), "growth")
            if errors := [each.error for each in told if each.error]:
                raise RuntimeError(f"{len(errors)} of {len(told)} requests failed: {errors[0]}")
            time.sleep(SETTLES_WITHIN)
            quarters.append(memory(app.pid))
    name = f"memory after {options.requests} requests"
    return [
        Row(name, "MB", quarters[-1], quarters[0], f"after the first {options.requests // 4}"),
        Row(f"{name}: growth", "MB", quarters[-1] - quarters[0]),
        Row(f"{name}: growth in the second half", "MB", quarters[-1] - quarters[1]),
    ]


def spread(
    ask: Callable[[Visitor, bytes], Told], visitors: list[Visitor], turns: Iterable[bytes], name: str
) -> list[Told]:
    """Let every visitor ask once, a few at the same time and none of them twice at once."""
    lanes = [visitors[lane::AT_ONCE] for lane in range(AT_ONCE)]
    with tqdm(total=len(visitors), desc=name, leave=False, disable=None) as bar:

        def walk(lane: list[Visitor]) -> list[Told]:
            told = []
            for visitor in lane:
                told.append(ask(visitor, next(turns)))
                bar.update()
            return told

        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(itertools.chain.from_iterable(threads.map(walk, lanes)))


# --- Cameras ------------------------------------------------------------------------------------------------


def live(options: argparse.Namespace) -> list[Row]:
    """Hold frames of a moving face before one camera on one processor, then before several on all of them."""
    rng = np.random.default_rng(options.seed)
    faces = face_files(options.faces)
    frames = [
        "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        for jpeg in film(faces[rng.integers(len(faces))], rng, frames=FRAMES, colour=True)
    ]
    with running(OURS, cores={min(os.sched_getaffinity(0))}) as app, closing(Visitor(app)) as visitor:
        visitor.film(frames, seconds=2)
        alone = visitor.film(frames, seconds=FILM_SECONDS)
    with running(OURS) as app:
        with closing(Visitor(app)) as visitor:
            visitor.film(frames, seconds=2)
        visitors = [Visitor(app) for _ in range(CAMERAS)]
        with ThreadPoolExecutor(CAMERAS) as threads:
            together = list(
                threads.map(
                    lambda visitor: visitor.film(frames, seconds=FILM_SECONDS, least_interval=FRAME_INTERVAL),
                    visitors,
                )
            )
        for visitor in visitors:
            visitor.close()
    inside = percentile((frame.inside for frame in alone[1:]), 0.5)
    name = f"{CAMERAS} cameras at once"
    return [
        Row("one camera, one processor: inside the app's function", "frames per second", 1 / inside),
        Row("one camera, one processor: with all around it", "frames per second", len(alone) / FILM_SECONDS),
        Row(f"{name}: the slowest", "frames per second", min(map(len, together)) / FILM_SECONDS),
        Row(f"{name}: had to wait", "cameras", sum(frames[0].answered > 1 for frames in together)),
    ]


# --- Folders ------------------------------------------------------------------------------------------------


def folder(options: argparse.Namespace) -> list[Row]:
    """Run `python -m emotion` over many files with all workers and with one."""
    photographs = pictures(options, PICTURES * 5)
    rates, logs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(options.files):
            Path(scratch, f"{number:05}.jpg").write_bytes(photographs[number % len(photographs)])
        for workers in ([], ["--workers", "1"]):
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "emotion", scratch, *workers],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            with MemoryLog(process.pid) as log:
                process.wait()
            rates.append(options.files / (time.perf_counter() - started))
            logs.append(log)
            if process.returncode:
                raise RuntimeError(f"python -m emotion ended with {process.returncode}.")
    name, beside = f"python -m emotion, {options.files} pictures", "--workers 1"
    grown = [log.mean(0.75, 1) - log.mean(0.25, 0.5) for log in logs]
    return [
        Row(f"{name}: rate", "per second", *rates, beside),
        Row(f"{name}: most memory", "MB", *(log.peak for log in logs), beside),
        Row(f"{name}: growth, second to last quarter", "MB", *grown, beside),
    ]


# --- Pictures -----------------------------------------------------------------------------------------------


def pictures(options: argparse.Namespace, number: int, **how: object) -> list[bytes]:
    """Compose photographs with one face each, 640×480, faces of 110 to 260 pixels unless told otherwise."""
    faces = face_files(options.faces)
    rng = np.random.default_rng(options.seed)
    return [compose([faces[rng.integers(len(faces))]], rng, colour=True, **how).jpeg for _ in range(number)]


class Uniquely:
    """Endless pictures, no two of them with the same bytes; threads may share it."""

    def __init__(self, photographs: list[bytes]) -> None:
        self._turns = itertools.cycle(photographs)
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def __iter__(self) -> "Uniquely":
        return self

    def __next__(self) -> bytes:
        with self._lock:
            return next(self._turns) + next(self._numbers).to_bytes(8) + os.urandom(8)


GROUPS = {
    "people": people,
    "burst": burst,
    "memory": memory_of_photos,
    "live": live,
    "growth": growth,
    "folder": folder,
}


if __name__ == "__main__":
    sys.exit(main())
