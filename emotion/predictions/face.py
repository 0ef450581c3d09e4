"""What one face shows: the answer that every part of the program hands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# The one reason that is about the expression; all others are about the picture.
NEUTRAL_OR_MIXED = "neutral or mixed"


@dataclass(frozen=True)
class FacePrediction:
    """What one face shows.

    Attributes
    ----------
    box : tuple of int or None
        x, y, width, height in pixels of the upright picture; None for a crop that came without a picture.
    label : str or None
        The emotion, or None when the model is not sure.
    confidence : float
        0..1: how likely the best label is right, and that the face shows one of the labels at all.
    probabilities : dict of str to float
        One per label, summing to 1.
    reason : str or None
        Why the label is None.
    eyes : tuple or None
        The eye that is left in the picture, then the right one, each (x, y) in pixels; None if unknown.
    tight : bool
        The box is the frame of a training face already: the picture was cropped by somebody.
    """

    box: tuple[int, int, int, int] | None
    label: str | None
    confidence: float
    probabilities: dict[str, float]
    reason: str | None = None
    eyes: tuple[tuple[float, float], tuple[float, float]] | None = None
    tight: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that the app's API answers with."""
        return {
            "box": None if self.box is None else list(self.box),
            "label": self.label,
            "confidence": round(self.confidence, 4),
            "reason": self.reason,
            "probabilities": {label: round(value, 4) for label, value in self.probabilities.items()},
        }
