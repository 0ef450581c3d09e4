"""The peers' own environments, below the user's cache: made on first use, never part of this project."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "facial-emotion" / "peers"

FER = "fer==25.10.3"
# fer's metadata asks for 3 GB that scoring a crop never touches, so its real needs are listed here. Newer
# versions of OpenCV and setuptools lack what it imports.
FER_NEEDS = (
    "opencv-python-headless<5",
    "setuptools<81",
    "tensorflow-cpu",
    "pandas",
    "requests",
    "tqdm",
    "pillow",
)
HUMAN = ("@vladmandic/human@3.3.6", "@tensorflow/tfjs-backend-wasm@4.22.0")
FACE_API = ("@vladmandic/face-api@1.7.15", "@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")


@dataclass(frozen=True)
class Scores:
    """What a peer said about faces.

    Attributes
    ----------
    probabilities : np.ndarray
        float64, shape (n, len(labels)), not normalised.
    seconds_per_face : float
        Median processor time of a call with one face, the peer's own scaling included.
    """

    labels: tuple[str, ...]
    probabilities: np.ndarray
    seconds_per_face: float


def fer_python() -> Path:
    """Return the interpreter of the environment that holds `fer`; makes it on first use."""
    folder = CACHE / "fer"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        _run([sys.executable, "-m", "venv", folder])
        _run([python, "-m", "pip", "install", "--quiet", *FER_NEEDS])
        _run([python, "-m", "pip", "install", "--quiet", "--no-deps", FER])
        (folder / "ready").touch()
    return python


def fer_scores(faces: np.ndarray) -> Scores:
    """Scores of the Python package `fer` for uint8 grey faces (n, size, size)."""
    return _score([fer_python(), HERE / "fer_scores.py"], faces)


def fer_detections(pictures: Sequence[Path], labels: Sequence[str]) -> list[list[dict]]:
    """Return the faces that `fer` finds in each file: box (x, y, width, height) and best of the labels."""
    with tempfile.TemporaryDirectory() as scratch:
        names, answers = Path(scratch, "pictures.json"), Path(scratch, "answers.json")
        names.write_text(json.dumps([str(path) for path in pictures]))
        _run([fer_python(), HERE / "fer_pictures.py", names, answers, *labels])
        return json.loads(answers.read_text())


def face_api_scores(faces: np.ndarray) -> Scores:
    """Scores of face-api.js on WebAssembly for uint8 grey faces (n, size, size); needs Node.js."""
    return _score(["node", HERE / "face_api.cjs", _packages("face-api", FACE_API)], faces)


def human_packages() -> Path:
    """Return the `node_modules` folder that holds `@vladmandic/human`, for browsers; needs npm."""
    return _packages("human", HUMAN)


PEERS = {"fer": fer_scores, "face-api.js": face_api_scores}


def _packages(name: str, packages: Sequence[str]) -> Path:
    """Return a `node_modules` folder with these packages; filled on first use."""
    folder = CACHE / name
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *packages])
        (folder / "ready").touch()
    return folder / "node_modules"


def _score(command: list, faces: np.ndarray) -> Scores:
    with tempfile.TemporaryDirectory() as scratch:
        pixels, scores = Path(scratch, "faces.bin"), Path(scratch, "scores.json")
        faces.tofile(pixels)
        _run([*command, pixels, faces.shape[1], scores])
        result = json.loads(scores.read_text())
    return Scores(tuple(result["labels"]), np.array(result["scores"]), result["seconds_per_face"])


def _run(command: list) -> None:
    """Run a command quietly; raise RuntimeError with the end of what it said if it fails."""
    words = [str(word) for word in command]
    try:
        subprocess.run(words, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise RuntimeError(f"{words[0]} is not installed.") from error
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"{' '.join(words[:4])} … failed: {error.stderr[-500:]}") from error
