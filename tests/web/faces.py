"""Answers made up for the tests of the page."""

from emotion.predictions.face import FacePrediction

LABELS = ("angry", "happy", "sad")


def face(label="happy", reason=None, box=(1, 2, 3, 4)):
    """One face as the model answers."""
    return FacePrediction(box, label, 0.8, {"angry": 0.1, "happy": 0.8, "sad": 0.1}, reason)
