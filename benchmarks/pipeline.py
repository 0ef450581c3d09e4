"""Whole photographs instead of face crops: are the faces found, and is their emotion still named?

python -m benchmarks.pipeline --faces ../shared/fer2013/validation
python -m benchmarks.pipeline --faces ../shared/fer2013/validation --peers --output pipeline.json

Scenes are composed (see `benchmarks.scenes`) from the faces of FOLDER/<label>/*, so the truth is known. The same
scenes go to the peer `fer` in the same run. About 0.3 % of the FER2013 files show no face at all, and nothing finds
those.
"""

import argparse
import io
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from benchmarks.peers.environments import fer_detections
from benchmarks.scenes import GROUP_FACE_SIDES, Scene, clutter, compose
from emotion import EmotionClassifier, FacePrediction
from emotion.errors import EmotionError
from emotion.vision.images import EXTENSIONS, open_image

ORIENTATIONS = {
    90: 6,
    180: 3,
    270: 8,
}  # picture turned counter-clockwise by degrees: the EXIF tag that undoes it
EXIF_ORIENTATION = 0x0112


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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers", action="store_true", help="also run the package fer (set up on first use)")
    parser.add_argument("--output", type=Path, help="write the figures as JSON too")
    options = parser.parse_args()
    try:
        classifier = EmotionClassifier.from_pretrained(options.model)
        figures = measure(classifier, options)
    except (EmotionError, ValueError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print_table(figures)
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(classifier: EmotionClassifier, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Compose the scenes, run every program on them and return figures by program."""
    faces = labelled_faces(options.faces, classifier.labels)
    rng = np.random.default_rng(options.seed)
    drawn = [faces[index] for index in rng.permutation(len(faces))]
    if len(drawn) < options.scenes:
        raise ValueError(
            f"{options.faces} has {len(drawn)} faces; ask for fewer --scenes or name more faces."
        )
    singles = [compose([path], rng, feather=feather(rng)) for path in drawn[: options.scenes]]
    counts = rng.integers(2, 7, options.groups)
    chosen = [[faces[index] for index in rng.choice(len(faces), count, replace=False)] for count in counts]
    groups = [compose(paths, rng, sides=GROUP_FACE_SIDES, feather=feather(rng)) for paths in chosen]
    empty = [compose([], rng, draw=clutter if number % 2 else None) for number in range(options.empty)]
    pictures = [scene.jpeg for scene in (*singles, *groups, *empty)]

    def ours(jpegs: list[bytes]) -> Iterator[list[Found]]:
        for jpeg in tqdm(jpegs, desc="emotion", unit="picture", disable=None):
            yield [found(face) for face in classifier.predict(jpeg)]

    answered = list(ours(pictures))
    figures = {"emotion": summarise(answered, singles, groups, empty)}
    figures["emotion"] |= against_plain_crops(classifier, singles, figures["emotion"]["named right"])
    figures["emotion"] |= own_label(classifier, answered[len(singles) : len(singles) + len(groups)], groups)
    figures["emotion"] |= turned(classifier, singles[: options.turned])
    if options.peers:
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder, f"{number:05}.jpg") for number in range(len(pictures))]
            for path, jpeg in zip(paths, pictures, strict=True):
                path.write_bytes(jpeg)
            answers = fer_detections(paths, classifier.labels)
        named = [[Found(tuple(face["box"]), face["label"]) for face in faces] for faces in answers]
        figures["fer"] = summarise(named, singles, groups, empty)
    return figures


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
    return {
        "faces found": mean(face is not None for [face] in alone),
        "named right": mean(right),
        "pictures without faces where one was seen": mean(extra[-len(empty) :]),
        "pictures with one face where more were seen": mean(extra[: len(singles)]),
        "faces found in groups": mean(face is not None for faces in together for face in faces),
        "groups with every face found, once": mean(
            None not in faces and not more
            for faces, more in zip(together, extra[len(singles) : -len(empty)], strict=True)
        ),
        "named right in groups": mean(
            face is not None and face.label == label_of(path)
            for faces, scene in zip(together, groups, strict=True)
            for face, path in zip(faces, scene.sources, strict=True)
        ),
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
    crops = [open_image(scene.sources[0]) for scene in scenes]
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
        alone = classifier.predict_faces([open_image(path) for path in scene.sources])
        pairs = zip(match(faces, scene), alone, strict=True)
        same += [face.label == best_label(plain) for face, plain in pairs if face is not None]
    return {"faces in groups labelled as from their plain crops": mean(same)}


def turned(classifier: EmotionClassifier, scenes: list[Scene]) -> dict[str, float]:
    """Share of turned pictures with the matching EXIF tag that give the same boxes and labels as upright ones."""
    same = []
    for scene in scenes:
        upright = [found(face) for face in classifier.predict(scene.jpeg)]
        with Image.open(io.BytesIO(scene.jpeg)) as picture:
            for degrees, orientation in ORIENTATIONS.items():
                encoded, exif = io.BytesIO(), Image.Exif()
                exif[EXIF_ORIENTATION] = orientation
                picture.rotate(degrees, expand=True).save(encoded, "PNG", exif=exif, compress_level=1)
                same.append(upright == [found(face) for face in classifier.predict(encoded.getvalue())])
    return {"turned pictures with the same answer": mean(same)}


def labelled_faces(folder: Path, labels: tuple[str, ...]) -> list[Path]:
    """List the pictures of FOLDER/<label>/* in a fixed order."""
    missing = [label for label in labels if not (folder / label).is_dir()]
    if missing:
        raise ValueError(
            f"{folder} has no folder {missing[0]!r}. Name a folder with {', '.join(labels)} in it."
        )
    return [
        path for label in labels for path in sorted((folder / label).iterdir()) if path.suffix in EXTENSIONS
    ]


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


def mean(values) -> float:
    return float(np.mean(list(values)))


def print_table(figures: dict[str, dict[str, float]]) -> None:
    print(f"{'figure':<52}" + "".join(f"{name:>10}" for name in figures))
    for figure in figures["emotion"]:
        cells = (
            f"{values[figure]:>10.1%}" if figure in values else f"{'–':>10}" for values in figures.values()
        )
        print(f"{figure:<52}" + "".join(cells))


if __name__ == "__main__":
    sys.exit(main())
