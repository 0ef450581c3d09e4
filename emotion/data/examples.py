"""Labelled pictures, decoded on demand, and what a CSV says about them."""

from __future__ import annotations

import csv
import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emotion.config import EVERYTHING_ELSE
from emotion.errors import DataError
from emotion.vision.crop import Place, crop_face, whole_crop

logger = logging.getLogger(__name__)

SPLIT_NAMES = {  # lower-case name of a folder or table: the split it holds
    "train": "train",
    "training": "train",
    "validation": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "publictest": "validation",  # as FER2013 calls them
    "privatetest": "test",
}
SYNONYMS = {  # the words of AffectNet, CK+, FER+ and RAF-DB: what our folders are called
    "afraid": "fear",
    "anger": "angry",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "neutrality": "neutral",
    "sadness": "sad",
    "surprised": "surprise",
}
LEADING_NUMBER = re.compile(r"^\d+[\s._-]*(?=[^\W\d])")
IMAGE = "image"  # the column of a CSV that names the picture
NAMED_IN_ERRORS = 12  # labels that an error message lists at most


@dataclass(frozen=True)
class Examples:
    """An ordered collection of labelled pictures that are decoded on demand.

    `identifiers` are paths below the data folder ("train/happy/1.jpg"), or "row 17" of a CSV. `targets`,
    int64 (n,), index the data set's outputs. `read` turns an identifier into RGB, uint8 (H, W, 3), or raises
    `InvalidImageError`. Of several `sources`, the name of one begins each identifier, followed by a slash;
    else it is empty. `places` say where the faces are; without them, a picture is a face as a whole.
    """

    identifiers: list[str] = field(repr=False)
    targets: np.ndarray = field(repr=False)
    read: Callable[[str], np.ndarray] = field(repr=False)
    sources: tuple[str, ...] = ()
    places: tuple[Place, ...] | None = field(default=None, repr=False)

    @staticmethod
    def of_rows(rows: Sequence[tuple[str, int]], read: Callable[[str], np.ndarray]) -> Examples:
        """Return the pictures whose identifiers and targets are given."""
        targets = np.array([target for _, target in rows], np.int64)
        return Examples([identifier for identifier, _ in rows], targets, read)

    def __len__(self) -> int:
        return len(self.identifiers)

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Decode pictures and crop them as serving does: uint8 (len(indices), size, size, channels)."""
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        for row, index in enumerate(indices):
            picture = self.read(self.identifiers[index])
            if self.places is None:
                batch[row] = whole_crop(picture, size, channels)
            else:
                crop = crop_face(picture, self.places[index], size=size, channels=channels)
                batch[row] = crop.reshape(size, size, channels)
        return batch

    def subset(self, indices: np.ndarray) -> Examples:
        """Return the examples at `indices` (int array), in that order."""
        indices = np.asarray(indices, np.int64)
        identifiers = [self.identifiers[index] for index in indices]
        places = None if self.places is None else tuple(self.places[index] for index in indices)
        return Examples(identifiers, self.targets[indices], self.read, self.sources, places)

    def joined(self, others: Sequence[Examples]) -> Examples:
        """Return these examples, then others of the same data set."""
        parts = [self, *others]
        return replace(
            self,
            identifiers=[identifier for part in parts for identifier in part.identifiers],
            targets=np.concatenate([part.targets for part in parts]),
            places=None if self.places is None else sum((part.places or () for part in parts), ()),
        )

    def source_of(self) -> np.ndarray:
        """Return where each picture comes from: int64 (n,), index into `sources`; 0 for a single one."""
        return np.array([self._split(identifier)[0] for identifier in self.identifiers], np.int64)

    def source_names(self) -> list[str] | None:
        """Return the name of the source of each picture; None where all come from one."""
        return [self.sources[number] for number in self.source_of()] if self.sources else None

    def path_in_source(self, index: int) -> str:
        """Return the identifier of a picture as its own source has it."""
        return self._split(self.identifiers[index])[1]

    def _split(self, identifier: str) -> tuple[int, str]:
        for number, name in enumerate(self.sources):
            if identifier.startswith(f"{name}/"):
                return number, identifier[len(name) + 1 :]
        return 0, identifier


@dataclass(frozen=True)
class CachedExamples(Examples):
    """Examples that are decoded once: the first `crops`, as many as a limit allows, stay in memory.

    `crops` is uint8 (up to n, size, size, channels), `decoded` says which are there.
    """

    crops: np.ndarray = field(repr=False, kw_only=True)
    decoded: np.ndarray = field(repr=False, kw_only=True)

    @classmethod
    def of(cls, examples: Examples, size: int, channels: int, *, limit: int) -> CachedExamples:
        """Keep crops of a size and number of channels in at most `limit` bytes."""
        count = min(len(examples), limit // (size * size * channels))
        # Empty memory costs nothing before it is written.
        crops = np.empty((count, size, size, channels), np.uint8)
        fields = (examples.identifiers, examples.targets, examples.read, examples.sources, examples.places)
        return cls(*fields, crops=crops, decoded=np.zeros(count, bool))

    def load(self, indices: np.ndarray, size: int, channels: int) -> np.ndarray:
        """Return crops as `Examples.load` does; several threads may ask at once."""
        if self.crops.shape[1:] != (size, size, channels):
            return super().load(indices, size, channels)
        kept = indices < len(self.crops)
        new = indices[kept][~self.decoded[indices[kept]]]
        self.crops[new] = super().load(new, size, channels)
        self.decoded[new] = True
        if kept.all():
            return self.crops[indices]
        batch = np.empty((len(indices), size, size, channels), np.uint8)
        batch[kept] = self.crops[indices[kept]]
        batch[~kept] = super().load(indices[~kept], size, channels)
        return batch


@dataclass(frozen=True)
class Source:
    """What a source holds for the labels that were asked for.

    `outputs` are the labels, then the background. `splits` has the key "all", or some of "train",
    "validation" and "test". `passed_over` counts files that were left out by reason.
    """

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    splits: dict[str, Examples]
    passed_over: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """What is asked of a source.

    `labels` are the folders to tell apart; empty takes all that are not background. `background` names
    folders that belong to no label, and `("*",)` takes all that are not labels; with `optional_background`
    they may be missing.
    """

    labels: tuple[str, ...]
    background: tuple[str, ...] = ()
    optional_background: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        """The names that the source must have."""
        return self.labels if self.optional_background else self.labels + self.background


@dataclass(frozen=True)
class Outputs:
    """What a source is asked to tell apart, labels first, then background, and its own names for them."""

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    target_of: dict[str, int]  # plain name in the source: index into outputs

    def target(self, name: str) -> int | None:
        """Return the output that the source means by a name; None where it was not asked for."""
        return self.target_of.get(plain_name(name))


def plain_name(name: str) -> str:
    """Return a name for comparison: composed, in lower case, without a leading number."""
    return shown_name(name).casefold()


def composed(name: str) -> str:
    """Return a name in one form; macOS keeps `é` as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)


