"""Whether a face that leaves the picture and returns keeps its number, and whether another person gets it.

    python -m benchmarks.tracking --faces FOLDER [--people 200] [--gap 2]

FOLDER holds tight face crops of different people, in colour if possible. Each is set into frames of a camera,
found and followed as in a clip. When it returns it is elsewhere, larger or smaller, rolled, in another light,
and noisy; it stays the same photograph, so the change of a real head between two moments is not measured.
Beside our figures stand those of the same tracker without looks, which recognises no one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from benchmarks.rows import Row, as_json, print_rows
from benchmarks.scenes import background, face_files
from emotion import EmotionClassifier
from emotion.video.follow import answers_and_looks
from emotion.video.tracking import FaceTracker
from emotion.vision.faces import detect_faces_in_frame

SIZE = (640, 480)
# Pixels.
FACE_SIDES = (110, 170)
# Frames a visit lasts, and seconds between them.
FRAMES, STEP = 5, 0.1
# What changes until a return: degrees, share of the brightness, and spread of the noise in grey levels.
ROLL, LIGHT, NOISE = 8.0, 0.25, 5.0
# Left and right.
PLACES = (20, 340)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, help="folder with tight face crops (default: examples/)")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--gap", type=float, default=2.0, help="seconds without a face")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    files = face_files(options.faces)
    files = [files[index] for index in rng.permutation(len(files))[: options.people]]
    rows = measure([Image.open(path).convert("RGB") for path in files], options.gap, rng)
    print(as_json(rows) if options.json else "", end="")
    if not options.json:
        print_rows(rows)


def measure(people: Sequence[Image.Image], gap: float, rng: np.random.Generator) -> list[Row]:
    """Let every person return, be followed by another, and leave and return together with another."""
    classifier = EmotionClassifier.from_pretrained()

    def visits(*persons: tuple[Image.Image, int]) -> list[tuple]:
        return [
            answers_and_looks(classifier, frame, detect_faces_in_frame(frame)) for frame in film(persons, rng)
        ]

    alone = [(visits((person, PLACES[0])), visits((person, PLACES[rng.integers(2)]))) for person in people]
    others = [*people[1:], people[0]]
    pairs = zip(people, others, strict=True)
    together = [
        (visits((one, PLACES[0]), (two, PLACES[1])), visits((two, PLACES[0]), (one, PLACES[1])))
        for one, two in pairs
    ]
    followed = [
        (first, second) for (first, _), (_, second) in zip(alone, [*alone[1:], alone[0]], strict=True)
    ]
    scenes: list[tuple[str, Sequence, Callable[[list[list[int]], list[list[int]]], float | None]]] = [
        ("a face returns: keeps its number", alone, lambda before, after: after[-1] == before[-1]),
        ("another person comes: gets the first one's number", followed, lambda b, a: a[-1] == b[-1]),
        (
            "two return in each other's place: both keep their numbers",
            together,
            lambda b, a: a[-1] == b[-1][::-1],
        ),
        ("... at least one got the other's number", together, _mixed_up),
    ]
    rows = []
    for name, takes, judge in scenes:
        ours, peer = (share(takes, gap, judge, classifier.labels, known=known) for known in (True, False))
        rows.append(Row(f"{name}, after {gap:g} s", "%", ours, peer, "without looks"))
    return rows


def _mixed_up(before: list[list[int]], after: list[list[int]]) -> bool:
    return any(old == new for old, new in zip(before[-1], after[-1], strict=True))


def share(takes: Sequence, gap: float, judge: Callable, labels: Sequence[str], *, known: bool) -> float:
    """Return in how many takes, in percent, the judge agrees, without those where a face was missed."""
    verdicts = []
    for first, second in takes:
        tracker = FaceTracker(labels=tuple(labels), threshold=0.5)
        before = numbers(tracker, first, 0.0, known)
        after = numbers(tracker, second, FRAMES * STEP + gap, known)
        if len(before[-1]) == len(after[-1]) > 0:
            verdicts.append(judge(before, after))
    return 100 * sum(verdicts) / len(verdicts)


def numbers(tracker: FaceTracker, visit: Sequence, start: float, known: bool) -> list[list[int]]:
    """Return the numbers of the faces from left to right, frame by frame."""
    told = []
    for index, (predictions, looks) in enumerate(visit):
        faces = tracker.update(predictions, start + STEP * index, looks if known else None)
        told.append([face.id for face in sorted(faces, key=lambda face: face.box[0])])
    return told


def film(persons: Sequence[tuple[Image.Image, int]], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the frames of one visit, in which every person moves a little."""
    canvas = background(rng, SIZE)
    changed = [
        (_changed(person, rng), left + int(rng.integers(0, 80)), int(rng.integers(40, 260)))
        for person, left in persons
    ]
    frames = []
    for index in range(FRAMES):
        frame = canvas.copy()
        for picture, left, top in changed:
            frame.paste(picture, (left + 3 * index, top))
        pixels = np.asarray(frame, np.float32) + rng.normal(0, NOISE, (SIZE[1], SIZE[0], 3))
        frames.append(pixels.clip(0, 255).astype(np.uint8))
    return frames


def _changed(person: Image.Image, rng: np.random.Generator) -> Image.Image:
    side = int(rng.integers(*FACE_SIDES))
    picture = person.resize((side, side), Image.Resampling.BICUBIC)
    picture = picture.rotate(rng.uniform(-ROLL, ROLL), Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(1 - LIGHT, 1 + LIGHT))
    return ImageEnhance.Contrast(picture).enhance(rng.uniform(1 - LIGHT, 1 + LIGHT))


if __name__ == "__main__":
    main()
