"""The answer in words, and cards and bars of several faces."""

import re

from emotion.web.html.answer import bars, face_cards, verdict
from tests.web.faces import LABELS, face


def test_cards_are_buttons_that_say_which_one_is_pressed():
    html = face_cards([face(), face(None, "too small")], ["data:,a", "data:,b"], 1)
    assert re.findall(r'aria-pressed="(\w+)"', html) == ["false", "true"]
    assert html.count("<button") == 2
    assert "not sure" in html
    assert face_cards([face()], ["data:,a"], 0) == ""


def test_bars_keep_the_order_of_the_labels():
    assert re.findall(r"<span>(angry|happy|sad)</span>", bars(face().probabilities)) == list(LABELS)


def test_the_answer_is_in_words_and_never_by_colour_alone():
    sure = verdict(face(), 1, 2, "data:,")
    assert "Face 1 of 2" in sure
    assert "happy" in sure
    assert "80% sure" in sure
    unsure = verdict(face(None, "neutral or mixed"), 1, 1, "data:,")
    assert "not sure" in unsure
    assert "neutral" in unsure
    assert "Half covered." in verdict(face(None, "half covered"), 1, 1, "data:,")
