"""The answers for many pictures as CSV."""

import csv
import io

from emotion.web.table import predictions_csv
from tests.web.faces import LABELS, face


def test_the_csv_holds_one_line_per_face_and_defuses_formulas():
    rows = [("a.jpg", [face(), face(None, "too small")]), ("=cmd().jpg", []), ("b, c.jpg", [face(box=None)])]
    lines = list(csv.DictReader(io.StringIO(predictions_csv(rows, LABELS))))
    assert [line["picture"] for line in lines] == ["a.jpg", "a.jpg", "'=cmd().jpg", "b, c.jpg"]
    assert [line["face"] for line in lines] == ["1", "2", "0", "1"]
    assert lines[0]["label"] == "happy"
    assert lines[1]["reason"] == "too small"
    assert lines[2]["reason"] == "no face"
    assert float(lines[0]["happy"]) == 0.8
    assert lines[0]["width"] == "3"
