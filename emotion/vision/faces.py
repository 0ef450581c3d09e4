"""Where the faces are: one look at a moderate size, and closer looks only at what that leaves in doubt.

The network that finds faces is in `detector`, the crop in `crop`; emotions do not live here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emotion.vision.crop import ROLL_PER_EYES, Box, Point, cut_around, frame
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

# Pixels: longest side of the picture in the first look, and in the look for a face that fills it.
SEARCH_SIDE, HUGE_SIDE = 640, 320
# Where these find nothing, small faces are looked for: in a picture enlarged to so many pixels, or by this
# factor as long as it does not exceed so many.
FINE_SIDE, MOST_ENLARGED, ENLARGED, MOST_SEARCHED = 1280, 2.0, 1.25, 2496
# Pixels: it is searched in pieces that share a margin, four for 12 megapixels. Memory does not grow with the
# picture, and a small face that one piece cuts is whole in the other.
PIECE, PIECE_MARGIN = (1280, 1024), 64

# A face is one from this score on; what scores less, down to the second, is in doubt and looked at again.
SURE, POSSIBLE = 0.5, 0.1
# So many small and so many large ones in doubt, at the most.
MOST_DOUBTFUL = 4

# Pixels: what looks like a smaller face is an accident of enlarging.
SMALLEST = 10

# Pixels, and sides of the face: the closer look's one shape, and how much of the picture it shows.
CLOSE_SIDE, CLOSE_REACH = 320, 2.5
# Sides of the candidate: how far from its centre a closer look may see the face, and how small or large.
CLOSE_SHIFT, CLOSE_SIZES = 0.3, (0.5, 1.8)
# A look that scores less is not repeated in the mirror.
CLOSE_POSSIBLE = 0.15
# Of the picture's shorter side: larger faces in doubt are looked at turned to either side, in degrees.
LARGE = 0.15
TURNS = (-40, 40)

# Intersection over union of a face's frame and the picture, from which on the picture is taken whole.
TIGHT_OVERLAP = 0.6
# Of the picture's side: what is put around a picture to see whether it is one tight face.
TIGHT_MARGIN = 0.25

# Left and right change places in a mirror.
MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]


@dataclass(frozen=True)
class DetectedFace:
    """One face in a picture.

    Attributes
    ----------
    box : tuple of int
        x, y, width, height in pixels of the upright picture.
    score : float
        0..1, the detector's belief that this is a face.
    eyes : tuple or None
        The eye that is left in the picture, then the right one, each (x, y) in pixels; None if unknown.
    tight : bool
        The box is the frame of a training face already, so it is cut out as it is.
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None
    tight: bool = False


def detect_faces(picture: np.ndarray, *, limit: int = 20) -> list[DetectedFace]:
    """Find the faces in a picture, largest first; safe to call from several threads.

    Parameters
    ----------
    picture : numpy.ndarray
        ``uint8`` (H, W, 3), upright RGB.
    limit : int
        At most so many faces are returned.

    Returns
    -------
    list of DetectedFace
        Empty where no face was found. A picture that somebody cropped to one face is taken whole.
    """
    found = _first_look(picture) or _look_for_huge_faces(picture) or _look_for_small_faces(picture)
    faces = _faces(found, picture, limit)
    if not faces and (whole := _tight_face(picture)):
        return [whole]
    return faces


def detect_faces_in_frame(frame: np.ndarray, *, limit: int = 20) -> list[DetectedFace]:
    """Find the faces in a frame of a camera or clip by the first look alone.

    What it misses, the next frame shows.

    Parameters and result are those of `detect_faces`.
    """
    return _faces(_first_look(frame), frame, limit)


def _faces(found: list[np.ndarray], picture: np.ndarray, limit: int) -> list[DetectedFace]:
    real = [face for face in found if _side(face) >= SMALLEST]
    return [_whole_if_tight(_detected(face), picture) for face in _largest_first(real)[:limit]]


def _first_look(picture: np.ndarray) -> list[np.ndarray]:
    """Find faces (15,) at a moderate size; what that leaves in doubt is looked at from close by."""
    candidates = _look(picture, min(1.0, SEARCH_SIDE / max(picture.shape[:2])), POSSIBLE)
    sure, doubtful = _sure_and_doubtful(candidates, picture)
    return sure + _confirmed(picture, doubtful)


