"""What the Photo tab does with a picture, a click and a question, without a server."""

import io
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import gradio.mcp
import numpy as np
import pytest
from PIL import Image

from emotion import EmotionClassifier
from emotion.web import photo
from emotion.web.components import SHOWN_SIDE
from emotion.web.page import build_app
from tests.app_process import EXAMPLES
from tests.web.tabs import given

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.*"))
SEVERAL = next(EXAMPLES.glob("*-several-faces.*"))


@pytest.fixture
def tab(service):
    with gr.Blocks():
        return photo.Photo(service)


def enlarged(path, factor):
    """A picture as a camera of today takes it, as JPEG bytes."""
    image = Image.open(path).convert("RGB")
    large = image.resize((factor * image.width, factor * image.height), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def click(index):
    return SimpleNamespace(index=index)


def test_a_visitor_is_remembered_with_the_picture_at_the_size_that_is_shown(tab):
    picture = enlarged(SEVERAL, 4)
    answer = tab.show_given(None, given(picture))[tab.answer].value
    assert max(answer.picture.shape) == SHOWN_SIDE
    direct = tab.service.classifier.predict(picture)
    direct.sort(key=lambda face: face.box[0])
    assert [face.label for face in answer.faces] == [face.label for face in direct]
    scale = 4 * max(Image.open(SEVERAL).size) / SHOWN_SIDE
    for face, whole in zip(answer.faces, direct, strict=True):
        np.testing.assert_allclose(np.multiply(face.box, scale), whole.box, atol=scale)


def test_the_smallest_face_that_was_clicked_is_selected_in_a_large_picture(tab):
    answer = tab.show_given(None, given(enlarged(SEVERAL, 4)))[tab.answer]
    x, y, width, height = answer.value.faces[1].box
    selected = tab.select_point(answer, click([x + width / 2, y + height / 2]))[tab.answer]
    assert selected.value.selected == 1
    assert tab.answer not in tab.select_point(answer, click([-5, -5]))


def small_in_large():
    """A face of about 60 pixels in a picture of 12 megapixels, which is shown at a third of its size."""
    picture = Image.new("RGB", (4000, 3000), (110, 120, 130))
    picture.paste(Image.open(HAPPY).convert("RGB").resize((256, 256)), (1200, 900))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "picture", [SEVERAL.read_bytes(), small_in_large()], ids=["several", "small in large"]
)
def test_why_explains_the_very_crop_that_was_answered_and_looks_for_none(tab, picture):
    answer = tab.show_given(None, given(picture))[tab.answer].value
    crops = []
    classifier = answer.classifier
    watched = SimpleNamespace(
        **{name: getattr(classifier, name) for name in ("input_size", "channels", "outputs", "labels")},
        temperature=classifier.temperature,
        network=lambda faces: crops.append(faces[0]) or classifier.network(faces),
    )
    shown = tab.explain(tab.service.memory.keep(replace(answer, classifier=watched), 0))
    assert "What counts most for" in shown[tab.reasons]
    best = max(answer.face.probabilities, key=answer.face.probabilities.get)
    again = classifier.predict_faces([crops[0][..., 0].astype(np.uint8)])[0]
    assert again.probabilities[best] == pytest.approx(answer.face.probabilities[best], abs=1e-6)
    assert shown[tab.why] == "Hide the explanation"
    assert tab.explain(None, shown[tab.reasons])[tab.reasons] == ""


def test_a_forgotten_picture_is_explained(tab):
    for shown in (tab.select_card(None, click(0)), tab.select_point(None, click([1, 1])), tab.explain(None)):
        assert "was forgotten" in shown[tab.verdict]


@pytest.mark.parametrize("index", [-1, 99, "0", None, [1], 0.5])
def test_a_program_that_chooses_what_is_not_shown_is_told_so(tab, index):
    answer = tab.show_given(None, given(SEVERAL.read_bytes()))[tab.answer]
    with pytest.raises(gr.Error, match="Choose one"):
        tab.select_card(answer, click(index))
    with pytest.raises(gr.Error, match="Choose one"):
        tab.show_example(None, click(index))
    with pytest.raises(gr.Error, match="Click inside"):
        tab.select_point(answer, click(index))


def test_what_is_no_picture_is_explained_without_the_servers_folders(tab, tmp_path):
    for sources in ([b""], [b"no picture"], []):
        shown = tab.show_given(None, given(*sources))
        assert "That did not work" in shown[tab.verdict]
        assert str(tmp_path) not in shown[tab.verdict]
        assert shown[tab.answer] is None
    with pytest.raises(gr.Error, match="not uploaded here"):
        tab.show_given(None, given(tmp_path / "gone.jpg"))


def test_faces_are_numbered_as_one_reads():
    boxes = [(300, 120, 50, 50), (10, 105, 50, 50), (200, 10, 40, 40), (20, 15, 40, 40)]
    assert photo.reading_order(boxes) == [3, 2, 1, 0]
    assert photo.reading_order([]) == []


@pytest.mark.parametrize(
    ("language", "words"), [("de-AT", "sieht <strong>fröhlich"), ("ja", "喜び</strong>に見えます")]
)
def test_an_answer_comes_in_the_language_of_the_browser(tab, language, words):
    request = SimpleNamespace(headers={"accept-language": f"{language},en;q=0.5"})
    assert words in tab.show_given(None, given(HAPPY.read_bytes()), request)[tab.verdict]


def test_a_picture_is_saved_under_its_own_name(tab):
    assert 'download="2-happy-faces.jpg"' in tab.show_example(None, click(1))[tab.boxed]


def test_programs_are_told_the_labels_of_the_served_model(service):
    labels = ("rage", "joy", "grief")
    described = replace(service.classifier.description, labels=labels)
    described = replace(described, outputs=(*labels, *described.outputs[3:]))
    service.classifier = EmotionClassifier(service.classifier.network, described)
    demo = build_app(service)
    told = demo.get_api_info()["named_endpoints"]["/classify"]["description"]
    assert told.startswith(
        "Find the faces in a picture and say how each one looks: rage, joy, grief, or not sure."
    )
    # What an assistant reads, over MCP.
    server = gr.mcp.GradioMCPServer(demo)
    (block,) = [block for block in demo.fns.values() if block.api_name == "classify"]
    description, arguments = server.get_fn_description(block, "classify")
    assert description.startswith(told)
    assert arguments == {"picture": "The picture to look at, of any usual format and orientation."}
