"""Write the page that runs in the visitor's browser alone: a folder for any file server."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

from emotion.cli.output import DONE
from emotion.errors import EmotionError

SUMMARY: str = (
    "Write a page that answers in the visitor's own browser: a folder that any file server can show."
)
# A folder that holds this was written here before, so it may be written anew.
MARK = "offline.js"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where to write it; created if missing")
    parser.add_argument(
        "--model",
        metavar="REF",
        help="a folder, or owner/name[@revision] on the Hub (default: the embedded one)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the page; return the exit status."""
    from emotion.model.classifier import EmotionClassifier
    from emotion.web.browser.files import example_pictures
    from emotion.web.browser.site import site_files, write_site

    folder: Path = options.folder
    if folder.exists() and not folder.is_dir():
        raise EmotionError(f"{folder} is a file. Name a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise EmotionError(
            f"{folder} holds other files. Name an empty folder, or one that was written here before."
        )
    files = site_files(EmotionClassifier.from_pretrained(options.model), example_pictures())
    # Files of an older version would stay, and be published.
    for path in _written_before(folder) - files.keys():
        (folder / path).unlink(missing_ok=True)
    write_site(folder, files)
    size = sum(map(len, files.values())) / 1e6
    print(f"{folder}: {len(files)} files, {size:.1f} MB. To look at it:")
    print(f"    python -m http.server --directory {shlex.quote(str(folder))}")
    return DONE


def _written_before(folder: Path) -> set[str]:
    """Return the paths that an earlier version of the page lists; empty without one."""
    mark = folder / MARK
    script = mark.read_text("utf-8") if mark.is_file() else ""
    lists = re.findall(r"^const (?:FILES|LATER) = ([{[].*?[}\]]);$", script, re.DOTALL | re.MULTILINE)
    paths = {path for listed in lists for path in json.loads(listed)}
    return {path for path in paths if not Path(path).is_absolute() and ".." not in Path(path).parts}
