"""Pictures and faces at the size that a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emotion.predictions.face import FacePrediction
from emotion.vision.crop import Place, scaled_place
from emotion.vision.images import Picture


def at_shown_size(
    picture: Picture, faces: Sequence[FacePrediction], side: int
) -> tuple[np.ndarray, list[FacePrediction]]:
    """Reduce a picture to what is shown of it, and its faces with it.

    Parameters
    ----------
    picture : Picture
        Of any size.
    faces : sequence of FacePrediction
        With boxes and eyes in pixels of the whole picture.
    side : int
        Longest side of the result, in pixels.

    Returns
    -------
    tuple
        The pixels, ``uint8`` (H, W, 3), and the faces with boxes and eyes in these pixels.
    """
    shown = picture.shown(side)
    if shown.scale == 1:
        return shown.pixels, list(faces)
    places = [scaled_place(place_of(face), 1 / shown.scale) for face in faces]
    return shown.pixels, [
        replace(face, box=place.box, eyes=place.eyes) for face, place in zip(faces, places, strict=True)
    ]


def place_of(face: FacePrediction) -> Place:
    """Return where a face is in its picture.

    Raises
    ------
    ValueError
        If it came as a crop, without a picture.
    """
    if face.box is None:
        raise ValueError("This face came without a picture.")
    return Place(face.box, face.eyes, face.tight)
