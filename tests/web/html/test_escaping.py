"""Whatever strangers write stays text, in every piece of the page."""

from types import SimpleNamespace

from emotion.predictions.face import FacePrediction
from emotion.report.report import Report
from emotion.web.html.card import card_text
from emotion.web.html.faces import bars
from emotion.web.html.header import header
from emotion.web.html.hints import problem
from emotion.web.html.lesson import before_and_after, snapshots
from emotion.web.html.report import model_summary
from emotion.web.html.summary import many_summary
from emotion.web.html.verdict import verdict


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
    )
    report = {
        "accuracy": {"value": 0.8, "interval": [0.7, 0.9], "faces": 10},
        "confusion_matrix": {"labels": [evil, "sad"], "counts": [[1, 2], [3, 4]]},
        "per_class": {evil: {"precision": 0.5, "recall": None, "f1": 0.5, "support": 3}},
        "data": {"source": evil},
    }
    answer = FacePrediction((0, 0, 1, 1), evil, 0.8, {evil: 1.0}, evil)
    texts = [
        header(model),
        problem(evil),
        many_summary(1, 1, [(evil, evil)]),
        model_summary(SimpleNamespace(**{**vars(model), "report": Report.from_dict(report)})),
        bars({evil: 1.0}),
        verdict(answer, 1, 1, "data:,"),
        card_text(evil),
        snapshots([evil], [(evil, "data:,")], 5),
        before_and_after(answer, answer, "data:,"),
    ]
    assert not any("<img src=x" in text for text in texts)
