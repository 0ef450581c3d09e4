"""The files of a Space of any kind, and its card, which is also its configuration.

A Gradio Space gets the rooms that serve, the examples, and requirements pinned to what is installed; a static
one gets the page that `python -m emotion web` writes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from huggingface_hub import SpaceCardData, constants

from emotion.errors import PublishError
from emotion.program import INSTALL_APP
from emotion.report.metadata import join_card, split_card
from emotion.space.kinds import STATIC_FILE, ZEROGPU_FILE, Kind

PACKAGE, ROOT = Path(__file__).parents[1], Path(__file__).parents[2]
# Folders that the page never imports. The model itself comes from the Hub.
NOT_SERVING = ("__main__.py", "cli", "data", "pretrained", "space", "training")
# A Space is public: nothing else that lies in the folder leaves this computer.
ENDINGS = (".py", ".css", ".js", ".json", ".html", ".gz", ".tflite", "LICENSE")
ZEROGPU_SCRIPT = '''"""The entry point on ZeroGPU, which starts no Space without a GPU function."""

import runpy

import spaces


@spaces.GPU
def never_called() -> None:
    """Do nothing: the networks run on the processor."""


if __name__ == "__main__":
    runpy.run_path("app.py", run_name="__main__")
'''
EXAMPLE_ENDINGS = (".jpg", ".png", ".webp", ".md")
# How the demo is recognised, on its Space and in this project's README alike.
IDENTITY: dict[str, Any] = {
    "title": "Facial emotion",
    "emoji": "🙂",
    "colorFrom": "blue",
    "colorTo": "yellow",
    "license": "mit",
    "short_description": "How angry, happy or sad does each face look?",
    "tags": [
        "emotion-recognition",
        "facial-expression-recognition",
        "image-classification",
        "keras",
        "litert",
    ],
}
# ZeroGPU runs 3.10 and 3.12; this program needs 3.11 or newer.
ZEROGPU_PYTHON = "3.12"
PRIVACY = "Nothing personal is written to disk."
STATIC_PRIVACY = "Everything runs in your own browser: no picture leaves your device."
OTHER_MODEL = """The variable `EMOTION_MODEL` in the settings names another one; with
`EMOTION_REFRESH_MINUTES`, a new commit of the model is taken over while the app runs."""
STATIC_MODEL = "This Space carries a copy of it, which changes when it is deployed again."
# Settings that are always ours.
NEEDED = ("sdk", "sdk_version", "python_version", "app_file", "models", "preload_from_hub")


def space_files(*, zerogpu: bool = False) -> dict[str, Path | bytes]:
    """Return a Space's files except its card, by path; raises PublishError if a requirement is missing."""
    requirements = pinned_requirements()
    files: dict[str, Path | bytes] = {"app.py": _beside("app.py"), "LICENSE": _beside("LICENSE")}
    if zerogpu:
        files[ZEROGPU_FILE] = ZEROGPU_SCRIPT.encode()
        requirements += "spaces\n"  # ZeroGPU brings its own version
    files["requirements.txt"] = requirements.encode()
    for path in _files(PACKAGE, ENDINGS):
        place = path.relative_to(PACKAGE)
        if place.parts[0] not in NOT_SERVING:
            files[f"{PACKAGE.name}/{place.as_posix()}"] = path
    examples = _beside("examples")
    files |= {
        f"examples/{path.relative_to(examples).as_posix()}": path
        for path in _files(examples, EXAMPLE_ENDINGS)
    }
    return files


def pinned_requirements() -> str:
    """Return serving's requirements at the installed versions; raises PublishError if one is missing."""
    lines = []
    for line in _beside("requirements-app.txt").read_text(encoding="utf-8").splitlines():
        requirement = line.split("#")[0].strip()
        if match := re.match(r"([\w.-]+)(\[[^]]*\])?", requirement):
            name, extras = match[1], match[2] or ""
            marker = requirement.partition(";")[2]
            lines.append(f"{name}{extras}=={_installed(name)}" + (f" ;{marker}" if marker else ""))
    return "\n".join(lines) + "\n"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise PublishError(
            f"{name} is not installed, so there is no version of it that was tested. Type: {INSTALL_APP}"
        ) from error


def _beside(name: str) -> Path:
    """Return what lies beside the package in a clone, or the copy inside an installed package."""
    places = [PACKAGE / "space" / "clone" / name, PACKAGE / "web" / name, ROOT / name]
    return next(place for place in places if place.exists())


def _files(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.endswith(endings))


def space_card(
    model: str, *, revision: str | None = None, kind: Kind = Kind.GRADIO, thumbnail: str | None = None
) -> str:
    """Return the card of a Space of a kind that serves the model "owner/name".

    With a revision, the model is not loaded while the Space is built: `preload_from_hub` knows "main" alone.
    `thumbnail` is the address of the picture that links to the Space show.
    """
    own_python = f"{sys.version_info.major}.{sys.version_info.minor}"
    runs_on: dict[str, Any] = {
        Kind.STATIC: {"sdk": "static", "app_file": STATIC_FILE},
        Kind.ZEROGPU: {"sdk": "gradio", "app_file": ZEROGPU_FILE, "python_version": ZEROGPU_PYTHON},
        Kind.GRADIO: {"sdk": "gradio", "app_file": "app.py", "python_version": own_python},
    }[kind]
    if kind is not Kind.STATIC:
        runs_on |= {"sdk_version": version("gradio"), "preload_from_hub": None if revision else [model]}
    data = SpaceCardData(**IDENTITY, thumbnail=thumbnail, models=[model], **runs_on)
    named = f"{model}@{revision}" if revision else model
    return join_card(
        data.to_dict(),
        f"""
# Facial emotion

Tells how the faces in a picture look, with calibrated probabilities, and says when it is not sure.
An expression is not a feeling. {STATIC_PRIVACY if kind is Kind.STATIC else PRIVACY}

The model is [{named}]({constants.ENDPOINT}/{model}): its card tells what it was trained on, how good
it is, and what it is not for. {STATIC_MODEL if kind is Kind.STATIC else OTHER_MODEL}
""",
    )


def merged_card(ours: str, theirs: str | None, *, edited: bool) -> str:
    """Return the card to commit, given the Space's present one.

    If it was `edited` since it was last deployed, its text and its settings other than `NEEDED` stay.
    """
    if theirs is None:
        return ours
    mine, text = split_card(ours)
    found, their_text = split_card(theirs)
    kept = {key: value for key, value in found.items() if key not in NEEDED}
    if edited:
        needed = {key: value for key, value in mine.items() if key in NEEDED}
        return join_card(mine | kept | needed, their_text)
    return join_card(mine | {key: value for key, value in kept.items() if key not in mine}, text)


def static_files(model: str) -> dict[str, Path | bytes]:
    """Return the page for a model, "owner/name[@revision]" on the Hub, by path.

    The command writes it in a separate process, because this room lies below the page's. PublishError if the
    model cannot be loaded.
    """
    environment = {**os.environ, "HF_ENDPOINT": constants.ENDPOINT}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "emotion", "web", name, "--model", model]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise PublishError(
                done.stderr.strip().removeprefix("error: ") or "The page could not be written."
            )
        paths = (path for path in Path(name).rglob("*") if path.is_file())
        return {path.relative_to(name).as_posix(): path.read_bytes() for path in paths}
