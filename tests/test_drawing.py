import numpy as np
import pytest

from emotion.drawing import annotate, annotate_with_bars, describe
from emotion.predictions.display import (
    EMOTION_COLOURS,
    NOT_SURE_COLOUR,
    SPARE_COLOURS,
    emotion_colour,
    text_colour,
)
from emotion.predictions.face import FacePrediction
from emotion.video.tracking import TrackedFace

PAGE_COLOURS = {"light": "#ffffff", "dark": "#0b0f19"}


def face(label="happy", box=(60, 50, 80, 90), confidence=0.9, reason=None, shares=(0.05, 0.9, 0.05)):
    return FacePrediction(
        box, label, confidence, dict(zip(("angry", "happy", "sad"), shares, strict=True)), reason
    )


def grey(height=240, width=320):
    return np.full((height, width, 3), 128, np.uint8)


def rgb(colour):
    return tuple(int(colour[index : index + 2], 16) for index in (1, 3, 5))


def luminance(colour):
    parts = [value / 255 for value in rgb(colour)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def has_colour(image, colour):
    return bool((np.asarray(image) == rgb(colour)).all(axis=2).any())


@pytest.mark.parametrize("page", PAGE_COLOURS)
@pytest.mark.parametrize("colour", [*EMOTION_COLOURS.values(), *SPARE_COLOURS, NOT_SURE_COLOUR])
def test_colours_stand_out_on_both_pages(colour, page):
    assert contrast(colour, PAGE_COLOURS[page]) >= 3


@pytest.mark.parametrize("colour", [*EMOTION_COLOURS.values(), *SPARE_COLOURS])
def test_text_on_a_colour_is_readable(colour):
    assert contrast(colour, text_colour(colour)) >= 4.5


def test_the_three_emotions_differ_for_dichromats():
    """Simulated with the matrices of Viénot, Brettel and Mollon (1999)."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for matrix in (protan, deutan):
        seen = {
            name: matrix @ (np.array(rgb(EMOTION_COLOURS[name])) / 255) ** 2.2
            for name in ("angry", "happy", "sad")
        }
        for one, other in (("angry", "happy"), ("angry", "sad"), ("happy", "sad")):
            assert np.linalg.norm(seen[one] - seen[other]) > 0.1, (one, other)


def test_every_label_has_its_own_fixed_colour():
    assert len(set(EMOTION_COLOURS.values())) == len(EMOTION_COLOURS)
    assert emotion_colour("happy") == EMOTION_COLOURS["happy"]
    assert emotion_colour(None) == NOT_SURE_COLOUR
    assert emotion_colour("bored") == emotion_colour("bored") in SPARE_COLOURS


def test_the_box_is_drawn_where_the_face_is_in_its_colour():
    picture = grey()
    boxed = np.asarray(annotate(picture, [face()]))
    assert boxed.shape == picture.shape
    assert (picture == 128).all()
    assert tuple(boxed[50, 100]) == rgb(EMOTION_COLOURS["happy"])
    assert tuple(boxed[139, 100]) == rgb(EMOTION_COLOURS["happy"])
    assert (boxed[60:130, 70:130] == 128).all(), "the face itself stays visible"
    assert (boxed[200:, 200:] == 128).all()


def test_an_unsure_face_is_grey_and_says_so():
    unsure = face(label=None, confidence=0.3, reason="neutral or mixed")
    boxed = annotate(grey(), [unsure])
    assert has_colour(boxed, NOT_SURE_COLOUR)
    assert not has_colour(boxed, EMOTION_COLOURS["happy"])
    assert describe(unsure) == "not sure"
    assert describe(unsure, reason=True) == "not sure (neutral or mixed)"
    assert describe(face()) == "happy 90%"


def test_numbers_follow_the_order_and_tracked_faces_keep_theirs():
    first, second = face(), face(box=(180, 50, 80, 90))
    tracked = [
        TrackedFace(f.box, f.label, f.confidence, f.probabilities, f.reason, id=7) for f in (first, second)
    ]
    plain = np.asarray(annotate(grey(), [first, second]))
    assert (plain[20:50, 60:140] != plain[20:50, 180:260]).any(), "1 and 2 look different"
    kept = np.asarray(annotate(grey(), tracked))
    assert (kept[20:46, 62:140] == kept[20:46, 182:260]).all(), "both are number 7"


@pytest.mark.parametrize("box", [(0, 0, 320, 240), (-20, -30, 60, 60), (300, 220, 60, 60), (5, 5, 8, 8)])
def test_boxes_at_and_beyond_the_edge_are_drawn(box):
    boxed = annotate(grey(), [face(box=box)])
    assert boxed.size == (320, 240)
    assert has_colour(boxed, EMOTION_COLOURS["happy"])


def test_a_prediction_without_a_box_leaves_the_picture_alone():
    assert (np.asarray(annotate(grey(), [face(box=None)])) == 128).all()


def test_the_selected_face_is_emphasised():
    faces = [face(), face(box=(180, 50, 80, 90))]
    plain, chosen = (np.asarray(annotate(grey(480, 640), faces, selected=index)) for index in (None, 1))
    changed = (plain != chosen).any(axis=(0, 2))
    assert changed[170:270].any()
    assert not changed[:150].any()


def test_bars_stand_below_the_picture_with_lengths_like_the_probabilities():
    sheet = np.asarray(annotate_with_bars(grey(), [face(shares=(0.25, 0.5, 0.25), box=(60, 50, 80, 90))]))
    assert sheet.shape[1] == 320
    assert sheet.shape[0] > 240
    below = sheet[240:]
    lengths = {
        name: (below == rgb(EMOTION_COLOURS[name])).all(axis=2).sum(axis=1).max()
        for name in ("angry", "happy", "sad")
    }
    assert abs(lengths["happy"] - 2 * lengths["angry"]) <= 3
    assert lengths["angry"] == lengths["sad"] > 20


def test_many_faces_get_bars_in_rows_and_none_get_none():
    faces = [face(box=(10 * index, 20, 30, 30)) for index in range(7)]
    assert (
        annotate_with_bars(grey(480, 640), faces).height
        > annotate_with_bars(grey(480, 640), faces[:2]).height
    )
    assert annotate_with_bars(grey(), []).size == (320, 240)
    assert annotate_with_bars(grey(40, 60), [face(box=(5, 5, 20, 20))]).width == 240
