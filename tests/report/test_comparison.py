"""Models on the same faces: their reports' figures with intervals, and differences that may be chance."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from emotion.predictions.calibration import Calibration
from emotion.report.comparison import AGREED, COMPARED, Answers, compare, comparison_text
from emotion.report.plots import draw_risk_coverage
from emotion.report.report import FIGURES
from tests.report.synthetic import LABELS, OUTPUTS, synthetic

CALIBRATION = Calibration(1.0, 0.5, 99)


def spoiled(probabilities, share, *, seed=0):
    """The answers of a worse model: a share of them is shuffled among the labels."""
    rng = np.random.default_rng(seed)
    worse = probabilities.copy()
    rows = rng.random(len(worse)) < share
    worse[rows, : len(LABELS)] = np.roll(worse[rows, : len(LABELS)], 1, axis=1)
    return worse


@pytest.fixture(scope="module")
def truth():
    return synthetic(faces=1200)


@pytest.fixture(scope="module")
def comparison(truth):
    probabilities, targets = truth
    agreed = np.where(np.arange(len(targets)) % 2 == 0, targets, -1)
    return compare(
        [
            Answers("good", probabilities, CALIBRATION, bytes=2**20, seconds_per_face=0.001),
            Answers("worse", spoiled(probabilities, 0.15), CALIBRATION, seconds_per_face=0.002),
            Answers("as good", spoiled(probabilities, 0.002, seed=1), CALIBRATION, seconds_per_face=0.001),
        ],
        targets,
        outputs=OUTPUTS,
        labels=LABELS,
        majorities=agreed,
        groups={"camera": ["a" if k % 2 else "b" for k in range(len(targets))]},
        notes=["look twice"],
    )


def test_every_figure_is_that_of_the_report_with_an_interval_around_it(comparison):
    for model in comparison.models:
        assert list(model.figures) == list(COMPARED)
        for key, estimate in model.figures.items():
            low, high = estimate.interval
            assert low <= estimate.value <= high
            assert 0 < high - low < 0.2
            if key != AGREED:
                assert estimate.value == pytest.approx(FIGURES[key].read(model.report), abs=1e-6)
        assert model.figures["accuracy"].interval == model.report.accuracy.interval


def test_where_voters_agree_their_vote_counts(comparison, truth):
    probabilities, targets = truth
    faces = (targets < 3) & (np.arange(len(targets)) % 2 == 0)
    right = probabilities[faces, :3].argmax(axis=1) == targets[faces]
    assert comparison.agreed_faces == faces.sum()
    assert comparison.models[0].figures[AGREED].value == pytest.approx(right.mean(), abs=1e-6)


def test_every_two_models_are_compared_face_by_face(comparison, truth):
    probabilities, targets = truth
    known = targets < 3
    right = [
        answers[known, :3].argmax(axis=1) == targets[known]
        for answers in (probabilities, spoiled(probabilities, 0.15))
    ]
    first = comparison.pairs[0]
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [
        ("good", "worse"), ("good", "as good"), ("worse", "as good"),
    ]  # fmt: skip
    assert first.only_first == (right[0] & ~right[1]).sum()
    assert first.only_second == (right[1] & ~right[0]).sum()
    assert first.both_right + first.only_first + first.only_second + first.both_wrong == known.sum()
    assert [pair.better for pair in comparison.pairs] == ["good", None, "as good"]
    assert all(a.p_value <= a.corrected_p_value for a in comparison.pairs)


def test_paired_intervals_are_narrower_than_the_models_own_suggest(comparison):
    pair, (good, _, alike) = comparison.pairs[1], comparison.models
    low, high = pair.differences["accuracy"].interval
    assert low <= good.figures["accuracy"].value - alike.figures["accuracy"].value <= high
    own = good.figures["accuracy"].interval
    assert high - low < (own[1] - own[0]) / 3


def test_what_is_printed_says_which_is_better_and_which_is_not_known(comparison):
    text = comparison_text(comparison)
    accuracy = comparison.models[0].figures["accuracy"]
    low, high = accuracy.interval
    assert f"{100 * accuracy.value:.1f}% ({100 * low:.1f}–{100 * high:.1f})" in text
    assert "A: good\nB: worse\nC: as good\n" in text
    assert text.startswith("A is right more often, and that is unlikely to be chance (p < 0.05)."), (
        "the verdict first"
    )
    assert "On these faces neither is clearly better." in text
    assert "1.00 MiB" in text
    assert "2.00 ms (2.00×)" in text
    assert re.search(r"^B: camera +faces +accuracy", text, re.MULTILINE)
    assert text.count("Largest gap in accuracy by camera") == 3
    assert text.endswith("Note: look twice")
    table = text.split("\n\n")[3].splitlines()
    column = table[0].index("B")
    assert all(line[column - 1] == " " != line[column] for line in table), "columns are aligned"


def test_the_comparison_is_json(comparison):
    values = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert values["pairs"][0]["better"] == "good"
    assert values["models"][1]["figures"]["macro_f1"]["interval"][0] > 0
    assert values["models"][0]["report"]["groups"]["camera"]["gaps"]


def test_without_background_votes_or_an_answer_there_are_no_such_figures(truth):
    probabilities, targets = truth
    known = targets < 3
    silent = Calibration(1.0, 1.0, 99)
    found = compare(
        [Answers(name, probabilities[known], silent) for name in "ab"],
        targets[known],
        outputs=LABELS,
        labels=LABELS,
    )
    figures = found.models[0].figures
    assert [key for key in COMPARED if figures[key].value is None] == [
        AGREED, "wrong_among_answered", "confidence_auroc",
    ]  # fmt: skip
    assert found.pairs[0].better is None
    assert found.pairs[0].p_value == 1
    assert found.pairs[0].differences["accuracy"].interval == (0, 0)
    assert "AUROC" not in comparison_text(found)


def test_all_models_stand_in_one_plot(comparison, tmp_path):
    reports = {f"{model.name} $1$": model.report for model in comparison.models}
    draw_risk_coverage(reports, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**20)}
    lines = [(0, 114, 178), (213, 94, 0), (0, 158, 115)]
    assert colours.issuperset(lines)
    curves = [report.not_sure.risk_coverage for report in reports.values()]
    assert all(a <= b for curve in curves for a, b in pairwise(curve.coverage))
