"""Faces keep their number, and answers follow smoothly and without flicker."""

import copy
import csv
import dataclasses
import io
import math
import pickle

import numpy as np
import pytest

from emotion.predictions.face import NEUTRAL_OR_MIXED, FacePrediction
from emotion.video.tracking import FaceTracker

LABELS = ("angry", "happy", "sad")


def prediction(happy=0.9, *, box=(100, 100, 80, 80), confidence=None, reason=None):
    probabilities = {"angry": 0.0, "happy": happy, "sad": 1 - happy}
    confidence = max(probabilities.values()) if confidence is None else confidence
    sure = confidence >= 0.5 and reason is None
    label = max(probabilities, key=probabilities.get) if sure else None
    return FacePrediction(
        box=box,
        label=label,
        confidence=confidence,
        probabilities=probabilities,
        reason=reason or (None if sure else NEUTRAL_OR_MIXED),
    )


def tracker(**options):
    return FaceTracker(labels=LABELS, threshold=0.5, **options)


def test_moving_faces_keep_their_numbers_in_any_order():
    following = tracker()
    for step in range(40):
        left = prediction(0.9, box=(10 + 4 * step, 50, 60, 60))
        right = prediction(0.1, box=(400 - 4 * step, 150, 60, 60))
        faces = following.update([left, right] if step % 2 else [right, left], step / 10)
    assert {face.label: face.id for face in faces} == {
        "sad": 1,
        "happy": 2,
    }  # the first frame named the right one first


def test_neighbours_are_not_swapped_when_one_leaves():
    following = tracker()
    following.update([prediction(0.9, box=(0, 0, 100, 100)), prediction(0.1, box=(110, 0, 100, 100))], 0.0)
    for step in range(1, 20):
        faces = following.update([prediction(0.1, box=(110, 0, 100, 100))], step / 10)
    assert [(face.id, face.label) for face in faces] == [(2, "sad")]


def test_a_face_of_another_size_in_the_same_place_is_another_face():
    following = tracker()
    following.update([prediction(box=(100, 100, 40, 40))], 0.0)
    faces = following.update([prediction(box=(20, 20, 200, 200))], 0.1)
    assert [face.id for face in faces] == [1, 2]


@pytest.mark.parametrize("frames_per_second", [5, 50])
def test_smoothing_depends_on_time_not_on_the_frame_rate(frames_per_second):
    following = tracker(smoothing=0.4, box_smoothing=0.4)
    following.update([prediction(1.0, box=(0, 0, 100, 100))], 0.0)
    for step in range(1, round(0.4 * frames_per_second) + 1):
        (face,) = following.update([prediction(0.0, box=(50, 0, 100, 100))], step / frames_per_second)
    assert face.probabilities["happy"] == pytest.approx(math.exp(-1), abs=1e-6)
    assert sum(face.probabilities.values()) == pytest.approx(1)
    assert face.box == (round(50 * (1 - math.exp(-1))), 0, 100, 100)


def test_the_first_answer_is_shown_at_once():
    (face,) = tracker().update([prediction(0.8, box=(3, 4, 50, 60))], 12345.0)
    assert (face.id, face.box, face.label, face.reason) == (1, (3, 4, 50, 60), "happy", None)
    assert face.confidence == pytest.approx(0.8)
    assert face.probabilities == pytest.approx({"angry": 0, "happy": 0.8, "sad": 0.2})


def test_a_face_that_turns_neutral_becomes_not_sure():
    following = tracker()
    following.update([prediction(0.9)], 0.0)
    for step in range(1, 30):
        (face,) = following.update([prediction(0.6, confidence=0.2)], step / 10)
    assert (face.label, face.reason) == (None, NEUTRAL_OR_MIXED)
    assert face.confidence == pytest.approx(0.2, abs=0.01)


def test_labels_do_not_flicker_around_the_threshold_or_between_two_emotions():
    following = tracker(smoothing=0.0)
    around = [
        following.update([prediction(0.9, confidence=0.5 + 0.03 * (-1) ** i)], i / 10)[0].label
        for i in range(40)
    ]
    assert around == ["happy"] * 40
    following = tracker(smoothing=0.0)
    between = [following.update([prediction(0.5 + 0.02 * (-1) ** i)], i / 10)[0].label for i in range(40)]
    assert between == ["happy"] * 40


