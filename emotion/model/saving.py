"""Writing the saved format, so that a folder holds the old model or the new one, never a mixture."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from emotion.errors import EmotionError, in_one_line
from emotion.model.description import (
    CARD_FILE,
    DESCRIPTION_FILE,
    LITERT_FILE,
    NETWORK_FILES,
    WEIGHTS_FILE,
    Description,
)
from emotion.model.keras_engine import KerasNetwork, compress_weights, export_litert

try:
    import fcntl
except ImportError:
    fcntl = None

if TYPE_CHECKING:
    from emotion.model.engines import Network
    from emotion.report.report import Report

logger = logging.getLogger(__name__)

# Inside the folder of a model: the next one, complete as soon as its description exists.
NEXT_FOLDER = ".next"


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Let one process at a time change a model's files, or several read them; does nothing on Windows."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def save(
    network: Network,
    description: Description,
    folder: Path,
    *,
    source: Path | None,
    report: Report | None,
    card: str,
    pictures: Mapping[str, bytes],
    litert_precision: str = "float32",
) -> Description:
    """Write a model, with the network's files from `source` where it is not a Keras model in memory.

    `pictures` are further files by path. Returns the description with the hashes of the files. EmotionError
    if the disk cannot take it; a model that was in the folder is still there.
    """
    following = folder / NEXT_FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            shutil.rmtree(following, ignore_errors=True)
            following.mkdir()
        if hasattr(network, "model") or source is None:
            _write_network(cast(KerasNetwork, network), description.input_size, following, litert_precision)
        else:
            for name in NETWORK_FILES:
                if (source / name).is_file():
                    shutil.copyfile(source / name, following / name)
        description = replace(description, files=hash_files(following))
        if report is not None:
            from emotion.report.plots import write_report

            write_report(report, following)
        for path, content in pictures.items():
            (following / path).parent.mkdir(exist_ok=True)
            (following / path).write_bytes(content)
        (following / CARD_FILE).write_text(card, encoding="utf-8")
        # Last, and atomically: from here on the new model is the valid one.
        beside = following / f"{DESCRIPTION_FILE}.part"
        beside.write_text(json.dumps(description.to_dict(), indent=1) + "\n", encoding="utf-8")
        os.replace(beside, following / DESCRIPTION_FILE)
    except OSError as error:
        shutil.rmtree(following, ignore_errors=True)
        cause = os.strerror(error.errno) if error.errno else in_one_line(error)
        raise EmotionError(
            f"The model could not be written to {folder} ({cause}); {free_space(folder)} are free there. Make"
            " room or name another folder. A model that was there before is unchanged."
        ) from error
    finish_interrupted_save(folder)
    return description


def free_space(folder: Path) -> str:
    """Return the free space of the disk that holds a folder, such as "3 MB"."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return f"{shutil.disk_usage(existing).free / 1e6:,.0f} MB"


def finish_interrupted_save(folder: Path) -> None:
    """Move a whole new model into its place, as a process that was killed while saving left it."""
    following = folder / NEXT_FOLDER
    if not (following / DESCRIPTION_FILE).is_file():
        return
    with locked(folder):
        if not (following / DESCRIPTION_FILE).is_file():  # another process was quicker
            return
        moved = json.loads((following / DESCRIPTION_FILE).read_text(encoding="utf-8"))["files"]
        for name in NETWORK_FILES:
            # Files that the new model lacks are deleted, unless they were moved already.
            if not (following / name).exists() and name not in moved:
                (folder / name).unlink(missing_ok=True)
        paths = [path for path in following.rglob("*") if path.is_file()]
        for path in sorted(paths, key=lambda path: path.name == DESCRIPTION_FILE):
            target = folder / path.relative_to(following)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        shutil.rmtree(following, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of the network's files in a folder, by name."""
    return {name: hash_file(folder / name) for name in NETWORK_FILES if (folder / name).is_file()}


def _write_network(network: KerasNetwork, size: int, folder: Path, litert_precision: str) -> None:
    import keras

    model = network.model
    keras.saving.save_model(model, folder, zipped=False)
    if litert_precision != "float32":
        compress_weights(folder / WEIGHTS_FILE)
    if (folder / "assets").is_dir() and not any((folder / "assets").iterdir()):
        (folder / "assets").rmdir()
    if keras.backend.backend() == "tensorflow":
        export_litert(model, folder / LITERT_FILE, size=size, precision=litert_precision)
    else:
        logger.warning(
            "%s is served by Keras: %s is written by TensorFlow only. To add it where TensorFlow is"
            " installed, load the folder with EmotionClassifier.from_pretrained and save it again.",
            folder.parent,
            LITERT_FILE,
        )
