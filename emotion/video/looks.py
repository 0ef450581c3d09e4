"""Answers for the faces of a frame together with their looks, as `FaceTracker.update` takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotion.model.classifier import EmotionClassifier
from emotion.predictions.face import FacePrediction
from emotion.vision.faces import DetectedFace
from emotion.vision.images import Picture
from emotion.vision.look import look


def answers_and_looks(
    classifier: EmotionClassifier, frame: np.ndarray, faces: Sequence[DetectedFace]
) -> tuple[list[FacePrediction], list[np.ndarray]]:
    """Tell what the faces of a frame show, and describe them so that they are known again.

    Parameters
    ----------
    classifier : EmotionClassifier
    frame : numpy.ndarray
        uint8 (height, width, 3), upright RGB.
    faces : sequence of DetectedFace
        What `detect_faces_in_frame` found.

    Returns
    -------
    tuple of list
        One answer and one look per face, in the same order.
    """
    picture = Picture.of(frame)
    return classifier.predict_located(picture, faces), [
        look(classifier.crop(picture, face)) for face in faces
    ]
