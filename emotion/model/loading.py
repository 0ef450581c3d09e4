"""Load the embedded model, a folder, or one from the Hub: the parts that a classifier is built from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.errors import ModelLoadError, in_one_line
from emotion.model.description import (
    DESCRIPTION_FILE,
    KERAS_FILES,
    LITERT_FILE,
    LONGEST_TEXT,
    Description,
)
from emotion.model.engines import Network, load_network, try_on_one_face
from emotion.model.saving import finish_interrupted_save, hash_file, locked
from emotion.report.reading import loads

if TYPE_CHECKING:
    from emotion.model.pull import Snapshot

EMBEDDED = Path(__file__).parents[1] / "pretrained"
EMBEDDED_NAME = "embedded default"
EMBEDDED_REFERENCE = "embedded"  # how a person names it


@dataclass(frozen=True)
class SavedModel:
    """What a saved folder holds; `EmotionClassifier.of` makes a classifier of it."""

    network: Network
    description: Description
    folder: Path
    model_name: str
    revision: str | None = None
    notice: str | None = None


def load(
    reference: str | os.PathLike[str] | None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    fetch: Callable[..., Snapshot] | None = None,
    open_network: Callable[[Path, Description], Network] | None = None,
) -> SavedModel:
    """Load the embedded model (None), a folder or one from the Hub; errors as for `EmotionClassifier`.

    `fetch`, which takes what `pull` takes, and `open_network` replace how a model is pulled and run, for
    example in a separate process.
    """
    if reference is None or str(reference) == EMBEDDED_REFERENCE:
        if not EMBEDDED.is_dir():
            raise ModelLoadError(
                "This copy of the program carries no model. Name one: a folder, or owner/name on the Hub."
            )
        return load_folder(EMBEDDED, model_name=EMBEDDED_NAME)
    if Path(reference).is_dir():
        return load_folder(Path(reference), model_name=str(reference), open_network=open_network)
    repo_id, _, named_revision = str(reference).partition("@")
    if repo_id.count("/") != 1 or repo_id.startswith((".", "/", "~")):
        raise ModelLoadError(
            f"There is no folder {str(reference)!r}. "
            "Name the folder of a saved model, or a model on the Hub as owner/name."
        )
    if fetch is None:
        from emotion.model.pull import pull as fetch
    snapshot = fetch(repo_id, revision=revision or named_revision or None, token=token, cache_dir=cache_dir)
    loaded = load_folder(
        snapshot.folder, model_name=repo_id, revision=snapshot.revision, open_network=open_network
    )
    if snapshot.offline:
        notice = f"The newest commit could not be fetched; this is the copy of {repo_id} on this computer."
        loaded = replace(loaded, notice=notice)
    return loaded


def load_folder(
    folder: Path,
    *,
    model_name: str,
    revision: str | None = None,
    open_network: Callable[[Path, Description], Network] | None = None,
) -> SavedModel:
    """Load a saved folder and try its network on one face; raises ModelLoadError."""
    finish_interrupted_save(folder)
    with locked(folder, shared=True) if folder.is_dir() else contextlib.nullcontext():
        description = read_description(folder)
        check_files(folder, description)
        network = open_network(folder, description) if open_network else load_network(folder)
    if network.outputs != len(description.outputs):
        raise ModelLoadError(
            f"{folder} is inconsistent: the network has {network.outputs} outputs, {DESCRIPTION_FILE} names "
            f"{len(description.outputs)}. Save or download the model again."
        )
    expected = (description.input_size, description.input_size, description.channels)
    if any(own not in (None, side) for own, side in zip(network.input_shape, expected, strict=True)):
        raise ModelLoadError(
            f"{folder} is inconsistent: the network takes faces of another size or number of channels than "
            f"{DESCRIPTION_FILE} says. Save or download the model again."
        )
    try_on_one_face(network, description.input_size, description.channels)
    return SavedModel(network, description, folder, model_name, revision)


def read_description(folder: Path) -> Description:
    """Read `emotion.json`; raise ModelLoadError if it is missing or malformed."""
    path = folder / DESCRIPTION_FILE
    try:
        with path.open("rb") as file:
            content = file.read(LONGEST_TEXT + 1)
        if len(content) > LONGEST_TEXT:
            raise ValueError("it is larger than a description can be")
        return Description.from_dict(loads(content))
    except FileNotFoundError as error:
        raise ModelLoadError(
            f"{folder} holds no model of this project: {DESCRIPTION_FILE} is missing. "
            "Name the folder of a saved model."
        ) from error
    except RecursionError as error:
        raise ModelLoadError(f"{path} is nested too deep. Save or download the model again.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ModelLoadError(
            f"{path} cannot be used: {in_one_line(error)}. Save or download the model again."
        ) from error


def check_files(folder: Path, description: Description) -> None:
    """Compare the network's files with the hashes in the description; raise ModelLoadError if one differs."""
    serving = [LITERT_FILE] if (folder / LITERT_FILE).is_file() else KERAS_FILES
    for name in serving:
        digest = description.files.get(name)
        if digest is None or not (folder / name).is_file():
            continue
        if hash_file(folder / name) != digest:
            raise ModelLoadError(
                f"{name} in {folder} does not belong to its {DESCRIPTION_FILE}. "
                "Save or download the model again."
            )
