"""What a run takes from the trained model that it starts from."""

from __future__ import annotations

from typing import Any

from emotion.config import OWN_TEACHER, current_names
from emotion.model.classifier import EmotionClassifier

# Settings that say what the network is: trained weights fit no other one.
NETWORK_SETTINGS = (
    "architecture", "image_size", "channels", "width", "blocks", "filters", "kernel_size", "dense_units",
)  # fmt: skip


# What stays too where nothing but the last layer changes.
SERVING_SETTINGS = ("flip_averaging", "litert_precision")


def network_settings(reference: str | None, *, freeze: bool = False) -> dict[str, Any]:
    """Return the settings of the network that a trained model was trained in, as far as it names them.

    Parameters
    ----------
    reference : str, optional
        A folder or owner/name[@revision]; None, and the run's own teacher, are no trained model.
    freeze : bool
        Only its last layer will change.

    Raises
    ------
    ModelLoadError
        If there is no such model.
    """
    if reference is None or reference == OWN_TEACHER:
        return {}
    training = current_names(EmotionClassifier.from_pretrained(reference).description.training)
    names = NETWORK_SETTINGS + (SERVING_SETTINGS if freeze else ())
    return {name: training[name] for name in names if name in training}
