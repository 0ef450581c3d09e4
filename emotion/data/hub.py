"""Data sets on the Hub, through its own library `datasets`, which downloads, unpacks and keeps them.

No code of a data set runs: the library has no loading scripts any more, and of its readers only those in
`READERS` are used, which read plain data. A row's pictures are its bytes, or files of the data set itself.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import numpy as np
from huggingface_hub import DatasetInfo, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError

from emotion.data.examples import SPLIT_NAMES, Examples, Source, Wanted, choose_outputs
from emotion.data.fer2013 import FER2013_EMOTIONS, FER2013_USAGES, read_pixels
from emotion.data.folders import Listing, open_listing
from emotion.errors import DataError, EmotionError, InvalidImageError, hub_refusal, in_one_line
from emotion.program import INSTALL_TRAINING
from emotion.vision.images import open_image

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder, DatasetDict

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 3  # for a server to answer at all
# The branch on which the Hub keeps data sets of any form as Parquet.
CONVERTED = "refs/convert/parquet"
READERS = {"arrow", "cache", "csv", "imagefolder", "json", "parquet"}
UNLABELLED: dict[str, Any] = {"drop_labels": True}
# What columns are called that hold a label or a picture; the first that is there counts.
LABEL_COLUMNS = ("label", "labels", "emotion", "expression", "class", "target")
PICTURE_COLUMNS = ("image", "img", "picture", "face", "pixels")


def open_hub(reference: str, wanted: Wanted) -> Source:
    """List the labelled pictures of a data set on the Hub, owner/name[/configuration][@revision].

    Without a revision, a data set in a form that is not read here is taken from the branch on which the Hub
    keeps it as Parquet. A DataError says that there is no such data set, or what it lacks.
    """
    path, _, revision = reference.partition("@")
    repo_id, configuration = "/".join(path.split("/")[:2]), "/".join(path.split("/")[2:]) or None
    try:
        splits = _load(repo_id, configuration, revision or None)
    except (EmotionError, ImportError):
        raise
    except Exception as error:  # the library and the network below it raise dozens of unrelated types
        raise DataError(f"The data set {reference} was not downloaded. {_why(error, repo_id)}") from error
    where = f"The data set {reference}"
    files = {split: _files(rows) for split, rows in splits.items()}
    if all(files.values()):
        return _open_files(files, wanted, where)
    return _open_rows(splits, wanted, where)


def _why(error: BaseException, repo_id: str) -> str:
    """Return what to do about an error that `datasets` or the Hub's client raised."""
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, HfHubHTTPError) and cause.response is not None):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, HfHubHTTPError):
        page = f"{constants.ENDPOINT}/datasets/{repo_id}"
        return hub_refusal(cause, repo_id, page=page, access="read", again="try again")
    return (
        f"{in_one_line(error.__cause__ or error)}. Check the name, the network and the free disk space; a "
        "private or gated data set also needs `hf auth login`."
    )


def is_reachable(url: str) -> bool:
    """Whether a server answers within a few seconds; looking up its name counts, which no timeout covers."""
    answered = threading.Event()

    def ask() -> None:
        try:
            httpx.head(url, timeout=ANSWER_SECONDS)
            answered.set()
        except httpx.HTTPError:
            pass

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return answered.is_set()


def _load(repo_id: str, configuration: str | None, revision: str | None) -> Mapping[str, Dataset]:
    """Download what is not in the cache; without a network, open the cached copy."""
    if constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT):
        return _cached(repo_id, configuration, revision)
    try:
        importlib.import_module("datasets")
    except ImportError:
        raise DataError(f"Data sets on the Hub need one more package: {INSTALL_TRAINING}.") from None
    refusal: DataError | None = None
    for candidate in (revision,) if revision else (None, CONVERTED):
        found = _information(repo_id, candidate)
        if found is None:
            break
        try:
            builder = _builder(repo_id, configuration, candidate, found)
        except DataError as error:
            refusal = refusal or error
            continue
        if builder is not None:
            _download(builder, repo_id)
            return _splits(builder)
    if refusal:
        raise refusal
    raise DataError(
        f"The data set {repo_id} holds no pictures in folders, zip files, CSV or Parquet. Download it, write "
        "its pictures to a folder per label, and pass that with --data."
    )


def _information(repo_id: str, revision: str | None) -> DatasetInfo | None:
    """Return the Hub's information on a data set; None if it has not converted it."""
    try:
        return HfApi().dataset_info(repo_id, revision=revision, timeout=ANSWER_SECONDS)
    except RevisionNotFoundError:
        if revision != CONVERTED:
            raise
        return None


