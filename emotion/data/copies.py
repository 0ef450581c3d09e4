"""Exact and near copies among pictures: what is remembered of each picture, and how its copies are found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from emotion.data.examples import Examples
from emotion.data.framing import FaceMemory, face_share, one_thread_a_look, whole_place
from emotion.errors import InvalidImageError
from emotion.vision.crop import Place, crop_face

# More would not fit the interpreters that the face network keeps.
THREADS = min(max(4, os.cpu_count() or 1), 12)
FACE_SIDE = 48  # pixels of the grey faces whose details confirm a near copy
THUMBNAIL_SIDE = 16  # pixels of the grey thumbnails that are kept: 256 bytes per picture
HASH_BITS = 64

# How a copy may differ: turned (degrees), mirrored, brightened until highlights burn out (darker changes
# no hash).
TURNS = tuple(range(-15, 16, 3))
GAINS = (1.4, 1.8, 2.2)

BANDS = 10  # random selections of hash bits in which a copy must agree at least once
BAND_BITS = 14
BUCKET = 64  # pictures that are compared per selection at most, where many look alike
HASH_DISTANCE = 8  # bits; different faces differ in 32 at the median, 1 pair in 10 000 in 9 or fewer
COARSE_SIMILARITY = 0.9  # cosine of the low frequencies; turned and recompressed copies stay above
NEIGHBOURS = 6  # best candidates per picture whose pixels are compared
# A near copy's local detail correlates by this share of what is left above the best twentieth of any two
# pictures of one label. On FER2013 that is 0.3, so 0.78 is asked for: the correlations of look-alikes have
# two humps, 0.4 for other faces and 0.9 for copies with other framing, contrast or watermark, and of 96 pairs
# looked at, all were copies. Where all faces are alike (drawings, one person before one wall) the bar rises
# by itself.
DETAIL_SHARE = 0.7
UNRELATED_PAIRS = 1000
WORTH_NUDGING = 0.1  # what a slightly other turn can add to a correlation
SHIFTS = range(-2, 3)  # pixels by which the framing of a copy may differ, at 48 pixels a side
MARGIN = 10  # pixels at the edge that are not compared
CONFIRM_CHUNK = 256  # pairs whose pixels are in memory at a time


@dataclass(frozen=True)
class Prints:
    """What is remembered of every picture: digest, thumbnail of the face, and where that is.

    `digests` are BLAKE2 of the upright RGB pixels and their shape, None for unreadable files, whose
    `reasons` say why. `thumbnails` are uint8 (n, 16, 16), grey. `places` are None where no face was found,
    `shares` are float32 (n,): the side of the face as a share of its picture's, NaN where none was looked
    for.
    """

    digests: list[bytes | None] = field(repr=False)
    thumbnails: np.ndarray = field(repr=False)
    reasons: dict[int, str] = field(repr=False)
    places: list[Place | None] = field(repr=False)
    shares: np.ndarray = field(repr=False)

    @property
    def readable(self) -> np.ndarray:
        """Whether a picture could be read: bool (n,)."""
        return np.array([digest is not None for digest in self.digests], bool)

    @property
    def framed(self) -> np.ndarray:
        """Whether a picture gave a face: bool (n,)."""
        return np.array([place is not None for place in self.places], bool)


def take_prints(examples: Examples, *, memory: FaceMemory | None = None, smallest: int = 0) -> Prints:
    """Read every picture once, find its face, and remember enough of it to recognise its copies.

    Without a memory, and up to `smallest` pixels a side, a picture is a face as it is.
    """
    places: list[Place | None] = [None] * len(examples)
    shares = np.full(len(examples), np.nan, np.float32)
    thumbnails = np.zeros((len(examples), THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    digests: list[bytes | None] = [None] * len(examples)
    reasons: dict[int, str] = {}

    def read(indices: range) -> None:
        for index in indices:
            try:
                picture = examples.read(examples.identifiers[index])
            except InvalidImageError as error:
                reasons[index] = str(error)
                continue
            content = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
            content.update(np.ascontiguousarray(picture).data)
            digest = digests[index] = content.digest()
            place: Place | None = whole_place(picture)
            if memory is not None and max(picture.shape[:2]) > smallest:
                place = memory.find(digest, picture)
                shares[index] = face_share(place, picture) if place else 0
            places[index] = place
            if place is not None:
                thumbnails[index] = shrink(crop_face(picture, place, size=FACE_SIDE))

    with one_thread_a_look():
        in_threads(read, chunks(len(examples), 32 if memory else 128), "Reading pictures")
    return Prints(digests, thumbnails, dict(sorted(reasons.items())), places, shares)


def exact_groups(digests: list[bytes | None]) -> np.ndarray:
    """Group pictures with equal pixels: int64 (n,), the index of the first picture of each one's group."""
    first: dict[bytes | None, int] = {}
    groups = [
        index if digest is None else first.setdefault(digest, index) for index, digest in enumerate(digests)
    ]
    return np.array(groups, np.int64)


