"""Where the faces are, and the one function that cuts them out, for training and for serving alike.

The network that finds faces is in `detector`; emotions do not live here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from emotion.vision.detector import (
    BOX,
    COLUMNS,
    LANDMARKS,
    OVERLAP,
    SCORE,
    face_network,
    intersection,
    overlap,
    suppress,
)

Box = tuple[int, int, int, int]
Point = tuple[float, float]

PASS_SIDES = (
    960,
    320,
)  # pixels: longest side of the picture that is searched first; then again for huge faces
MOST_ENLARGED = 1.5  # times: small pictures are searched enlarged
TILE_SIDE = 1280  # pixels: a picture is searched at full size in pieces, so that memory does not grow with it
TILE_OVERLAP = (
    320  # pixels that neighbouring pieces share: a face that one of them cuts is whole in the other
)
CANDIDATE_SCORE = 0.1  # the first pass may be this unsure, because a second look follows
DOUBTFUL_CANDIDATES = 6  # of those that are less than certain at first, at most so many get a second look

SECOND_LOOK_SIDE = 160  # pixels: the second look scales the face to this
THIRD_LOOK_SIDE = 256  # pixels: the third look, at large faces that are still in doubt
LOOK_REACH = 1.25  # half the side of what a closer look sees, in sides of the face
CERTAIN_SCORE = 0.5  # of faces of any size
DOUBTFUL_SCORE = 0.3  # of large faces: blurred, or cut off tightly, they score low at every size
STEADY_SCORE = 0.28  # of large faces in profile or in the dark: the mean of all three looks
LARGE = 0.15  # of the picture's shorter side
TURNS = (-40, 40)  # degrees: the last look at large faces turns them, for heads that lean far
TURNED_SCORE = 0.6  # of the turned face, plain and mirrored together
TURNED_SHIFT = 0.3  # times the face's side: how far from the candidate's centre a turned look may see it
TURNED_SIZES = (0.5, 1.8)  # times the candidate's side

# The frame of the training faces around the detector's box, fitted on scenes of the calibration faces.
FRAME_SIDE = 1.03  # times the square root of the box's area
FRAME_DROP = 0.01  # times the frame's side, downwards

LEANING = 10.0  # degrees: training faces lean so much themselves, and only what is more is turned back
MOST_LEANING = 60.0  # degrees: beyond, the eyes are not where the detector thinks
LEANING_PER_EYES = 1.5  # measured on turned portraits: the detector sees a head of 30° lean by 20°

SMALLEST_FACE = 20  # pixels
LEAST_SHARPNESS = (
    0.1  # spread of the Laplacian over that of the grey levels; 0.86 in training faces, 0.1 after blur 2
)
JUDGED_SIZE = 48  # pixels: sharpness is measured at the training faces' size

TIGHT_OVERLAP = 0.6  # intersection over union of a face's frame and the picture that is taken whole
TIGHT_MARGIN = 0.25  # of the picture's side, put around it to see whether it is one tight face
TIGHT_SIDE = 640  # pixels

MIRRORED_LANDMARKS = [1, 0, 2, 4, 3]  # left and right change places


@dataclass(frozen=True)
class DetectedFace:
    """One face in a picture.

    Attributes
    ----------
    box
        x, y, width, height in pixels of the upright picture.
    score
        0..1, the detector's belief that this is a face.
    eyes
        The eye that is left in the picture, then the right one, each (x, y) in pixels; None if unknown.
    tight
        The box is the frame of a training face already, so it is cut out as it is.
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None
    tight: bool = False


def detect_faces(picture: np.ndarray, *, limit: int = 20) -> list[DetectedFace]:
    """Find the faces in a picture, largest first; safe to call from several threads.

    The picture is searched at a moderate size, and at its full size only where that finds nothing. Whatever looks
    like a face is then looked at again from close by, plain and mirrored: the mean of these looks tells faces from
    accidents and steadies the box. Large ones that are still in doubt are also looked at turned to either side.

    Parameters
    ----------
    picture
        ``uint8`` (H, W, 3), upright RGB.
    limit
        At most so many faces are returned.
    """
    for candidates in _passes(picture):
        hopeful = int((candidates[:, SCORE] >= CERTAIN_SCORE).sum()) + DOUBTFUL_CANDIDATES
        looked = [_confirmed(picture, candidate) for candidate in candidates[:hopeful]]
        faces = [face for face in looked if face is not None]
        if faces:
            return [_whole_if_tight(_detected(face), picture) for face in _largest_first(faces)[:limit]]
    return []


