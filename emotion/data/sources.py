"""Where labelled pictures come from: folders of many shapes, and what `--data` may name beside them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from emotion.config import public_source
from emotion.data.examples import Source, Wanted
from emotion.data.fer2013 import open_csv
from emotion.data.folders import open_folder
from emotion.data.hub import is_reachable, open_hub
from emotion.errors import DataError, in_one_line
from emotion.program import INSTALL_TRAINING

logger = logging.getLogger(__name__)

KAGGLE = "kaggle:"


def open_source(data: str, wanted: Wanted) -> Source:
    """List the labelled pictures of a data set; a DataError says what was found instead.

    `data` is a folder, a CSV file, `kaggle:owner/name` or `hf:owner/name[/configuration][@revision]`.
    """
    if data.startswith("hf:"):
        return open_hub(data.removeprefix("hf:"), wanted)
    if data.startswith(KAGGLE):
        root = download_from_kaggle(data.removeprefix(KAGGLE))
    else:
        root = Path(data).expanduser()
    if not root.exists():
        raise DataError(f"There is no folder or file {root}. Check the path given to --data.")
    if root.is_file():
        if root.suffix.lower() == ".csv":
            return open_csv(root, wanted)
        is_zip = root.suffix.lower() == ".zip"
        hint = "Unpack it and pass the folder." if is_zip else "Pass a folder or a .csv file."
        raise DataError(f"{root} is not something to train on. {hint}")
    return open_folder(root, wanted)


def open_sources(data: tuple[str, ...], wanted: Wanted) -> dict[str, Source]:
    """Open one source or several, which get the same outputs: name → source, in the order given.

    A name is the last folder of a path, or what else was given. Of several sources, one may lack background
    classes that another has. A DataError says that a source cannot be opened, or that two have one name.
    """
    if len(data) > 1:
        wanted = replace(wanted, optional_background=True)
    opened = {}
    for given in data:
        name = public_source(os.path.abspath(given) if os.path.exists(given) else given)
        if name in opened:
            raise DataError(f"Two sources of --data are called {name}. Rename one, so that figures can tell.")
        opened[name] = open_source(given, wanted)
    if len(opened) == 1:
        return opened
    known = {output: None for source in opened.values() for output in source.labels}
    known |= {output: None for source in opened.values() for output in source.outputs}
    outputs = tuple(known)
    labels = wanted.labels or next(iter(opened.values())).labels
    return {name: _with_outputs(source, labels, outputs) for name, source in opened.items()}


def _with_outputs(source: Source, labels: tuple[str, ...], outputs: tuple[str, ...]) -> Source:
    """Return a source whose targets are counted among more outputs than its own."""
    new = np.array([outputs.index(name) for name in source.outputs], np.int64)
    splits = {split: replace(part, targets=new[part.targets]) for split, part in source.splits.items()}
    return Source(labels, outputs, splits, source.passed_over)


def refuse_unreachable(data: Sequence[str]) -> None:
    """Raise a DataError for a data set on Kaggle that only a network could give: before anything slow."""
    for source in data:
        if source.startswith(KAGGLE):
            copy_of_kaggle(source.removeprefix(KAGGLE))


def copy_of_kaggle(handle: str) -> Path | None:
    """Return the copy to use while Kaggle cannot be reached, None while it can; without one, a DataError."""
    if is_reachable("https://www.kaggle.com"):
        return None
    # kagglehub itself asks Kaggle for the latest version first, and fails.
    cache = Path(os.environ.get("KAGGLEHUB_CACHE", "~/.cache/kagglehub")).expanduser() / "datasets" / handle
    versions = [int(path.stem) for path in cache.glob("*.complete") if path.stem.isdecimal()]
    if not versions:
        raise _not_downloaded(handle, "no connection")
    return cache / "versions" / str(max(versions))


def download_from_kaggle(handle: str) -> Path:
    """Return the folder of a Kaggle data set `owner/name`, downloaded once into kagglehub's cache."""
    if copy := copy_of_kaggle(handle):
        logger.info("Kaggle cannot be reached: taking the copy in %s.", copy)
        return copy
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            f"Data sets on Kaggle need one more package: {INSTALL_TRAINING}. Or {_by_hand(handle)}."
        ) from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # the client raises a dozen unrelated types
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status == 404:
            raise DataError(
                f"Kaggle has no data set {handle}. Check the name: there is no {_page(handle)}."
            ) from error
        if status in (401, 403):
            raise DataError(
                f"Kaggle gives {handle} to people with an account only. Agree to its terms at "
                f"{_page(handle)}, create a token at https://www.kaggle.com/settings and set "
                f"KAGGLE_API_TOKEN to it. Or {_by_hand(handle)}."
            ) from error
        raise _not_downloaded(handle, in_one_line(error)) from error


def _page(handle: str) -> str:
    return f"https://www.kaggle.com/datasets/{handle}"


def _by_hand(handle: str) -> str:
    return f"download it at {_page(handle)}, unpack it and pass the folder with --data"


def _not_downloaded(handle: str, why: str) -> DataError:
    return DataError(
        f"Kaggle did not give the data set {handle}: {why}. Check the network. Or {_by_hand(handle)}; your "
        "own pictures will do as well."
    )
