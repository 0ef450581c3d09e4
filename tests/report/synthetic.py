"""Probabilities whose quality is known, and a report made of them."""

import numpy as np

from emotion.predictions import calibration as calibrating
from emotion.report.build import build_report

LABELS = ("angry", "happy", "sad")


OUTPUTS = (*LABELS, "neutral", "fear")


def synthetic(faces=3000, outputs=5, temperature=1.0, seed=0):
    """Perfectly calibrated probabilities, made over- or underconfident by a known temperature."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(outputs, 0.25), faces)
    targets = (true.cumsum(axis=1) > rng.random((faces, 1))).argmax(axis=1)
    return calibrating.apply_temperature(true, 1 / temperature), targets


def report_of(**changes):
    probabilities, targets = synthetic(temperature=1.5)
    half = len(targets) // 2
    calibration = calibrating.calibrate(probabilities[:half], targets[:half], len(LABELS))
    settings = {"outputs": OUTPUTS, "labels": LABELS, "calibration": calibration, **changes}
    return build_report(probabilities[half:], targets[half:], **settings)