def crop_face(
    picture: np.ndarray, box: Sequence[float], *, size: int, channels: int = 1, angle: float = 0.0
) -> np.ndarray:
    """Cut the square around a box out of a picture and scale it to the network's input.

    The square shares the box's centre and has its longer side. Where it leaves the picture, the picture's edge
    is repeated. With the whole picture as box, this is how training files are read.

    Parameters
    ----------
    picture
        ``uint8`` (H, W, 3), upright RGB.
    box
        x, y, width, height in pixels, whole or fractional.
    size
        Side of the result in pixels.
    channels
        1 for grey (ITU-R 601 luma), 3 for RGB.
    angle
        Degrees by which the head leans clockwise; the crop is turned back by them.

    Returns
    -------
    numpy.ndarray
        ``uint8`` (size, size) or (size, size, 3), 0..255.
    """
    x, y, width, height = box
    side = max(width, height)
    margin = 3 + 2 * side / size  # what the filters read around the square
    reach = side / 2 * (math.sqrt(2) if angle else 1) + margin  # a turned square needs its corners
    image, left, top = _cut(picture, x + width / 2, y + height / 2, reach)
    if channels == 1:
        image = image.convert("L")
    centre_x, centre_y = x + width / 2 - left, y + height / 2 - top
    if angle:
        image = image.rotate(angle, Image.Resampling.BICUBIC, center=(centre_x, centre_y))
    half = side / 2
    square = (centre_x - half, centre_y - half, centre_x + half, centre_y + half)
    # Pillow's filters cover all pixels of the source when they reduce: no aliasing.
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=square))


def face_crop(picture: np.ndarray, face: DetectedFace, *, size: int, channels: int = 1) -> np.ndarray:
    """Crop a detected face, levelled and framed like the training faces.

    Returns
    -------
    numpy.ndarray
        ``uint8`` (size, size) or (size, size, 3), 0..255; see `crop_face`.
    """
    if face.tight:
        return crop_face(picture, face.box, size=size, channels=channels)
    return crop_face(picture, frame(face), size=size, channels=channels, angle=lean(face))


def frame(face: DetectedFace) -> tuple[float, float, float, float]:
    """Return the square x, y, width, height that a training picture of this face would show."""
    x, y, width, height = face.box
    side = FRAME_SIDE * math.sqrt(width * height)
    return (x + width / 2 - side / 2, y + height / 2 + FRAME_DROP * side - side / 2, side, side)


def lean(face: DetectedFace) -> float:
    """Return by how many degrees a head leans clockwise beyond what training faces do themselves."""
    if face.eyes is None:
        return 0.0
    (left_x, left_y), (right_x, right_y) = face.eyes
    angle = LEANING_PER_EYES * math.degrees(math.atan2(right_y - left_y, right_x - left_x))
    if not LEANING < abs(angle) <= MOST_LEANING:
        return 0.0
    return math.copysign(abs(angle) - LEANING, angle)


def judge(picture: np.ndarray, face: DetectedFace) -> str | None:
    """Say why a face cannot be judged ("too small" or "too blurred"), or None if it can."""
    if math.sqrt(face.box[2] * face.box[3]) < SMALLEST_FACE:
        return "too small"
    if sharpness(face_crop(picture, face, size=JUDGED_SIZE)) < LEAST_SHARPNESS:
        return "too blurred"
    return None


def sharpness(crop: np.ndarray) -> float:
    """Measure the detail in a grey crop (H, W): spread of the Laplacian over spread of the grey levels, 0 or more."""
    grey = crop.astype(np.float32)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.std() / max(grey.std(), 1.0))


def whole_picture_face(picture: np.ndarray) -> DetectedFace | None:
    """Take a picture in which no face was found for a tight face crop, if it looks like one; else return None."""
    height, width = picture.shape[:2]
    margin = round(TIGHT_MARGIN * max(height, width))
    framed, left, top = _cut(picture, width / 2, height / 2, max(height, width) / 2 + margin)
    factor = TIGHT_SIDE / max(framed.size)
    scaled = framed.resize((TIGHT_SIDE, TIGHT_SIDE), Image.Resampling.BICUBIC)
    for candidate in face_network()(np.asarray(scaled), CANDIDATE_SCORE):
        face = _whole_if_tight(_detected(_moved(candidate, 1 / factor, left, top)), picture)
        if face.tight:
            return face
    return None


