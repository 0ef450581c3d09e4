"""Answers over time as a line chart."""

import re

from emotion.video.tracking import Moment, Timeline, TrackedFace
from emotion.web.html.answer import timeline_chart
from tests.web.faces import LABELS


def timeline(faces, seconds):
    shown = {"angry": 0.2, "happy": 0.5, "sad": 0.3}
    return Timeline(
        LABELS,
        tuple(
            Moment(float(second), TrackedFace((0, 0, 9, 9), "happy", 0.5, shown, id=number))
            for second in range(seconds)
            for number in range(1, faces + 1)
        ),
    )


def test_the_timeline_shows_the_whole_clip_with_lines_that_differ_by_more_than_colour():
    html = timeline_chart(timeline(1, 60))
    assert html.count("<polyline") == 3
    assert "59 s" in html
    assert len(set(re.findall(r'<polyline[^>]*stroke-dasharray="([^"]+)"', html))) == 3
    x, y = zip(
        *(map(float, point.split(",")) for point in re.search('points="([^"]+)"', html)[1].split()),
        strict=True,
    )
    assert x[0] == 0
    assert x[-1] == 100
    assert set(y) == {80.0}
    assert 'aria-label="Face 1 over time, mostly happy"' in html


def test_the_timeline_names_faces_that_get_no_chart():
    html = timeline_chart(timeline(5, 4), most_faces=2)
    assert html.count('<svg viewBox="0 0 100 100"') == 2
    assert "3 more without a chart" in html
    assert timeline_chart(Timeline(LABELS)) == ""