def _look_for_huge_faces(picture: np.ndarray) -> list[np.ndarray]:
    """Find faces (15,) that are larger than the network knows them at a moderate size."""
    return list(_look(picture, min(1.0, HUGE_SIDE / max(picture.shape[:2])), SURE))


def _look_for_small_faces(picture: np.ndarray) -> list[np.ndarray]:
    """Find faces (15,) in the enlarged picture, where accidents are as frequent: each is looked at twice."""
    longest = max(picture.shape[:2])
    factor = max(FINE_SIDE / longest, min(ENLARGED, MOST_SEARCHED / longest), 1.0)
    candidates = _look_at_pieces(picture, min(factor, MOST_ENLARGED), POSSIBLE)
    sure, doubtful = _sure_and_doubtful(candidates, picture)
    return _confirmed(picture, sure + doubtful)


def _look(picture: np.ndarray, factor: float, least: float) -> np.ndarray:
    """Return the candidates (n, 15), best first, that a picture shows when it is scaled by a factor."""
    scaled = _scaled(picture, factor)
    return _moved(face_network()(np.asarray(scaled), least), 1 / factor)


def _look_at_pieces(picture: np.ndarray, factor: float, least: float) -> np.ndarray:
    """Do the same in pieces of one shape, for which an interpreter is ready, whatever the picture's size."""
    scaled = _scaled(picture, factor)
    across, down = PIECE if scaled.width >= scaled.height else PIECE[::-1]
    found = []
    for top in _starts(scaled.height, down):
        for left in _starts(scaled.width, across):
            # Beyond the picture's edge it is black.
            piece = np.asarray(scaled.crop((left, top, left + across, top + down)))
            found.append(_moved(face_network()(piece, least), 1, left, top))
    return _moved(suppress(np.concatenate(found)), 1 / factor)


