"""The files of a Space: the rooms that serve, examples, requirements pinned to what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from emotion.errors import PublishError
from emotion.program import INSTALL_APP
from emotion.space.kinds import ZEROGPU_FILE

PACKAGE = Path(__file__).parents[1]
REQUIREMENTS = "requirements.txt"
# Folders that the page never imports. The model itself comes from the Hub.
NOT_SERVING = ("__main__.py", "cli", "data", "pretrained", "space", "training")
# A Space is public: nothing else that lies in the folder leaves this computer.
ENDINGS = (".py", ".css", ".js", ".json", ".gz", ".tflite", "LICENSE")
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


def space_files(*, zerogpu: bool = False) -> dict[str, Path | bytes]:
    """Return a Space's files except its card, by path; raises PublishError if a requirement is missing."""
    files: dict[str, Path | bytes] = {
        "app.py": _beside("app.py"),
        "LICENSE": _beside("LICENSE"),
        REQUIREMENTS: pinned_requirements().encode(),
    }
    if zerogpu:
        files[ZEROGPU_FILE] = ZEROGPU_SCRIPT.encode()
        # ZeroGPU brings its own version.
        files[REQUIREMENTS] = (pinned_requirements() + "spaces\n").encode()
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
    places = [PACKAGE / "space" / "clone" / name, PACKAGE / "web" / name, PACKAGE.parent / name]
    return next(place for place in places if place.exists())


def _files(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name.endswith(endings))
