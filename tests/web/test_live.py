"""What the Live tab makes of frames, without a camera."""

import io

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from emotion.web.components import SHOWN_SIDE
from emotion.web.live import Live
from emotion.web.photo import Photo
from tests.app_process import EXAMPLES
from tests.web.tabs import wired

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.*"))


@pytest.fixture
def tab(service):
    with gr.Blocks():
        return Live(service)


def as_jpeg(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def test_a_face_keeps_its_number_from_frame_to_frame(tab):
    frame, watching = HAPPY.read_bytes(), None
    for _ in range(3):
        shown = tab.watch(frame, watching, None)
        watching = shown[tab.watching]
        assert "1 happy" in shown[tab.boxes]
    assert shown[tab.chart].count("<polyline") == 3


@pytest.mark.parametrize("frame", [b"", b"no picture", HAPPY.read_bytes()[:100]])
def test_a_frame_that_cannot_be_read_is_explained_and_the_next_one_goes_on(tab, frame):
    watching = tab.watch(HAPPY.read_bytes(), None, None)[tab.watching]
    shown = tab.watch(frame, watching, None)
    assert "That did not work" in shown[tab.answers]
    assert tab.watching not in shown
    assert "1 happy" in tab.watch(HAPPY.read_bytes(), watching, None)[tab.boxes]


def test_a_program_that_sends_a_huge_frame_is_remembered_with_a_small_one(tab):
    frame = as_jpeg(Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)))
    assert max(tab.watch(frame, None, None)[tab.watching].value.frame.shape) <= SHOWN_SIDE


def test_a_snapshot_without_a_camera_is_explained(service):
    tab, _ = wired(service, Live, Photo)
    with pytest.raises(gr.Error, match="Turn the camera on"):
        tab.take_over(None, None)


def test_a_snapshot_is_answered_for_in_the_photo_tab(service):
    tab, photo = wired(service, Live, Photo)
    watching = tab.watch(HAPPY.read_bytes(), None, None)[tab.watching]
    shown = tab.take_over(watching, None)
    assert shown[tab.bar]["selected"] == Photo.id
    assert "happy" in shown[photo.verdict]
