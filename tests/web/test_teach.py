"""The tab that teaches a visitor's face, without a server: what it keeps, refuses, and says."""

import io
import re
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from emotion import EmotionClassifier
from emotion.teaching.last_layer import FOLDS, Gain
from emotion.web.html.answer import what_is_gained
from emotion.web.service import Limits, Service
from emotion.web.teach import Lesson, Teach
from tests.app_process import EXAMPLES
from tests.web.tabs import given, wired

pytestmark = pytest.mark.slow

# Which example stands for which expression; nobody's neutral face is among them.
SHOWN_BY = {"angry": "angry", "happy": "happy", "sad": "sad", "neutral": "not-sure"}


def snapshot(name, number=0):
    """An example as JPEG bytes, each time in another light, and mirrored every other time."""
    path = next(EXAMPLES.glob(f"*-{SHOWN_BY.get(name, name)}.*"))
    picture = ImageEnhance.Brightness(Image.open(path).convert("RGB")).enhance(1 - 0.05 * number)
    buffer = io.BytesIO()
    (ImageOps.mirror(picture) if number % 2 else picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def page(service):
    (tab,) = wired(service, Teach)
    return tab


def take(pupil, source, shown, kept=None):
    """Press "Take a snapshot" while the camera shows something."""
    return pupil.add(shown, kept, given(source))


@pytest.fixture
def pupil(service):
    return page(service)


@pytest.fixture
def lesson(pupil):
    """As many snapshots of every expression as it takes."""
    lesson = None
    for name in SHOWN_BY:
        for number in range(FOLDS):
            lesson = take(pupil, snapshot(name, number), name, lesson)[pupil.lesson]
    return lesson


def test_of_a_snapshot_only_features_and_a_small_portrait_are_kept(pupil):
    update = take(pupil, snapshot("happy"), "happy")
    (kept,) = update[pupil.lesson].value.samples
    assert kept.shown == "happy"
    assert kept.features.dtype == np.float32
    assert kept.features.nbytes + len(kept.portrait) < 10_000
    assert "1 of 5" in update[pupil.taken]
    assert kept.portrait in update[pupil.taken]


def test_what_is_no_face_is_refused_in_plain_words(pupil):
    wall = io.BytesIO()
    Image.new("RGB", (640, 480), (150, 160, 170)).save(wall, "JPEG")
    for source, words in ((wall.getvalue(), "find a face"), (b"text", "picture")):
        update = take(pupil, source, "happy", None)
        assert words in update[pupil.message]
        assert pupil.lesson not in update or not update[pupil.lesson].value.samples


@pytest.mark.parametrize("shown", ["joy", "", None, ["happy"], {"happy": 1}])
def test_a_program_can_teach_nothing_that_the_page_does_not_offer(pupil, shown):
    update = take(pupil, snapshot("happy"), shown, None)
    assert not update[pupil.lesson].value.samples
    assert "Choose one" in update[pupil.message]


def test_a_click_on_a_snapshot_removes_it(pupil):
    lesson = take(pupil, snapshot("happy"), "happy")[pupil.lesson]
    lesson = take(pupil, snapshot("sad"), "sad", lesson)[pupil.lesson]
    kept = pupil.remove(lesson, SimpleNamespace(index=0))[pupil.lesson]
    assert [each.shown for each in kept.value.samples] == ["sad"]
    with pytest.raises(gr.Error):
        pupil.remove(kept, SimpleNamespace(index=7))


def test_a_visitor_can_fill_the_memory_only_so_far(service):
    pupil = page(Service(service.classifier, examples=EXAMPLES, limits=Limits(snapshots=2)))
    lesson = None
    for number in range(3):
        update = take(pupil, snapshot("happy", number), "happy", lesson)
        lesson = update[pupil.lesson]
    assert len(lesson.value.samples) == 2
    assert "2 snapshots of “happy” are enough" in update[pupil.message]


def test_one_press_may_take_several_snapshots_and_the_meters_tell_how_many(pupil):
    update = pupil.add("happy", None, given(*(snapshot("happy", number) for number in range(3))))
    assert [each.shown for each in update[pupil.lesson].value.samples] == ["happy"] * 3
    assert re.findall(r"width: (\d+)%", update[pupil.taken]) == ["0", "60", "0", "0"]


def test_too_few_snapshots_are_named(pupil):
    lesson = take(pupil, snapshot("happy"), "happy")[pupil.lesson]
    for state in (lesson, None):
        assert "angry, happy, sad, neutral" in pupil.teach(state)[pupil.message]


def test_a_lesson_says_what_it_brought_and_answers_before_and_after(pupil, lesson):
    update = pupil.teach(lesson)
    assert "gain" in update[pupil.result].lower()
    assert "of 20" in update[pupil.result]
    taught = update[pupil.lesson]
    compared = pupil.compare(taught, given(snapshot("happy", 7)))[pupil.compared]
    assert compared.index("Before") < compared.index("After")
    used = pupil.use(taught)
    assert pupil.service.classifier_for(used[pupil.own]) is taught.value.taught
    assert "taught by you" in used[pupil.heading]
    assert "data:application/zip;base64," in pupil.pack(taught)[pupil.link]
    over = pupil.start_over(used[pupil.own])
    assert over[pupil.lesson].value == Lesson()
    assert over[pupil.own] is None
    assert "taught by you" not in over[pupil.heading]
    assert pupil.own not in pupil.start_over(None)
    assert taught.size < 200_000, "no picture and no network of one's own"


def test_what_was_forgotten_is_said(pupil, lesson):
    pupil.service.memory.most = 0
    pupil.service.memory.keep("another visitor's", 1)
    assert "were forgotten" in pupil.teach(lesson)[pupil.message]
    assert "were forgotten" in pupil.remove(lesson, SimpleNamespace(index=0))[pupil.message]
    pupil.service.memory.most = 10**9
    assert "was forgotten" in pupil.compare(lesson, given(snapshot("happy")))[pupil.compared]
    assert "was forgotten" in pupil.use(None)[pupil.link]
    assert "was forgotten" in pupil.pack(None)[pupil.link]
    begun = take(pupil, snapshot("happy"), "happy", lesson)
    assert "were forgotten" in begun[pupil.message]
    assert len(begun[pupil.lesson].value.samples) == 1


def test_a_model_that_cannot_be_taught_says_so_gently(service):
    # As where LiteRT has no wheel: nothing is known of the file that answers.
    service.classifier.folder = None
    update = take(page(service), snapshot("happy"), "happy")
    assert any("cannot be taught" in str(text) for text in update.values())


def test_a_lesson_goes_on_with_the_model_that_it_began_with(pupil, lesson, trained_model):
    """The host may serve another model meanwhile, whose features are others."""
    pupil.service.classifier = EmotionClassifier.from_pretrained(trained_model)
    lesson = take(pupil, snapshot("happy", 8), "happy", lesson)[pupil.lesson]
    taught = pupil.teach(lesson)[pupil.lesson].value.taught
    assert taught.model_name == "embedded default, taught by you"
    begun = take(pupil, snapshot("happy"), "happy")[pupil.lesson]
    assert begun.value.tuner.classifier is pupil.service.classifier
    assert pupil.offer()[pupil.shown]["choices"] == [(name, name) for name in SHOWN_BY]


@pytest.mark.parametrize(
    ("gain", "kept", "words"),
    [
        (Gain(20, 11, 18, (0.1, 0.55)), False, ["knows your face better", "+35 points", "+10 to +55"]),
        (Gain(20, 15, 16, (-0.1, 0.2)), False, ["may be luck", "−10 to +20"]),
        (Gain(20, 15, 15, (-0.12, 0.12)), True, ["No gain:", "stays as it is", "is 0 points"]),
        (Gain(20, 20, 20, (-0.12, 0.12)), False, ["already knew your face", "is 0 points"]),
    ],
)
def test_the_gain_is_said_with_its_uncertainty(gain, kept, words):
    said = what_is_gained(gain, kept=kept)
    assert all(each in said for each in words)