def shown_name(name: str) -> str:
    """Return a folder's name as an output's: composed, without a leading number."""
    return LEADING_NUMBER.sub("", composed(name).strip())


def usual_word(name: str) -> str:
    """Return our word for what a folder or a column is called: `Happiness` → `happy`."""
    plain = plain_name(name)
    return SYNONYMS.get(plain, plain)


def choose_outputs(names: Iterable[str], wanted: Wanted, *, where: str, kind: str) -> Outputs:
    """Return what a source with these names gives for the labels that were asked for.

    Where an exact name is missing, the field's other word for it is taken. `where` and `kind` are what
    errors call the source and one of its names. A DataError names what is missing.
    """
    spelled = {plain_name(name): shown_name(name) for name in names}

    def own_name(asked: str) -> str | None:
        plain = plain_name(asked)
        alike = (own for own in spelled if usual_word(own) == usual_word(asked))
        return plain if plain in spelled else next(alike, None)

    background = wanted.background
    own_background = {own_name(name) for name in background}
    labels = wanted.labels or tuple(name for own, name in spelled.items() if own not in own_background)
    own_labels = {own_name(name) for name in labels}
    if background == EVERYTHING_ELSE:
        background = tuple(name for own, name in spelled.items() if own not in own_labels)
    target_of: dict[str, int] = {}
    missing = []
    for target, name in enumerate(labels + background):
        own = own_name(name)
        if own is not None:
            target_of[own] = target
            if own != plain_name(name):
                logger.info("Taking %s '%s' for %s.", kind, spelled[own], name)
        elif target < len(labels) or not wanted.optional_background:
            missing.append(name)
    if missing:
        raise DataError(
            f"{where} has no {kind} {f' and no {kind} '.join(missing)}. It holds: "
            f"{', '.join([*spelled.values()][:NAMED_IN_ERRORS])}. Name the {kind}s to use with --labels "
            "and --background."
        )
    return Outputs(labels, labels + background, target_of)


@dataclass(frozen=True)
class PictureTable:
    """The rows of a CSV about known pictures: columns but `image`, and index of the example → its cells."""

    columns: tuple[str, ...]
    rows: dict[int, dict[str, str]]


def read_picture_table(
    path: str | os.PathLike[str], examples: Examples, *, option: str, needs: str, pictures: str
) -> PictureTable:
    """Read a CSV with a column `image`: a path below the data folder, or "row 17" of a CSV of pictures.

    Rows about other pictures than `examples` are passed over; the last row about one counts. For errors,
    `option` names the file on the command line, `needs` the columns that it must have beside `image`, and
    `pictures` what the examples are. A DataError says that it is not such a CSV or names no known picture.
    """
    # A file of one source knows nothing of the others: the path below that source's folder will do.
    position = {composed(examples.path_in_source(index)): index for index in range(len(examples))}
    position |= {composed(identifier): index for index, identifier in enumerate(examples.identifiers)}
    rows: dict[int, dict[str, str]] = {}
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            fields = [name for name in reader.fieldnames or [] if name is not None]
            if IMAGE not in fields:
                raise DataError(missing_columns(path, fields, needs))
            for line in reader:
                index = position.get(composed(line[IMAGE] or "").replace("\\", "/"))
                if index is not None:
                    rows[index] = {name: (line[name] or "").strip() for name in fields if name != IMAGE}
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the path given to {option}."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a CSV: {error}. Check the file given to {option}.") from error
    if not rows:
        example = examples.identifiers[0] if len(examples) else "happy/1.jpg"
        raise DataError(
            f"{path} names no {pictures}. Its column '{IMAGE}' must hold paths such as {example}."
        )
    return PictureTable(tuple(name for name in fields if name != IMAGE), rows)


def missing_columns(path: str | os.PathLike[str], fields: list[str], needs: str) -> str:
    """Return what is wrong with a file that lacks columns."""
    return f"{path} has the columns {', '.join(fields) or '(none)'}. It needs '{IMAGE}' and {needs}."
