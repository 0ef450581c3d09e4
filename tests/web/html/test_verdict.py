"""The answer for one face in words."""

from emotion.web.html.verdict import verdict
from tests.web.faces import face


def test_the_answer_is_in_words_and_never_by_colour_alone():
    sure = verdict(face(), 1, 2, "data:,")
    assert "Face 1 of 2" in sure
    assert "happy" in sure
    assert "80% sure" in sure
    unsure = verdict(face(None, "neutral or mixed"), 1, 1, "data:,")
    assert "not sure" in unsure
    assert "neutral" in unsure
    assert "Half covered." in verdict(face(None, "half covered"), 1, 1, "data:,")
