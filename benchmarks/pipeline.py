"""Whole photographs instead of face crops: whether faces are found and their emotion is still named.

python -m benchmarks.pipeline --faces ../shared/fer2013/validation
python -m benchmarks.pipeline --faces ../shared/fer2013/validation --peers --output pipeline.json
python -m benchmarks.pipeline --faces ../shared/fer2013/validation --quick

Scenes are composed (see `benchmarks.scenes`) from the faces of FOLDER/<label>/*, so the truth is known. The
same scenes go to the peer `fer` in the same run. About 0.3 % of the FER2013 files show no face at all, and
nothing finds those.

Printed are shares, one row per figure: of ordinary scenes with one face, with two to six, without any; then
of difficult ones (`KINDS`): leaning heads, small faces, large pictures, a face that fills the picture, and
false faces in large pictures or among shuffled pieces of faces. With --press also of press photographs set
into scenes in their colours. --quick takes fewer scenes of every kind, for comparing variants of the face
search; --set names constants of `emotion.vision.faces` and other values for them. A difficult scene depends
on --seed, its kind and its number alone, so it stays the same when others are added or left out.
"""

import argparse
import ast
import io
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.peers.environments import fer_detections
from benchmarks.scenes import GROUP_FACE_SIDES, Scene, clutter, compose, face_files, pictures_in, tight
from emotion import EmotionClassifier, EmotionError, FacePrediction
from emotion.vision import faces as search

ORIENTATIONS = {
    90: 6,
    180: 3,
    270: 8,
}  # picture turned counter-clockwise by degrees: the EXIF tag that undoes it
EXIF_ORIENTATION = 0x0112

WIDE = (1280, 720)  # pixels
TWELVE_MEGAPIXELS = (4000, 3000)  # pixels

# The fewer scenes of --quick.
QUICK = {"scenes": 200, "groups": 50, "empty": 200, "turned": 20, "difficult": 200, "large": 30}


def leaning(path: Path, rng: np.random.Generator, *, degrees: float) -> Scene:
    """Turn one face to either side."""
    return one_face(path, rng, lean=degrees * rng.choice([-1, 1]))


def without_face(_: Path, rng: np.random.Generator, *, size: tuple[int, int]) -> Scene:
    """Draw nothing but a background: half of them blotches, half of them shapes and words."""
    return compose([], rng, size=size, draw=clutter if rng.integers(2) else None)


def one_face(path: Path, rng: np.random.Generator, **how: object) -> Scene:
    """Set one face into a scene; half of the faces get a hard edge, half a soft one."""
    return compose([path], rng, feather=feather(rng), **how)


@dataclass(frozen=True)
class Kind:
    """One kind of difficult scenes: what makes one from a face's file; whether it shows one, is large."""

    make: Callable[[Path, np.random.Generator], Scene]
    face: bool = True
    large: bool = False


KINDS = {
    "leaning 15°": Kind(partial(leaning, degrees=15)),
    "leaning 30°": Kind(partial(leaning, degrees=30)),
    "leaning 45°": Kind(partial(leaning, degrees=45)),
    "32 px in 640×480": Kind(partial(one_face, sides=(32, 32))),
    "48 px in 1280×720": Kind(partial(one_face, size=WIDE, sides=(48, 48))),
    "100–500 px in 1280×720": Kind(partial(one_face, size=WIDE, sides=(100, 500))),
    "60 px in 12 megapixels": Kind(partial(one_face, size=TWELVE_MEGAPIXELS, sides=(60, 60)), large=True),
    "150–800 px in 12 megapixels": Kind(
        partial(one_face, size=TWELVE_MEGAPIXELS, sides=(150, 800)), large=True
    ),
    "900–2400 px in 12 megapixels": Kind(
        partial(one_face, size=TWELVE_MEGAPIXELS, sides=(900, 2400)), large=True
    ),
    "filling 640×480": Kind(partial(one_face, sides=(440, 480))),
    "tight crops of 48–400 px": Kind(partial(tight, sides=(48, 400))),
    "1280×720 without a face": Kind(partial(without_face, size=WIDE), face=False),
    "12 megapixels without a face": Kind(
        partial(without_face, size=TWELVE_MEGAPIXELS), face=False, large=True
    ),
    "shuffled pieces of a face": Kind(partial(one_face, shuffled=True), face=False),
}


