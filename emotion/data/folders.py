"""Labelled pictures in folders, however these are nested: which files there are, and what each shows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from emotion.data.examples import (
    SPLIT_NAMES,
    Examples,
    Outputs,
    Source,
    Wanted,
    choose_outputs,
    plain_name,
    usual_word,
)
from emotion.data.fer2013 import open_csv
from emotion.errors import DataError
from emotion.vision.images import EXTENSIONS, open_image, readable_formats

EMOTIONS = {"angry", "contempt", "disgust", "fear", "happy", "neutral", "sad", "surprise"}


@dataclass(frozen=True)
class FolderReader:
    """Opens pictures by their path below a folder."""

    root: Path

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one picture: uint8 (H, W, 3)."""
        return open_image(self.root / identifier)


def open_folder(root: Path, wanted: Wanted) -> Source:
    """List the pictures below a folder by the labels and splits that their folders name."""
    listing, tables = list_folder(root)
    source = open_listing(listing, wanted, FolderReader(root), where=str(root))
    if source is not None:
        return source
    if len(tables) == 1:
        return open_csv(tables[0], wanted)
    raise DataError(
        f"{root} holds no labelled pictures. It needs a folder per label, such as {root / 'happy'} and "
        f"{root / 'sad'}, or these inside {root / 'train'} and {root / 'validation'}."
    )


def list_folder(root: Path) -> tuple[Listing, list[Path]]:
    """Return what is below a folder, sorted, and the CSV files in it.

    Hidden files and folders are left out, and `__MACOSX`, which some zip files carry along. A file whose name
    does not end like a picture's is opened to see what it is.
    """
    pictures: list[str] = []
    folders: set[str] = set()
    other: Counter[str] = Counter()
    passed_over: Counter[str] = Counter()
    tables: list[Path] = []
    seen: set[str] = set()
    for folder, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link to a folder above it
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if name[0] != "." and name != "__MACOSX")
        below = Path(folder).relative_to(root).as_posix().removeprefix(".")
        folders.add(below)
        for name in sorted(files):
            path = f"{below}/{name}".lstrip("/")
            ending = os.path.splitext(name)[1].lower()
            if name[0] == ".":
                passed_over["hidden"] += 1
            elif ending in EXTENSIONS or is_picture(os.path.join(folder, name)):
                pictures.append(path)
            else:
                other[below] += 1
                passed_over[f"no picture ({ending or 'without ending'})"] += 1
                if ending == ".csv":
                    tables.append(root / path)
    return Listing(pictures, lambda path: (root / path).stat().st_size, folders, other, passed_over), tables


def is_picture(path: str) -> bool:
    """Whether a file's content begins like a picture, regardless of its name."""
    try:
        # TGA has no signature: any file could be one.
        with Image.open(path, formats=[name for name in readable_formats() if name != "TGA"]):
            return True
    except Exception:  # a stranger's file: Pillow's readers raise anything
        return False


@dataclass(frozen=True)
class Listing:
    """What was found below a folder; paths are relative to it, with forward slashes.

    `pictures` are the files that may be pictures, `size` gives the bytes of one. `folders` are all folders,
    `other` counts the other files in each, and `passed_over` counts what was left out by reason.
    """

    pictures: list[str]
    size: Callable[[str], int]
    folders: set[str] = field(default_factory=set)
    other: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Place:
    """What a folder says about the files in it; `tree` is the part of the path above label and split."""

    target: int | None
    split: str
    tree: str


def open_listing(
    listing: Listing, wanted: Wanted, read: Callable[[str], np.ndarray], *, where: str
) -> Source | None:
    """Find the labels and splits of the pictures in a listing; None where there are no label folders.

    The label of a picture is the deepest folder above it that has the name of one, its split the folder named
    like one that is nearest above the label, or else the first below it; `where` is for errors.
    """
    names = _label_names(_with_parents(map(_parent, listing.pictures)), wanted)
    if not names:
        return None
    _refuse_empty(wanted, names, listing, where)
    chosen = choose_outputs(names, wanted, where=where, kind="folder")
    places = {folder: _place(folder, chosen) for folder in {_parent(path) for path in listing.pictures}}
    labelled = [path for path in listing.pictures if places[_parent(path)].target is not None]
    kept = _without_repeated_trees(labelled, places, listing.size)
    loose = _takes_loose({places[_parent(path)] for path in kept})
    found: dict[str, list[tuple[int, str]]] = {}
    for path in kept:
        place = places[_parent(path)]
        if (place.split == "all") == loose and place.target is not None:
            found.setdefault(place.split, []).append((place.target, path))
    used = sum(map(len, found.values()))
    passed_over = listing.passed_over + Counter(
        {
            "in folders of other labels": len(listing.pictures) - len(labelled),
            "in a folder that stands twice": len(labelled) - len(kept),
            "beside the data set in splits" if not loose else "in splits that lack labels": len(kept) - used,
        }
    )
    splits = {
        split: Examples.of_rows([(path, target) for target, path in sorted(files)], read)
        for split, files in found.items()
    }
    return Source(chosen.labels, chosen.outputs, splits, dict(+passed_over))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _with_parents(folders: Iterable[str]) -> set[str]:
    """Return folders and all folders above them, without the root."""
    found: set[str] = set()
    for folder in folders:
        while folder and folder not in found:
            found.add(folder)
            folder = _parent(folder)
    return found