def shrink(face: np.ndarray) -> np.ndarray:
    """Mean over blocks: (48, 48) → uint8 (16, 16)."""
    blocks = face.reshape(THUMBNAIL_SIDE, FACE_SIDE // THUMBNAIL_SIDE, THUMBNAIL_SIDE, -1)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)


def chunks(count: int, size: int) -> list[range]:
    """`range(count)` in pieces of at most `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def in_threads(work: Callable[[range], None], parts: list[range], title: str) -> None:
    """Do the work for every part, several at a time, with a progress bar."""
    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(desc=title, total=sum(map(len, parts)), unit="", disable=None) as bar,
    ):
        for part, _ in zip(parts, pool.map(work, parts), strict=True):
            bar.update(len(part))


def copy_groups(examples: Examples, prints: Prints) -> np.ndarray:
    """Group pictures with their exact and near copies: int64 (n,), the first picture of each one's group.

    Near copies are the same photograph turned by up to 15 degrees, mirrored, with other brightness or
    contrast, recompressed, scaled or framed a little differently. A perceptual hash (signs of the low
    frequencies of the thumbnail, as in pHash, Zauner 2010) is computed for each variant and looked up among
    all hashes by random selections of bits (locality-sensitive hashing, Indyk & Motwani 1998). Pairs found
    are confirmed by the correlation of their local detail, so that faces that merely look alike are not taken
    for copies.
    """
    groups = exact_groups(prints.digests)
    flat = prints.thumbnails.std(axis=(1, 2)) < 2
    originals = np.flatnonzero((groups == np.arange(len(groups))) & ~flat)
    if len(originals) > 1:
        pairs, altered = near_pairs(prints.thumbnails[originals])
        enough = required_correlation(examples, originals)
        found = detail_correlations(examples, originals[pairs], altered, enough=enough)
        for left, right in originals[pairs][found > enough]:
            left, right = find(groups, left), find(groups, right)
            groups[max(left, right)] = min(left, right)
    return np.array([find(groups, index) for index in range(len(groups))], np.int64)


def near_pairs(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that look alike in some variant: int64 (m, 2), and rows (turn, mirrored, gain) float (m, 3)."""
    plain = low_frequencies(thumbnails, basis(0, False))
    centre = plain.mean(axis=0)
    bits = plain > centre
    hashes = pack(bits)
    bands = [np.random.default_rng(band).permutation(HASH_BITS) for band in range(BANDS)]
    banded = [pack(bits[:, band]) for band in bands]
    orders = [np.argsort(keys) for keys in banded]
    tables = [keys[order] for keys, order in zip(banded, orders, strict=True)]
    found = []  # rows of (left, right, similarity, turn, mirrored, gain)
    for turn, mirrored, gain in tqdm(list(variants()), "Looking for copies", unit="", disable=None):
        altered = thumbnails if gain == 1 else np.minimum(thumbnails * np.float32(gain), 255)
        frequencies = low_frequencies(altered, basis(turn, mirrored))
        queries = frequencies > centre
        keys = pack(queries)
        candidates = []
        for band, order, table in zip(bands, orders, tables, strict=True):
            left, position = neighbours(pack(queries[:, band]), table)
            right = order[position]
            close = (np.bitwise_count(keys[left] ^ hashes[right]) <= HASH_DISTANCE) & (left != right)
            candidates.append(left[close] * len(hashes) + right[close])
        left, right = np.divmod(np.unique(np.concatenate(candidates)), len(hashes))
        similarity = np.concatenate(
            [(frequencies[left[rows]] * plain[right[rows]]).sum(axis=1) for rows in chunks(len(left), 65536)]
            or [[]]
        )
        rows = np.stack(np.broadcast_arrays(left, right, similarity, turn, mirrored, gain), axis=1)
        found.append(rows[similarity > COARSE_SIMILARITY])
    rows = best_per_picture(np.concatenate(found))
    return rows[:, :2].astype(np.int64), rows[:, 3:]


def variants() -> Iterator[tuple[int, bool, float]]:
    """(turn, mirrored, gain) of every way in which a copy is looked for."""
    for mirrored in (False, True):
        yield from ((turn, mirrored, 1.0) for turn in TURNS)
        yield from ((0, mirrored, gain) for gain in GAINS)


@cache
def basis(turn: float, mirrored: bool) -> np.ndarray:
    """Return the lowest frequencies of a turned thumbnail as weights of the upright one: float32 (256, 64).

    Turning the cosines instead of the pictures makes every variant's hash one matrix product. A round window
    keeps the corners out, which turning fills with something else.
    """
    centres = (np.arange(THUMBNAIL_SIDE) + 0.5) / THUMBNAIL_SIDE * 2 - 1
    x, y = np.meshgrid(centres, centres)
    window = np.cos(np.minimum(np.hypot(x, y), 1) * np.pi / 2)
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    x, y = x * cosine + y * sine, y * cosine - x * sine
    if mirrored:
        x = -x
    waves = [(u, v) for u in range(THUMBNAIL_SIDE) for v in range(THUMBNAIL_SIDE) if u or v]
    waves = sorted(waves, key=lambda wave: (wave[0] ** 2 + wave[1] ** 2, wave))[:HASH_BITS]
    weights = [window * np.cos(np.pi * u * (x + 1) / 2) * np.cos(np.pi * v * (y + 1) / 2) for u, v in waves]
    weights = np.stack(weights, axis=-1).reshape(-1, HASH_BITS)
    weights -= window.reshape(-1, 1) * (weights.sum(axis=0) / window.sum())  # blind to the mean brightness
    return (weights / np.linalg.norm(weights, axis=0)).astype(np.float32)


def low_frequencies(thumbnails: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return unit vectors, float32 (n, 64) that neither brightness nor contrast changes."""
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32) @ weights
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def pack(bits: np.ndarray) -> np.ndarray:
    """Turn bool (n, 64) into uint64 (n,), the first bit the most significant."""
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(">u8")[:, 0].astype(np.uint64)


def neighbours(keys: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of `keys` and positions in the sorted `table` that share their first bits."""
    prefix = np.uint64(HASH_BITS - BAND_BITS)
    lowest = keys >> prefix << prefix
    low = np.searchsorted(table, lowest)
    high = np.searchsorted(table, lowest | np.uint64((1 << int(prefix)) - 1), "right")
    middle = np.searchsorted(table, keys)
    low, high = np.maximum(low, middle - BUCKET // 2), np.minimum(high, middle + BUCKET // 2)
    counts = high - low
    rows = np.repeat(np.arange(len(keys)), counts)
    return rows, np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - low, counts)


def best_per_picture(rows: np.ndarray) -> np.ndarray:
    """Keep each left picture's most similar candidates, and each pair in its best variant only."""
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    pairs = np.sort(rows[:, :2], axis=1)
    _, best = np.unique(pairs, axis=0, return_index=True)
    rows = rows[np.sort(best)]
    order = np.argsort(rows[:, 0], kind="stable")
    _, start, counts = np.unique(rows[order, 0], return_index=True, return_counts=True)
    rank = np.arange(len(rows)) - np.repeat(start, counts)
    return rows[order[rank < NEIGHBOURS]]


def required_correlation(examples: Examples, originals: np.ndarray) -> float:
    """Return the correlation of local detail from which a pair of these pictures counts as near copies."""
    rng = np.random.default_rng(0)
    pairs = originals[rng.integers(len(originals), size=(8 * UNRELATED_PAIRS, 2))]
    alike = (examples.targets[pairs[:, 0]] == examples.targets[pairs[:, 1]]) & (pairs[:, 0] != pairs[:, 1])
    pairs = pairs[alike]
    if not len(pairs):
        return DETAIL_SHARE
    # Few pictures make few different pairs.
    _, first = np.unique(np.sort(pairs, axis=1), axis=0, return_index=True)
    pairs = pairs[np.sort(first)[:UNRELATED_PAIRS]]
    plain = np.tile([0.0, 0.0, 1.0], (len(pairs), 1))
    unrelated = np.quantile(detail_correlations(examples, pairs, plain, enough=-1), 0.95)
    return float(unrelated + DETAIL_SHARE * (1 - unrelated))


def detail_correlations(
    examples: Examples, pairs: np.ndarray, altered: np.ndarray, *, enough: float
) -> np.ndarray:
    """Correlate each pair's local detail, best over small shifts and, up to `enough`, turns: float (m,).

    `altered` is float (m, 3): the turn, mirroring and gain that make the left picture of a pair like the
    right.
    """
    values = np.full(len(pairs), -1.0)

    def measure(rows: range) -> None:
        values[rows] = correlate_details(examples, pairs[rows], altered[rows], enough)

    in_threads(measure, chunks(len(pairs), CONFIRM_CHUNK), "Comparing pictures")
    return values


def correlate_details(
    examples: Examples, pairs: np.ndarray, altered: np.ndarray, enough: float
) -> np.ndarray:
    """`detail_correlations` of pairs that are few enough to have their pixels in memory."""
    used, position = np.unique(pairs, return_inverse=True)
    faces = examples.load(used, FACE_SIDE, 1)[..., 0]
    position = position.reshape(pairs.shape)
    right = local_detail(faces[position[:, 1]])
    best = np.full(len(pairs), -1.0)
    rows = np.arange(len(pairs))
    for nudge in (0, -1.5, 1.5):  # half the step of TURNS
        left = np.stack(
            [alter(faces[position[row, 0]], altered[row, 0] + nudge, *altered[row, 1:]) for row in rows]
        )
        best[rows] = np.maximum(best[rows], shifted_correlation(local_detail(left), right[rows]))
        rows = np.flatnonzero((best <= enough) & (best > enough - WORTH_NUDGING))
        if not len(rows):
            break
    return best


def alter(face: np.ndarray, turn: float, mirrored: float, gain: float) -> np.ndarray:
    """Turn a face counter-clockwise (degrees), then mirror, then brighten it: float32, same shape."""
    turned = Image.fromarray(face).rotate(turn, Image.Resampling.BILINEAR) if turn else face
    values = np.asarray(turned, np.float32)
    return np.minimum((values[:, ::-1] if mirrored else values) * gain, 255)


def local_detail(faces: np.ndarray) -> np.ndarray:
    """float32 (n, side, side): pixels less the mean of the 7 by 7 around them, so that lighting drops out."""
    reach = 3
    padded = np.pad(faces.astype(np.float32), ((0, 0), (reach + 1, reach), (reach + 1, reach)), mode="edge")
    sums = padded.cumsum(axis=1).cumsum(axis=2)
    width = 2 * reach + 1
    means = (
        sums[:, width:, width:]
        - sums[:, :-width, width:]
        - sums[:, width:, :-width]
        + sums[:, :-width, :-width]
    )
    return faces - means / width**2


def shifted_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Correlate the middle of `left` with that of `right`, shifted by the pixel or two that fit best."""

    def middle(faces: np.ndarray, down: int, across: int) -> np.ndarray:
        side = faces.shape[1]
        return faces[:, MARGIN + down : side - MARGIN + down, MARGIN + across : side - MARGIN + across]

    fixed = middle(left, 0, 0)
    fixed = fixed - fixed.mean(axis=(1, 2), keepdims=True)
    fixed /= np.maximum(np.linalg.norm(fixed, axis=(1, 2), keepdims=True), 1e-6)
    best = np.full(len(left), -1.0)
    for down, across in product(SHIFTS, SHIFTS):
        moving = middle(right, down, across)
        spread = moving.std(axis=(1, 2)) * np.sqrt(moving[0].size)
        best = np.maximum(best, np.einsum("nij,nij->n", fixed, moving) / np.maximum(spread, 1e-6))
    return best


def find(groups: np.ndarray, index: int) -> int:
    """Return the root of a picture's group."""
    while groups[index] != index:
        index = groups[index]
    return index
