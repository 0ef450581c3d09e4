"""The one crop: how a face is cut out of a picture, for training and for serving alike.

Also what a crop tells: whether the face can be judged at all, and what it looks like in few numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

# Side of the faces that a network may take, in pixels; grey or colour.
SMALLEST_CROP, LARGEST_CROP = 16, 512
CHANNELS = (1, 3)
# The frame of the training faces around the detector's box, fitted on scenes of the calibration faces: its
# side in square roots of the box's area, and how far it lies below the box, in its sides.
FRAME_SIDE = 1.03
FRAME_DROP = 0.01
# Degrees: training faces are rolled by up to this themselves; only the excess is turned back.
LEAST_ROLL = 10.0
# Degrees: beyond this, the detector misplaces the eyes.
MOST_ROLL = 60.0
# Measured on turned portraits: the detector sees a head of 30° rolled by 20°.
ROLL_PER_EYES = 1.5
# A square of more than this many sides of the result is reduced before anything is filtered. The result
# looks the same, and a picture a thousand times as wide as high does not take gigabytes.
MOST_REDUCTION = 8
Point = tuple[float, float]
# The detector's scores between which what it found turns from a thing into a face: an answer's confidence is
# multiplied by this share. Of 472 photographs of things and animals in Debian's packages, 7 instead of 17 are
# answered (3 show animals' or carved faces), and 2 of 403 faces no longer are; both values were chosen on
# these pictures (benchmarks.pipeline --things).
THING, FACE = 0.5, 0.72
# Pixels: the square root of the box's area.
SMALLEST_FACE = 20
# Spread of the Laplacian over that of the grey levels: 0.86 in training faces, 0.1 after a blur of 2 pixels.
LEAST_SHARPNESS = 0.1
# Pixels: sharpness is measured at the training faces' size.
JUDGED_SIDE = 48
# Numbers along each side; the blur that stands for the light, as a part of the crop's side.
LOOK_SIDE, LOOK_LIGHT = 12, 1 / 8
# Grey levels that are added to the light, so that dark parts do not count for more than they show.
LOOK_DARK = 20.0


@dataclass(frozen=True)
class Place:
    """Where a face is, in pixels of the upright picture.

    `box` is x, y, width, height; `eyes` the (x, y) of the eye that is left in the picture, then of the right
    one, None if unknown. If `tight`, the box is the frame of a training face already and is cut out as it is.
    `score` is the detector's belief that it is a face, 0..1; 1 if it was not asked.
    """

    box: tuple[int, int, int, int]
    eyes: tuple[Point, Point] | None = None
    tight: bool = False
    score: float = 1.0


def scaled_place(face: Place, factor: float) -> Place:
    """Return where a face is in a picture that was scaled by a factor."""
    x, y, width, height = (round(factor * value) for value in face.box)
    eyes = None
    if face.eyes:
        left, right = ((factor * across, factor * down) for across, down in face.eyes)
        eyes = (left, right)
    return Place((x, y, max(1, width), max(1, height)), eyes, face.tight, face.score)


def crop_square(
    picture: np.ndarray, box: Sequence[float], *, size: int, channels: int = 1, angle: float = 0.0
) -> np.ndarray:
    """Cut the square around a box out of a picture and scale it: uint8 (size, size[, 3]).

    `picture` is upright RGB, uint8 (H, W, 3); `box` is x, y, width, height in pixels, whole or fractional.
    The square shares the box's centre and has its longer side; beyond the picture, the edge is repeated.
    `channels` is 1 for grey (ITU-R 601 luma) or 3 for RGB. A head that is rolled clockwise by `angle` degrees
    is turned back.
    """
    x, y, width, height = box
    side = max(width, height)
    # What the filters read around the square; a turned square needs its corners, too.
    margin = 3 + 2 * side / size
    reach = side / 2 * (math.sqrt(2) if angle else 1) + margin
    factor = max(1, int(side / (MOST_REDUCTION * size)))
    image, left, top = cut_around(picture, (x + width / 2, y + height / 2), reach, reduce=factor)
    if channels == 1:
        image = image.convert("L")
    centre_x, centre_y = (x + width / 2 - left) / factor, (y + height / 2 - top) / factor
    if angle:
        image = image.rotate(angle, Image.Resampling.BICUBIC, center=(centre_x, centre_y))
    half = side / 2 / factor
    square = (centre_x - half, centre_y - half, centre_x + half, centre_y + half)
    # Pillow's filters cover all pixels of the source when they reduce: no aliasing.
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=square))


def whole_crop(picture: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Return the crop that a face picture gives as a whole: uint8 (size, size, channels)."""
    height, width = picture.shape[:2]
    crop = crop_square(picture, (0, 0, width, height), size=size, channels=channels)
    return crop.reshape(size, size, channels)