def _builder(
    repo_id: str, configuration: str | None, revision: str | None, found: DatasetInfo
) -> DatasetBuilder | None:
    """Return what reads a data set at a revision; None if its format is not supported."""
    import datasets
    from datasets.exceptions import DataFilesNotFoundError
    from datasets.load import EmptyDatasetError

    names = [file.rfilename for file in found.siblings or ()]
    folder = None
    if revision == CONVERTED:
        folders = sorted({name.split("/")[0] for name in names if name.endswith(".parquet")})
        if not folders:
            return None
        if configuration is None:
            configuration = "default" if "default" in folders else folders[0] if len(folders) == 1 else None
        if configuration not in folders:
            raise _other_configurations(configuration, folders)
        configuration, folder = None, configuration
    try:
        builder = datasets.load_dataset_builder(repo_id, configuration, data_dir=folder, revision=found.sha)
    except (DataFilesNotFoundError, EmptyDatasetError):
        return None
    except ValueError as error:  # that a configuration is missing has no type of its own
        known = datasets.get_dataset_config_names(repo_id, revision=found.sha)
        if configuration in known or (configuration is None and len(known) == 1):
            raise
        raise _other_configurations(configuration, known) from error
    reader = type(builder).__module__.rpartition(".")[2]
    if reader == "imagefolder":  # labels come from the folders here as from those on a disk
        return datasets.load_dataset_builder(
            repo_id, configuration, data_dir=folder, revision=found.sha, **UNLABELLED
        )
    return builder if reader in READERS else None


def _other_configurations(configuration: str | None, known: Sequence[str]) -> DataError:
    asked = f"no configuration {configuration}" if configuration else "several configurations"
    return DataError(
        f"The data set has {asked}. It holds {', '.join(known)}: name one as hf:owner/name/{known[0]}."
    )


def _cached(repo_id: str, configuration: str | None, revision: str | None) -> Mapping[str, Dataset]:
    """Open what an earlier run downloaded; of a branch or tag, the state that was downloaded last."""
    refusal = DataError(
        f"The data set {repo_id} cannot be downloaded: no connection to the Hub, and it is not in the cache. "
        "Check the network."
    )
    # Importing the library takes seconds: not for this.
    if not any(_cache_folder().glob(f"{repo_id.split('/')[0]}___*")):
        raise refusal
    from datasets.packaged_modules.cache.cache import Cache

    for settings in (UNLABELLED, dict[str, Any]()):
        with contextlib.suppress(ValueError):
            builder = Cache(
                repo_id=repo_id,
                dataset_name=repo_id.split("/")[-1],
                config_name=configuration,
                version="auto",
                hash="auto",
                **settings,
            )
            break
    else:
        raise refusal
    if revision and re.fullmatch("[0-9a-f]{40}", revision) and builder.hash != revision:
        raise DataError(
            f"The data set {repo_id} cannot be downloaded: no connection to the Hub, and the cache holds "
            f"another revision ({builder.hash}). Check the network, or name that revision."
        )
    logger.warning("No connection to the Hub: taking %s from the cache (%s).", repo_id, builder.hash)
    return _splits(builder)


def _download(builder: DatasetBuilder, repo_id: str) -> None:
    """Download and unpack a data set, once, a few rows in memory at a time."""
    import pyarrow as pa
    from datasets.exceptions import DatasetGenerationError

    try:
        builder.download_and_prepare(verification_mode="no_checks")
    except (DatasetGenerationError, pa.ArrowException, zipfile.BadZipFile) as error:
        raise DataError(
            f"The files of the data set {repo_id} cannot be read: {in_one_line(error.__cause__ or error)}. "
            "Take another revision of it, or tell its author."
        ) from error


def _cache_folder() -> Path:
    """Return where `datasets` keeps what it downloaded."""
    return Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME, "datasets")).expanduser()


def _splits(builder: DatasetBuilder) -> dict[str, Dataset]:
    """Return the splits of what was downloaded, mapped into memory."""
    splits = cast("DatasetDict", builder.as_dataset())
    return {str(split): rows for split, rows in splits.items()}


def _files(rows: Dataset) -> list[str]:
    """Return the files of the pictures in a data set of image folders; empty where rows say the labels."""
    import datasets

    if not isinstance(rows.features.get("image"), datasets.Image) or set(rows.features) - {"image", "label"}:
        return []
    paths = rows.data.column("image").combine_chunks().field("path").to_pylist()
    unpack = cache(datasets.DownloadManager().extract)
    files = []
    for path in paths:
        inside, _, archive = (path or "").removeprefix("zip://").partition("::")
        files.append(f"{unpack(archive)}/{inside}" if archive else inside)
    return [path for path in files if Path(path).is_file()]


def _open_files(files: Mapping[str, list[str]], wanted: Wanted, where: str) -> Source:
    """List pictures as if the data set were a folder; those of a zip file stand below their split."""
    path_of: dict[str, str] = {}
    for split, paths in files.items():
        for path in paths:
            kind, below = re.findall(r"/(snapshots|extracted)/[^/]+/(.+)", path)[-1]
            path_of[below if kind == "snapshots" else f"{split}/{below}"] = path
    reader = FilesReader(path_of)
    listing = Listing(sorted(path_of), lambda path: Path(path_of[path]).stat().st_size)
    source = open_listing(listing, wanted, reader, where=where)
    if source is None:
        raise DataError(f"{where} holds pictures, but in no folder per label. Choose another one.")
    return source


