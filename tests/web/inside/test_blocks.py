"""What the page keeps of a visitor, and what it says when something goes wrong."""

import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from benchmarks.apps import App, Visitor
from emotion.web.inside.queue import FAILED
from emotion.web.inside.requests import MISFIT
from emotion.web.page import build_app, launch
from tests.app_process import EXAMPLES, free_port

pytestmark = pytest.mark.slow

HAPPY = next(EXAMPLES.glob("*-happy.*")).read_bytes()


@pytest.fixture
def page(service, tmp_path, monkeypatch):
    """The page of a service, served from this process."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    blocks = build_app(service)
    port = free_port()
    launch(blocks, service, server_port=port, prevent_thread_lock=True, quiet=True)
    yield blocks, App(port, os.getpid(), 0, tmp_path / "log", tmp_path)
    blocks.close()


def test_a_visitor_s_picture_is_kept_until_the_page_is_closed_and_nowhere_else(page, service):
    blocks, app = page
    visitor = Visitor(app)
    with visitor.page_open():
        assert visitor.show_photo(HAPPY).error is None
        [kept] = blocks.state_holder.session_data.values()
        assert kept.config_values == {}
        assert service.memory.taken > 0
    visitor.close()
    end = time.monotonic() + 60
    while service.memory.taken and time.monotonic() < end:
        time.sleep(0.1)
    assert service.memory.taken == 0


def test_who_leaves_before_the_answer_leaves_nothing(page, service):
    _, app = page
    visitor = Visitor(app)
    with visitor.page_open():
        visitor.begin("photo", HAPPY)
    visitor.close()
    end = time.monotonic() + 60
    while (list(Path(app.uploads).rglob("*.jpg")) or service.memory.taken) and time.monotonic() < end:
        time.sleep(0.1)
    assert not list(Path(app.uploads).rglob("*.jpg"))
    assert service.memory.taken == 0


def test_who_left_before_their_turn_came_leaves_nothing(page, service):
    _, app = page
    visitor = Visitor(app)
    with visitor.page_open():
        assert visitor.show_photo(HAPPY).error is None
    end = time.monotonic() + 60
    while service.memory.taken and time.monotonic() < end:
        time.sleep(0.1)
    assert visitor.show_photo(HAPPY).error is None, "as one that waited in the queue"
    visitor.close()
    assert service.memory.taken == 0


def test_a_mistake_of_ours_is_admitted_and_logged(page, service, caplog, monkeypatch):
    def broken(_):
        raise RuntimeError("a mistake")

    monkeypatch.setattr(service, "open_picture", broken)
    _, app = page
    visitor = Visitor(app)
    assert FAILED in visitor.classify(HAPPY).error
    visitor.close()
    assert "a mistake" in caplog.text


def test_an_event_that_is_the_page_s_own_business_is_refused(page):
    blocks, app = page
    own = next(function for function in blocks.fns.values() if function.fn is None)
    asked = {"data": [None for _ in own.inputs], "fn_index": own._id, "session_hash": "visitor"}
    address = f"http://127.0.0.1:{app.port}/gradio_api/queue"
    request = urllib.request.Request(
        f"{address}/join", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request).close()
    with urllib.request.urlopen(f"{address}/data?session_hash=visitor") as stream:
        said = [json.loads(line[len(b"data: ") :]) for line in stream if line.startswith(b"data: ")]
    assert MISFIT in [message.get("output", {}).get("error") for message in said]