def test_the_label_follows_a_real_change():
    following = tracker()
    labels = [
        following.update([prediction(0.95 if step < 20 else 0.05)], step / 10)[0].label for step in range(40)
    ]
    assert labels[:20] == ["happy"] * 20
    assert labels[26:] == ["sad"] * 14


def test_a_missed_frame_keeps_the_face_and_the_timeout_drops_it():
    following = tracker(timeout=0.7)
    (before,) = following.update([prediction()], 0.0)
    assert following.update([], 0.5) == (before,)
    assert following.update([], 0.8) == ()
    (after,) = following.update([prediction()], 0.9)
    assert after.id == 2


def visit(following, *faces, at, frames=5):
    """Let faces, given as (look, x), stay for half a second; return their numbers in the last frame."""
    for index in range(frames):
        now = following.update(
            [prediction(box=(x, 100, 80, 80)) for _, x in faces],
            at + index / 10,
            [shape for shape, _ in faces],
        )
    return [next(face.id for face in now if abs(face.box[0] - x) < 20) for _, x in faces]


def unlike(count):
    """Looks that have nothing in common."""
    return list(np.eye(144, dtype=np.float32)[:count])


def test_a_face_that_returns_after_two_seconds_keeps_its_number_wherever_it_returns():
    following = tracker(history_step=0)
    me, _ = unlike(2)
    assert visit(following, (me, 100), at=0.0) == [1]
    assert following.update([], 2.0, []) == ()
    assert visit(following, (me, 500), at=2.5) == [1]
    assert {moment.face.id for moment in following.timeline.moments} == {1}


def test_somebody_else_in_the_same_place_gets_a_number_of_their_own():
    following = tracker()
    me, you = unlike(2)
    assert visit(following, (me, 100), at=0.0) == [1]
    assert visit(following, (you, 100), at=2.5) == [2]
    assert visit(following, (you, 100), (me, 400), at=5.0) == [2, 1]


def test_two_people_who_return_in_each_others_place_are_not_mixed_up():
    following = tracker()
    me, you = unlike(2)
    assert visit(following, (me, 100), (you, 400), at=0.0) == [1, 2]
    assert visit(following, (you, 100), (me, 400), at=2.5) == [2, 1]


def test_a_double_who_was_there_at_the_same_time_is_somebody_else():
    following = tracker()
    me, _ = unlike(2)
    assert visit(following, (me, 100), (me, 400), at=0.0) == [1, 2]
    assert visit(following, (me, 400), at=0.5, frames=10) == [2]
    assert visit(following, (me, 400), at=1.5) == [2]


def test_a_face_is_known_again_once_it_is_whole_and_its_curve_with_it():
    following = tracker(history_step=0)
    me, half = unlike(2)
    visit(following, (me, 100), at=0.0)
    assert visit(following, (half, 500), at=2.5, frames=2) == [2]
    assert visit(following, (me, 500), at=2.7) == [1]
    assert {moment.face.id for moment in following.timeline.moments} == {1}
    assert visit(following, (me, 500), (half, 100), at=3.2) == [1, 2]


def test_another_face_in_the_same_place_is_another_person_whose_answers_are_not_mixed():
    following = tracker()
    me, you = unlike(2)
    assert visit(following, (me, 100), at=0.0, frames=12) == [1]
    (face,) = following.update([prediction(0.1, box=(100, 100, 80, 80))], 1.2, [you])
    assert (face.id, face.label, face.confidence) == (2, "sad", pytest.approx(0.9))
    assert visit(following, (you, 100), at=1.3, frames=9) == [2]
    assert visit(following, (me, 100), at=2.2) == [1]


def test_a_face_that_turns_away_slowly_is_still_the_same():
    following = tracker()
    front, profile = unlike(2)
    assert visit(following, (front, 100), at=0.0, frames=12) == [1]
    for angle in np.linspace(0, math.pi / 2, 10):
        seen = (np.cos(angle) * front + np.sin(angle) * profile).astype(np.float32)
        (face,) = following.update([prediction()], 1.2 + angle, [seen])
        assert face.id == 1