@dataclass(frozen=True)
class FilesReader:
    """Opens pictures that lie anywhere, by their path in the data set."""

    path_of: Mapping[str, str] = field(repr=False)

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one picture: uint8 (H, W, 3)."""
        return open_image(self.path_of[identifier])


@dataclass(frozen=True)
class RowReader:
    """Opens rows such as "train row 17"; only the bytes of that row are read from the disk."""

    rows: Mapping[str, Dataset] = field(repr=False)

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one row: uint8 (H, W, 3)."""
        split, _, row = identifier.rpartition(" row ")
        picture = next(iter(self.rows[split][int(row)].values()))
        if isinstance(picture, str):
            return read_pixels(picture, identifier)
        # A path comes from strangers here: it is not followed.
        content = picture.get("bytes") if isinstance(picture, dict) else picture
        if not content:
            raise InvalidImageError(f"{identifier} holds no picture.")
        try:
            return open_image(content)
        except InvalidImageError as error:
            raise InvalidImageError(f"{identifier}: {error}") from error


def _open_rows(splits: Mapping[str, Dataset], wanted: Wanted, where: str) -> Source:
    """List the rows of tables that hold pictures and labels."""
    import datasets

    tables: dict[str, Dataset] = {}
    named: dict[str, list[tuple[str, int, str]]] = {}  # our split: rows as (split, row, label)
    for split, rows in splits.items():
        picture, label = _columns(rows.features, where)
        if isinstance(rows.features[picture], datasets.Image):
            rows = rows.cast_column(picture, datasets.Image(decode=False))
        tables[split] = cast("Dataset", rows.select_columns([picture]))
        usage = next((name for name in rows.column_names if name.lower() == "usage"), None)
        usages = rows.data.column(usage).to_pylist() if usage and picture == "pixels" else ()
        for row, name in enumerate(_label_names(rows, label, picture)):
            own = FER2013_USAGES.get(str(usages[row]).lower()) if usages else _split_of(split)
            if own and name is not None:
                named.setdefault(own, []).append((split, row, name))
    if len(named) > 1:
        named.pop("all", None)  # beside named splits, other rows are something else
    known = sorted({name for rows in named.values() for _, _, name in rows})
    chosen = choose_outputs(known, wanted, where=where, kind="label")
    reader = RowReader(tables)
    parts = {}
    for own, entries in named.items():
        kept = [
            (f"{split} row {row}", target)
            for split, row, name in entries
            if (target := chosen.target(name)) is not None
        ]
        if kept:
            parts[own] = Examples.of_rows(kept, reader)
    return Source(chosen.labels, chosen.outputs, parts)


def _columns(features: Mapping[str, Any], where: str) -> tuple[str, str]:
    """Return the columns of pictures and of labels, by type, or else by name."""
    import datasets

    typed = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
    pictures = typed or [name for name, feature in features.items() if _may_hold_pictures(name, feature)]
    typed = [name for name, feature in features.items() if isinstance(feature, datasets.ClassLabel)]
    labels = typed or [
        name
        for name, feature in features.items()
        if name.lower() in LABEL_COLUMNS and isinstance(feature, datasets.Value)
    ]
    picture, label = _first_known(pictures, PICTURE_COLUMNS), _first_known(labels, LABEL_COLUMNS)
    if picture is None or label is None:
        missing = "pictures" if picture is None else "labels"
        raise DataError(
            f"{where} has no single column of {missing}; it has {', '.join(features)}. It needs pictures in "
            "a column 'image' and a name or a ClassLabel in a column 'label'."
        )
    return picture, label


def _may_hold_pictures(name: str, feature: object) -> bool:
    if isinstance(feature, dict):
        return "bytes" in feature
    kind = getattr(feature, "dtype", "")
    return kind in ("binary", "large_binary") or (name == "pixels" and kind == "string")


def _first_known(columns: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the only column, or of several the one with a usual name."""
    by_name = {column.lower(): column for column in columns}
    usual = [by_name[name] for name in known if name in by_name]
    return columns[0] if len(columns) == 1 else next(iter(usual), None)


def _label_names(rows: Dataset, label: str, picture: str) -> list[str | None]:
    """Return the name of each row's label; None for a row without one."""
    values = rows.data.column(label).to_pylist()
    names = getattr(rows.features[label], "names", None)
    if names is None and picture == "pixels":
        names = FER2013_EMOTIONS
    if names is None:
        return [None if value is None else str(value) for value in values]
    known = dict(enumerate(names))
    return [None if value is None else known.get(int(value)) for value in values]


def _split_of(name: str) -> str:
    """Return the split that a name such as `partial-train` or `valid_2` means; "all" where it means none."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "all")
