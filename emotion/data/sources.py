"""Where labelled pictures come from: folders of many shapes, and what `--data` may name beside them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from emotion.config import public_source
from emotion.data.downloads import download_from_hub, download_from_kaggle
from emotion.data.examples import SPLIT_NAMES, Examples, Source, choose_outputs
from emotion.data.fer2013 import open_csv
from emotion.data.parquet import copied_tables, open_tables
from emotion.errors import DataError
from emotion.vision.images import EXTENSIONS, open_image

logger = logging.getLogger(__name__)

SEARCH_DEPTH = 4  # folders below the given one that are searched for the labels

Splits = dict[str, dict[str, list[Path]]]  # split: {folder name: files}


def open_source(
    data: str, *, labels: tuple[str, ...], background: tuple[str, ...] = (), optional_background: bool = False
) -> Source:
    """List the labelled pictures of a data set.

    Parameters
    ----------
    data : str
        A folder, a CSV file, `kaggle:owner/name` or `hf:owner/name[/configuration][@revision]`.
    labels : tuple of str
        Folders to tell apart, matched whatever their case; empty takes all that are no background.
    background : tuple of str
        Folders of pictures that belong to no label; `("*",)` takes all that are no label.
    optional_background : bool
        Do without background folders that are not there.

    Raises
    ------
    DataError
        If there is no such source or it lacks a label; the message says what is there instead.
    """
    if data.startswith("kaggle:"):
        root = download_from_kaggle(data.removeprefix("kaggle:"))
    elif data.startswith("hf:"):
        root = download_from_hub(data.removeprefix("hf:"))
    else:
        root = Path(data).expanduser()
    if not root.exists():
        raise DataError(f"There is no folder or file {root}. Check the path given to --data.")
    if root.is_file():
        if root.suffix.lower() == ".csv":
            return open_csv(root, labels=labels, background=background)
        hint = (
            "Unpack it and pass the folder."
            if root.suffix.lower() == ".zip"
            else "Pass a folder or a .csv file."
        )
        raise DataError(f"{root} is not something to train on. {hint}")
    names = {"labels": labels, "background": background, "optional_background": optional_background}
    if tables := copied_tables(root):
        return open_tables(tables, **names)
    return open_folder(root, **names)


def open_sources(
    data: tuple[str, ...],
    *,
    labels: tuple[str, ...],
    background: tuple[str, ...] = (),
    optional_background: bool = False,
) -> dict[str, Source]:
    """Open one source or several, which get the same outputs.

    Parameters
    ----------
    data : tuple of str
        Each as `open_source` takes it. Of several, one may lack background classes that another has.
    labels, background, optional_background
        As in `open_source`.

    Returns
    -------
    dict
        Name → source, in the order given. The name is the last folder of a path, or what else was given.

    Raises
    ------
    DataError
        If a source cannot be opened, or two have one name.
    """
    opened = {}
    for given in data:
        name = public_source(os.path.abspath(given) if os.path.exists(given) else given)
        if name in opened:
            raise DataError(f"Two sources of --data are called {name}. Rename one, so that figures can tell.")
        opened[name] = open_source(
            given,
            labels=labels,
            background=background,
            optional_background=optional_background or len(data) > 1,
        )
    if len(opened) == 1:
        return opened
    known = {output: None for source in opened.values() for output in source.labels}
    known |= {output: None for source in opened.values() for output in source.outputs}
    outputs = tuple(known)
    labels = labels or next(iter(opened.values())).labels
    return {name: _with_outputs(source, labels, outputs) for name, source in opened.items()}


def _with_outputs(source: Source, labels: tuple[str, ...], outputs: tuple[str, ...]) -> Source:
    """Return a source whose targets are counted among more outputs than its own."""
    new = np.array([outputs.index(name) for name in source.outputs], np.int64)
    splits = {split: replace(part, targets=new[part.targets]) for split, part in source.splits.items()}
    return Source(labels, outputs, splits)


@dataclass(frozen=True)
class FolderReader:
    """Opens pictures by their path below a folder."""

    root: Path

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one picture: uint8 (H, W, 3)."""
        return open_image(self.root / identifier)


