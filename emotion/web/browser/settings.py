"""What the browser must know, from the modules that own it: JavaScript repeats no number."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from emotion.predictions import calibration
from emotion.predictions.display import NOT_SURE_COLOUR, emotion_colour, text_colour
from emotion.predictions.face import FORMULA_SIGNS, NEUTRAL_OR_MIXED
from emotion.video import tracking
from emotion.vision import crop, detector, faces, images
from emotion.web.html.answer import DASHES

if TYPE_CHECKING:
    from emotion.model.classifier import EmotionClassifier

# By the module that owns them; the types that JavaScript expects are in engine/constants.d.ts.
NAMES: dict[ModuleType, str] = {
    calibration: "LEAST_PROBABILITY",
    crop: "FRAME_SIDE FRAME_DROP LEAST_ROLL MOST_ROLL ROLL_PER_EYES MOST_REDUCTION THING FACE "
    "SMALLEST_FACE LEAST_SHARPNESS JUDGED_SIDE",
    detector: "CANVAS_STEP OVERLAP KEPT_PIXELS",
    faces: "SEARCH_SIDE FINE_SIDE FINE_PIXELS PIECE_MARGIN SURE MOST_DOUBTS CLOSE_SIDES CLOSE_REACH "
    "DOUBT_WEIGHT CLOSE_SHIFT SMALL LARGE TIGHT_OVERLAP TIGHT_MARGIN TIGHT_SCORE",
    images: "MAX_PIXELS MAX_SIDE REDUCE_ABOVE SEARCHED_SIDE",
}
TRACKER_NAMES = "NEAREST SCALE UNLIKE KNOWN STRANGE LOOKS LOOKS_APART MISSED_FRAMES"
LOOK_NAMES = "SIDE LIGHT DARK"  # each with LOOK_ before it


def settings(classifier: EmotionClassifier) -> dict[str, Any]:
    """Return the content of engine.json for a model."""
    description = classifier.description
    return {
        "constants": constants(),
        "model": {
            "name": classifier.model_name,
            "revision": classifier.revision,
            "labels": list(description.labels),
            "outputs": len(description.outputs),
            "size": description.input_size,
            "channels": description.channels,
            "temperature": description.calibration.temperature,
            "labelWeights": description.calibration.label_weights(len(description.labels)).tolist(),
            "threshold": description.calibration.threshold,
        },
        "colours": {label: _colour(emotion_colour(label)) for label in description.labels},
        "notSureColour": _colour(NOT_SURE_COLOUR),
        "dashes": list(DASHES),
        "formulaSigns": list(FORMULA_SIGNS),
    }


def constants() -> dict[str, Any]:
    """Return the numbers of the search, the crop, the judgement and the tracker."""
    values = {name: value for module, names in NAMES.items() for name, value in _named(module, names).items()}
    return values | {
        "MOST_FACES": _defaults(faces.detect_faces)["limit"],
        "NEUTRAL_OR_MIXED": NEUTRAL_OR_MIXED,
        "LOOK": {name: getattr(crop, f"LOOK_{name}") for name in LOOK_NAMES.split()},
        "TRACKER": _defaults(tracking.FaceTracker) | _named(tracking, TRACKER_NAMES),
    }


def _colour(background: str) -> dict[str, str]:
    return {"background": background, "text": text_colour(background)}


def _named(module: ModuleType, names: str) -> dict[str, Any]:
    return {name: _plain(getattr(module, name)) for name in names.split()}


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not inspect.Parameter.empty}


def _plain(value: object) -> object:
    """Return a constant as JSON can hold it: no number beyond the largest is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(each) for name, each in asdict(value).items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if value == math.inf else value