@dataclass(frozen=True)
class Found:
    """A face that a program found: its box in pixels, and the label it scored highest."""

    box: tuple[int, int, int, int]
    label: str


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", required=True, type=Path, help="folder with <label>/* tight face crops")
    parser.add_argument(
        "--model", help="folder, owner/name or owner/name@revision; default: the embedded one"
    )
    parser.add_argument("--scenes", type=int, default=600, help="with one face (default: 600)")
    parser.add_argument("--groups", type=int, default=150, help="with two to six faces (default: 150)")
    parser.add_argument("--empty", type=int, default=300, help="without any face (default: 300)")
    parser.add_argument("--turned", type=int, default=60, help="turned by 90, 180 and 270° (default: 60)")
    parser.add_argument("--difficult", type=int, default=400, help="of each difficult kind (default: 400)")
    parser.add_argument(
        "--large", type=int, default=100, help="of each kind of 12 megapixels instead (default: 100)"
    )
    parser.add_argument("--quick", action="store_true", help=f"few of each kind: {QUICK}")
    parser.add_argument(
        "--press", type=Path, help="folder with <label>/* colour face crops: all are set into scenes, too"
    )
    parser.add_argument("--things", type=Path, help="folder of photographs without any face, at any depth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="try other constants of the face search"
    )
    parser.add_argument("--peers", action="store_true", help="also run the package fer (set up on first use)")
    parser.add_argument("--output", type=Path, help="write the figures as JSON too")
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    try:
        for setting in options.set:
            set_constant(*setting.split("=", 1))
        classifier = EmotionClassifier.from_pretrained(options.model)
        figures = measure(classifier, options)
    except (EmotionError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print_table(figures)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def set_constant(name: str, value: str = "") -> None:
    """Set a constant of the face search, `SEARCH_SIDE` or `SMALL.possible`, for this run."""
    constant, _, part = name.partition(".")
    if not constant.isupper() or not hasattr(search, constant):
        raise ValueError(f"The face search has no constant {name}.")
    try:
        wanted = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise ValueError(f"{value!r} is no value. Write, for example, --set SEARCH_SIDE=640.") from None
    if part:
        wanted = replace(getattr(search, constant), **{part: wanted})
    setattr(search, constant, wanted)


def measure(classifier: EmotionClassifier, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Compose the scenes, run every program on them and return figures by program."""
    faces = labelled_faces(options.faces, classifier.labels)
    singles, groups, empty = ordinary_scenes(faces, options)
    difficult = difficult_scenes(faces, options)
    press = press_scenes(classifier.labels, options)
    parts = [singles, groups, empty, *difficult.values(), press]
    pictures = [scene.jpeg for part in parts for scene in part]

    def figures_of(flat: Sequence[list[Found]]) -> dict[str, float]:
        rest = iter(flat)
        answers = [[next(rest) for _ in part] for part in parts]
        told = summarise([*answers[0], *answers[1], *answers[2]], singles, groups, empty)
        told |= summarise_difficult(answers[3:-1], difficult)
        return told | summarise_press(answers[-1], press)

    answered = list(on_all_processors(lambda jpeg: named(classifier.predict(jpeg)), pictures, "emotion"))
    ours = figures_of(answered)
    ours |= against_plain_crops(classifier, singles, ours["named right"])
    ours |= own_label(classifier, answered[len(singles) : len(singles) + len(groups)], groups)
    ours |= turned(classifier, singles[: options.turned])
    if options.things:
        paths = face_files(options.things)
        found = list(on_all_processors(classifier.predict, paths, "things"))
        told = [any(face.label is not None for face in faces) for faces in found]
        ours[f"{len(paths)} photographs of things: a face was seen"] = mean(map(bool, found))
        ours[f"{len(paths)} photographs of things: an emotion was named"] = mean(told)
    figures = {"emotion": ours}
    if options.peers:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{number:05}.jpg") for number in range(len(pictures))]
            for path, jpeg in zip(paths, pictures, strict=True):
                path.write_bytes(jpeg)
            answers = fer_detections(paths, classifier.labels)
        figures["fer"] = figures_of(
            [[Found(tuple(face["box"]), face["label"]) for face in faces] for faces in answers]
        )
    return figures


def ordinary_scenes(
    faces: list[Path], options: argparse.Namespace
) -> tuple[list[Scene], list[Scene], list[Scene]]:
    """Compose scenes of 640×480 with one face, with two to six, and without any."""
    rng = np.random.default_rng(options.seed)
    drawn = [faces[index] for index in rng.permutation(len(faces))]
    if len(drawn) < options.scenes:
        raise ValueError(
            f"{options.faces} has {len(drawn)} faces; ask for fewer --scenes or name more faces."
        )
    singles = [one_face(path, rng) for path in drawn[: options.scenes]]
    counts = rng.integers(2, 7, options.groups)
    chosen = [[faces[index] for index in rng.choice(len(faces), count, replace=False)] for count in counts]
    groups = [compose(paths, rng, sides=GROUP_FACE_SIDES, feather=feather(rng)) for paths in chosen]
    empty = [compose([], rng, draw=clutter if number % 2 else None) for number in range(options.empty)]
    return singles, groups, empty


def difficult_scenes(faces: list[Path], options: argparse.Namespace) -> dict[str, list[Scene]]:
    """Compose the scenes of every kind of `KINDS`, each from a generator of its own."""
    wanted = []
    for name, kind in KINDS.items():
        rng = generator(options.seed, name)
        for number in range(options.large if kind.large else options.difficult):
            wanted.append((name, faces[rng.integers(len(faces))], generator(options.seed, name, number)))
    made = on_all_processors(lambda want: KINDS[want[0]].make(*want[1:]), wanted, "composing")
    scenes = {name: [] for name in KINDS}
    for (name, *_), scene in zip(wanted, made, strict=True):
        scenes[name].append(scene)
    return scenes


def press_scenes(labels: tuple[str, ...], options: argparse.Namespace) -> list[Scene]:
    """Set every press photograph into a scene of 640×480, in its own colours."""
    if not options.press:
        return []
    rng = generator(options.seed, "press")
    return [one_face(path, rng, colour=True) for path in labelled_faces(options.press, labels)]


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """Return a generator that depends on the seed and these parts alone."""
    return np.random.default_rng([seed, *"/".join(map(str, parts)).encode()])


def on_all_processors(work: Callable, items: Sequence, name: str) -> Iterator:
    """Yield what comes of every item, in order, from as many threads as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from tqdm(pool.map(work, items), total=len(items), desc=name, unit="picture", disable=None)


def summarise(
    answers: list[list[Found]], singles: list[Scene], groups: list[Scene], empty: list[Scene]
) -> dict[str, float]:
    """Compare the answers, one list per picture in the order singles, groups, empty, with the truth."""
    matched = [match(faces, scene) for faces, scene in zip(answers, [*singles, *groups], strict=False)]
    alone, together = matched[: len(singles)], matched[len(singles) :]
    right = [
        face is not None and face.label == label_of(scene.sources[0])
        for [face], scene in zip(alone, singles, strict=True)
    ]
    extra = [
        len(faces) > len(scene.boxes)
        for faces, scene in zip(answers, [*singles, *groups, *empty], strict=True)
    ]
    figures = {
        "faces found": mean(face is not None for [face] in alone),
        "named right": mean(right),
        "pictures without faces where one was seen": mean(extra[len(singles) + len(groups) :]),
        "pictures with one face where more were seen": mean(extra[: len(singles)]),
        "faces found in groups": mean(face is not None for faces in together for face in faces),
        "groups with every face found, once": mean(
            None not in faces and not more
            for faces, more in zip(together, extra[len(singles) : len(singles) + len(groups)], strict=True)
        ),
        "named right in groups": mean(
            face is not None and face.label == label_of(path)
            for faces, scene in zip(together, groups, strict=True)
            for face, path in zip(faces, scene.sources, strict=True)
        ),
    }
    return {figure: share for figure, share in figures.items() if not math.isnan(share)}


def summarise_difficult(answers: list[list[list[Found]]], scenes: dict[str, list[Scene]]) -> dict[str, float]:
    """Compare the answers of every kind of `KINDS`, in that order, with the truth."""
    figures, more = {}, []
    for (name, made), answered in zip(scenes.items(), answers, strict=True):
        if not made:
            continue
        if not KINDS[name].face:
            figures[f"{name}: one was seen"] = mean(bool(faces) for faces in answered)
            continue
        matched = [match(faces, scene)[0] for faces, scene in zip(answered, made, strict=True)]
        figures[f"{name}: found"] = mean(face is not None for face in matched)
        figures[f"{name}: named right"] = mean(
            face is not None and face.label == label_of(scene.sources[0])
            for face, scene in zip(matched, made, strict=True)
        )
        more += [len(faces) > 1 for faces in answered]
    return figures | ({"difficult pictures with one face where more were seen": mean(more)} if more else {})


def summarise_press(answers: list[list[Found]], scenes: list[Scene]) -> dict[str, float]:
    """Compare the answers with the truth; every label counts alike, however rare it is."""
    if not scenes:
        return {}
    matched = [match(faces, scene)[0] for faces, scene in zip(answers, scenes, strict=True)]
    right: dict[str, list[bool]] = {}
    for face, scene in zip(matched, scenes, strict=True):
        label = label_of(scene.sources[0])
        right.setdefault(label, []).append(face is not None and face.label == label)
    return {
        "press photographs: found": mean(face is not None for face in matched),
        "press photographs: named right, mean of the labels": mean(mean(values) for values in right.values()),
    }


def match(answers: list[Found], scene: Scene) -> list[Found | None]:
    """Give every set-in face the largest answer whose centre lies within it, or None."""
    return [
        max(
            (face for face in answers if contains(box, face.box)),
            key=lambda face: face.box[2] * face.box[3],
            default=None,
        )
        for box in scene.boxes
    ]


def contains(frame: tuple[int, ...], box: tuple[int, ...]) -> bool:
    """Whether the centre of a box (x, y, width, height) lies within a frame of the same form."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    return frame[0] <= x <= frame[0] + frame[2] and frame[1] <= y <= frame[1] + frame[3]


def against_plain_crops(classifier: EmotionClassifier, scenes: list[Scene], right: float) -> dict[str, float]:
    """Classify the same faces from their files: what the way through a photograph costs."""
    crops = [pixels_of(scene.sources[0]) for scene in scenes]
    plain = mean(
        best_label(face) == label_of(scene.sources[0])
        for face, scene in zip(classifier.predict_faces(crops), scenes, strict=True)
    )
    return {"named right from the plain crops": plain, "accuracy lost": plain - right}


def own_label(
    classifier: EmotionClassifier, answers: list[list[Found]], groups: list[Scene]
) -> dict[str, float]:
    """Share of found faces in groups that get the label of their own plain crop, not a neighbour's."""
    same = []
    for faces, scene in zip(answers, groups, strict=True):
        alone = classifier.predict_faces([pixels_of(path) for path in scene.sources])
        pairs = zip(match(faces, scene), alone, strict=True)
        same += [face.label == best_label(plain) for face, plain in pairs if face is not None]
    return {"faces in groups labelled as from their plain crops": mean(same)}


def turned(classifier: EmotionClassifier, scenes: list[Scene]) -> dict[str, float]:
    """Share of turned pictures with a matching EXIF tag that give the boxes and labels of upright ones."""
    same = []
    for scene in scenes:
        upright = named(classifier.predict(scene.jpeg))
        with Image.open(io.BytesIO(scene.jpeg)) as picture:
            for degrees, orientation in ORIENTATIONS.items():
                encoded, exif = io.BytesIO(), Image.Exif()
                exif[EXIF_ORIENTATION] = orientation
                picture.rotate(degrees, expand=True).save(encoded, "PNG", exif=exif, compress_level=1)
                same.append(upright == named(classifier.predict(encoded.getvalue())))
    return {"turned pictures with the same answer": mean(same)}


def labelled_faces(folder: Path, labels: tuple[str, ...]) -> list[Path]:
    """List the pictures of FOLDER/<label>/* in a fixed order."""
    missing = [label for label in labels if not (folder / label).is_dir()]
    if missing:
        raise ValueError(
            f"{folder} has no folder {missing[0]!r}. Name a folder with {', '.join(labels)} in it."
        )
    return [path for label in labels for path in pictures_in(folder / label)]


def pixels_of(path: Path) -> np.ndarray:
    """Read a face crop's file, uint8 (H, W, 3)."""
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"))


def named(faces: list[FacePrediction]) -> list[Found]:
    return [found(face) for face in faces]


def found(face: FacePrediction) -> Found:
    return Found(face.box, best_label(face))


def best_label(face: FacePrediction) -> str:
    """The most probable label, also where the model is not sure: the question here is what framing costs."""
    return max(face.probabilities, key=face.probabilities.get)


def label_of(path: Path) -> str:
    return path.parent.name


def feather(rng: np.random.Generator) -> float:
    """Half of the faces are set in with a hard edge, half with a soft one."""
    return float(rng.choice([0.0, 0.06]))


def mean(values: Iterable[float]) -> float:
    """Return the mean, or not-a-number of nothing."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else math.nan


def print_table(figures: dict[str, dict[str, float]]) -> None:
    print(f"{'figure':<56}" + "".join(f"{name:>10}" for name in figures))
    for figure in figures["emotion"]:
        cells = (
            f"{values[figure]:>10.1%}" if figure in values else f"{'–':>10}" for values in figures.values()
        )
        print(f"{figure:<56}" + "".join(cells))


if __name__ == "__main__":
    sys.exit(main())
