"""The answers for many pictures as CSV."""

import csv
import io

from emotion.predictions.face import FacePrediction, PredictionTable

LABELS = ("angry", "happy", "sad")


def face(label="happy", reason=None, box=(1, 2, 3, 4)):
    return FacePrediction(box, label, 0.8, {"angry": 0.1, "happy": 0.8, "sad": 0.1}, reason)


def written(*pictures, labels=LABELS):
    file = io.StringIO()
    table = PredictionTable(file, labels)
    for name, faces, error in pictures:
        table.write(name, faces, error=error)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


def test_one_row_per_face_and_one_for_a_picture_without():
    rows = written(
        ("a.jpg", [face(), face(None, "too small")], ""),
        ("b, c.jpg", [face(box=None)], ""),
        ("empty.jpg", [], ""),
        ("broken.jpg", [], "it is not a picture"),
    )
    assert [(row["file"], row["face"]) for row in rows] == [
        ("a.jpg", "1"),
        ("a.jpg", "2"),
        ("b, c.jpg", "1"),
        ("empty.jpg", "0"),
        ("broken.jpg", "0"),
    ]
    assert [row["label"] for row in rows] == ["happy", "", "happy", "", ""]
    assert [row["reason"] for row in rows] == ["", "too small", "", "no face", ""]
    assert [row["error"] for row in rows] == ["", "", "", "", "it is not a picture"]
    assert [row["width"] for row in rows] == ["3", "3", "", "", ""]
    assert float(rows[0]["happy"]) == float(rows[0]["confidence"]) == 0.8


def test_names_that_a_spreadsheet_would_run_are_defused():
    names = ["=cmd().jpg", "+1.jpg", "-1.jpg", "@sum.jpg", "\tx.jpg"]
    assert [row["file"] for row in written(*((name, [], "") for name in names))] == [
        f"'{name}" for name in names
    ]


def test_a_table_without_answers_has_its_head():
    file = io.StringIO()
    PredictionTable(file, LABELS)
    assert file.getvalue() == "file,face,x,y,width,height,label,confidence,reason,angry,happy,sad,error\n"