def _split_of(name: str) -> str | None:
    return SPLIT_NAMES.get(plain_name(name))


def _label_names(holding: set[str], wanted: Wanted) -> list[str]:
    """Return the names of the label folders, those for training first.

    They are the folders beside one that is called like a label that was asked for, or like an emotion;
    without one, the first ones that lie beside each other.
    """
    children: dict[str, list[str]] = {}
    for folder in sorted(holding, key=lambda name: ("train" not in map(_split_of, name.split("/")), name)):
        children.setdefault(_parent(folder), []).append(folder)
    for words in (set(map(usual_word, wanted.labels + wanted.background)), EMOTIONS):
        parents = [
            parent
            for parent, folders in children.items()
            if any(usual_word(PurePosixPath(folder).name) in words for folder in folders)
        ]
        if parents:
            break
    else:
        parents = [""]
        while len(parents) == 1 and len(children.get(parents[0], ())) == 1:
            parents = children[parents[0]]
        splits = [folder for parent in parents for folder in children.get(parent, ()) if _split_of(folder)]
        parents = splits or parents
    names = [PurePosixPath(folder).name for parent in parents for folder in children.get(parent, ())]
    spelled: dict[str, str] = {}
    for name in names:
        if not _split_of(name):
            spelled.setdefault(plain_name(name), name)
    return [spelled[plain] for plain in sorted(spelled)]


def _refuse_empty(wanted: Wanted, names: list[str], listing: Listing, where: str) -> None:
    """Name the label whose folders are there but hold no picture."""
    known = set(map(usual_word, names))
    for label in wanted.needed:
        word = usual_word(label)
        own = [folder for folder in listing.folders if usual_word(PurePosixPath(folder).name) == word]
        if not own or word in known:
            continue
        others = sum(count for folder, count in listing.other.items() if _is_below(folder, own))
        problem = f"holds no picture: none of its {others} files opens as one" if others else "is empty"
        raise DataError(
            f"The folder {min(own)} of {where} {problem}. Add pictures of '{label}', or leave it out of "
            "--labels and --background."
        )


def _is_below(folder: str, others: Iterable[str]) -> bool:
    return any(f"{folder}/".startswith(f"{other}/") for other in others)


def _place(folder: str, chosen: Outputs) -> _Place:
    names = folder.split("/") if folder else []
    plain = [plain_name(name) for name in names]
    label = max((level for level, name in enumerate(plain) if name in chosen.target_of), default=None)
    if label is None:
        return _Place(None, "all", "")
    named = [level for level, name in enumerate(plain) if name in SPLIT_NAMES and level != label]
    above = [level for level in named if level < label]
    split = SPLIT_NAMES[plain[(above[-1:] or named)[0]]] if named else "all"
    return _Place(chosen.target_of[plain[label]], split, "/".join(names[: min([label, *above])]))


def _without_repeated_trees(
    paths: list[str], places: dict[str, _Place], size: Callable[[str], int]
) -> list[str]:
    """Leave out trees with the same files as an earlier one: the same paths and sizes below it."""
    trees: dict[str, list[str]] = {}
    for path in paths:
        trees.setdefault(places[_parent(path)].tree, []).append(path)
    if len(trees) == 1:
        return paths
    first: dict[frozenset[tuple[str, int]], list[str]] = {}
    for tree, files in sorted(trees.items(), key=lambda entry: (entry[0].count("/"), entry[0])):
        below = len(tree) + 1 if tree else 0
        first.setdefault(frozenset((path[below:], size(path)) for path in files), files)
    kept = {path for files in first.values() for path in files}
    return [path for path in paths if path in kept]


def _takes_loose(places: set[_Place]) -> bool:
    """Whether the files outside of splits are the data set: they show more labels than those inside."""
    loose, split = (
        {place.target for place in places if (place.split == "all") == way} for way in (True, False)
    )
    return len(loose) > len(split)