def _passes(picture: np.ndarray) -> Iterator[np.ndarray]:
    """Yield candidates (n, 15) of the scaled picture, then of the full one if it is larger."""
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    for side, least in zip(PASS_SIDES, (CANDIDATE_SCORE, CERTAIN_SCORE), strict=True):
        factor = min(MOST_ENLARGED, side / max(height, width))
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        scaled = np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
        yield _moved(face_network()(scaled, least), 1 / factor, 0, 0)
    if max(height, width) <= PASS_SIDES[0]:
        return
    found = [
        _moved(
            face_network()(picture[top : top + TILE_SIDE, left : left + TILE_SIDE], CERTAIN_SCORE),
            1,
            left,
            top,
        )
        for top in range(0, max(1, height - TILE_OVERLAP), TILE_SIDE - TILE_OVERLAP)
        for left in range(0, max(1, width - TILE_OVERLAP), TILE_SIDE - TILE_OVERLAP)
    ]
    yield suppress(np.concatenate(found))


def _largest_first(faces: list[np.ndarray]) -> list[np.ndarray]:
    """Sort detections (15,), without those seen twice and those seen in the features of a larger face."""
    kept: list[np.ndarray] = []
    for face in sorted(suppress(np.array(faces)), key=_side, reverse=True):
        larger = np.array([other for other in kept if 0.5 * _side(other) > _side(face)]).reshape(-1, COLUMNS)
        if not (intersection(face, larger) > 0.5 * face[2] * face[3]).any():
            kept.append(face)
    return kept


def _confirmed(picture: np.ndarray, candidate: np.ndarray) -> np.ndarray | None:
    """Look at a candidate (15,) from close by; return the better detection if it is a face, else None."""
    second = _closer(picture, candidate, SECOND_LOOK_SIDE)
    if second[SCORE] >= CERTAIN_SCORE:
        return second
    if _side(candidate) < LARGE * min(picture.shape[:2]):
        return None
    if second[SCORE] >= DOUBTFUL_SCORE:
        return second
    third = _closer(picture, candidate, THIRD_LOOK_SIDE)
    seen = max(second, third, key=lambda look: look[SCORE])
    if seen[SCORE]:
        large = max(third[SCORE], (candidate[SCORE] + third[SCORE]) / 2)  # a strong first look counts too
        mean = (candidate[SCORE] + second[SCORE] + third[SCORE]) / 3
        seen[SCORE] = max(large, mean)
        if large >= CERTAIN_SCORE or mean >= STEADY_SCORE:
            return seen
    turned = _turned(picture, candidate)
    return turned if turned[SCORE] >= TURNED_SCORE else None


def _closer(picture: np.ndarray, candidate: np.ndarray, face_side: int) -> np.ndarray:
    """Scale a candidate (15,) to a size, detect it plain and mirrored, and return the mean detection (15,)."""
    close, scale, left, top = _close_up(picture, candidate, face_side)
    looks = [_moved(look, scale, left, top) for look in _looks(close)]
    return _mean([look[overlap(candidate, look) > OVERLAP] for look in looks])


