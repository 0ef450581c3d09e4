"""Tell how angry, happy or sad faces look.

The version and the public names, and nothing else: each is loaded when it is used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.errors import DataError, EmotionError, InvalidImageError, ModelLoadError, PublishError
    from emotion.model.classifier import EmotionClassifier
    from emotion.predictions.face import FacePrediction
    from emotion.video.follow import EmotionTracker

# The one place that says it: the package builder reads it here, and a clone knows it without being installed.
__version__ = "0.1.0"

_HOMES = {
    "DataError": "emotion.errors",
    "EmotionClassifier": "emotion.model.classifier",
    "EmotionError": "emotion.errors",
    "EmotionTracker": "emotion.video.follow",
    "FacePrediction": "emotion.predictions.face",
    "InvalidImageError": "emotion.errors",
    "ModelLoadError": "emotion.errors",
    "PublishError": "emotion.errors",
}

__all__ = [
    "DataError",
    "EmotionClassifier",
    "EmotionError",
    "EmotionTracker",
    "FacePrediction",
    "InvalidImageError",
    "ModelLoadError",
    "PublishError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
