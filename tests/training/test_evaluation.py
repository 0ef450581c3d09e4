"""Evaluation chooses on one half, reports on the other, and damages no more faces than asked for."""

import numpy as np
import pytest

from emotion.predictions.calibration import Calibration, calibrate
from emotion.report.report import History
from emotion.training import evaluation
from emotion.training.augmentation import CONDITIONS
from emotion.training.evaluation import evaluate, measure_robustness
from tests.report.synthetic import LABELS
from tests.training.stripes import ArrayDataset, ArrayExamples, stripe_network, stripes


def test_evaluate_chooses_on_one_half_and_reports_on_the_other(monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH_SIZE", 64)
    dataset = ArrayDataset(calibration=stripes(seed=1), report=stripes(seed=2))
    settings = {
        "size": 24,
        "channels": 1,
        "model": {"architecture": "stripes"},
    }
    found = evaluate(stripe_network, dataset, history={"loss": [1.0, 0.5]}, **settings)
    assert found.report.accuracy.value > 0.95
    assert found.calibration == calibrate(
        stripe_network(dataset.calibration.faces.astype(np.float32)),
        dataset.calibration.targets,
        len(LABELS),
    )
    assert found.probabilities.shape == (200, len(LABELS))
    assert found.probabilities.sum(axis=1) == pytest.approx(1)
    assert dataset.report.largest_batch == 64
    assert found.report.data.fingerprint == "f00d"
    assert found.report.data.audit == dataset.audit
    assert found.report.history == History(loss=(1.0, 0.5))
    assert set(found.report.robustness.conditions) == set(CONDITIONS)
    assert found.report.robustness.clean == found.report.accuracy.value
    assert found.report.robustness.faces == found.report.accuracy.faces

    skewed = Calibration(2.0, 0.25, 9, (1e6, 1.0, 1e-6))
    again = evaluate(stripe_network, dataset, calibration=skewed, **settings)
    assert again.report.calibration.temperature == 2.0
    assert again.report.not_sure.threshold == 0.25
    # Damaged faces are answered like all others, label factors included.
    assert again.report.robustness.clean == again.report.accuracy.value < found.report.accuracy.value
    # So are the faces that other programs look at.
    labelled = dataset.report.targets < len(LABELS)
    right = again.probabilities.argmax(axis=1) == dataset.report.targets
    assert right[labelled].mean() == pytest.approx(again.report.accuracy.value, abs=1e-6)


def test_of_many_faces_a_selection_is_damaged(monkeypatch):
    monkeypatch.setattr(evaluation, "ROBUSTNESS_FACES", 40)
    examples = stripes(faces=300)
    settings = {"size": 24, "channels": 1}
    plain = Calibration(1.0, 0.0, 0)
    figures = measure_robustness(stripe_network, examples, LABELS, plain, **settings)
    assert figures.faces == examples.largest_batch == 40
    assert figures.clean > 0.9
    assert figures.mean == pytest.approx(np.mean(list(figures.conditions.values())))
    none = ArrayExamples(examples.faces[:5], np.full(5, 4))
    assert measure_robustness(stripe_network, none, LABELS, plain, **settings) is None


def test_every_source_is_measured_alone_and_counts_in_the_choice_of_the_threshold():
    names = ("web", "press")
    halves = [stripes(seed=seed) for seed in (1, 2)]
    for half in halves:
        half.sources = names
    dataset = ArrayDataset(*halves)
    found = evaluate(stripe_network, dataset, size=24, channels=1, model={})
    figures = found.report.sources
    assert list(figures) == list(names)
    assert sum(source.accuracy.faces for source in figures.values()) == found.report.accuracy.faces
    assert all(source.balanced_accuracy > 0.95 for source in figures.values())
    assert set(figures["press"].not_sure.background_not_sure) == set(dataset.outputs[len(LABELS) :])
    assert found.calibration == calibrate(
        stripe_network(halves[0].faces.astype(np.float32)),
        halves[0].targets,
        len(LABELS),
        halves[0].source_of(),
    )
