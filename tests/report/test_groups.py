"""Groups of people: each measured on its own faces, gaps judged, small ones named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emotion.report.card import render
from emotion.report.groups import FEWEST_FACES, PeopleFigures, gaps_in_words, groups_text, measure_groups
from emotion.report.report import Report
from tests.report.synthetic import report_of


def measured(columns, right, *, unsure=None):
    right = np.asarray(right, bool)
    sure = np.ones(len(right), bool) if unsure is None else ~np.asarray(unsure, bool)
    return measure_groups(columns, probability=np.full(len(right), 0.8), correct=right, sure=sure)


@pytest.fixture(scope="module")
def unfair():
    """400 faces without glasses, 80 % right; 100 with, 40 % right and half of them not sure; 7 of a child."""
    glasses = ["no"] * 400 + ["yes"] * 100 + [None] * 7
    ages = [None] * 500 + ["child"] * 7
    right = [k % 5 > 0 for k in range(400)] + [k % 5 > 2 for k in range(100)] + [True] * 7
    unsure = [False] * 400 + [k % 2 == 0 for k in range(100)] + [False] * 7
    return measured({"glasses": glasses, "age": ages}, right, unsure=unsure)


def test_every_group_is_measured_on_its_own_faces(unfair):
    no, yes = unfair["glasses"].groups["no"], unfair["glasses"].groups["yes"]
    assert (no.faces, no.accuracy, no.not_sure, no.calibration_error) == (400, 0.8, 0.0, 0.0)
    assert (yes.faces, yes.accuracy, yes.not_sure, yes.calibration_error) == (100, 0.4, 0.5, 0.4)
    assert yes.accuracy_interval == pytest.approx((0.3094, 0.4980), abs=1e-4)
    low, high = yes.calibration_error_interval
    assert low < 0.4 < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.4 * 0.6 / 100), rel=0.1)


def test_a_gap_that_is_hardly_chance_is_called_so_and_one_group_has_none(unfair):
    gaps = {gap.figure: gap for gap in unfair["glasses"].gaps}
    assert set(gaps) == {"accuracy", "not_sure", "calibration_error"}
    assert (gaps["accuracy"].lower, gaps["accuracy"].higher, gaps["accuracy"].gap) == ("yes", "no", 0.4)
    assert gaps["accuracy"].p_value < 0.001
    assert gaps_in_words("glasses", unfair["glasses"])[0] == (
        "Largest gap in accuracy by glasses: 40.0 points, yes below no; p < 0.001: unlikely to be chance."
    )
    assert unfair["age"].gaps == ()


def test_the_terminal_shows_every_group_in_columns(unfair):
    lines = groups_text(unfair).splitlines()
    assert lines[0].split("  ")[0] == "glasses"
    assert lines[1].startswith("no       400    80.0% (75.8–83.6)")
    assert lines[2].startswith("yes      100    40.0% (30.9–49.8)")
    assert lines[-1].startswith("Too small to judge by age")


def test_a_group_of_few_faces_is_named_as_too_small_instead_of_judged(unfair):
    assert unfair["age"].groups == {}
    assert unfair["age"].too_small == {"child": 7}
    assert gaps_in_words("age", unfair["age"]) == [
        "Too small to judge by age, with fewer than 30 faces: child (7)."
    ]
    edge = measured({"camera": ["a"] * FEWEST_FACES + ["b"] * (FEWEST_FACES - 1)}, [True] * 59)
    assert (set(edge["camera"].groups), edge["camera"].too_small) == ({"a"}, {"b": 29})


def test_more_columns_make_the_same_gap_less_certain():
    right = [k % 10 > 0 for k in range(200)] + [k % 10 > 1 for k in range(200)]
    groups = ["a"] * 200 + ["b"] * 200
    alone = measured({"x": groups}, right)["x"].gaps[0]
    among_others = measured({name: groups for name in "xyz"}, right)["x"].gaps[0]
    assert among_others.p_value == pytest.approx(min(1, 3 * alone.p_value))


def test_of_three_groups_the_largest_gap_comes_first_then_all_that_are_hardly_chance():
    ages = ["18–29"] * 500 + ["30–64"] * 500 + ["65–90"] * 40
    right = [k % 100 < 90 for k in range(500)] + [k % 100 < 70 for k in range(500)]
    right += [k % 10 < 6 for k in range(40)]
    column = measured({"age": ages}, right)["age"]
    assert list(column.groups) == ["18–29", "30–64", "65–90"]
    pairs = [(gap.lower, gap.higher) for gap in column.gaps if gap.figure == "accuracy"]
    assert pairs == [("65–90", "18–29"), ("30–64", "18–29")]
    assert gaps_in_words("age", column)[1].startswith("Another gap in accuracy by age: 20.0 points")


def test_groups_with_numbers_come_in_the_order_of_the_numbers():
    column = measured({"age": [name for name in ("100", "20", "9", "old") for _ in range(30)]}, [True] * 120)
    assert list(column["age"].groups) == ["9", "20", "100", "old"]


def grouped_report():
    report = report_of()
    return report_of(groups={"skin tone": [("light", "dark")[k % 2] for k in range(report.data.faces)]})


def test_groups_survive_the_file_and_stand_in_the_card():
    report = grouped_report()
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    card = render(report, {})
    light = report.groups["skin tone"].groups["light"]
    low, high = light.accuracy_interval
    assert (
        f"| light | {light.faces} | {100 * light.accuracy:.1f}% ({100 * low:.1f}–{100 * high:.1f}) |" in card
    )
    assert "Largest gap in accuracy by skin tone" in card
    assert "not measured**" not in card
    assert sum(group.faces for group in report.groups["skin tone"].groups.values()) == report.accuracy.faces


def test_the_card_says_that_nothing_was_measured_where_no_groups_were_given():
    assert "was **not measured**." in render(report_of(), {})


@pytest.mark.parametrize(
    "groups",
    [7, {"age": 7}, {"age": {"groups": {"old": {"accuracy": "high"}}, "gaps": [{"gap": 1}], "x": 1}}],
)
def test_groups_of_a_stranger_that_make_no_sense_are_left_out(groups):
    report = Report.from_dict(report_of().to_dict() | {"groups": groups})
    assert "None" not in render(report, {}).replace("`None`", "")


def test_names_of_groups_cannot_break_out_of_the_card():
    evil = "a | <script> ![x](http://evil)"
    report = grouped_report()
    column = report.groups["skin tone"]
    column = replace(column, groups={evil: column.groups["light"]}, too_small={evil: 3})
    card = render(replace(report, groups={evil: column}), {})
    assert "<script>" not in card
    assert "![x]" not in card
    assert "a | <" not in card


def people(**counts):
    return PeopleFigures(
        "Ages", "Small <b>and</b> posed.", {"60-74": {"angry": (2, 85)}, "75+": {"angry": (5, 60)}} | counts
    )


def test_people_counted_elsewhere_stand_in_the_card_with_intervals_and_the_largest_gap():
    report = Report.from_dict(replace(report_of(), people=(people(),)).to_dict())
    assert report.people == (people(),)
    card = render(report, {})
    assert "### Ages\n\nSmall \\<b\\>and\\</b\\> posed." in card
    assert "| 75+ | 8.3% (3.6–18.1) of 60 |" in card
    assert "- Largest gap, angry: 6.0 points (-1.5 to 15.9), 60-74 below 75+." in card
    assert "not measured**" not in card


def test_people_without_faces_or_with_impossible_counts_are_passed_over():
    odd = people(none={"angry": (0, 0)}, liar={"angry": (9, 3)}, other={"sad": (1, 2)})
    assert odd.largest_gap("angry")[:2] == ("60-74", "75+")
    assert odd.largest_gap("sad") is None
    card = render(replace(report_of(), people=(odd,)), {})
    assert "| none | – | – |" in card
    assert "| liar | – | – |" in card
