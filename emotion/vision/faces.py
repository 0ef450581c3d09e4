"""Where the faces are: one look at a moderate size, and closer looks only at what that leaves in doubt.

The network that finds faces is in `detector`, the crop in `crop`. The figures in comments were measured on
scenes composed of training faces: `benchmarks.pipeline --seed 11 --set NAME=VALUE`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from emotion.vision.crop import ROLL_PER_EYES, Place, cut_around, frame
from emotion.vision.detector import (
    BOX,
    COLUMNS,
    LANDMARKS,
    SCORE,
    face_network,
    intersection,
    overlap,
    suppress,
)

# Pixels: longest side of the picture in the first look, all that most pictures of one face need. 576 takes
# 50 % longer and finds every face in one more group per 500.
SEARCH_SIDE = 448
# Pixels: smaller pictures are enlarged to this longest side, or to this area, for the fine look. It finds
# every face in 95 of 100 groups; at 960, in 91.
FINE_SIDE, FINE_PIXELS = 1280, 1280 * 960
# Pixels: larger pictures are searched in pieces, which overlap by this so that faces on a seam are whole.
PIECE_MARGIN = 32

# A candidate with at least this score is a face; below, it is in doubt and gets a close look. At 0.6, one
# more picture in 100 had a false detection.
SURE = 0.7
# How many doubtful candidates get a close look, of the small and of the large ones each. Eight find one more
# head in 100 that lean by 45°, and pictures without a face take 10 % longer.
MOST_DOUBTS = 4

# The sizes of a close look in pixels, and its reach in sides of the face. Two looks at 192 lose a face in
# one more group per 100 and add a false face in one more thing per 100; 160 and 320 find 2 or 3 fewer small
# faces in 100.
CLOSE_SIDES, CLOSE_REACH = (192, 320), 1.67
# The weight of the doubtful score beside each of the two close looks.
DOUBT_WEIGHT = 0.5
# Sides of the candidate: how far from its centre a close look may find the face. Without this limit it
# finds the neighbour: 2 of 100 leaning heads gave a second face.
CLOSE_SHIFT = 0.3


@dataclass(frozen=True)
class Doubt:
    """How doubtful candidates are judged.

    It is for faces whose size is within `sides` (pixels). Candidates that score less than `possible` get no
    close look; close-ups are turned by `angles` (degrees). `confirmed` is the least mean of the candidate's
    score, weighted by `DOUBT_WEIGHT`, and of both close looks: accidents look like a face at one size, faces
    at every size.
    """

    sides: tuple[float, float]
    possible: float
    angles: tuple[float, ...]
    confirmed: float

    def least(self, score: float) -> float:
        """Return the lowest score of one close look that the other can still make up for."""
        return (DOUBT_WEIGHT + 2) * self.confirmed - DOUBT_WEIGHT * score - 1


# Small faces score low until they are enlarged. Of 100 faces of 60 pixels in 12 megapixels, 78 are found;
# 75 if only candidates above 0.01 get a close look, and no more from 0.003 on. Below 16 pixels, letters and
# badges were taken for faces (one more thing in 100). Large doubtful faces lean or are blurred: of 100 that
# lean by 45°, 94 are found, 70 without turning. Confirming at 0.5 finds every face in one more group per
# 500, but adds a false face in one of 200 faceless pictures.
SMALL = Doubt((16, 72), 0.005, (0,), 0.6)
LARGE = Doubt((72, math.inf), 0.1, (0, -40, 40), 0.55)

# With at least this intersection over union of a face's frame and the picture, the picture is taken whole.
TIGHT_OVERLAP = 0.6
# The margin, in sides of the picture, that is put around a picture to see whether it is one tight face, and
# the least score of that face. At 0.1, no more are found, but 3 of 100 things are taken for a face.
TIGHT_MARGIN, TIGHT_SCORE = 0.25, 0.3


def detect_faces(picture: np.ndarray, *, limit: int = 20) -> list[Place]:
    """Find up to `limit` faces in a picture, uint8 (H, W, 3), largest first; threads may call it.

    A picture that was cropped to one face is taken whole.
    """
    found = _judged(picture, _first_look(picture))
    if len(found) != 1:
        found += _judged(picture, _fine_look(picture))
    faces = _faces(found, picture, limit)
    if not faces and (whole := _tight_face(picture)):
        return [whole]
    return faces


def detect_faces_in_frame(frame: np.ndarray, *, limit: int = 20) -> list[Place]:
    """Find faces in a camera's or clip's frame by the first look; the next one usually shows the others."""
    return _faces(_judged(frame, _first_look(frame)), frame, limit)


def _faces(found: list[np.ndarray], picture: np.ndarray, limit: int) -> list[Place]:
    return [_whole_if_tight(_detected(face), picture) for face in _largest_first(found, limit)]


def _first_look(picture: np.ndarray) -> np.ndarray:
    """Return the candidates (n, 15), best first, in the whole picture at a moderate size."""
    factor = min(1.0, SEARCH_SIDE / max(picture.shape[:2]))
    width, height = _size(picture, factor)
    rows = (np.arange(height) + 0.5) * (picture.shape[0] / height)
    columns = (np.arange(width) + 0.5) * (picture.shape[1] / width)
    # Averaging first finds no more.
    image = picture.take(rows.astype(int), axis=0).take(columns.astype(int), axis=1)
    return _moved(face_network()(image, LARGE.possible), 1 / factor)


def _fine_look(picture: np.ndarray) -> np.ndarray:
    """Return the candidates in the enlarged or full picture, piece by piece, so that memory does not grow."""
    height, width = picture.shape[:2]
    factor = max(1.0, min(FINE_SIDE / max(height, width), math.sqrt(FINE_PIXELS / (height * width))))
    scaled = picture
    if factor > 1:
        image = Image.fromarray(picture).resize(_size(picture, factor), Image.Resampling.BILINEAR)
        scaled = np.asarray(image)
    found = []
    for top, bottom in _pieces(scaled.shape[0]):
        for left, right in _pieces(scaled.shape[1]):
            piece = scaled[top:bottom, left:right]
            found.append(_moved(face_network()(piece, SMALL.possible), 1, left, top))
    return _moved(suppress(np.concatenate(found)), 1 / factor)


def _pieces(length: int) -> list[tuple[int, int]]:
    """Divide a length into the fewest pieces of one size for the fine look; neighbours share a margin."""
    count = max(1, -(-(length - PIECE_MARGIN) // (FINE_SIDE - PIECE_MARGIN)))
    piece = -(-(length + (count - 1) * PIECE_MARGIN) // count)
    starts = [round(number * (length - piece) / max(count - 1, 1)) for number in range(count)]
    return [(start, start + piece) for start in starts]


def _size(picture: np.ndarray, factor: float) -> tuple[int, int]:
    """Return width and height of a picture scaled by a factor, at least 1."""
    height, width = picture.shape[:2]
    return max(1, round(width * factor)), max(1, round(height * factor))


def _judged(picture: np.ndarray, candidates: np.ndarray) -> list[np.ndarray]:
    """Return the faces (15,) among candidates (n, 15), best first; close looks decide where in doubt."""
    sides = np.sqrt(candidates[:, 2] * candidates[:, 3])
    score = candidates[:, SCORE]
    found = list(candidates[score >= SURE])
    for doubt in (SMALL, LARGE):
        of_its_size = (sides >= doubt.sides[0]) & (sides < doubt.sides[1])
        doubtful = candidates[of_its_size & (score < SURE) & (score >= doubt.possible)][:MOST_DOUBTS]
        looks = [_look_closer(picture, candidate, doubt) for candidate in doubtful]
        found += [look for look in looks if look[SCORE] >= doubt.confirmed]
    return found


def _largest_first(faces: list[np.ndarray], limit: int) -> list[np.ndarray]:
    """Return the largest detections (15,), each face once and none seen in the features of a larger face."""
    kept: list[np.ndarray] = []
    for face in sorted(suppress(np.array(faces).reshape(-1, COLUMNS)), key=_side, reverse=True):
        if len(kept) == limit:
            break
        larger = np.array(kept).reshape(-1, COLUMNS)
        if not (intersection(face, larger) > 0.5 * face[2] * face[3]).any():
            kept.append(face)
    return kept


def _look_closer(picture: np.ndarray, candidate: np.ndarray, doubt: Doubt) -> np.ndarray:
    """Cut out what surrounds a candidate (15,) and return the best of the mean detections at some angles."""
    x, y, width, height = candidate[BOX]
    reach = CLOSE_REACH / 2 * _side(candidate)
    factor = max(1, int(2 * reach / CLOSE_SIDES[-1]))
    region, left, top = cut_around(picture, (x + width / 2, y + height / 2), reach, reduce=factor)

    @functools.cache
    def close_up(side: int) -> Image.Image:
        return region.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)

    least = doubt.least(candidate[SCORE])
    looks = [_look_turned(close_up, angle, candidate[SCORE], least) for angle in doubt.angles]
    return _moved(max(looks, key=lambda look: look[SCORE]), factor * region.width, left, top)


def _look_turned(
    close_up: Callable[[int], Image.Image], angle: float, score: float, least: float
) -> np.ndarray:
    """Detect the face in the middle of close-ups after turning them counter-clockwise by `angle` degrees.

    The result (15,) is the mean in sides of the close-up, scored as `Doubt` says; all 0 if one scores below
    `least`.
    """
    seen = []
    for side in CLOSE_SIDES:
        turned = close_up(side).rotate(angle, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))
        found = _moved(face_network()(np.asarray(turned), least), 1 / side)
        away = CLOSE_REACH * np.hypot(*(found[:, :2] + found[:, 2:4] / 2 - 0.5).T)
        found = found[away < CLOSE_SHIFT]
        if not len(found):
            return np.zeros(COLUMNS, np.float32)
        seen.append(found[0])
    face = np.mean(seen, axis=0)
    # How far a blurred head leans is seen from further away.
    face[LANDMARKS] = seen[0][LANDMARKS]
    face[SCORE] = np.average([score, *(look[SCORE] for look in seen)], weights=[DOUBT_WEIGHT, 1, 1])
    centre = face[:2] + face[2:4] / 2
    upright = _rotated(centre, angle, 0.5)
    face[:2] += upright - centre
    # As far as the detector would have seen the head roll: `crop.roll` corrects what it misses.
    landmarks = _rotated(face[LANDMARKS].reshape(-1, 2) - centre, angle / ROLL_PER_EYES, 0) + upright
    face[LANDMARKS] = landmarks.ravel()
    return face


def _tight_face(picture: np.ndarray) -> Place | None:
    """Return the whole picture as a tight face crop; None if it does not look like one."""
    height, width = picture.shape[:2]
    side = CLOSE_SIDES[-1]
    factor = side / max(height, width) / (1 + 2 * TIGHT_MARGIN)
    size = _size(picture, factor)
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, reducing_gap=1.0))
    framed, left, top = cut_around(scaled, (size[0] / 2, size[1] / 2), side / 2)
    for candidate in face_network()(np.asarray(framed), TIGHT_SCORE):
        face = _whole_if_tight(_detected(_moved(_moved(candidate, 1, left, top), 1 / factor)), picture)
        if face.tight:
            return face
    return None


def _side(detection: np.ndarray) -> float:
    return math.sqrt(detection[2] * detection[3])


def _moved(detections: np.ndarray, factor: float, left: float = 0, top: float = 0) -> np.ndarray:
    """Scale detections (…, 15) about the origin, then shift them."""
    moved = detections.copy()
    moved[..., BOX] *= factor
    moved[..., LANDMARKS] *= factor
    moved[..., [0, *range(LANDMARKS.start, LANDMARKS.stop, 2)]] += left
    moved[..., [1, *range(LANDMARKS.start + 1, LANDMARKS.stop, 2)]] += top
    return moved


def _rotated(points: np.ndarray, degrees: float, middle: float) -> np.ndarray:
    """Rotate points (…, 2), x right and y down, clockwise about (middle, middle)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return (points - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle


def _detected(detection: np.ndarray) -> Place:
    x, y, width, height = detection[BOX].tolist()
    left, top = round(x), round(y)
    landmarks = detection[LANDMARKS].tolist()
    return Place(
        box=(left, top, max(1, round(x + width) - left), max(1, round(y + height) - top)),
        score=float(detection[SCORE]),
        eyes=((landmarks[0], landmarks[1]), (landmarks[2], landmarks[3])),
    )


def _whole_if_tight(face: Place, picture: np.ndarray) -> Place:
    """Take the whole picture if a face's frame nearly fills it: it was cropped before."""
    height, width = picture.shape[:2]
    if overlap(np.array(frame(face)), np.array([[0, 0, width, height]]))[0] < TIGHT_OVERLAP:
        return face
    return replace(face, box=(0, 0, width, height), tight=True)
