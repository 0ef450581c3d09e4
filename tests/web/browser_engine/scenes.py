"""Pictures whose answers are compared: the examples, and their faces set into scenes of every kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scenes import compose, tight
from emotion import EmotionClassifier
from emotion.vision.crop import crop_square, frame
from emotion.vision.images import open_image
from tests.app_process import EXAMPLES

# Pixels, of the faces that are set into scenes.
SIDE = 200
LEANS = (-45.0, -20.0, 20.0, 45.0)


def example_pictures() -> list[np.ndarray]:
    return [open_image(path) for path in sorted(EXAMPLES.glob("*.jpg"))]


def faces_of_examples(folder: Path) -> list[Path]:
    """Write every face of the examples as a file of its own, framed like a training face."""
    classifier, files = EmotionClassifier.from_pretrained(), []
    for picture in example_pictures():
        for face in classifier.predict(picture):
            crop = crop_square(picture, frame(face), size=SIDE, channels=3)
            files.append(folder / f"face{len(files)}.png")
            Image.fromarray(crop).save(files[-1])
    return files


def composed(files: list[Path], number: int, seed: int = 7) -> Iterator[np.ndarray]:
    """Yield scenes by turns: one face, leaning, small, a group, a large picture, a tight crop, and none."""
    rng = np.random.default_rng(seed)
    for index in range(number):
        one = [files[index % len(files)]]
        several = [files[(index + step) % len(files)] for step in range(4)]
        scenes = (
            lambda one=one: compose(one, rng, colour=True, feather=0.1),
            lambda one=one, lean=LEANS[index // 7 % 4]: compose(
                one, rng, colour=True, feather=0.1, lean=lean
            ),
            lambda several=several: compose(several[:2], rng, sides=(22, 60), colour=True),
            lambda several=several: compose(several, rng, sides=(90, 140), feather=0.1),
            lambda several=several: compose(several, rng, size=(2600, 1950), sides=(60, 500), colour=True),
            lambda one=one: tight(one[0], rng, sides=(40, 160)),
            lambda: compose([], rng),
        )
        yield open_image(scenes[index % len(scenes)]().jpeg)