def _turned(picture: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Turn what surrounds a candidate (15,) to either side, and return the better mean detection (15,)."""
    close, scale, left, top = _close_up(picture, candidate, SECOND_LOOK_SIDE)
    best = max((_seen_turned(close, angle) for angle in TURNS), key=lambda look: look[SCORE])
    return _moved(best, scale, left, top)


def _seen_turned(close: Image.Image, angle: float) -> np.ndarray:
    """Detect the face in the middle of a close-up that is turned counter-clockwise by `angle` degrees meanwhile."""
    middle = close.width / 2
    low, high = (factor * SECOND_LOOK_SIDE for factor in TURNED_SIZES)
    same = []
    for look in _looks(close.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))):
        away = np.hypot(*(look[:, :2] + look[:, 2:4] / 2 - middle).T)
        sides = np.sqrt(look[:, 2] * look[:, 3])
        same.append(look[(away < TURNED_SHIFT * SECOND_LOOK_SIDE) & (low < sides) & (sides < high)])
        if not (same[-1][:, SCORE] > TURNED_SCORE / 2).any():
            break  # the mean will hardly be enough: spare the second look
    seen = _mean(same)
    centre = seen[:2] + seen[2:4] / 2
    upright = _rotated(centre, angle, middle)
    seen[:2] += upright - centre
    # As far as the detector would have seen the head lean: `lean` makes up for what it misses.
    landmarks = _rotated(seen[LANDMARKS].reshape(-1, 2) - centre, angle / LEANING_PER_EYES, 0) + upright
    seen[LANDMARKS] = landmarks.ravel()
    return seen


def _rotated(points: np.ndarray, degrees: float, middle: float) -> np.ndarray:
    """Rotate points (…, 2), x right and y down, clockwise about (middle, middle)."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return (points - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle


def _close_up(
    picture: np.ndarray, candidate: np.ndarray, face_side: int
) -> tuple[Image.Image, float, float, float]:
    """Cut out what surrounds a candidate (15,), scaled so that the face has this side.

    Returns the cut, how many pixels of the picture one of its pixels is, and its left and upper edge there.
    """
    x, y, width, height = candidate[BOX]
    side = _side(candidate)
    region, left, top = _cut(picture, x + width / 2, y + height / 2, LOOK_REACH * side)
    across = max(1, round(region.width * face_side / side))
    close = region.resize((across, across), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return close, region.width / across, left, top


def _looks(close: Image.Image) -> Iterator[np.ndarray]:
    """Detect faces in a picture as it is, then mirrored, however unsure: two arrays (n, 15), best first."""
    plain = np.asarray(close)
    yield face_network()(plain, 0.01)
    yield _mirrored(face_network()(plain[:, ::-1], 0.01), close.width)


def _mean(looks: list[np.ndarray]) -> np.ndarray:
    """Return the mean (15,) of the best detection of every look, weighted by score; all 0 if there is none."""
    seen = [look[0] for look in looks if len(look)]
    if not seen:
        return np.zeros(COLUMNS, np.float32)
    mean = np.average(seen, axis=0, weights=[look[SCORE] for look in seen])
    mean[SCORE] = sum(look[SCORE] for look in seen) / len(looks)
    return mean


def _side(detection: np.ndarray) -> float:
    return math.sqrt(detection[2] * detection[3])


def _moved(detections: np.ndarray, factor: float, left: float, top: float) -> np.ndarray:
    """Scale detections (…, 15) about the origin, then shift them."""
    moved = detections.copy()
    moved[..., BOX] *= factor
    moved[..., LANDMARKS] *= factor
    moved[..., [0, *range(LANDMARKS.start, LANDMARKS.stop, 2)]] += left
    moved[..., [1, *range(LANDMARKS.start + 1, LANDMARKS.stop, 2)]] += top
    return moved


def _mirrored(detections: np.ndarray, width: int) -> np.ndarray:
    """Turn detections (n, 15) of a mirrored picture of this width into those of the plain one."""
    plain = detections.copy()
    plain[:, 0] = width - detections[:, 0] - detections[:, 2]
    landmarks = detections[:, LANDMARKS].reshape(-1, 5, 2)[:, MIRRORED_LANDMARKS]
    landmarks[:, :, 0] = width - landmarks[:, :, 0]
    plain[:, LANDMARKS] = landmarks.reshape(-1, 10)
    return plain


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
    """Take the whole picture where a face's frame is the picture, give or take: it was cropped by somebody."""
    height, width = picture.shape[:2]
    if overlap(np.array(frame(face)), np.array([[0, 0, width, height]]))[0] < TIGHT_OVERLAP:
        return face
    return DetectedFace((0, 0, width, height), face.score, face.eyes, tight=True)


def _cut(picture: np.ndarray, x: float, y: float, reach: float) -> tuple[Image.Image, int, int]:
    """Cut a square of whole pixels around a point, repeating the picture's edge beyond it; return its corner too."""
    left, top = math.floor(x - reach), math.floor(y - reach)
    across = math.ceil(2 * reach) + 1
    rows, missing_rows = _span(top, across, picture.shape[0])
    columns, missing_columns = _span(left, across, picture.shape[1])
    region = picture[rows, columns]
    if any(missing_rows + missing_columns):
        region = np.pad(region, (missing_rows, missing_columns, (0, 0)), mode="edge")
    return Image.fromarray(region), left, top


def _span(start: int, length: int, limit: int) -> tuple[slice, tuple[int, int]]:
    """Return the part of start..start+length that lies in 0..limit, at least one, and what is missing on each side."""
    first = min(max(start, 0), limit - 1)
    last = max(min(start + length, limit), first + 1)
    after = min(max(start + length - last, 0), length - (last - first))
    return slice(first, last), (length - (last - first) - after, after)
