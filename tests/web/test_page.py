"""The app under load and without what serving does not need."""

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError
from PIL import Image

from emotion.web.components import data_url
from emotion.web.middleware import BUSY
from emotion.web.page import build_app, launch
from emotion.web.resources import usable_processors
from emotion.web.session import Limits, Session
from tests.app_process import EXAMPLES, ROOT, free_port

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.*"))


@pytest.mark.parametrize("module", ["emotion.web.page", "app"])
def test_an_import_loads_no_model_and_nothing_that_draws_trains_or_reads_clips(module):
    code = f"""
import sys, {module}
from emotion.model.classifier import EmotionClassifier
print(sorted({{"av", "matplotlib", "keras", "tensorflow"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def crowded(session, tmp_path, monkeypatch):
    """An app that looks at pictures as long as it must, with room for two more to wait per processor."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    go_on = threading.Event()
    slow = SimpleNamespace(
        **{
            name: getattr(session.classifier, name)
            for name in ("labels", "outputs", "threshold", "report", "card")
        },
        **dict.fromkeys(("model_name", "revision", "notice"), "slow"),
        predict=lambda _: [] if go_on.wait(60) else None,
    )
    app = build_app(Session(slow, examples=EXAMPLES, limits=Limits(waiting_per_processor=2)))
    port = free_port()
    launch(app, Session(slow, examples=EXAMPLES), server_port=port, prevent_thread_lock=True, quiet=True)
    yield SimpleNamespace(port=port, url=f"http://127.0.0.1:{port}", go_on=go_on, page=app)
    go_on.set()
    app.close()


def ask(app):
    """Ask for an answer; return the status and what was said."""
    line = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    picture = {"url": data_url(Image.new("RGB", (64, 64))), "path": None}
    line.request(
        "POST",
        "/gradio_api/call/classify",
        json.dumps({"data": [picture]}),
        {"Content-Type": "application/json"},
    )
    response = line.getresponse()
    said = json.loads(response.read())
    line.close()
    return response.status, said


def test_beyond_its_capacity_the_app_says_that_it_is_busy(crowded):
    processors = usable_processors()
    with ThreadPoolExecutor(20) as people:
        told = list(people.map(lambda _: ask(crowded), range(20)))
    busy = [each for each in told if each[0] == 503]
    assert 20 - 3 * processors <= len(busy) < 20
    assert {said["detail"] for _, said in busy} == {BUSY}
    assert {status for status, _ in told} == {200, 503}
    client = Client(crowded.url, verbose=False)
    with pytest.raises(QueueError, match="try again"):
        client.predict(handle_file(HAPPY), api_name="/classify")
    client.close()
    crowded.go_on.set()


def test_nobody_gets_past_the_queue(crowded):
    line = http.client.HTTPConnection("127.0.0.1", crowded.port, timeout=60)
    line.request("POST", "/gradio_api/run/classify", '{"data": [null]}', {"Content-Type": "application/json"})
    assert line.getresponse().status == 404
    line.close()


def test_calls_of_programs_are_forgotten_once_they_are_answered_and_visitors_are_not(crowded):
    crowded.go_on.set()
    visitor = Client(crowded.url, verbose=False)
    visitor.predict(handle_file(HAPPY), api_name="/classify")
    for _ in range(3):
        event = ask(crowded)[1]["event_id"]
        with urllib.request.urlopen(f"{crowded.url}/gradio_api/call/classify/{event}") as answer:
            assert "event: complete" in answer.read().decode()
    deadline = time.monotonic() + 20
    while set(crowded.page.state_holder.session_data) != {visitor.session_hash}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    visitor.close()


def test_a_request_that_grows_too_large_is_refused(crowded):
    line = http.client.HTTPConnection("127.0.0.1", crowded.port, timeout=60)
    line.putrequest("POST", "/gradio_api/call/classify")
    line.putheader("Content-Type", "application/json")
    line.putheader("Transfer-Encoding", "chunked")
    line.endheaders()
    chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    with contextlib.suppress(OSError):
        for _ in range(100):
            line.send(chunk)
        pytest.fail("100 MB were taken")
    response = line.getresponse()
    assert response.status == 413
    assert "too large" in response.read().decode()
    line.close()