def _starts(length: int, piece: int) -> list[int]:
    """Place pieces evenly so that neighbours share a margin at least."""
    count = max(1, -(-(length - PIECE_MARGIN) // (piece - PIECE_MARGIN)))
    return [round(number * (length - piece) / max(count - 1, 1)) for number in range(count)]


def _scaled(picture: np.ndarray, factor: float) -> Image.Image:
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    if factor == 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _sure_and_doubtful(
    candidates: np.ndarray, picture: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Divide candidates (n, 15), best first, into those that are faces and the best of those that may be."""
    sure = [candidate for candidate in candidates if candidate[SCORE] >= SURE]
    rest = candidates[len(sure) :]
    small = [candidate for candidate in rest if not _is_large(candidate, picture)]
    large = [candidate for candidate in rest if _is_large(candidate, picture)]
    return sure, small[:MOST_DOUBTFUL] + large[:MOST_DOUBTFUL]


def _is_large(face: np.ndarray, picture: np.ndarray) -> bool:
    return _side(face) >= LARGE * min(picture.shape[:2])


def _largest_first(faces: list[np.ndarray]) -> list[np.ndarray]:
    """Sort detections (15,), without those seen twice and those seen in the features of a larger face."""
    kept: list[np.ndarray] = []
    for face in sorted(suppress(np.array(faces).reshape(-1, COLUMNS)), key=_side, reverse=True):
        larger = np.array([other for other in kept if 0.5 * _side(other) > _side(face)]).reshape(-1, COLUMNS)
        if not (intersection(face, larger) > 0.5 * face[2] * face[3]).any():
            kept.append(face)
    return kept


def _confirmed(picture: np.ndarray, candidates: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Look at candidates (15,) from close by, large ones also turned; return the better detections."""
    looks = [
        _look_closer(picture, candidate, (0, *TURNS) if _is_large(candidate, picture) else (0,))
        for candidate in candidates
    ]
    return [look for look in looks if look[SCORE] >= SURE]


def _look_closer(picture: np.ndarray, candidate: np.ndarray, angles: Sequence[float]) -> np.ndarray:
    """Cut out what surrounds a candidate (15,) and return the best of the mean detections at some angles."""
    x, y, width, height = candidate[BOX]
    region, left, top = cut_around(
        picture, (x + width / 2, y + height / 2), CLOSE_REACH / 2 * _side(candidate)
    )
    close = region.resize((CLOSE_SIDE, CLOSE_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    best = max((_look_turned(close, angle) for angle in angles), key=lambda look: look[SCORE])
    return _moved(best, region.width / CLOSE_SIDE, left, top)


def _look_turned(close: Image.Image, angle: float) -> np.ndarray:
    """Detect the face in the middle of a close-up after turning it counter-clockwise by `angle` degrees."""
    middle, expected = close.width / 2, close.width / CLOSE_REACH
    low, high = (factor * expected for factor in CLOSE_SIZES)
    turned = np.asarray(
        close.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)) if angle else close
    )
    same = []
    for look in (_seen, _seen_mirrored):
        found = look(turned)
        away = np.hypot(*(found[:, :2] + found[:, 2:4] / 2 - middle).T)
        sides = np.sqrt(found[:, 2] * found[:, 3])
        same.append(found[(away < CLOSE_SHIFT * expected) & (low < sides) & (sides < high)])
        # The mean with another look could hardly be enough.
        if not (same[-1][:, SCORE] > CLOSE_POSSIBLE).any():
            return np.zeros(COLUMNS, np.float32)
    seen = _mean(same)
    centre = seen[:2] + seen[2:4] / 2
    upright = _rotated(centre, angle, middle)
    seen[:2] += upright - centre
    # As far as the detector would have seen the head roll: `crop.roll` makes up for what it misses.
    landmarks = _rotated(seen[LANDMARKS].reshape(-1, 2) - centre, angle / ROLL_PER_EYES, 0) + upright
    seen[LANDMARKS] = landmarks.ravel()
    return seen


def _tight_face(picture: np.ndarray) -> DetectedFace | None:
    """Take a picture in which no face was found for a tight face crop; None if it does not look like one."""
    height, width = picture.shape[:2]
    factor = HUGE_SIDE / max(height, width) / (1 + 2 * TIGHT_MARGIN)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0))
    framed, left, top = cut_around(scaled, (size[0] / 2, size[1] / 2), HUGE_SIDE / 2)
    for candidate in face_network()(np.asarray(framed), POSSIBLE):
        face = _whole_if_tight(_detected(_moved(_moved(candidate, 1, left, top), 1 / factor)), picture)
        if face.tight:
            return face
    return None


def _seen(close: np.ndarray) -> np.ndarray:
    """Detect faces in a close-up, uint8 (side, side, 3), however unsure: (n, 15), best first."""
    return face_network()(close, 0.01)


def _seen_mirrored(close: np.ndarray) -> np.ndarray:
    """Do the same in the mirrored close-up; the detections are those of the plain one."""
    found, width = _seen(close[:, ::-1]), close.shape[1]
    found[:, 0] = width - found[:, 0] - found[:, 2]
    landmarks = found[:, LANDMARKS].reshape(-1, 5, 2)[:, MIRRORED_LANDMARKS]
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    found[:, LANDMARKS] = landmarks.reshape(-1, 10)
    return found


def _mean(looks: list[np.ndarray]) -> np.ndarray:
    """Return the mean (15,) of the best detection of every look, weighted by score; all 0 without any."""
    seen = [look[0] for look in looks if len(look)]
    if not seen:
        return np.zeros(COLUMNS, np.float32)
    mean = np.average(seen, axis=0, weights=[look[SCORE] for look in seen])
    mean[SCORE] = sum(look[SCORE] for look in seen) / len(looks)
    return mean


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


def _detected(detection: np.ndarray) -> DetectedFace:
    x, y, width, height = detection[BOX].tolist()
    left, top = round(x), round(y)
    landmarks = detection[LANDMARKS].tolist()
    return DetectedFace(
        box=(left, top, max(1, round(x + width) - left), max(1, round(y + height) - top)),
        score=float(detection[SCORE]),
        eyes=((landmarks[0], landmarks[1]), (landmarks[2], landmarks[3])),
    )


def _whole_if_tight(face: DetectedFace, picture: np.ndarray) -> DetectedFace:
    """Take the whole picture where a face's frame is about the picture: it was cropped by somebody."""
    height, width = picture.shape[:2]
    if overlap(np.array(frame(face)), np.array([[0, 0, width, height]]))[0] < TIGHT_OVERLAP:
        return face
    return DetectedFace((0, 0, width, height), face.score, face.eyes, tight=True)