def open_folder(
    root: Path, *, labels: tuple[str, ...], background: tuple[str, ...], optional_background: bool = False
) -> Source:
    """List `train/<label>/*` beside `validation|val|test/<label>/*`, or `<label>/*`.

    When `root` is not such a folder itself, the one below it that fits the labels best is taken: data sets
    are often packed in folders within folders, beside things that have nothing to do with them.
    """
    asked = {name.lower() for name in labels + background}
    trees = list(labelled_trees(root, SEARCH_DEPTH))
    if not trees:
        csv_files = sorted(root.rglob("*.csv"))
        if len(csv_files) == 1:
            return open_csv(csv_files[0], labels=labels, background=background)
        raise DataError(
            f"{root} holds no labelled pictures. It needs a folder per label, such as {root / 'happy'} and "
            f"{root / 'sad'}, or these inside {root / 'train'} and {root / 'validation'}."
        )

    def fit(entry: tuple[Path, Splits]) -> tuple[int, int, int]:
        """Rate a tree: how many of the labels it has, how many splits, how near to the root it is."""
        tree, splits = entry
        found = asked & {name.lower() for name in folder_names(splits)}
        return len(found), len(splits), -len(tree.relative_to(root).parts)

    tree, splits = max(trees, key=fit)
    if tree != root:
        logger.info("Taking the labelled pictures in %s.", tree)
    names = folder_names(splits)
    labels, outputs = choose_outputs(
        names, labels, background, optional_background=optional_background, where=str(tree), kind="folder"
    )
    reader = FolderReader(root)
    examples = {}
    for split, folders in splits.items():
        files = {name.lower(): [] for name in outputs}
        for folder, paths in folders.items():
            files.get(folder.lower(), []).extend(paths)
        pairs = [(path, target) for target, name in enumerate(outputs) for path in files[name.lower()]]
        identifiers = [path.relative_to(root).as_posix() for path, _ in pairs]
        examples[split] = Examples(identifiers, np.array([target for _, target in pairs], np.int64), reader)
    return Source(labels, outputs, {split: part for split, part in examples.items() if len(part)})


def labelled_trees(root: Path, depth: int) -> Iterator[tuple[Path, Splits]]:
    """`root` and the folders below it that hold labelled pictures, nearest first, by name."""
    level = [root]
    for _ in range(depth + 1):
        deeper: list[Path] = []
        for tree in level:
            splits = read_tree(tree)
            if splits:
                yield tree, splits
            deeper += [
                child
                for child in subfolders(tree)
                if "all" in splits or not splits or child.name.lower() not in SPLIT_NAMES
            ]
        level = deeper


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted; `__MACOSX` is what some zip files carry along."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    return [folder / name for name in sorted(names) if name != "__MACOSX"]


def pictures_in(folder: Path) -> list[Path]:
    """Return the files in a folder that are named like pictures, sorted."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and not entry.is_dir()]
    return [folder / name for name in sorted(names) if os.path.splitext(name)[1].lower() in EXTENSIONS]


def read_tree(tree: Path) -> Splits:
    """Return {split: {folder name: files}} of a folder, without folders that hold no pictures.

    Folders named like a split that hold label folders make it a split tree; otherwise its own folders are the
    labels, and the split is "all".
    """
    children = subfolders(tree)
    splits: Splits = {}
    for child in children:
        split = SPLIT_NAMES.get(child.name.lower())
        if split:
            for folder in subfolders(child):
                splits.setdefault(split, {}).setdefault(folder.name, []).extend(pictures_in(folder))
    if not any(files for folders in splits.values() for files in folders.values()):
        splits = {"all": {child.name: pictures_in(child) for child in children}}
    kept = {
        split: {name: files for name, files in folders.items() if files} for split, folders in splits.items()
    }
    return {split: folders for split, folders in kept.items() if folders}


def folder_names(splits: Splits) -> tuple[str, ...]:
    """Return the label folders of all splits, sorted, each in one spelling (the training folder's)."""
    spelling: dict[str, str] = {}
    for split in sorted(splits, key=lambda split: split not in ("train", "all")):
        for name in splits[split]:
            spelling.setdefault(name.lower(), name)
    return tuple(spelling[key] for key in sorted(spelling))
