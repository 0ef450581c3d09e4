"""Whatever strangers write stays text, in every piece of the page."""

from collections import Counter
from types import SimpleNamespace

from emotion.predictions.face import FacePrediction
from emotion.report.report import Report
from emotion.video.tracking import Moment, Timeline, TrackedFace
from emotion.web.html.answer import (
    bars,
    before_and_after,
    evidence,
    face_cards,
    snapshots,
    timeline_chart,
    verdict,
)
from emotion.web.html.messages import gallery, header, many_summary, problem, shares
from emotion.web.html.report import model_card, model_summary


def test_names_and_messages_of_strangers_are_escaped():
    evil = "<img src=x onerror=alert(1)>"
    model = SimpleNamespace(
        labels=(evil, "sad"),
        model_name=evil,
        revision=evil,
        notice=evil,
        threshold=0.5,
        report=None,
        card=evil,
        folder=None,
    )
    report = {
        "accuracy": {"value": 0.8, "interval": [0.7, 0.9], "faces": 10},
        "confusion_matrix": {"labels": [evil, "sad"], "counts": [[1, 2], [3, 4]]},
        "per_class": {evil: {"precision": 0.5, "recall": None, "f1": 0.5, "support": 3}},
        "data": {"source": evil},
    }
    answer = FacePrediction((0, 0, 1, 1), evil, 0.8, {evil: 1.0}, evil)
    tracked = TrackedFace((0, 0, 1, 1), evil, 0.8, {evil: 1.0}, evil, id=1)
    texts = [
        header(model),
        problem(evil),
        many_summary(1, 1, [(evil, evil)]),
        model_summary(SimpleNamespace(**{**vars(model), "report": Report.from_dict(report)})),
        bars({evil: 1.0}),
        gallery([("data:,", evil, evil)]),
        shares(Counter([evil])),
        verdict(answer, 1, 1, "data:,"),
        model_card(evil),
        evidence(evil, "data:,", ["mouth"]),
        face_cards([answer, answer], ["data:,", "data:,"], 0),
        timeline_chart(Timeline((evil,), (Moment(0.0, tracked), Moment(1.0, tracked)))),
        snapshots([evil], [(evil, "data:,")], 5),
        before_and_after(answer, answer, "data:,"),
    ]
    assert not any("<img src=x" in text for text in texts)
