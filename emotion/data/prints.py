"""What is remembered of every picture, so that its copies are recognised: a digest and a thumbnail."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from emotion.data.examples import Examples
from emotion.errors import InvalidImageError
from emotion.vision.crop import whole_crop

THREADS = 4
FACE_SIDE = 48  # pixels of the grey faces whose details confirm a near copy
THUMBNAIL_SIDE = 16  # pixels of the grey thumbnails that are kept: 256 bytes per picture


@dataclass(frozen=True)
class Prints:
    """What is remembered of every picture: 16 bytes of digest and 256 of thumbnail.

    Attributes
    ----------
    digests : list of bytes or None
        BLAKE2 of the upright RGB pixels and their shape; None where the file is no readable picture.
    thumbnails : np.ndarray
        uint8, shape (n, 16, 16), grey.
    reasons : dict of int to str
        Why a picture cannot be read, by index.
    """

    digests: list[bytes | None] = field(repr=False)
    thumbnails: np.ndarray = field(repr=False)
    reasons: dict[int, str] = field(repr=False)


def take_prints(examples: Examples, *, progress: bool = False) -> Prints:
    """Read every picture once and remember enough of it to recognise its copies."""
    thumbnails = np.zeros((len(examples), THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    digests: list[bytes | None] = [None] * len(examples)
    reasons: dict[int, str] = {}

    def read(indices: range) -> int:
        for index in indices:
            try:
                picture = examples.read(examples.identifiers[index])
            except InvalidImageError as error:
                reasons[index] = str(error)
                continue
            content = repr(picture.shape).encode() + picture.tobytes()
            digests[index] = hashlib.blake2b(content, digest_size=16).digest()
            thumbnails[index] = shrink(whole_crop(picture, FACE_SIDE, 1)[..., 0])
        return len(indices)

    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(desc="Auditing pictures", total=len(examples), unit="", disable=not progress) as bar,
    ):
        for count in pool.map(read, chunks(len(examples), 128)):
            bar.update(count)
    return Prints(digests, thumbnails, dict(sorted(reasons.items())))


def exact_groups(digests: list[bytes | None]) -> np.ndarray:
    """Group pictures with equal pixels: int64 (n,), the index of the first picture of each one's group."""
    first: dict[bytes | None, int] = {}
    return np.array(
        [
            index if digest is None else first.setdefault(digest, index)
            for index, digest in enumerate(digests)
        ],
        np.int64,
    )


def shrink(face: np.ndarray) -> np.ndarray:
    """Mean over blocks: (48, 48) → uint8 (16, 16)."""
    block = FACE_SIDE // THUMBNAIL_SIDE
    return (
        face.reshape(THUMBNAIL_SIDE, block, THUMBNAIL_SIDE, block).mean(axis=(1, 3)).round().astype(np.uint8)
    )


def chunks(count: int, size: int) -> list[range]:
    """`range(count)` in pieces of at most `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
