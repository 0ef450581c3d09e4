"""The saved format: its files, and `emotion.json`, which describes how to use the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from emotion import __version__
from emotion.predictions.calibration import Calibration
from emotion.program import PACKAGE
from emotion.vision.crop import CHANNELS, LARGEST_CROP, SMALLEST_CROP

DESCRIPTION_FILE = "emotion.json"
WEIGHTS_FILE = "model.weights.h5"
KERAS_FILES = ("config.json", "metadata.json", WEIGHTS_FILE)
LITERT_FILE = "model.tflite"
NETWORK_FILES = (*KERAS_FILES, LITERT_FILE)
CARD_FILE = "README.md"
# Bytes of a description or a card, which strangers may have written.
LONGEST_TEXT = 2**20

FORMAT = 1
RECORDED_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "pillow")
# Characters of a label, and outputs of a network.
LONGEST_LABEL, MOST_OUTPUTS = 60, 200


@dataclass(frozen=True)
class Description:
    """The content of `emotion.json`.

    `outputs` names every network output: the labels first, then background classes. `files` holds the SHA-256
    of the network's files, by name; models saved before hashes were introduced have none.
    """

    labels: tuple[str, ...]
    outputs: tuple[str, ...]
    input_size: int
    channels: int
    calibration: Calibration
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        factors = (
            dict(zip(self.labels, self.calibration.label_factors, strict=True))
            if self.calibration.label_factors
            else {}
        )
        return {
            "format": FORMAT,
            "labels": list(self.labels),
            "outputs": [
                {"name": name, "label": name if name in self.labels else None} for name in self.outputs
            ],
            "input": {"size": self.input_size, "channels": self.channels, "range": [0, 255]},
            "calibration": {
                "method": "temperature scaling",
                "temperature": self.calibration.temperature,
                "fitted_on": self.calibration.fitted_on,
                **({"label_factors": factors} if factors else {}),
            },
            "threshold": self.calibration.threshold,
            "training": self.training,
            "data": self.data,
            "versions": self.versions,
            "files": self.files,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Description:
        """Rebuild from `to_dict`; raises ValueError, KeyError or TypeError for anything else."""
        if type(values["format"]) is not int or values["format"] != FORMAT:
            raise ValueError(
                f"format {str(values['format'])[:20]!r} is unknown to this program; it may be newer"
            )
        labels = tuple(_name(label) for label in values["labels"])
        outputs = tuple(_name(output["name"]) for output in values["outputs"])
        if len(labels) < 2 or outputs[: len(labels)] != labels:
            raise ValueError("the labels must be the first outputs, and at least two")
        if len(set(outputs)) < len(outputs) or len(outputs) > MOST_OUTPUTS:
            raise ValueError(f"the outputs must have different names, at most {MOST_OUTPUTS}")
        size, channels = values["input"]["size"], values["input"]["channels"]
        if type(size) is not int or not SMALLEST_CROP <= size <= LARGEST_CROP:
            raise ValueError(f"faces must be {SMALLEST_CROP} to {LARGEST_CROP} pixels wide, in whole pixels")
        if type(channels) is not int or channels not in CHANNELS:
            raise ValueError("faces must have 1 or 3 channels")
        calibration = values["calibration"]
        temperature, threshold = float(calibration["temperature"]), float(values["threshold"])
        if not (0 < temperature < math.inf and 0 <= threshold <= 1):
            raise ValueError("temperature or threshold is out of range")
        fitted_on = calibration.get("fitted_on", 0)
        if type(fitted_on) not in (int, float) or not 0 <= fitted_on < math.inf:
            raise ValueError("calibration.fitted_on must be a non-negative number")
        given = calibration.get("label_factors")
        factors = tuple(float(given[label]) for label in labels) if given else ()
        if not all(0 < factor < math.inf for factor in factors):
            raise ValueError("label factors must be above 0")
        return cls(
            labels=labels,
            outputs=outputs,
            input_size=size,
            channels=channels,
            calibration=Calibration(temperature, threshold, int(fitted_on), factors),
            training=dict(values.get("training", {})),
            data=dict(values.get("data", {})),
            versions=dict(values.get("versions", {})),
            files={str(name): str(digest) for name, digest in dict(values.get("files", {})).items()},
        )


def _name(value: object) -> str:
    if (
        not isinstance(value, str)
        or not value.strip()
        or not value.isprintable()
        or len(value) > LONGEST_LABEL
    ):
        raise ValueError(f"a label must be 1 to {LONGEST_LABEL} printable characters")
    return value


def library_versions() -> dict[str, str]:
    """Return the versions of this program and of the installed libraries that a saved model records."""
    # A clone is not an installed package.
    found = {PACKAGE: __version__}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
