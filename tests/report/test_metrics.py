"""Metrics against scikit-learn and by hand, calibration, the not-sure rule, report, plots, damaged faces."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from benchmarks import accuracy
from emotion.report import metrics as evaluation
from emotion.report import plots
from emotion.report.metrics import Calibration
from emotion.training.robustness import CONDITIONS

LABELS = ("angry", "happy", "sad")
OUTPUTS = (*LABELS, "neutral", "fear")


def synthetic(faces=3000, outputs=5, temperature=1.0, seed=0):
    """Perfectly calibrated probabilities, made over- or underconfident by a known temperature."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(outputs, 0.25), faces)
    targets = (true.cumsum(axis=1) > rng.random((faces, 1))).argmax(axis=1)
    return evaluation.apply_temperature(true, 1 / temperature), targets


@dataclass
class ArrayExamples:
    """Examples whose pixels are at hand; counts how many were asked for at once."""

    faces: np.ndarray
    targets: np.ndarray
    largest_batch: int = 0

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


def stripes(faces=200, size=24, seed=0):
    """Faces whose class is the position of a bright column, and a network that looks for it."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, len(OUTPUTS), faces)
    pixels = rng.integers(0, 60, (faces, size, size, 1)).astype(np.uint8)
    for face, target in zip(pixels, targets, strict=True):
        face[:, 4 * target + 2 : 4 * target + 4] += 90
    return ArrayExamples(pixels, targets)


def stripe_network(faces):
    assert faces.dtype == np.float32 and faces.max() > 1
    columns = faces.mean(axis=(1, 3))
    logits = (
        np.stack([columns[:, 4 * k + 2 : 4 * k + 4].mean(axis=1) for k in range(len(OUTPUTS))], axis=1) / 10
    )
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


# Metrics


def test_per_class_figures_agree_with_scikit_learn():
    probabilities, targets = synthetic(outputs=3)
    predicted = probabilities.argmax(axis=1)
    counts = evaluation.confusion_matrix(targets, predicted, 3)
    assert np.array_equal(counts, metrics.confusion_matrix(targets, predicted))
    expected = metrics.precision_recall_fscore_support(targets, predicted)[:3]
    assert np.allclose(evaluation.precision_recall_f1(counts), expected)


def test_a_class_never_met_has_no_figures_rather_than_zero():
    counts = evaluation.confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    precision, recall, f1 = evaluation.precision_recall_f1(counts)
    assert np.isnan([precision[2], recall[2], f1[2]]).all()
    assert recall[0] == 0.5 and precision[1] == 0.5


def test_roc_and_area_agree_with_scikit_learn_also_with_ties():
    rng = np.random.default_rng(1)
    positives = rng.random(500) < 0.3
    scores = np.round(rng.random(500) + 0.4 * positives, 1)
    false_rate, true_rate = evaluation.roc_curve(scores, positives)
    expected = metrics.roc_curve(positives, scores, drop_intermediate=False)
    assert np.allclose(false_rate, expected[0]) and np.allclose(true_rate, expected[1])
    assert evaluation.area_under_curve(scores, positives) == pytest.approx(
        metrics.roc_auc_score(positives, scores)
    )


@pytest.mark.parametrize("positives", [[True, True], [False, False]])
def test_area_needs_both_kinds(positives):
    assert np.isnan(evaluation.area_under_curve(np.array([0.2, 0.8]), np.array(positives)))


def test_top_k_accuracy_agrees_with_scikit_learn():
    probabilities, targets = synthetic(outputs=4)
    expected = metrics.top_k_accuracy_score(targets, probabilities, k=2)
    assert evaluation.top_k_accuracy(probabilities, targets, 2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (20, 20, 0.8389, 1.0)],
)
def test_wilson_interval_as_printed_by_newcombe(successes, total, low, high):
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    assert evaluation.wilson_interval(successes, total) == pytest.approx((low, high), abs=5e-5)


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.6, 0.6, 1.0])
    correct = np.array([True, True, True, False, True, False, True])
    bins = evaluation.calibration_bins(confidence, correct, bins=10)
    assert [row["faces"] for row in bins] == [2, 5]  # 0.6 lies in (0.5, 0.6], 1.0 in the last bin
    gaps = 2 * abs(0.6 - 0.5) + 5 * abs((4 * 0.95 + 1) / 5 - 4 / 5)
    assert evaluation.expected_calibration_error(bins) == pytest.approx(gaps / 7)


def test_risk_coverage_groups_ties_and_ends_with_all_faces():
    confidence = np.array([0.9, 0.8, 0.8, 0.3])
    correct = np.array([True, True, False, False])
    coverage, risk = evaluation.risk_coverage(confidence, correct)
    assert coverage.tolist() == [0.25, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])


# Calibration


def test_perfect_confidences_still_measure_an_error_on_few_faces():
    few, many = (np.random.default_rng(3).uniform(0.5, 1, faces) for faces in (200, 20_000))
    by_chance = evaluation.calibration_error_by_chance(few)
    assert 0.03 < by_chance < 0.12 and evaluation.calibration_error_by_chance(many) < by_chance / 5
    right = np.random.default_rng(4).random(200) < few
    measured = evaluation.expected_calibration_error(evaluation.calibration_bins(few, right))
    assert by_chance / 3 < measured < by_chance * 3
    assert evaluation.calibration_error_by_chance(np.ones(50)) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_undoes_a_known_distortion(temperature):
    probabilities, targets = synthetic(faces=20_000, outputs=3, temperature=temperature)
    fitted = evaluation.fit_temperature(probabilities, targets)
    assert fitted == pytest.approx(temperature, rel=0.1)
    restored = evaluation.apply_temperature(probabilities, fitted)

    def error(p):
        return evaluation.expected_calibration_error(
            evaluation.calibration_bins(p.max(axis=1), p.argmax(axis=1) == targets)
        )

    assert error(restored) < 0.01
    assert temperature == 1 or error(probabilities) > 3 * error(restored)


def test_temperature_is_where_the_likelihood_is_highest():
    probabilities, targets = synthetic(faces=300, outputs=3, temperature=1.7)

    def loss(temperature):
        tempered = evaluation.apply_temperature(probabilities, temperature)
        return -np.log(tempered[np.arange(len(targets)), targets]).mean()

    fitted = evaluation.fit_temperature(probabilities, targets)
    assert loss(fitted) < min(loss(fitted * 0.97), loss(fitted * 1.03))


def test_temperature_stays_in_its_range_for_faultless_and_for_missing_answers():
    faultless = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert evaluation.fit_temperature(faultless, np.array([0, 1])) == evaluation.TEMPERATURES[0]
    assert evaluation.fit_temperature(faultless, np.array([1, 0])) == evaluation.TEMPERATURES[1]
    assert evaluation.fit_temperature(faultless[:0], np.array([], int)) == 1.0


def test_temperature_keeps_zero_probabilities_finite():
    tempered = evaluation.apply_temperature(np.array([[1.0, 0.0, 0.0]]), 2.0)
    assert np.isfinite(tempered).all() and tempered.sum() == pytest.approx(1)


def test_tempering_then_restricting_equals_restricting_then_tempering():
    probabilities, _ = synthetic(faces=50)
    one = evaluation.renormalise(evaluation.apply_temperature(probabilities, 1.6), 3)
    other = evaluation.apply_temperature(evaluation.renormalise(probabilities, 3), 1.6)
    assert np.allclose(one, other)


# The not-sure rule


def rule_figures(threshold, confidence, correct, background):
    answered = confidence >= threshold
    return answered.mean(), 1 - correct[answered].mean(), (background < threshold).mean()


def test_threshold_meets_all_goals_where_that_is_possible():
    rng = np.random.default_rng(0)
    confidence = rng.beta(5, 1, 2000)
    correct = rng.random(2000) < 0.55 + 0.45 * confidence
    background = rng.beta(1.5, 2, 1000)
    threshold = evaluation.choose_threshold(confidence, correct, background)
    answered, error, unsure = rule_figures(threshold, confidence, correct, background)
    assert answered >= 0.80 and error <= 0.07 and unsure >= 0.60
    assert rule_figures(0, confidence, correct, background)[1] > 0.07  # the rule had work to do


def test_threshold_answers_all_it_can_once_the_goals_are_safe():
    confidence = np.linspace(0.5, 1, 1000)
    background = np.linspace(0.0, 0.3, 500)
    threshold = evaluation.choose_threshold(confidence, np.ones(1000, bool), background)
    assert 0.6 * 0.3 < threshold < 0.3  # a safe majority of the background is out, no labelled face is
    assert evaluation.choose_threshold(confidence, np.ones(1000, bool), background[:0]) == 0.0


def test_threshold_without_background_trades_errors_for_answers():
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.4, 1, 4000)
    correct = rng.random(4000) < confidence**0.22
    threshold = evaluation.choose_threshold(confidence, correct, np.empty(0))
    answered, error, _ = rule_figures(threshold, confidence, correct, np.zeros(1))
    assert 1 - correct.mean() > 0.07 >= error and 0.80 <= answered < 1


def test_threshold_of_a_hopeless_network_still_answers_somebody():
    rng = np.random.default_rng(4)
    confidence, correct = rng.random(500), rng.random(500) < 0.4
    threshold = evaluation.choose_threshold(confidence, correct, rng.random(500))
    answered, _, unsure = rule_figures(threshold, confidence, correct, rng.random(500))
    assert answered > 0 and unsure > 0


def test_threshold_without_faces_always_answers():
    assert evaluation.choose_threshold(np.empty(0), np.empty(0, bool), np.array([0.3])) == 0.0


def test_calibrate_uses_labels_for_the_temperature_and_background_for_the_threshold():
    probabilities, targets = synthetic(temperature=2.0)
    calibration = evaluation.calibrate(probabilities, targets, OUTPUTS, LABELS)
    labelled = targets < 3
    only = evaluation.calibrate(probabilities[labelled], targets[labelled], OUTPUTS, LABELS)
    assert calibration.temperature == only.temperature and calibration.temperature > 1
    tempered = evaluation.apply_temperature(probabilities, calibration.temperature)
    confidence, correct = tempered[:, :3].max(axis=1), tempered[:, :3].argmax(axis=1) == targets
    assert calibration.threshold == evaluation.choose_threshold(
        confidence[labelled], correct[labelled], confidence[~labelled]
    )
    assert calibration.fitted_on == 3000


# The report


def report_of(**changes):
    probabilities, targets = synthetic(temperature=1.5)
    half = len(targets) // 2
    calibration = evaluation.calibrate(probabilities[:half], targets[:half], OUTPUTS, LABELS)
    settings = {"outputs": OUTPUTS, "labels": LABELS, "calibration": calibration, **changes}
    return evaluation.build_report(probabilities[half:], targets[half:], **settings)


def test_report_is_json_and_its_figures_fit_together():
    report = report_of()
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    counts = np.array(report["confusion_matrix"]["counts"])
    assert (
        report["accuracy"]["faces"]
        == counts.sum()
        == sum(row["faces"] for row in report["calibration"]["bins"])
    )
    assert report["accuracy"]["value"] == pytest.approx(np.trace(counts) / counts.sum(), abs=1e-6)
    low, high = report["accuracy"]["interval"]
    assert low < report["accuracy"]["value"] < high
    assert report["data"]["per_label"]["happy"] == report["per_class"]["happy"]["support"] == counts[1].sum()
    assert report["data"]["faces"] == 1500 and sum(report["data"]["per_label"].values()) == 1500
    calibration = report["calibration"]
    assert calibration["expected_calibration_error_after"] < calibration["expected_calibration_error_before"]
    not_sure = report["not_sure"]
    curve = not_sure["risk_coverage"]
    assert curve["risk"][-1] == pytest.approx(1 - report["accuracy"]["value"], abs=1e-6)
    assert np.interp(not_sure["coverage"], curve["coverage"], curve["risk"]) == pytest.approx(
        not_sure["error_among_answered"], abs=0.01
    )
    assert set(not_sure["background_not_sure"]) == {"neutral", "fear"}
    assert (
        len(curve["risk"]) <= evaluation.CURVE_POINTS and report["roc"]["sad"]["true_positive_rate"][-1] == 1
    )
    assert report["robustness"] is None and report["history"] is None


def test_report_on_another_data_set_without_background_or_with_one_class_only():
    probabilities, targets = synthetic(faces=100)
    calibration = Calibration(1.0, 0.5, 100)
    no_background = evaluation.build_report(
        probabilities[targets < 3],
        targets[targets < 3],
        outputs=LABELS,
        labels=LABELS,
        calibration=calibration,
    )
    assert no_background["not_sure"]["background_not_sure"] == {}
    assert no_background["not_sure"]["confidence_auroc"] is None
    angry = evaluation.build_report(
        probabilities[targets == 0],
        targets[targets == 0],
        outputs=LABELS,
        labels=LABELS,
        calibration=calibration,
    )
    assert angry["per_class"]["sad"]["recall"] is None and angry["roc"]["angry"]["auc"] is None
    assert angry["macro_f1"] is not None
    json.dumps(angry, allow_nan=False)


def test_report_without_any_labelled_face_has_no_figures():
    report = evaluation.build_report(
        np.full((4, 5), 0.2),
        np.full(4, 3),
        outputs=OUTPUTS,
        labels=LABELS,
        calibration=Calibration(1.0, 0.5, 0),
    )
    assert report["accuracy"] == {"value": None, "interval": None, "faces": 0}
    assert report["not_sure"]["background_not_sure"] == {"neutral": 1.0}
    json.dumps(report, allow_nan=False)


def test_two_labels_have_no_top_2_accuracy():
    probabilities, targets = synthetic(faces=50, outputs=2)
    report = evaluation.build_report(
        probabilities,
        targets,
        outputs=("no", "yes"),
        labels=("no", "yes"),
        calibration=Calibration(1.0, 0.0, 50),
    )
    assert report["top2_accuracy"] is None and report["macro_f1"] > 0.5


def test_evaluate_chooses_on_one_half_and_reports_on_the_other():
    dataset = ArrayDataset(calibration=stripes(seed=1), report=stripes(seed=2))
    settings = {
        "size": 24,
        "channels": 1,
        "model": {"architecture": "stripes"},
        "batch_size": 64,
        "progress": False,
    }
    found = evaluation.evaluate(stripe_network, dataset, history={"loss": [1.0, 0.5]}, **settings)
    assert found.report["accuracy"]["value"] > 0.95
    assert found.calibration == evaluation.calibrate(
        stripe_network(dataset.calibration.faces.astype(np.float32)),
        dataset.calibration.targets,
        OUTPUTS,
        LABELS,
    )
    assert found.probabilities.shape == (200, 5) and dataset.report.largest_batch == 64
    assert found.report["data"]["fingerprint"] == "f00d" and found.report["data"]["audit"] == dataset.audit
    assert found.report["history"] == {
        "loss": [1.0, 0.5],
        "accuracy": None,
        "val_loss": None,
        "val_accuracy": None,
    }
    assert set(found.report["robustness"]["conditions"]) == set(CONDITIONS)
    assert found.report["robustness"]["clean"] == found.report["accuracy"]["value"]
    assert found.report["robustness"]["faces"] == found.report["accuracy"]["faces"]

    again = evaluation.evaluate(stripe_network, dataset, calibration=Calibration(2.0, 0.25, 9), **settings)
    assert again.report["calibration"]["temperature"] == 2.0 and again.report["not_sure"]["threshold"] == 0.25


# Plots


def test_plots_are_small_pictures_that_show_something(tmp_path):
    robustness = {"clean": 0.9, "conditions": dict.fromkeys(CONDITIONS, 0.8), "mean": 0.8}
    history = {"loss": [1.0, 0.6], "accuracy": [0.5, 0.7], "val_loss": [1.1, 0.9], "val_accuracy": [0.4, 0.6]}
    written = plots.write_plots(report_of(robustness=robustness, history=history), tmp_path / "plots")
    assert [path.stem for path in written] == list(plots.PLOTS)
    for path in written:
        assert path.stat().st_size < 60_000
        with Image.open(path) as picture:
            assert picture.format == "PNG" and min(picture.size) > 300
            assert len(picture.convert("RGB").getcolors()) > 10


def test_plots_without_figures_are_not_drawn_and_old_ones_go(tmp_path):
    (tmp_path / "robustness.png").write_bytes(b"of an earlier run")
    (tmp_path / "mine.png").write_bytes(b"not ours")
    written = plots.write_plots(report_of(), tmp_path)
    assert {path.stem for path in written} == {"confusion_matrix", "roc", "calibration", "risk_coverage"}
    assert not (tmp_path / "robustness.png").exists() and (tmp_path / "mine.png").exists()


def test_sheet_shows_the_most_certain_mistakes_only_if_there_are_any(tmp_path):
    examples = stripes(faces=20)
    examples.faces = np.repeat(np.repeat(examples.faces, 2, axis=1), 2, axis=2)
    probabilities = np.full((20, 5), 0.1)
    probabilities[np.arange(20), examples.targets] = 0.6
    path = tmp_path / "wrong_faces.png"
    assert plots.wrong_faces_sheet(examples, probabilities, path, labels=LABELS) is None and not path.exists()
    wrong = np.flatnonzero(examples.targets < 3)[:3]
    probabilities[wrong] = np.roll(probabilities[wrong, :3], 1, axis=1) @ np.eye(3, 5)
    assert plots.wrong_faces_sheet(examples, probabilities, path, labels=LABELS) == path
    assert examples.largest_batch == 3
    with Image.open(path) as picture:
        assert picture.format == "PNG"


# Damaged faces


@pytest.fixture(scope="module")
def face():
    rows, columns = np.mgrid[0:48, 0:48]
    grey = 120 + 60 * np.sin(rows / 2) * np.cos(columns / 3) + 0.5 * columns
    return grey.astype(np.uint8)[..., None]


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_damage_is_repeatable_visible_and_leaves_the_original(face, name, channels):
    crop = np.repeat(face, channels, axis=2)
    before = crop.copy()
    damaged = CONDITIONS[name](crop)
    assert damaged.dtype == np.uint8 and damaged.shape == crop.shape
    assert np.array_equal(damaged, CONDITIONS[name](crop)) and np.array_equal(crop, before)
    assert 0.5 < np.abs(damaged.astype(int) - crop).mean() < 100


def test_of_many_faces_a_selection_is_damaged(monkeypatch):
    monkeypatch.setattr(evaluation, "ROBUSTNESS_FACES", 40)
    examples = stripes(faces=300)
    figures = evaluation.measure_robustness(
        stripe_network, examples, LABELS, size=24, channels=1, progress=False
    )
    assert figures["faces"] == examples.largest_batch == 40 and figures["clean"] > 0.9
    assert figures["mean"] == pytest.approx(np.mean(list(figures["conditions"].values())))
    none = ArrayExamples(examples.faces[:5], np.full(5, 4))
    assert (
        evaluation.measure_robustness(stripe_network, none, LABELS, size=24, channels=1, progress=False)
        is None
    )


def test_damage_does_what_its_name_says(face):
    damaged = {name: damage(face).astype(float) for name, damage in CONDITIONS.items()}
    assert damaged["darker"].mean() == pytest.approx(0.5 * face.mean(), abs=1)
    assert damaged["brighter"].mean() > 1.2 * face.mean()
    assert damaged["low contrast"].std() == pytest.approx(0.4 * face.std(), rel=0.05)
    assert (damaged["noise"] - face).std() == pytest.approx(15, rel=0.1)
    assert damaged["blur"].std() < face.std()
    assert (damaged["bar over the eyes"][15:20] == 0).all() and (
        damaged["bar over the mouth"][35:40] == 0
    ).all()
    assert np.array_equal(damaged["bar over the eyes"][24:], face[24:])


def test_rotation_turns_about_the_centre_and_the_two_sides_mirror_each_other():
    bar = np.zeros((48, 48, 1), np.uint8)
    bar[22:26, 8:40] = 255
    left, right = CONDITIONS["rotated 15° left"](bar), CONDITIONS["rotated 15° right"](bar)
    assert np.abs(left.astype(int) - right[:, ::-1]).max() <= 1
    rows, columns = np.nonzero(left[..., 0] > 128)
    assert rows.mean() == pytest.approx(23.5, abs=0.2) and columns.mean() == pytest.approx(23.5, abs=0.2)
    slope = np.polyfit(columns, rows, 1)[0]  # rows grow downwards: against the clock means falling rows
    assert np.rad2deg(np.arctan(slope)) == pytest.approx(-15, abs=1)


# The benchmark's own arithmetic


def test_votes_count_only_where_more_than_half_agree_on_a_label(tmp_path):
    votes = tmp_path / "votes.csv"
    votes.write_text(
        "image,neutral,happiness,surprise,sadness,anger\n"
        "validation/happy/a.jpg,0,10,0,0,0\n"
        "validation/angry/b.jpg,1,0,0,6,3\n"
        "validation/sad/c.jpg,5,0,0,5,0\n"
        "validation/sad/d.jpg,9,0,0,1,0\n"
    )
    assert accuracy.majority_votes(votes, LABELS) == {
        "validation/happy/a.jpg": 1,
        "validation/angry/b.jpg": 2,
    }
    assert accuracy.majority_votes(tmp_path / "none.csv", LABELS) == {}


def test_benchmark_table_shows_what_was_measured_and_why_a_peer_is_missing():
    robustness = {"faces": 9, "clean": 0.9, "conditions": {"noise": 0.8}, "mean": 0.8}
    report = report_of(robustness=robustness)
    proportion = accuracy.proportion(90, 100)
    peer = dict.fromkeys(("reported", "all", "agreed", "agreed_all"), accuracy.proportion(3, 4))
    figures = {
        "same_data_as_training": True,
        "report": report,
        "this_model": {
            "reported": proportion,
            "agreed": proportion,
            "seconds_per_face": 0.002,
            "bytes": 2**20,
        },
        "peers": {
            "fer": {**peer, "expected_calibration_error": 0.12, "seconds_per_face": 0.001},
            "face-api.js": {"error": "npm is not installed."},
        },
    }
    text = accuracy.render(figures)
    assert "| 90.0 % (82.6–94.5) | 75.0 % (30.1–95.4) |" in text
    assert "1.00 ms (0.5×)" in text and "| 1.00 MiB | – |" in text and "| noise | 80.0 % |" in text
    assert text.endswith("face-api.js: npm is not installed.") and "Note" not in text
    assert "fer" not in accuracy.render({**figures, "peers": {}, "same_data_as_training": False})
    assert accuracy.pooled([proportion, accuracy.proportion(0, 0)]) == proportion
