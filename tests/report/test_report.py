"""A report survives its file to the last digit; a stranger's neither breaks nor fools who reads it."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from emotion.model.loading import EMBEDDED
from emotion.report.card import render
from emotion.report.plots import write_report
from emotion.report.report import FIGURES, PLOTS, Report, RobustnessFigures, read_report
from tests.report.synthetic import report_of


@pytest.fixture(scope="module")
def embedded() -> dict:
    return json.loads((EMBEDDED / "report.json").read_text())


def test_the_report_of_the_embedded_model_is_read_whole(embedded):
    report = read_report(EMBEDDED / "report.json")
    read = report.to_dict()
    for source in read["sources"].values():
        assert source.pop("guessing") is None, "it was written before that was measured"
    assert read == embedded
    assert report.accuracy.value == embedded["accuracy"]["value"] > 0.8
    assert report.roc["sad"].auc == embedded["roc"]["sad"]["auc"]
    unread = {name for name, figure in FIGURES.items() if figure.read(report) is None}
    assert unread == {"found", "found_and_right"}, "its pictures are faces as they are"
    drawn = {name for name, plot in PLOTS.items() if plot.has_figures(report)}
    assert drawn == PLOTS.keys() - {"training"}, "these weights were fitted without a validation curve"


def test_a_report_is_the_same_after_writing_and_reading(tmp_path):
    report = report_of(
        robustness=RobustnessFigures(9, 0.9, {"noise": 0.8}, 0.8),
        history={"loss": [1 / 3], "val_accuracy": [0.5]},
        model={"command": "python train.py", "parameters": 12},
    )
    write_report(report, tmp_path)
    assert read_report(tmp_path / "report.json") == report
    assert (tmp_path / "plots" / "roc.png").exists()


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        [],
        "high",
        {"accuracy": "high"},
        {"accuracy": {"value": float("inf"), "interval": [0.1], "faces": -3}},
        {"confusion_matrix": {"labels": ["a", "b"], "counts": [[1, 2]]}},
        {"confusion_matrix": {"labels": ["a"], "counts": [["many"]]}},
        {"roc": {"a": {"auc": 0.5, "false_positive_rate": [0, 1], "true_positive_rate": [1]}}},
        {"calibration": {"bins": [{"faces": 500}], "bins_before": 3}},
        {"not_sure": {"risk_coverage": {"coverage": [0.1], "risk": []}}},
        {"robustness": {"clean": 0.5, "conditions": {"noise": "loud"}}},
        {"history": {"loss": [1, None]}},
    ],
)
def test_what_makes_no_sense_is_left_out(nonsense, tmp_path):
    report = Report.from_dict(nonsense)
    assert not report.has_figures
    assert not any(plot.has_figures(report) for plot in PLOTS.values())
    write_report(report, tmp_path)
    assert "## Plots" not in render(report, {})


def test_no_mutant_of_a_report_breaks_card_or_file(embedded):
    rng = random.Random(0)
    values = [None, "text", -1, 1e300, float("nan"), True, [], {}, [1, "a"], {"value": 2}, "\ud800", 10**30]
    whole = json.dumps(embedded)
    for _ in range(400):
        mutant = json.loads(whole)
        for _ in range(rng.randint(1, 4)):
            place = mutant
            while isinstance(place, dict | list) and place:
                keys = list(place) if isinstance(place, dict) else range(len(place))
                key = rng.choice(keys)
                if not isinstance(place[key], dict | list) or rng.random() < 0.3:
                    place[key] = rng.choice(values)
                    break
                place = place[key]
        report = Report.from_dict(mutant)
        assert isinstance(render(report, {}), str)
        assert Report.from_dict(json.loads(json.dumps(report.to_dict(), allow_nan=False))) == report


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 5000, b'{"model": "' + b"x" * 2**21 + b'"}'],
)
def test_a_file_that_is_no_report_is_none(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert read_report(path) is None
    assert read_report(tmp_path / "missing.json") is None


def test_free_parts_of_a_report_are_kept_to_a_sane_depth(tmp_path):
    deep: dict = {}
    for _ in range(500):
        deep = {"more": deep}
    path: Path = tmp_path / "report.json"
    path.write_text(json.dumps({"model": {"architecture": "resnet", "deep": deep}, "data": {"audit": deep}}))
    report = read_report(path)
    assert report.model["architecture"] == "resnet"
    assert len(json.dumps(report.to_dict())) < 2000
    assert isinstance(render(report, {}), str)


def test_halves_of_characters_never_reach_a_page(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps({"model": {"name": "\ud800", "\udfff": "sad"}}))
    report = read_report(tmp_path / "report.json")
    assert report.model == {"name": "?", "?": "sad"}
    json.dumps(report.to_dict(), ensure_ascii=False).encode()


def test_pictures_without_a_face_count_against_the_model():
    report = report_of()
    assert FIGURES["found"].read(report) is None, "nothing was searched"
    right, faces = report.accuracy.value, report.accuracy.faces

    searched = replace(report, data=replace(report.data, without_face=faces))

    assert FIGURES["found"].read(searched) == 0.5
    assert FIGURES["found_and_right"].read(searched) == right / 2
    assert "Held-out pictures in which a face was found and named right" in render(searched, {})


def guessing_report(right: int, faces: int, *, wrong: float = 0.05, coverage: float = 0.8) -> Report:
    """A report about two labels of as many faces each."""
    share = right / faces
    around = 1.96 * (share * (1 - share) / faces) ** 0.5
    return Report.from_dict(
        {
            "accuracy": {"value": share, "interval": [share - around, share + around], "faces": faces},
            "per_class": {name: {"support": faces // 2} for name in ("happy", "sad")},
            "not_sure": {"threshold": 0.6, "coverage": coverage, "error_among_answered": wrong},
        }
    )


@pytest.mark.parametrize(
    ("report", "warning"),
    [
        (guessing_report(90, 100), None),
        (
            guessing_report(55, 100),
            "It may be no better than guessing: always naming the most frequent label",
        ),
        (guessing_report(5500, 10_000), None),
        (
            guessing_report(900, 1000, wrong=0.6),
            "misses its goal: 60.0% of its answers are wrong, and at most 7.0%",
        ),
        (guessing_report(90, 100, wrong=0.09), None),
        (guessing_report(90, 100, coverage=0.02), "It answers only 2.0% of the faces"),
    ],
)
def test_what_must_be_known_first_stands_first_in_the_card(report, warning):
    assert report.guessing == 0.5
    first = render(report, {"labels": ["happy", "sad"]}).split("# Facial emotion: happy, sad\n\n")[1]
    if warning is None:
        assert report.warnings == ()
        assert first.startswith("A small network")
    else:
        assert warning in report.warnings[0]
        assert first.startswith(f"**{report.warnings[0]}**")
