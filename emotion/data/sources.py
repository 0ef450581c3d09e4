"""Where labelled pictures come from: split folders, one folder, FER2013 CSV, Kaggle and Hub data sets.

A room of its own because each source has its own ways to be wrong; what is done with the pictures is in
`emotion/data.py`.
"""

import logging
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emotion.config import EVERYTHING_ELSE
from emotion.errors import DataError, InvalidImageError
from emotion.faces import crop_face
from emotion.images import EXTENSIONS, open_image

logger = logging.getLogger(__name__)

SPLIT_FOLDERS = {  # lower-case folder name: the split it holds
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
FER2013_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FER2013_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}
SEARCH_DEPTH = 4  # folders below the given one that are searched for the labels
NAMED_IN_ERRORS = 12  # folders that an error message lists at most

Splits = dict[str, dict[str, list[Path]]]  # split: {folder name: files}


@dataclass(frozen=True)
class Examples:
    """An ordered collection of labelled pictures that are decoded when they are asked for.

    Attributes
    ----------
    identifiers : list of str
        Where each picture stands: its path below the data folder ("train/happy/1.jpg"), or "row 17" of a
        CSV (the first row after the header is 0).
    targets : np.ndarray
        int64, shape (n,): index into the data set's outputs.
    read : callable
        identifier → uint8 (H, W, 3) RGB picture. Raises `InvalidImageError`.
    """

    identifiers: list[str] = field(repr=False)
    targets: np.ndarray = field(repr=False)
    read: Callable[[str], np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.identifiers)

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Decode pictures and crop them as serving does: uint8 (len(indices), size, size, channels)."""
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        for row, index in enumerate(indices):
            batch[row] = whole_crop(self.read(self.identifiers[index]), size, channels)
        return batch

    def subset(self, indices: np.ndarray) -> "Examples":
        """The examples at `indices` (int array), in that order."""
        indices = np.asarray(indices, np.int64)
        return Examples([self.identifiers[index] for index in indices], self.targets[indices], self.read)


@dataclass(frozen=True)
class Source:
    """What a source holds for the labels that were asked for.

    Attributes
    ----------
    labels, outputs : tuple of str
        The labels; the labels and then the background.
    splits : dict of str to Examples
        "all", or some of "train", "validation" and "test".
    """

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    splits: dict[str, Examples]


def open_source(
    data: str, *, labels: tuple[str, ...], background: tuple[str, ...] = (), optional_background: bool = False
) -> Source:
    """List the labelled pictures of a folder, CSV file, `kaggle:owner/name` or `hf:owner/name[@revision]`.

    Parameters
    ----------
    data : str
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
    return open_folder(root, labels=labels, background=background, optional_background=optional_background)


def whole_crop(picture: np.ndarray, size: int, channels: int) -> np.ndarray:
    """The crop that a face picture gives as a whole: uint8 (size, size, channels)."""
    height, width = picture.shape[:2]
    crop = crop_face(picture, (0, 0, width, height), size=size, channels=channels)
    return crop.reshape(size, size, channels)


