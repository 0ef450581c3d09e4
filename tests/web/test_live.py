"""What the Live tab makes of frames, without a camera."""

import io

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from emotion.web import live, photo
from emotion.web.components import SHOWN_SIDE
from tests.app_process import EXAMPLES

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.*"))


@pytest.fixture
def tab(session):
    with gr.Blocks():
        return live.Live(live.build(session), session)


def as_jpeg(image):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def test_a_face_keeps_its_number_from_frame_to_frame(tab):
    frame, watching = HAPPY.read_bytes(), None
    for _ in range(3):
        shown = tab.watch(frame, watching, None)
        watching = shown[tab.tab.watching]
        assert "1 happy" in shown[tab.tab.boxes]
    assert shown[tab.tab.chart].count("<polyline") == 3


@pytest.mark.parametrize("frame", [b"", b"no picture", HAPPY.read_bytes()[:100]])
def test_a_frame_that_cannot_be_read_is_explained_and_the_next_one_goes_on(tab, frame):
    watching = tab.watch(HAPPY.read_bytes(), None, None)[tab.tab.watching]
    shown = tab.watch(frame, watching, None)
    assert "That did not work" in shown[tab.tab.answers]
    assert tab.tab.watching not in shown
    assert "1 happy" in tab.watch(HAPPY.read_bytes(), watching, None)[tab.tab.boxes]


def test_a_program_that_sends_a_huge_frame_is_remembered_with_a_small_one(tab):
    frame = as_jpeg(Image.fromarray(np.zeros((3000, 4000, 3), np.uint8)))
    assert max(tab.watch(frame, None, None)[tab.tab.watching].value.frame.shape) <= SHOWN_SIDE


def test_a_snapshot_without_a_camera_is_explained(session):
    with gr.Blocks():
        tabs, photo_tab = gr.Tabs(), photo.build(session)
    snapshot = live.Snapshot(tabs, photo.Photo(photo_tab, session))
    with pytest.raises(gr.Error, match="Turn the camera on"):
        snapshot.show(None, None)
