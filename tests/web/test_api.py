"""The running app without a browser: its API, its MCP tool, and what it leaves on disk."""

import ast
import asyncio
import concurrent.futures
import json
import re
import socket
import urllib.error
import urllib.request

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

from emotion import EmotionClassifier
from emotion.web.components import data_url
from tests.app_process import EXAMPLES, running_app
from tests.web.faces import LABELS

pytestmark = pytest.mark.slow

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


def test_the_api_answers_in_the_documented_form(client):
    answer = classify(client, HAPPY)
    assert set(answer) == {"model", "revision", "faces"}
    assert answer["model"] == "embedded default"
    assert answer["revision"] is None
    (face,) = answer["faces"]
    assert set(face) == {"box", "label", "confidence", "reason", "probabilities"}
    assert face["label"] == "happy"
    assert face["reason"] is None
    assert tuple(face["probabilities"]) == LABELS
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    x, y, width, height = face["box"]
    picture = Image.open(HAPPY)
    assert 0 <= x < x + width <= picture.width
    assert 0 <= y < y + height <= picture.height


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
    (app.uploads / "folder").mkdir(exist_ok=True)
    link = app.uploads / "folder" / "link.jpg"
    link.symlink_to(HAPPY)
    try:
        assert "error" in events(app, "classify", [{"path": str(link)}])
        assert "error" in events(app, "classify", [{"path": f"{app.uploads}/../../../../{HAPPY}"}])
    finally:
        link.unlink()


def test_only_one_endpoint_is_public(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(endpoints) == ["/classify"]


def test_no_picture_stays_on_disk(client, app):
    classify(client, HAPPY)
    assert app.files_on_disk() == []


def begin_upload(app, *, length=1_000_000, field="files"):
    """Send the beginning of an upload; return the connection."""
    line = socket.create_connection(("127.0.0.1", int(app.url.rpartition(":")[2])))
    part = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.jpg"\r\n\r\n'.encode()
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    line.sendall(head.encode() + part + HAPPY.read_bytes())
    return line


def test_an_upload_that_breaks_off_leaves_nothing(app):
    line = begin_upload(app)
    while not any(app.temporary.rglob("tmp*")):
        pass
    line.close()
    assert app.files_on_disk() == []


def test_an_upload_under_another_name_leaves_nothing(app):
    end = b"\r\n--b--\r\n"
    part = len(b'--b\r\nContent-Disposition: form-data; name="other"; filename="a.jpg"\r\n\r\n')
    line = begin_upload(app, length=part + HAPPY.stat().st_size + len(end), field="other")
    line.sendall(end)
    assert line.recv(1000).startswith(b"HTTP/1.1 200")
    line.close()
    assert app.files_on_disk() == []


@pytest.mark.parametrize(
    ("endpoint", "data"),
    [
        ("classify", [{"path": "x", "meta": {"_type": "gradio.FileData"}}]),
        ("classify", [{"url": 5, "path": ["\0"]}]),
        ("classify", ["picture.jpg"]),
        ("classify", []),
    ],
)
def test_an_odd_request_is_told_what_is_wrong_and_leaves_no_traceback(app, endpoint, data):
    said = events(app, endpoint, data)
    assert "does not have the form that this app takes" in said or "was not uploaded here" in said
    assert "Traceback" not in app.log.read_text()


def test_a_session_whose_name_no_page_can_have_leaves_no_traceback(app):
    request = urllib.request.Request(
        f"{app.url}/gradio_api/call/classify",
        json.dumps({"data": [None], "session_hash": "\ud800"}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/classify/{event}", timeout=30) as stream:
        assert "There is no picture" in stream.read().decode()
    assert "Traceback" not in app.log.read_text()


@pytest.mark.parametrize(
    ("address", "body"),
    [("call/nothing", {"data": []}), ("call/v2/classify", {"data": 1}), ("upload?upload_id=x", 3)],
)
def test_an_address_that_is_none_is_answered_in_words_and_leaves_no_traceback(app, address, body):
    request = urllib.request.Request(
        f"{app.url}/gradio_api/{address}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 400
    assert json.load(refused.value)["detail"]
    assert "Traceback" not in app.log.read_text()


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
            streamable_http_client(f"{app.url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            answer = await session.call_tool(tools[0].name, {"picture": data_url(Image.open(HAPPY))})
            return tools, answer

    tools, answer = asyncio.run(call())
    assert len(tools) == 1
    assert "classify" in tools[0].name
    assert "happy" in tools[0].description
    assert "not sure" in tools[0].description
    assert not answer.isError
    said = ast.literal_eval(answer.content[0].text)  # Gradio hands a dict on as Python writes it
    assert said["faces"][0]["label"] == "happy"
    assert said["model"] == "embedded default"
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


def test_a_model_that_cannot_be_loaded_is_replaced_with_a_visible_notice(tmp_path):
    with running_app(tmp_path, EMOTION_MODEL="nobody/nothing@v1") as app:
        client = Client(app.url, verbose=False)
        assert classify(client, HAPPY)["model"] == "embedded default"
        client.close()
        with urllib.request.urlopen(f"{app.url}/config") as response:
            config = response.read().decode()
    assert "nobody/nothing" in config
    assert "em-notice" in config
