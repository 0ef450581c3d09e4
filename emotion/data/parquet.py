"""Data sets in Parquet, the Hub's usual form: which files hold which split, and rows decoded when asked for.

Parquet packs rows in groups that are read as a whole, so that a shuffled epoch would read each group a
hundred times. Pictures and labels are therefore copied once, as they are, into a file per split that is
mapped into memory.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from huggingface_hub.utils import filter_repo_objects

from emotion.data.examples import SPLIT_NAMES, Examples, Source, choose_outputs
from emotion.errors import DataError, InvalidImageError
from emotion.vision.images import open_image

if TYPE_CHECKING:
    import pyarrow as pa

COPIED_ENDING = ".rows.arrow"
# What columns are called that hold a label; the first that is there counts.
LABEL_COLUMNS = ("label", "labels", "emotion", "expression", "class", "target")
PICTURE_COLUMNS = ("image", "img", "picture", "face")
# Rows in memory while they are copied.
ROWS_AT_A_TIME = 256

Files = dict[str, list[str]]  # split: Parquet files below the root of a data set


def choose_files(names: Sequence[str], card: Mapping[str, Any], configuration: str | None) -> Files:
    """Return which Parquet files of a data set hold which split.

    Parameters
    ----------
    names : sequence of str
        All files of the data set, as paths below its root.
    card : mapping
        The metadata of its card, whose `configs` may say it.
    configuration : str, optional
        Which of several data sets in one repository to take.

    Raises
    ------
    DataError
        If there are several and none is named, or none has that name.
    """
    tables = sorted(name for name in names if name.endswith(".parquet"))
    found = _declared(tables, card) or _by_folder(tables)
    if configuration is None:
        defaults = [entry["config_name"] for entry in _entries(card) if entry.get("default")]
        configuration = next((name for name in (*defaults, "default") if name in found), None)
        if len(found) == 1:
            configuration = next(iter(found))
    if configuration not in found:
        asked = f"no configuration {configuration}" if configuration else "several configurations"
        raise DataError(
            f"The data set has {asked}. It holds {', '.join(found)}: name one as "
            f"hf:owner/name/{next(iter(found))}."
        )
    splits = found[configuration]
    # Beside named splits, other tables are something else.
    return {split: files for split, files in splits.items() if split != "all" or len(splits) == 1}


def copy_tables(files: Mapping[str, Sequence[Path]], target: Path) -> None:
    """Copy pictures and labels of every split into `target`, once.

    Parameters
    ----------
    files : mapping of str to sequence of Path
        Split: its Parquet files.
    target : Path
        Created where needed; a split that is there already is left alone.

    Raises
    ------
    DataError
        If a file is damaged, or has no column of pictures or none of labels.
    """
    import pyarrow as pa

    schema = pa.schema([("picture", pa.binary()), ("label", pa.string())])
    target.mkdir(parents=True, exist_ok=True)
    for split, tables in files.items():
        copied = target / f"{split}{COPIED_ENDING}"
        if copied.exists():
            continue
        beside = copied.with_name("new." + copied.name)
        with pa.OSFile(str(beside), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for table in tables:
                _copy_rows(table, writer, schema)
        os.replace(beside, copied)


def copied_tables(root: Path) -> dict[str, Path]:
    """Return the file of every split that `copy_tables` wrote into a folder; empty for any other folder."""
    return {path.name.removesuffix(COPIED_ENDING): path for path in sorted(root.glob(f"*{COPIED_ENDING}"))}


@dataclass(frozen=True)
class RowReader:
    """Opens rows such as "train row 17"; only the bytes of that row are read from the disk."""

    pictures: Mapping[str, pa.ChunkedArray] = field(repr=False)

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one row: uint8 (H, W, 3)."""
        split, _, row = identifier.split()
        content = self.pictures[split][int(row)].as_py()
        if not content:
            raise InvalidImageError(f"{identifier} holds no picture.")
        try:
            return open_image(content)
        except InvalidImageError as error:
            raise InvalidImageError(f"{identifier}: {error}") from error


def open_tables(
    tables: Mapping[str, Path],
    *,
    labels: tuple[str, ...],
    background: tuple[str, ...],
    optional_background: bool = False,
) -> Source:
    """List the labelled rows of the files that `copy_tables` wrote; parameters are those of `open_source`."""
    import pyarrow as pa

    columns = {split: pa.ipc.open_file(pa.memory_map(str(path))).read_all() for split, path in tables.items()}
    named = {split: table.column("label").to_pylist() for split, table in columns.items()}
    names = tuple(sorted({name for row in named.values() for name in row if name is not None}))
    labels, outputs = choose_outputs(
        names, labels, background, optional_background=optional_background, where="The data set", kind="label"
    )
    target_of = {name.lower(): target for target, name in enumerate(outputs)}
    reader = RowReader({split: table.column("picture") for split, table in columns.items()})
    splits = {}
    for split, row_names in named.items():
        rows = [
            (f"{split} row {row}", target_of[name.lower()])
            for row, name in enumerate(row_names)
            if name is not None and name.lower() in target_of
        ]
        if rows:
            identifiers, targets = zip(*rows, strict=True)
            splits[split] = Examples(list(identifiers), np.array(targets, np.int64), reader)
    return Source(labels, outputs, splits)


