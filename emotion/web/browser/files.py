"""The files that the engine in a browser reads: its modules, LiteRT, and a model with what belongs to it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import ModelLoadError
from emotion.model.description import LITERT_FILE
from emotion.vision.detector import WEIGHTS
from emotion.web.browser.settings import settings
from emotion.web.language import TABLES

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

HERE = Path(__file__).parent
ENGINE, PAGE, APP = HERE / "engine", HERE / "page", HERE / "app"
# The service worker of the static page lists all files but itself, which browsers fetch past it.
OFFLINE = "offline.js"
# In an installed package, and in a clone.
EXAMPLES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[3] / "examples")
ENGINE_ENDINGS = (".js", ".gz", "LICENSE")


def shared_files() -> dict[str, bytes]:
    """Return the engine, the scripts of the pages and their words by path: the same for every model."""
    engine = (path for path in sorted(ENGINE.rglob("*")) if path.name.endswith(ENGINE_ENDINGS))
    scripts = (path for path in sorted(PAGE.glob("*.js")) if path.name != OFFLINE)
    words = sorted(TABLES.glob("*.json"))
    return {path.relative_to(HERE).as_posix(): path.read_bytes() for path in (*engine, *scripts, *words)}


def model_files(classifier: EmotionClassifier) -> dict[str, bytes]:
    """Return what the engine reads of a model, compressed: few file servers do that on the way.

    Raises
    ------
    ModelLoadError
        If the model has no network for LiteRT.
    """
    network = classifier.folder / LITERT_FILE if classifier.folder else None
    if network is None or not network.is_file():
        raise ModelLoadError(
            f"{classifier.model_name} holds no {LITERT_FILE}, so a browser cannot run it."
            " Load the model where TensorFlow is installed, and save it again."
        )
    return {
        "engine.json": json.dumps(settings(classifier)).encode(),
        "face_detector.tflite.gz": _packed(WEIGHTS),
        "model.tflite.gz": _packed(network),
    }


def example_pictures() -> list[Path]:
    """Return the pictures that a visitor can try."""
    folder = next(folder for folder in EXAMPLES if folder.is_dir())
    return sorted(folder.glob("*.jpg"))


def _packed(path: Path) -> bytes:
    # Without the time: the same content gives the same file, which visitors keep.
    return gzip.compress(path.read_bytes(), 9, mtime=0)
