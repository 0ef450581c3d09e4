"""What the server answers for frames of the Live tab, without a camera."""

import io

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from emotion.errors import EmotionError
from emotion.web.components import SHOWN_SIDE, data_url
from emotion.web.host_model import live_on_device
from emotion.web.live import Live
from emotion.web.photo import Photo
from tests.app_process import EXAMPLES
from tests.web.tabs import wired

pytestmark = pytest.mark.slow

HAPPY = Image.open(next(EXAMPLES.glob("*-happy.*")))


@pytest.fixture
def tab(service):
    with gr.Blocks():
        return Live(service)


def frame(picture, number=7):
    return gr.EventData(None, {"id": number, "picture": picture})


def test_a_frame_is_answered_for_with_what_the_page_needs_to_follow_its_faces(tab):
    told = tab.answer(None, frame(data_url(HAPPY)))
    [face], [look] = told["faces"], told["looks"]
    assert told["id"] == 7
    assert face["label"] == "happy"
    assert sum(face["probabilities"].values()) == pytest.approx(1)
    assert np.linalg.norm(look) == pytest.approx(1, abs=0.01)
    assert told["settings"]["model"]["labels"] == ["angry", "happy", "sad"]


def cut_off():
    buffer = io.BytesIO()
    HAPPY.save(buffer, "JPEG")
    return buffer.getvalue()[:100].hex()


@pytest.mark.parametrize(
    "sent",
    [
        {"id": 1, "picture": ""},
        {"id": 1, "picture": "data:image/jpeg;base64,%%"},
        {"id": 1, "picture": f"data:image/jpeg;base64,{cut_off()}"},
        {"id": 1, "picture": ["data:image/jpeg;base64,AAAA"]},
        {"id": [[]]},
        [3],
        None,
    ],
)
def test_what_is_no_frame_is_explained(tab, sent):
    assert tab.answer(None, gr.EventData(None, sent))["problem"]


def test_a_program_that_sends_a_huge_frame_is_answered_for_a_small_one(tab):
    huge = Image.new("RGB", (4000, 3000))
    huge.paste(HAPPY.resize((3000, 3000)))
    [face] = tab.answer(None, frame(data_url(huge, side=4000)))["faces"]
    assert sum(face["box"][::2]) <= SHOWN_SIDE


def test_a_moment_is_answered_for_in_the_photo_tab(service):
    tab, photo = wired(service, Live, Photo)
    shown = tab.take_over(None, frame(data_url(HAPPY)))
    assert shown[tab.bar]["selected"] == Photo.id
    assert "happy" in shown[photo.verdict]
    assert "picture" in tab.take_over(None, frame("words"))[photo.verdict]


def test_the_host_decides_where_live_runs():
    assert live_on_device({})
    assert live_on_device({"EMOTION_LIVE": "device"})
    assert not live_on_device({"EMOTION_LIVE": "server"})
    with pytest.raises(EmotionError, match="EMOTION_LIVE must be"):
        live_on_device({"EMOTION_LIVE": "off"})