def crop_face(picture: np.ndarray, face: Place, *, size: int, channels: int = 1) -> np.ndarray:
    """Cut a face out of an upright picture, uint8 (H, W, 3), level and framed like the training faces."""
    if face.tight:
        return crop_square(picture, face.box, size=size, channels=channels)
    return crop_square(picture, frame(face), size=size, channels=channels, angle=roll(face))


def frame(face: Place) -> tuple[float, float, float, float]:
    """Return the square x, y, width, height that a training picture of this face would show."""
    x, y, width, height = face.box
    side = FRAME_SIDE * math.sqrt(width * height)
    return (x + width / 2 - side / 2, y + height / 2 + FRAME_DROP * side - side / 2, side, side)


def roll(face: Place) -> float:
    """Return by how many degrees a head is rolled clockwise beyond what training faces are themselves."""
    if face.eyes is None:
        return 0.0
    (left_x, left_y), (right_x, right_y) = face.eyes
    angle = ROLL_PER_EYES * math.degrees(math.atan2(right_y - left_y, right_x - left_x))
    if not LEAST_ROLL < abs(angle) <= MOST_ROLL:
        return 0.0
    return math.copysign(abs(angle) - LEAST_ROLL, angle)


def cut_around(
    picture: np.ndarray, centre: Point, reach: float, *, reduce: int = 1
) -> tuple[Image.Image, int, int]:
    """Cut a square around a point, at least `reach` pixels to each side; beyond the picture, repeat its edge.

    Squares of `reduce` pixels are averaged. Returned are the cut, and its left and upper edge in pixels.
    """
    left, top = math.floor(centre[0] - reach), math.floor(centre[1] - reach)
    across = math.ceil(math.ceil(2 * reach + 1) / reduce) * reduce
    rows, missing_rows = _span(top, across, picture.shape[0])
    columns, missing_columns = _span(left, across, picture.shape[1])
    region = picture[rows, columns]
    if reduce > 1:
        region = np.asarray(Image.fromarray(region).reduce(reduce))
        missing_rows, missing_columns = (
            _reduced(missing, across // reduce, length, reduce)
            for missing, length in ((missing_rows, region.shape[0]), (missing_columns, region.shape[1]))
        )
    if any(missing_rows + missing_columns):
        region = np.pad(region, (missing_rows, missing_columns, (0, 0)), mode="edge")
    return Image.fromarray(region), left, top


def _span(start: int, length: int, limit: int) -> tuple[slice, tuple[int, int]]:
    """Return the part of start..start+length in 0..limit, at least one, and what is missing on each side."""
    first = min(max(start, 0), limit - 1)
    last = max(min(start + length, limit), first + 1)
    after = min(max(start + length - last, 0), length - (last - first))
    return slice(first, last), (length - (last - first) - after, after)


def _reduced(missing: tuple[int, int], across: int, length: int, factor: int) -> tuple[int, int]:
    """Share the pixels that a reduced region of this length still lacks between its two sides."""
    before = min(round(missing[0] / factor), across - length)
    return before, across - length - before


def face_likelihood(face: Place) -> float:
    """Return how likely a found face is one, 0..1; a picture that was cropped to a face counts as one."""
    return 1.0 if face.tight else min(1.0, max(0.0, (face.score - THING) / (FACE - THING)))


def quality_problem(box: tuple[int, int, int, int], crop: np.ndarray) -> str | None:
    """Say why a face cannot be judged by its box in the picture and its crop, or None if it can."""
    if math.sqrt(box[2] * box[3]) < SMALLEST_FACE:
        return "too small"
    if sharpness(crop) < LEAST_SHARPNESS:
        return "too blurred"
    return None


def sharpness(crop: np.ndarray) -> float:
    """Measure the detail in a crop: the Laplacian's spread over that of the grey levels, 0 or more."""
    image = Image.fromarray(crop).convert("L")
    if image.width != JUDGED_SIDE:
        image = image.resize((JUDGED_SIDE, JUDGED_SIDE), Image.Resampling.BICUBIC)
    grey = np.asarray(image, np.float32)
    laplacian = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1] - 4 * grey[1:-1, 1:-1]
    return float(laplacian.std() / max(grey.std(), 1.0))


def look(crop: np.ndarray) -> np.ndarray:
    """Describe the features of a face crop, uint8 (size, size[, 3]), without the light on it.

    The result is float32 (144,) of length 1: the product of two of them is their likeness, -1 to 1.
    """
    image = Image.fromarray(crop).convert("L")
    light = image.filter(ImageFilter.GaussianBlur(LOOK_LIGHT * image.width))
    features, around = (
        np.asarray(part.resize((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BOX), np.float32)
        for part in (image, light)
    )
    values = ((features - around) / (around + LOOK_DARK)).ravel()
    values -= values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-9)
