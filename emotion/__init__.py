"""Tell how angry, happy or sad faces look. The public names, and nothing else."""

from emotion.classifier import EmotionClassifier, FacePrediction
from emotion.errors import DataError, EmotionError, InvalidImageError, ModelLoadError, PublishError

__all__ = [
    "DataError",
    "EmotionClassifier",
    "EmotionError",
    "FacePrediction",
    "InvalidImageError",
    "ModelLoadError",
    "PublishError",
]
