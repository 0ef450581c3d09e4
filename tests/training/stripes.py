"""Faces whose class is the position of a bright column, as arrays, and a network that looks for it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tests.report.synthetic import LABELS, OUTPUTS


@dataclass
class ArrayExamples:
    """Examples whose pixels are at hand; counts how many were asked for at once."""

    faces: np.ndarray
    targets: np.ndarray
    largest_batch: int = 0
    sources: tuple[str, ...] = ()

    def source_of(self):
        return np.arange(len(self)) % max(len(self.sources), 1)

    def source_names(self):
        return [self.sources[number] for number in self.source_of()] if self.sources else None

    def __len__(self):
        return len(self.faces)

    def load(self, indices, size, channels):
        self.largest_batch = max(self.largest_batch, len(indices))
        assert self.faces.shape[1:] == (size, size, channels)
        return self.faces[indices]


@dataclass
class ArrayDataset:
    calibration: ArrayExamples
    report: ArrayExamples
    source: str = "drawn"
    outputs: tuple = OUTPUTS
    labels: tuple = LABELS
    report_split: str = "half of validation"
    fingerprint: str = "f00d"
    audit: ClassVar = {"removed_from_training": 3}
    without_face: ClassVar = {}


def stripes(faces=200, size=24, seed=0):
    """Faces whose class is the position of a bright column, and a network that looks for it."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(OUTPUTS), faces)
    pixels = rng.integers(0, 60, (faces, size, size, 1)).astype(np.uint8)
    for face, target in zip(pixels, targets, strict=True):
        face[:, 4 * target + 2 : 4 * target + 4] += 90
    return ArrayExamples(pixels, targets)


def stripe_network(faces):
    assert faces.dtype == np.float32
    assert faces.max() > 1
    columns = faces.mean(axis=(1, 3))
    logits = (
        np.stack([columns[:, 4 * k + 2 : 4 * k + 4].mean(axis=1) for k in range(len(OUTPUTS))], axis=1) / 10
    )
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
