"""The running app without a browser: its API, its MCP tool, what it leaves on disk, and the text of its page."""

import ast
import asyncio
import concurrent.futures
import csv
import io
import json
import re
import urllib.error
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from PIL import Image

from emotion import EmotionClassifier
from emotion.predictions.face import FacePrediction
from emotion.report.report import Report
from emotion.video.tracking import Moment, Timeline, TrackedFace
from emotion.web import page
from emotion.web.components import Uploads, data_url
from tests.app_process import EXAMPLES, running_app

LABELS = ("angry", "happy", "sad")
HAPPY = next(EXAMPLES.glob("*-happy.*"))
NO_FACE = next(EXAMPLES.glob("*-no-face.*"))


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    with running_app(tmp_path_factory.mktemp("app")) as running:
        yield running


@pytest.fixture
def client(app):
    client = Client(app.url, verbose=False)
    yield client
    client.close()


@pytest.fixture
def own_app(monkeypatch):
    """The module `app` in this process, for what no client can see."""
    monkeypatch.delenv("EMOTION_MODEL", raising=False)
    import app

    return app


def events(app, endpoint, data):
    """Call an endpoint as any program may, without Gradio's client, and return what the server streams."""
    request = urllib.request.Request(
        f"{app.url}/gradio_api/call/{endpoint}",
        json.dumps({"data": data}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            event = json.load(response)["event_id"]
    except urllib.error.HTTPError as error:
        return f"error {error.code}"
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/{endpoint}/{event}", timeout=30) as stream:
        return stream.read().decode()


def classify(client, path):
    return client.predict(handle_file(str(path)), api_name="/classify")


# --- API -----------------------------------------------------------------------------------------------------------


def test_the_api_answers_in_the_documented_form(client):
    answer = classify(client, HAPPY)
    assert set(answer) == {"model", "revision", "faces"}
    assert answer["model"] == "embedded default" and answer["revision"] is None
    (face,) = answer["faces"]
    assert set(face) == {"box", "label", "confidence", "reason", "probabilities"}
    assert face["label"] == "happy" and face["reason"] is None
    assert tuple(face["probabilities"]) == LABELS
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    x, y, width, height = face["box"]
    picture = Image.open(HAPPY)
    assert 0 <= x < x + width <= picture.width and 0 <= y < y + height <= picture.height


def test_the_api_gives_the_answer_of_the_python_package(client):
    direct = EmotionClassifier.from_pretrained().predict(HAPPY)
    assert classify(client, HAPPY)["faces"] == json.loads(json.dumps([face.to_dict() for face in direct]))


def test_a_picture_without_a_face_gives_an_empty_list(client):
    assert classify(client, NO_FACE)["faces"] == []


def test_a_sideways_picture_with_its_exif_tag_gets_the_same_label(client, tmp_path):
    turned = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    Image.open(HAPPY).convert("RGB").rotate(90, expand=True).save(turned, quality=95, exif=exif)
    assert [face["label"] for face in classify(client, turned)["faces"]] == ["happy"]


def test_what_is_no_picture_is_refused_in_plain_words(client, app, tmp_path):
    text = tmp_path / "portrait.jpg"
    text.write_text("not a picture")
    with pytest.raises(AppError, match=r"The file is not a picture that can be read\. Use JPEG"):
        classify(client, text)
    assert app.files_on_disk() == []


@pytest.mark.parametrize(
    "payload",
    [
        {"path": str(HAPPY)},
        {"path": str(HAPPY), "meta": {"_type": "gradio.FileData"}},
        {"path": str(HAPPY), "url": None, "orig_name": "mine.jpg"},
        {"path": f"/proc/self/root{HAPPY}"},
        {"path": "\0"},
    ],
)
def test_a_request_can_name_no_file_of_the_server(app, payload):
    assert "error" in events(app, "classify", [payload])


def test_a_way_out_of_the_upload_folder_is_none(app):
    (app.temporary / "folder").mkdir(exist_ok=True)
    link = app.temporary / "folder" / "link.jpg"
    link.symlink_to(HAPPY)
    try:
        assert "error" in events(app, "classify", [{"path": str(link)}])
        assert "error" in events(app, "classify", [{"path": f"{app.temporary}/../../../{HAPPY}"}])
    finally:
        link.unlink()


def test_only_one_endpoint_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(endpoints) == ["/classify"]


def test_no_picture_stays_on_disk(client, app):
    classify(client, HAPPY)
    assert app.files_on_disk() == []


def test_people_who_send_the_same_picture_at_once_all_get_an_answer(app):
    def visit(_):
        visitor = Client(app.url, verbose=False)
        try:
            return [classify(visitor, HAPPY)["faces"][0]["label"] for _ in range(3)]
        finally:
            visitor.close()

    with concurrent.futures.ThreadPoolExecutor(6) as people:
        assert list(people.map(visit, range(6))) == [["happy"] * 3] * 6
    assert app.files_on_disk() == []


def test_the_mcp_tool_classifies(app):
    async def call():
        async with (
            streamablehttp_client(f"{app.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            answer = await session.call_tool(tools[0].name, {"picture": data_url(Image.open(HAPPY))})
            return tools, answer

    tools, answer = asyncio.run(call())
    assert len(tools) == 1 and "classify" in tools[0].name
    assert "happy" in tools[0].description and "not sure" in tools[0].description
    assert not answer.isError
    said = ast.literal_eval(answer.content[0].text)  # Gradio hands a dict on as Python writes it
    assert said["faces"][0]["label"] == "happy" and said["model"] == "embedded default"
    assert app.files_on_disk() == []


def test_the_page_asks_no_other_machine_for_anything(app):
    with urllib.request.urlopen(app.url) as response:
        html = response.read().decode()
    with urllib.request.urlopen(f"{app.url}/theme.css") as response:
        css = response.read().decode()
    loaded = re.findall(r"""(?:src|href)="(https?:)?//([^/"]+)""", html) + re.findall(
        r"url\(\W?(https?:)", css
    )
    assert [host for host in loaded if "127.0.0.1" not in host] == []


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_replaced_with_a_visible_notice(tmp_path):
    with running_app(tmp_path, EMOTION_MODEL="nobody/nothing@v1") as app:
        client = Client(app.url, verbose=False)
        assert classify(client, HAPPY)["model"] == "embedded default"
        client.close()
        with urllib.request.urlopen(f"{app.url}/config") as response:
            config = response.read().decode()
    assert "nobody/nothing" in config and "em-notice" in config


# --- Uploads -------------------------------------------------------------------------------------------------------


@pytest.fixture
def upload(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    path = tmp_path / "gradio" / "hash" / "picture.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pixels")
    return path


def test_an_upload_is_deleted_with_its_folder(upload):
    with Uploads().using(upload):
        assert upload.exists()
    assert not upload.parent.exists()


def test_an_upload_is_deleted_when_the_request_fails(upload):
    with pytest.raises(ValueError, match="broken"), Uploads().using(upload):
        raise ValueError("broken")
    assert not upload.exists()


def test_a_shared_upload_lives_until_its_last_request_ends(upload):
    uploads = Uploads()
    uploads.add([str(upload)])
    uploads.add([str(upload)])
    uploads.release(upload)
    assert upload.exists()
    uploads.release(upload)
    assert not upload.exists()


def test_files_outside_the_upload_folder_are_never_deleted(upload, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes(b"pixels")
    escaping = upload.parent / ".." / ".." / "mine.png"
    with Uploads().using(mine, str(escaping), b"bytes", None):
        pass
    assert mine.exists()


# --- Another model for one visitor ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "embedded",
        "emotion/pretrained",
        "tests/__init__.py",
        "../x/y",
        "/etc/passwd",
        "a/b/c",
        "a/b@",
        "~/x",
    ],
)
def test_visitors_cannot_open_folders_of_the_server(own_app, reference):
    shown = own_app.try_model(reference)
    assert list(shown) == [own_app.model_words]
    assert "owner/name" in shown[own_app.model_words]


def test_a_visitors_model_from_the_hub_is_loaded_without_the_servers_token(own_app, hub, trained_model):
    hub.sign_in()
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/public")
    EmotionClassifier.from_pretrained(trained_model).push_to_hub("user/secret", private=True)
    shown = own_app.try_model("user/public")
    assert shown[own_app.own_model].model_name == "user/public"
    assert "user/public" in shown[own_app.title] and "Only you" in shown[own_app.model_words]
    assert own_app.CLASSIFIER.model_name == "embedded default"
    assert list(own_app.try_model("user/secret")) == [own_app.model_words]
    assert own_app.use_default_model()[own_app.own_model] is None


# --- The text of the page ------------------------------------------------------------------------------------------


def face(label="happy", reason=None, box=(1, 2, 3, 4)):
    return FacePrediction(box, label, 0.8, {"angry": 0.1, "happy": 0.8, "sad": 0.1}, reason)


def test_the_answer_is_in_words_and_never_by_colour_alone():
    sure = page.verdict(face(), 1, 2, "data:,")
    assert "Face 1 of 2" in sure and "happy" in sure and "80% sure" in sure
    unsure = page.verdict(face(None, "neutral or mixed"), 1, 1, "data:,")
    assert "not sure" in unsure and "neutral" in unsure
    assert "Half covered." in page.verdict(face(None, "half covered"), 1, 1, "data:,")


def test_cards_are_buttons_that_say_which_one_is_pressed():
    html = page.face_cards([face(), face(None, "too small")], ["data:,a", "data:,b"], 1)
    assert re.findall(r'aria-pressed="(\w+)"', html) == ["false", "true"]
    assert html.count("<button") == 2 and "not sure" in html
    assert page.face_cards([face()], ["data:,a"], 0) == ""


def test_bars_keep_the_order_of_the_labels():
    assert re.findall(r"<span>(angry|happy|sad)</span>", page.bars(face().probabilities)) == list(LABELS)


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
    texts = [
        page.header(model),
        page.problem(evil),
        page.many_summary(1, 1, [(evil, evil)]),
        page.model_summary(SimpleNamespace(**{**vars(model), "report": Report.from_dict(report)})),
        page.bars({evil: 1.0}),
        page.verdict(FacePrediction((0, 0, 1, 1), evil, 0.8, {evil: 1.0}, evil), 1, 1, "data:,"),
        page.card_text(evil),
    ]
    assert not any("<img src=x" in text for text in texts)


def test_a_card_loses_its_metadata_and_pictures_but_keeps_its_words():
    card = (
        "---\nlicense: mit\n---\n# Title\n![plot](https://elsewhere/x.png) text\n\n![b][c]\n<b>bold</b> a < b\n"
        "<details>\n<summary>More</summary>\nfolded\n</details>\n<details ontoggle=evil()>"
    )
    shown = page.card_text(card)
    assert "license" not in shown and "elsewhere" not in shown and "<b>" not in shown
    assert "# Title" in shown and "text" in shown and "bold" in shown
    assert "<details>" in shown and "<summary>More" in shown and "evil" not in shown
    assert "without a card" in page.card_text(None)


@pytest.mark.parametrize(
    "hidden",
    [
        "![x]\n\n[x]: https://elsewhere/x.png",
        "!![a](b)[x](c)",
        "!![![a](b)c](d)",
        "![a[b]c](d)",
        "![a](b(c)d)",
        "<<b>img src=c>",
    ],
)
def test_no_writing_makes_a_card_fetch_a_picture(hidden):
    shown = page.card_text(hidden)
    assert "![" not in shown and "<img" not in shown


def test_a_section_of_nothing_but_pictures_is_not_shown_empty():
    card = (
        "## Plots\n\n![a](a.png)\n\n![b](b.png)\n\n## Use\n\n![c](c.png) for teaching\n\n## More\n![d](d.png)"
    )
    assert page.card_text(card).split() == ["##", "Use", "for", "teaching"]


def test_the_report_of_the_embedded_model_is_shown():
    classifier = EmotionClassifier.from_pretrained()
    html = page.model_summary(classifier)
    assert f"{classifier.report.accuracy.value:.1%}" in html
    assert "<table" in html and "Calibration" in html and "Limits" in html
    assert all(label in html for label in classifier.labels)


def test_a_report_with_gaps_shows_what_is_there():
    classifier = SimpleNamespace(
        labels=LABELS, threshold=0.5, report=Report.from_dict({"accuracy": None, "macro_f1": 0.5})
    )
    html = page.model_summary(classifier)
    assert "50.0%" in html and "None" not in html and "nan" not in html
    assert "without a report" in page.model_summary(SimpleNamespace(labels=LABELS, report=None))


@pytest.mark.parametrize(
    "report",
    [
        ["accuracy"],
        {"accuracy": "high"},
        {"accuracy": {"interval": ["a", "b"]}},
        {"confusion_matrix": {"labels": LABELS, "counts": [["many"]]}},
        {"calibration": {"bins": [{"faces": 500}]}},
        {"per_class": {"sad": {"support": float("inf")}}},
    ],
)
def test_a_report_that_makes_no_sense_says_so(report):
    classifier = SimpleNamespace(labels=LABELS, threshold=0.5, report=Report.from_dict(report))
    assert "report of this model cannot be read" in page.model_summary(classifier)


def test_the_csv_holds_one_line_per_face_and_defuses_formulas():
    rows = [("a.jpg", [face(), face(None, "too small")]), ("=cmd().jpg", []), ("b, c.jpg", [face(box=None)])]
    lines = list(csv.DictReader(io.StringIO(page.predictions_csv(rows, LABELS))))
    assert [line["picture"] for line in lines] == ["a.jpg", "a.jpg", "'=cmd().jpg", "b, c.jpg"]
    assert [line["face"] for line in lines] == ["1", "2", "0", "1"]
    assert (
        lines[0]["label"] == "happy" and lines[1]["reason"] == "too small" and lines[2]["reason"] == "no face"
    )
    assert float(lines[0]["happy"]) == 0.8 and lines[0]["width"] == "3"


def timeline(faces, seconds):
    shown = {"angry": 0.2, "happy": 0.5, "sad": 0.3}
    return Timeline(
        LABELS,
        tuple(
            Moment(float(second), TrackedFace(number, (0, 0, 9, 9), shown, 0.5, "happy", None))
            for second in range(seconds)
            for number in range(1, faces + 1)
        ),
    )


def test_the_timeline_shows_the_last_seconds_with_lines_that_differ_by_more_than_colour():
    html = page.timeline_chart(timeline(1, 60), seconds=30)
    assert html.count("<polyline") == 3 and "30 s ago" in html
    assert len(set(re.findall(r'<polyline[^>]*stroke-dasharray="([^"]+)"', html))) == 3
    x, y = zip(
        *(map(float, point.split(",")) for point in re.search('points="([^"]+)"', html)[1].split()),
        strict=True,
    )
    assert x[0] == 0 and x[-1] == 100 and set(y) == {80.0}
    assert 'aria-label="Face 1 over time, mostly happy"' in html


def test_the_timeline_names_faces_that_get_no_chart():
    html = page.timeline_chart(timeline(5, 4), most_faces=2)
    assert html.count('<svg viewBox="0 0 100 100"') == 2 and "3 more faces" in html
    assert page.timeline_chart(Timeline(LABELS)) == ""


def test_boxes_over_the_camera_are_placed_in_percent():
    tracked = TrackedFace(4, (64, 48, 160, 120), {"happy": 1.0}, 0.9, "happy", None)
    html = page.live_overlay([tracked], (640, 480))
    assert "left: 10.0%; top: 10.0%; width: 25.0%; height: 25.0%" in html and "4 happy 90%" in html


def test_shown_pictures_are_reduced():
    import base64

    encoded = data_url(np.zeros((3000, 1500, 3), np.uint8))
    shown = Image.open(io.BytesIO(base64.b64decode(encoded.partition(",")[2])))
    assert shown.size == (640, 1280)