def test_after_a_cut_only_the_look_brings_a_number_back_and_answers_start_afresh():
    following = tracker()
    me, you, third = unlike(3)
    assert visit(following, (me, 100), (you, 400), at=0.0) == [1, 2]
    following.leave([1, 2])
    assert following.faces == ()
    cut = [prediction(0.1, box=(100, 100, 80, 80)), prediction(0.1, box=(400, 100, 80, 80))]
    same, other = following.update(cut, 0.5, [me, third])
    assert (same.id, same.label, same.confidence) == (1, "sad", pytest.approx(0.9))
    assert other.id not in (1, 2)


def test_a_face_is_forgotten_after_a_while_or_without_its_look():
    me, _ = unlike(2)
    following = tracker(memory=3.0)
    visit(following, (me, 100), at=0.0)
    assert visit(following, (me, 100), at=4.0) == [2]
    following = tracker()
    visit(following, (me, 100), at=0.0)
    (face,) = following.update([prediction()], 2.5)
    assert face.id == 2


def test_one_blurred_frame_changes_nothing_but_a_blurred_face_says_why():
    following = tracker()
    following.update([prediction(0.9)], 0.0)
    (face,) = following.update([prediction(0.1, reason="too blurred")], 0.1)
    assert (face.label, face.probabilities["happy"]) == ("happy", pytest.approx(0.9))
    for step in range(2, 20):
        (face,) = following.update([prediction(0.1, reason="too blurred")], step / 10)
    assert (face.label, face.reason) == (None, "too blurred")
    (small,) = tracker().update([prediction(0.9, reason="too small")], 0.0)
    assert (small.label, small.reason) == (None, "too small")


def test_a_late_frame_counts_as_simultaneous():
    following = tracker()
    (before,) = following.update([prediction(0.9)], 1.0)
    (after,) = following.update([prediction(0.1)], 0.5)
    assert after == before


def test_visitors_are_independent_and_the_state_can_be_copied_and_pickled():
    first = tracker()
    first.update([prediction(0.9)], 0.0)
    second = copy.deepcopy(first)
    third = pickle.loads(pickle.dumps(first))
    first.update([prediction(0.1)], 5.0)
    assert first.faces[0].id == 2
    assert second.faces == third.faces
    assert second.faces[0].label == "happy"
    assert tracker().faces == ()


def test_what_was_handed_out_never_changes():
    following = tracker()
    (face,) = following.update([prediction(0.9)], 0.0)
    shown = copy.deepcopy(face)
    following.update([prediction(0.1)], 0.3)
    assert face == shown
    with pytest.raises(dataclasses.FrozenInstanceError):
        face.label = "sad"


def test_the_timeline_keeps_the_last_seconds_at_a_steady_step():
    following = tracker(history=30, history_step=0.5)
    for step in range(1000):  # 100 seconds at 10 frames a second, starting on an arbitrary clock
        following.update([prediction(0.9), prediction(0.2, box=(400, 100, 80, 80))], 777 + step / 10)
    times = [moment.time for moment in following.timeline.moments if moment.face.id == 1]
    assert times[-1] - times[0] == pytest.approx(30, abs=0.6)
    assert times[-1] == pytest.approx(99.5, abs=0.01)
    assert len(times) == pytest.approx(60, abs=1)


def test_the_timeline_as_csv():
    following = tracker(history_step=0)
    following.update([prediction(0.9)], 3.0)
    following.update([prediction(0.9), prediction(0.6, confidence=0.3, box=(400, 100, 80, 80))], 3.25)
    rows = list(csv.DictReader(io.StringIO(following.timeline.to_csv("=me.mp4"))))
    assert {row["file"] for row in rows} == {"'=me.mp4"}
    columns = ("time_seconds", "face", "x", "happy", "confidence", "label")
    assert [tuple(row[column] for column in columns) for row in rows] == [
        ("0.000", "1", "100", "0.9000", "0.9000", "happy"),
        ("0.250", "1", "100", "0.9000", "0.9000", "happy"),
        ("0.250", "2", "400", "0.6000", "0.3000", ""),
    ]


def test_any_set_of_labels_works():
    following = FaceTracker(labels=("smile", "neutral"), threshold=0.6)
    answer = FacePrediction(
        box=(0, 0, 50, 50),
        label="smile",
        confidence=0.7,
        probabilities={"smile": 0.7, "neutral": 0.3},
        reason=None,
    )
    (face,) = following.update([answer], 0.0)
    assert face.probabilities == pytest.approx({"smile": 0.7, "neutral": 0.3})