def _entries(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a card says about its configurations; strangers write it."""
    entries = card.get("configs")
    entries = entries if isinstance(entries, list) else []
    return [
        entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("config_name"), str)
    ]


def _declared(tables: Sequence[str], card: Mapping[str, Any]) -> dict[str, Files]:
    """Return configuration: split: files, as the card says."""
    found: dict[str, Files] = {}
    for entry in _entries(card):
        splits: Files = {}
        for split, patterns in _patterns(entry):
            for name in filter_repo_objects(tables, allow_patterns=patterns):
                splits.setdefault(split or _split_of(name), []).append(name)
        if splits:
            found[entry["config_name"]] = splits
    return found


def _patterns(entry: Mapping[str, Any]) -> Iterator[tuple[str | None, list[str]]]:
    """Yield (split, patterns of its files) of a configuration; None where the names of the files say it."""
    given = entry.get("data_files")
    if given is None:
        yield None, [f"{str(entry.get('data_dir', '.')).strip('./')}/*".lstrip("/")]
        return
    for part in given if isinstance(given, list) else [given]:
        # Without a split, what is listed is there to train on.
        split, paths = (part.get("split"), part.get("path")) if isinstance(part, dict) else ("train", part)
        yield _split_of(str(split)), [str(path) for path in (paths if isinstance(paths, list) else [paths])]


def _by_folder(tables: Sequence[str]) -> dict[str, Files]:
    """Return configuration: split: files, by names such as `data/train-…` or `<configuration>/train/…`."""
    found: dict[str, Files] = {}
    for name in tables:
        folders = PurePosixPath(name).parent.parts
        converted = len(folders) == 2 and _split_of(folders[1]) != "all"
        configuration = folders[0] if converted else "default"
        found.setdefault(configuration, {}).setdefault(_split_of(name), []).append(name)
    return found


def _split_of(name: str) -> str:
    """Return the split that a path names, the file before its folders; "all" where it names none."""
    for part in reversed(PurePosixPath(name).parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return "all"


def _copy_rows(path: Path, writer: pa.RecordBatchFileWriter, schema: pa.Schema) -> None:
    """Copy the rows of a Parquet file, a few in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            columns = _Columns.of(table.schema_arrow, path.name)
            for batch in table.iter_batches(ROWS_AT_A_TIME, columns=[columns.picture, columns.label]):
                picture = batch.column(columns.picture)
                if pa.types.is_struct(picture.type):
                    picture = picture.field("bytes")
                labels = pa.array(map(columns.name_of, batch.column(columns.label).to_pylist()), pa.string())
                writer.write_batch(pa.record_batch([picture.cast(pa.binary()), labels], schema=schema))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read: {error}. Delete it, so that it is downloaded again, or tell its author."
        ) from error


@dataclass(frozen=True)
class _Columns:
    """Which columns of a table hold pictures and labels, and what the numbers in the latter mean."""

    picture: str
    label: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, schema: pa.Schema, file: str) -> _Columns:
        """Find them by the features that the Hub's libraries write into the file, or by type and name."""
        import pyarrow as pa

        features = _features(schema)
        pictures = [name for name, feature in features.items() if feature.get("_type") == "Image"]
        pictures = pictures or [item.name for item in schema if _may_hold_pictures(item.type)]
        classes = [name for name, feature in features.items() if feature.get("_type") == "ClassLabel"]
        labels = classes or [
            item.name
            for item in schema
            if item.name.lower() in LABEL_COLUMNS
            and (
                pa.types.is_integer(item.type)
                or pa.types.is_string(item.type)
                or pa.types.is_large_string(item.type)
            )
        ]
        picture, label = _first_known(pictures, PICTURE_COLUMNS), _first_known(labels, LABEL_COLUMNS)
        if picture is None or label is None:
            missing = "pictures" if picture is None else "labels"
            raise DataError(
                f"{file} has no single column of {missing}; it has {', '.join(schema.names)}. It needs "
                "pictures in a column 'image' and a name or a ClassLabel in a column 'label'."
            )
        names = features.get(label, {}).get("names") or ()
        return cls(picture, label, tuple(map(str, names)))

    def name_of(self, value: object) -> str | None:
        """Return the label that a value stands for; None for a row without one."""
        if isinstance(value, int) and self.names:
            return self.names[value] if 0 <= value < len(self.names) else None
        return None if value is None else str(value)


def _features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    """Return the features that the Hub's libraries write into a table, by column."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _may_hold_pictures(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _first_known(columns: Sequence[str], known: Sequence[str]) -> str | None:
    """Return the only column, or of several the one with a usual name."""
    by_name = {column.lower(): column for column in columns}
    usual = [by_name[name] for name in known if name in by_name]
    return columns[0] if len(columns) == 1 else next(iter(usual), None)
