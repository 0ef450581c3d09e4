"""Which part of a labelled picture is trained on: the face that the app would answer about."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from emotion.vision import crop, detector, faces
from emotion.vision.crop import Place, scaled_place
from emotion.vision.faces import detect_faces
from emotion.vision.images import open_picture

FACES, WHOLE = "faces", "whole"  # ways of framing
FILE = "faces.npz"
NEIGHBOURS = 20  # runs beside this one whose searches are used, newest first


def whole_place(picture: np.ndarray) -> Place:
    """Return the place of a picture (H, W, 3) that is a face as it is."""
    return Place((0, 0, picture.shape[1], picture.shape[0]), tight=True)


def find_face(picture: np.ndarray) -> Place | None:
    """Find the face that a label is about, as the app finds it; None where it finds none.

    Of several it is the largest one near the middle.
    """
    opened = open_picture(picture)
    found = detect_faces(opened.pixels)
    if not found:
        return None
    height, width = opened.pixels.shape[:2]
    chosen = max(found, key=lambda face: _prominence(face.box, width, height))
    return scaled_place(Place(chosen.box, chosen.eyes, chosen.tight), opened.scale)


def face_share(place: Place, picture: np.ndarray) -> float:
    """Return the side of a face as a share of its picture's, 0 to 1."""
    height, width = picture.shape[:2]
    return min(1.0, math.sqrt(place.box[2] * place.box[3] / (height * width)))


def _prominence(box: tuple[int, int, int, int], width: int, height: int) -> float:
    """Return the side of a face, less the further it is from the middle: nothing is left in a corner."""
    x, y, across, down = box
    away = math.hypot(x + across / 2 - width / 2, y + down / 2 - height / 2) / math.hypot(
        width / 2, height / 2
    )
    return math.sqrt(across * down) * max(0.0, 1 - away)


@contextmanager
def one_thread_a_look() -> Iterator[None]:
    """Search several pictures at a time with one thread each: faster than one after the other with two."""
    network = detector.face_network()
    usual, network.threads = network.threads, 1
    try:
        yield
    finally:
        network.threads = usual


class FaceMemory:
    """The faces found in pictures, kept in a run's folder so that no picture is searched twice.

    What the runs beside the folder found is known, too.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._places: dict[bytes, Place | None] = {}  # by digest of the picture
        if folder is not None:
            beside = sorted(folder.parent.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
            for path in [*beside[-NEIGHBOURS:], folder / FILE]:
                self._read(path)
        self._new = False

    def find(self, digest: bytes, picture: np.ndarray) -> Place | None:
        """Return the face in a picture; several threads may ask at once."""
        if digest not in self._places:
            self._places[digest] = find_face(picture)
            self._new = True
        return self._places[digest]

    def save(self, digests: Sequence[bytes | None]) -> None:
        """Keep what is known of these pictures."""
        kept = [digest for digest in dict.fromkeys(digests) if digest in self._places]
        if self._folder is None or not self._new or not kept:
            return
        rows = np.array([_to_row(self._places[digest]) for digest in kept], np.float64)
        beside = self._folder / f"new.{FILE}"
        with open(beside, "wb") as file:
            np.savez_compressed(
                file, search=_search_version(), digests=np.frombuffer(b"".join(kept), "V16"), places=rows
            )
        os.replace(beside, self._folder / FILE)

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as stored:
                if str(stored["search"]) == _search_version():
                    digests = [each.tobytes() for each in stored["digests"]]
                    self._places |= zip(digests, map(_from_row, stored["places"].tolist()), strict=True)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return  # it is found again


def _to_row(place: Place | None) -> list[float]:
    """Return a place as 9 numbers: box, eyes (NaN if unknown), tight; all NaN without a face."""
    if place is None:
        return [math.nan] * 9
    eyes = [value for point in place.eyes for value in point] if place.eyes else [math.nan] * 4
    return [*place.box, *eyes, place.tight]


def _from_row(row: list[float]) -> Place | None:
    if math.isnan(row[0]):
        return None
    x, y, width, height = map(int, row[:4])
    eyes = None if math.isnan(row[4]) else ((row[4], row[5]), (row[6], row[7]))
    return Place((x, y, width, height), eyes, bool(row[8]))


@functools.cache
def _search_version() -> str:
    """Return what changes with the search and the crop: a digest of their code and weights."""
    parts = [Path(str(module.__file__)) for module in (crop, detector, faces)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in [*parts, detector.WEIGHTS])).hexdigest()
