"""What the page says about a model."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emotion import EmotionClassifier
from emotion.report.groups import measure_groups
from emotion.report.report import Report
from emotion.web.html.report import model_card, model_summary
from tests.web.faces import LABELS


def test_the_report_of_the_embedded_model_is_shown():
    classifier = EmotionClassifier.from_pretrained()
    html = model_summary(classifier)
    assert f"{classifier.report.accuracy.value:.1%}" in html
    assert "<table" in html
    assert "Calibration" in html
    assert "Limits" in html
    assert all(label in html for label in classifier.labels)


def test_the_plots_beside_the_report_are_shown_with_how_to_read_them():
    classifier = EmotionClassifier.from_pretrained()
    html = model_summary(classifier)
    assert html.count('src="data:image/png;base64,') == 2
    assert "Is it as sure as it should be?" in html
    assert all(f"<td>{curve.auc:.3f}</td>" in html for curve in classifier.report.roc.values())
    classifier.folder = None
    assert "<img" not in model_summary(classifier)


def test_a_report_with_gaps_shows_what_is_there():
    classifier = SimpleNamespace(
        labels=LABELS,
        threshold=0.5,
        report=Report.from_dict({"accuracy": None, "macro_f1": 0.5}),
        folder=None,
    )
    html = model_summary(classifier)
    assert "50.0%" in html
    assert "None" not in html
    assert "nan" not in html
    assert "without a report" in model_summary(SimpleNamespace(labels=LABELS, report=None))


def test_groups_are_shown_with_their_gaps_and_what_was_not_measured_is_said():
    right = np.arange(80) % 40 < np.repeat([36, 12], 40)
    groups = measure_groups(
        {"<b>glasses": ["no"] * 40 + ["yes"] * 40, "age": ["9"] * 7 + [None] * 73},
        probability=np.full(80, 0.75),
        correct=right,
        sure=right,
    )
    report = Report.from_dict({"macro_f1": 0.5})
    classifier = SimpleNamespace(
        labels=LABELS, threshold=0.5, report=replace(report, groups=groups), folder=None
    )
    html = model_summary(classifier)
    assert "90.0%" in html
    assert "Largest gap in accuracy by &lt;b&gt;glasses: 60.0 points, yes below no; p &lt; 0.001" in html
    assert "fewer than 30 faces: 9 (7)" in html
    assert "Not measured" not in html
    classifier.report = report
    assert "The test data does not say which groups" in model_summary(classifier)


@pytest.mark.parametrize(
    "report",
    [
        ["accuracy"],
        {"accuracy": "high"},
        {"accuracy": {"interval": ["a", "b"]}},
        {"confusion_matrix": {"labels": LABELS, "counts": [["many"]]}},
        {"calibration": {"bins": [{"faces": 500}]}},
        {"per_class": {"sad": {"support": float("inf")}}},
    ],
)
def test_a_report_that_makes_no_sense_says_so(report):
    classifier = SimpleNamespace(labels=LABELS, threshold=0.5, report=Report.from_dict(report))
    assert "report of this model cannot be read" in model_summary(classifier)


def test_a_card_loses_its_metadata_and_pictures_but_keeps_its_words():
    card = (
        "---\nlicense: mit\n---\n# Title\n![plot](https://elsewhere/x.png) text\n\n"
        "![b][c]\n<b>bold</b> a < b\n\n[c]: https://elsewhere/y.png\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "[home](https://good.example/) [local](/gradio_api/info)\n\n"
        "<details>\n<summary>More</summary>\nfolded\n</details>\n<details ontoggle=evil()>"
    )
    shown = model_card(card)
    assert not any(each in shown for each in ("license", "elsewhere", "<b>", "<img", "evil", "gradio_api"))
    for kept in ("<h3>Title</h3>", "plot text", "bold a &lt; b", "<td>1</td>", "<summary>More</summary>"):
        assert kept in shown
    assert 'href="https://good.example/"' in shown
    assert 'rel="noopener noreferrer"' in shown
    assert "without a card" in model_card(None)
    assert "<h3>Facial emotion" in model_card(EmotionClassifier.from_pretrained().card)


@pytest.mark.parametrize(
    "hidden",
    [
        "![x]\n\n[x]: https://elsewhere/x.png",
        "!![a](b)[x](c)",
        "!![![a](b)c](d)",
        "![a[b]c](d)",
        "<<b>img src=c>",
        '<img src=https://elsewhere/x.png alt="<">">',
        "<svg><image href=https://elsewhere/x.png></svg>",
        "<p style='background: url(https://elsewhere/x.png)'>",
        "<script>fetch('https://elsewhere')</script>",
        "<iframe src=https://elsewhere></iframe>",
        "[x](javascript:alert(1))",
    ],
)
def test_no_card_makes_a_page_fetch_or_run_anything(hidden):
    shown = model_card(hidden)
    assert not re.search(r"<(img|svg|script|iframe)|<\w[^>]* (src|style|on\w+)=|href=.javascript", shown)


def test_a_card_of_any_length_is_shown_in_part():
    shown = model_card("word " * 100_000)
    assert len(shown) < 50_000
    assert "This card is longer" in shown