# Folders


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
        """How well a tree suits: how many of the labels it has, how many splits, how near to the root it is."""
        tree, splits = entry
        found = asked & {name.lower() for name in folder_names(splits)}
        return len(found), len(splits), -len(tree.relative_to(root).parts)

    tree, splits = max(trees, key=fit)
    if tree != root:
        logger.info("Taking the labelled pictures in %s.", tree)
    names = folder_names(splits)
    labels = labels or tuple(name for name in names if name.lower() not in {b.lower() for b in background})
    background = spelled_out(background, names, labels)
    outputs = labels + background
    required = labels if optional_background else outputs
    missing = [name for name in required if name.lower() not in {folder.lower() for folder in names}]
    if missing:
        raise DataError(
            f"{tree} has no folder {' and no folder '.join(missing)}. It holds: {', '.join(names[:NAMED_IN_ERRORS])}. "
            "Name the folders to use with --labels and --background."
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


def spelled_out(
    background: tuple[str, ...], names: tuple[str, ...], labels: tuple[str, ...]
) -> tuple[str, ...]:
    """The background classes, where `*` stands for all names that are no label."""
    if background != EVERYTHING_ELSE:
        return background
    return tuple(name for name in names if name.lower() not in {label.lower() for label in labels})


def labelled_trees(root: Path, depth: int) -> Iterator[tuple[Path, Splits]]:
    """`root` and the folders below it that hold labelled pictures, nearest first, by name."""
    level = [root]
    for _ in range(depth + 1):
        deeper = []
        for tree in level:
            splits = read_tree(tree)
            if splits:
                yield tree, splits
            deeper += [
                child
                for child in subfolders(tree)
                if "all" in splits or not splits or child.name.lower() not in SPLIT_FOLDERS
            ]
        level = deeper


def subfolders(folder: Path) -> list[Path]:
    """The visible folders in a folder, sorted; `__MACOSX` is what some zip files carry along."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir() and entry.name[0] != "."]
    return [folder / name for name in sorted(names) if name != "__MACOSX"]


def pictures_in(folder: Path) -> list[Path]:
    """The files in a folder that are named like pictures, sorted."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name[0] != "." and not entry.is_dir()]
    return [folder / name for name in sorted(names) if os.path.splitext(name)[1].lower() in EXTENSIONS]


def read_tree(tree: Path) -> Splits:
    """{split: {folder name: files}} of a folder, without folders that hold no pictures; {} if nothing is left.

    Folders named like a split that hold label folders make it a split tree; otherwise its own folders are the
    labels, and the split is "all".
    """
    children = subfolders(tree)
    splits: Splits = {}
    for child in children:
        split = SPLIT_FOLDERS.get(child.name.lower())
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
    """The label folders of all splits, sorted, each in one spelling (the training folder's)."""
    spelling: dict[str, str] = {}
    for split in sorted(splits, key=lambda split: split not in ("train", "all")):
        for name in splits[split]:
            spelling.setdefault(name.lower(), name)
    return tuple(spelling[key] for key in sorted(spelling))


# FER2013 CSV


@dataclass(frozen=True)
class CsvReader:
    """Opens rows of a FER2013 CSV by their byte offset, so that no pixels are held."""

    path: Path
    offsets: np.ndarray = field(repr=False)
    column: int

    def __call__(self, identifier: str) -> np.ndarray:
        """Decode one row: uint8 (side, side, 3), grey."""
        with open(self.path, "rb") as file:
            file.seek(self.offsets[int(identifier.split()[-1])])
            cells = file.readline().decode("ascii", "replace").split(",")
        try:
            pixels = np.array(cells[self.column].strip('" \r\n').split(), np.int64)
        except (ValueError, IndexError):
            raise InvalidImageError(f"The pixels of {identifier} of {self.path} are not numbers.") from None
        side = math.isqrt(pixels.size)
        if side == 0 or side * side != pixels.size or pixels.min() < 0 or pixels.max() > 255:
            raise InvalidImageError(f"{identifier} of {self.path} is not a square of pixels of 0 to 255.")
        return np.repeat(pixels.astype(np.uint8).reshape(side, side, 1), 3, axis=2)


def open_csv(path: Path, *, labels: tuple[str, ...], background: tuple[str, ...]) -> Source:
    """List the rows of a CSV with the columns `emotion` (0 to 6 as FER2013 numbers them), `pixels`, `Usage`.

    Usage Training is the training split, PublicTest validation, PrivateTest test; without the column all
    rows are one split.
    """
    labels = labels or tuple(name for name in FER2013_EMOTIONS if name not in background)
    background = spelled_out(background, FER2013_EMOTIONS, labels)
    outputs = labels + background
    unknown = [name for name in outputs if name.lower() not in FER2013_EMOTIONS]
    if unknown:
        raise DataError(
            f"A FER2013 CSV has no {', '.join(unknown)}. It holds: {', '.join(FER2013_EMOTIONS)}. "
            "Name the ones to use with --labels and --background."
        )
    target_of = {str(FER2013_EMOTIONS.index(name.lower())): target for target, name in enumerate(outputs)}
    offsets, listed = [], {}
    with open(path, "rb") as file:
        columns = [
            name.strip('" \r\n\ufeff').lower()
            for name in file.readline().decode("utf-8", "replace").split(",")
        ]
        if not {"emotion", "pixels"} <= set(columns):
            raise DataError(
                f"{path} has the columns {', '.join(columns)}. A FER2013 CSV has emotion, pixels and Usage in its "
                "first line."
            )
        emotion, usage = columns.index("emotion"), columns.index("usage") if "usage" in columns else None
        while True:
            offset = file.tell()
            line = file.readline()
            if not line:
                break
            offsets.append(offset)
            cells = [cell.strip(b'" \r\n').decode("ascii", "replace") for cell in line.split(b",")]
            if len(cells) < len(columns) or cells[emotion] not in target_of:
                continue
            split = "all" if usage is None else FER2013_USAGES.get(cells[usage].lower())
            if split:
                listed.setdefault(split, []).append((f"row {len(offsets) - 1}", target_of[cells[emotion]]))
    if not listed:
        raise DataError(
            f"{path} has no rows of {', '.join(outputs)} with a Usage that FER2013 knows. Check the file."
        )
    reader = CsvReader(path, np.array(offsets, np.int64), columns.index("pixels"))
    examples = {
        split: Examples([row for row, _ in rows], np.array([target for _, target in rows], np.int64), reader)
        for split, rows in listed.items()
    }
    return Source(labels, outputs, examples)


# Downloads


def download_from_kaggle(handle: str) -> Path:
    """The folder of a Kaggle data set `owner/name`, downloaded once and then taken from kagglehub's cache."""
    try:
        import kagglehub
    except ImportError:
        raise DataError(
            "Data sets on Kaggle need one more package: pip install kagglehub. Or download the data set in a "
            "browser, unpack it and pass the folder with --data."
        ) from None
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # the client raises a dozen unrelated types
        raise DataError(
            f"Kaggle did not give the data set {handle}: {_reason(error)} Check the name and the network, or download it "
            f"at https://www.kaggle.com/datasets/{handle}, unpack it and pass the folder with --data."
        ) from error


def download_from_hub(reference: str) -> Path:
    """The folder of a Hub data set `owner/name[@revision]` of pictures in folders or zip files."""
    from huggingface_hub import snapshot_download

    repo_id, _, revision = reference.partition("@")
    patterns = [f"*{suffix}" for extension in sorted(EXTENSIONS) for suffix in (extension, extension.upper())]
    try:
        snapshot = snapshot_download(
            repo_id,
            repo_type="dataset",
            revision=revision or None,
            allow_patterns=[*patterns, "*.zip", "*.csv"],
        )
    except Exception as error:  # the client and the network below it raise a dozen unrelated types
        raise DataError(
            f"The Hub did not give the data set {reference}: {_reason(error)} Check the name and the network; a private or "
            "gated data set also needs `hf auth login`."
        ) from error
    folder = Path(snapshot)
    if not folder.is_dir():
        raise DataError(
            f"The data set {reference} holds no picture files, zip files or CSV. Pictures inside other files, such as "
            "Parquet, have to be written to a folder per label first."
        )
    archives = sorted(folder.rglob("*.zip"))
    return unpack(archives, folder) if archives else folder


def unpack(archives: list[Path], snapshot: Path) -> Path:
    """Unpack zip files once, beside the snapshot in the Hub's cache, so that they are deleted with it."""
    target = snapshot.parent.parent / "unpacked" / snapshot.name
    for archive in archives:
        done = target / f".{archive.relative_to(snapshot).as_posix().replace('/', '--')}.done"
        if not done.exists():
            logger.info("Unpacking %s.", archive)
            try:
                with zipfile.ZipFile(archive) as content:
                    content.extractall(target / archive.relative_to(snapshot).parent)
            except (zipfile.BadZipFile, OSError) as error:
                raise DataError(
                    f"{archive} cannot be unpacked: {error}. Delete it, so that it is downloaded again."
                ) from error
            done.touch()
    return target


def _reason(error: Exception) -> str:
    """What went wrong, without the layers of network libraries that a lost connection is wrapped in."""
    return "no connection." if "Connect" in type(error).__name__ else str(error)
