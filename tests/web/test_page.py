"""The app under load and without what serving does not need."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import QueueError
from PIL import Image

from benchmarks.apps import App, Visitor
from emotion.web.components import data_url
from emotion.web.health import main as check_health
from emotion.web.inside import queue
from emotion.web.page import build_app, launch
from emotion.web.process import usable_processors
from emotion.web.service import Limits, Service
from tests.app_process import EXAMPLES, ROOT, free_port

pytestmark = pytest.mark.slow

# Visitors whom the app remembers.
SESSIONS = 3

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
def crowded(service, tmp_path, monkeypatch):
    """An app that looks at pictures as long as it must, with room for two more to wait per processor."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    go_on = threading.Event()
    slow = SimpleNamespace(
        **{
            name: getattr(service.classifier, name)
            for name in ("labels", "outputs", "threshold", "report", "card", "folder")
        },
        **dict.fromkeys(("model_name", "revision", "notice"), "slow"),
        predict=lambda _: [] if go_on.wait(300) else None,
    )
    limits = Limits(waiting_per_processor=2, sessions=SESSIONS)
    service = Service(slow, examples=EXAMPLES, limits=limits)
    app = build_app(service)
    port = free_port()
    launch(app, service, server_port=port, prevent_thread_lock=True, quiet=True)
    yield SimpleNamespace(port=port, url=f"http://127.0.0.1:{port}", go_on=go_on, page=app)
    go_on.set()
    app.close()


def post(app, address, body, **headers):
    """Send JSON; return the status and what was said."""
    line = http.client.HTTPConnection("127.0.0.1", app.port, timeout=60)
    headers = {"Content-Type": "application/json", **headers}
    line.request("POST", f"/gradio_api/{address}", json.dumps(body), headers)
    response = line.getresponse()
    said = json.loads(response.read())
    line.close()
    return response.status, said


def ask(app):
    """Ask for an answer; return the status and what was said."""
    return post(app, "call/classify", {"data": [{"url": data_url(Image.new("RGB", (64, 64))), "path": None}]})


def visitor_asks(app, data):
    body = json.dumps({"data": [data]}).encode()
    address = f"{app.url}/gradio_api/call/classify"
    urllib.request.urlopen(urllib.request.Request(address, body, {"Content-Type": "application/json"}))


def answer(app, event):
    """Return what a program is told that asked."""
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/classify/{event}", timeout=60) as stream:
        return stream.read().decode()


def health(app):
    with urllib.request.urlopen(f"{app.url}/health") as response:
        return response.status


def test_beyond_its_capacity_the_app_says_that_it_is_busy(crowded):
    processors = usable_processors()
    with ThreadPoolExecutor(20) as people:
        told = list(people.map(lambda _: ask(crowded), range(20)))
    busy = [each for each in told if each[0] == 503]
    assert 20 - 3 * processors <= len(busy) < 20
    assert {said["detail"] for _, said in busy} == {queue.BUSY}
    assert {status for status, _ in told} == {200, 503}
    client = Client(crowded.url, verbose=False)
    with pytest.raises(QueueError, match="try again"):
        client.predict(handle_file(HAPPY), api_name="/classify")
    client.close()
    crowded.go_on.set()


def test_who_finds_the_queue_full_is_told_when_to_come_back_and_leaves_no_file(crowded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    visitor = Visitor(App(crowded.port, os.getpid(), 0, folder / "log", folder))
    mine = folder / "mine.png"
    mine.write_bytes(b"pixels")
    uploads = [Path(visitor.upload(HAPPY.read_bytes())) for _ in range(2)]
    while ask(crowded)[0] == 200:
        pass
    named = [{"path": str(uploads[0])}, [{"path": str(mine)}], {"path": "\0"}, None, {"deep": {"path": 3}}]
    with pytest.raises(urllib.error.HTTPError) as refused:
        visitor_asks(crowded, named)
    assert refused.value.code == 503
    assert refused.value.headers["Retry-After"]
    assert not uploads[0].exists()
    assert uploads[1].exists()
    assert mine.exists()
    visitor.close()


def test_nobody_gets_past_the_queue(crowded):
    line = http.client.HTTPConnection("127.0.0.1", crowded.port, timeout=60)
    line.request("POST", "/gradio_api/run/classify", '{"data": [null]}', {"Content-Type": "application/json"})
    assert line.getresponse().status == 404
    line.close()


def test_programs_cost_no_visitor_what_the_page_remembers(crowded):
    crowded.go_on.set()
    visitor = Client(crowded.url, verbose=False)
    visitor.predict(handle_file(HAPPY), api_name="/classify")
    for _ in range(SESSIONS + 2):
        assert answer(crowded, ask(crowded)[1]["event_id"]).startswith("event: complete")
    sessions = crowded.page.state_holder.session_data
    assert visitor.session_hash in sessions
    assert len(sessions) == SESSIONS
    visitor.close()


@pytest.mark.parametrize("address", ["nothing/call/x", "call/x", "call/classify"])
def test_who_reads_another_visitor_s_answers_stops_nobody(crowded, address):
    mine = [ask(crowded)[1]["event_id"] for _ in range(2 * usable_processors())]
    line = http.client.HTTPConnection("127.0.0.1", crowded.port, timeout=60)
    line.request("GET", f"/gradio_api/{address}/{mine[-1]}")
    line.getresponse().close()
    line.close()
    crowded.go_on.set()
    assert answer(crowded, mine[0]).startswith("event: complete")
    assert answer(crowded, ask(crowded)[1]["event_id"]).startswith("event: complete")
    assert health(crowded) == 200


def test_many_who_come_and_go_stop_nobody_who_waits(crowded, monkeypatch):
    monkeypatch.setattr(queue, "IDLE_SESSIONS", 5)
    waiting = [ask(crowded)[1]["event_id"] for _ in range(2 * usable_processors())]
    quick = next(each._id for each in crowded.page.fns.values() if each.fn and each.queue and not each.inputs)
    deadline = time.monotonic() + 30
    for number in range(20):
        post(crowded, "queue/join", {"data": [], "fn_index": quick, "session_hash": f"visitor {number}"})
        while len(crowded.page._queue.event_ids_to_events) > len(waiting):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert len(crowded.page._queue.pending_messages_per_session) <= 5 + len(waiting)
    assert len(crowded.page._queue.pending_event_ids_session) <= 5 + len(waiting)
    crowded.go_on.set()
    assert {answer(crowded, event).partition("\n")[0] for event in waiting} == {"event: complete"}


def test_a_queue_that_breaks_off_starts_again_and_who_was_asking_is_told(crowded, monkeypatch):
    asked = ask(crowded)[1]["event_id"]
    events = crowded.page._queue
    deadline = time.monotonic() + 30
    while not any(events.active_jobs):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    def broken():
        monkeypatch.undo()
        raise KeyError("a session")

    monkeypatch.setattr(events, "get_events", broken)
    later = ask(crowded)[1]["event_id"]
    assert queue.FAILED in answer(crowded, asked)
    crowded.go_on.set()
    assert answer(crowded, later).startswith("event: complete")
    assert health(crowded) == 200


def test_the_health_check_asks_the_queue(crowded, monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_SERVER_PORT", str(crowded.port))
    assert check_health() == 0
    monkeypatch.setattr(queue, "STALLED_AFTER", 0.5)
    events = crowded.page._queue
    # Its loop ends, and nothing else tells that it has.
    events.stopped = True
    time.sleep(1)
    events.stopped = False
    assert check_health() == 1
    assert "stopped answering" in capsys.readouterr().err
    with urllib.request.urlopen(crowded.url) as page:
        assert page.status == 200


def test_what_waits_takes_a_limited_amount_of_memory(crowded, monkeypatch):
    monkeypatch.setattr(queue, "MOST_HELD", 100_000)
    assert ask(crowded)[0] == 200
    assert post(crowded, "call/classify", {"data": [{"url": "x" * 60_000, "path": None}]})[0] == 503
    assert ask(crowded)[0] == 200


def joins(app, session, function, **headers):
    """Ask as a page does; return the status and what was said."""
    picture = {"url": data_url(Image.new("RGB", (64, 64))), "path": None}
    states = [None] * (len(app.page.fns[function].inputs) - 1)
    body = {"data": [picture, *states], "fn_index": function, "session_hash": session}
    return post(app, "queue/join", body, **headers)


def test_one_visitor_has_a_few_places_and_others_go_before_their_second(crowded, monkeypatch):
    monkeypatch.setattr(crowded.page.steady_queue, "most_waiting", 1000)
    classify = next(each._id for each in crowded.page.fns.values() if each.api_name == "classify")
    many = [joins(crowded, "many", classify) for _ in range(queue.MOST_OF_ONE + 3)]
    assert [status for status, _ in many] == [200] * queue.MOST_OF_ONE + [503] * 3
    assert "not answered yet" in many[-1][1]["detail"]
    german = joins(crowded, "many", classify, **{"Accept-Language": "de-AT"})
    assert "noch nicht beantwortet" in german[1]["detail"]
    few = [joins(crowded, each, classify) for each in ("first", "second", "first")]
    assert [status for status, _ in few] == [200] * 3
    [waiting] = [
        each.queue for each in crowded.page._queue.event_queue_per_concurrency_id.values() if each.queue
    ]
    sessions = [event.session_hash for event in waiting]
    running = usable_processors()
    # Those of "many" that run or wait before the others count as turns that they had.
    assert sessions[:3] == ["first", "second", "first"] or running < 2
    assert sorted(sessions) == sorted([*["many"] * (queue.MOST_OF_ONE - running), "first", "first", "second"])


def test_one_kind_of_request_that_waits_keeps_no_other_out(crowded):
    while ask(crowded)[0] == 200:
        pass
    quick = next(each._id for each in crowded.page.fns.values() if each.fn and each.queue and not each.inputs)
    assert post(crowded, "queue/join", {"data": [], "fn_index": quick, "session_hash": "other"})[0] == 200


def test_one_visitor_has_two_cameras_of_all_tabs_together(crowded):
    cameras = [each._id for each in crowded.page.fns.values() if each.concurrency_id == queue.CAMERAS]
    assert cameras
    told = [joins(crowded, "a visitor", camera)[0] for camera in (cameras * 4)[:4]]
    assert told == [200, 200, 503, 503]
    assert joins(crowded, "another", cameras[0])[0] == 200


def test_answers_that_are_not_read_take_a_limited_amount_of_memory(crowded, monkeypatch):
    crowded.go_on.set()
    monkeypatch.setattr(queue, "MOST_UNREAD", 5_000)
    classify = next(each._id for each in crowded.page.fns.values() if each.api_name == "classify")
    for number in range(12):
        assert joins(crowded, f"visitor {number % 3}", classify)[0] == 200
        deadline = time.monotonic() + 30
        while crowded.page._queue.event_ids_to_events:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    unread = crowded.page._queue.pending_messages_per_session.values()
    assert 0 < sum(each.size for each in unread) <= 5_000
    # What is read in time is there.
    assert answer(crowded, ask(crowded)[1]["event_id"]).startswith("event: complete")


def test_json_with_more_in_it_than_any_event_needs_is_refused(crowded):
    for data in ([{}] * 100_000, [json.loads("[" * 200 + "]" * 200)]):
        for address in ("call/classify", "queue/join", "run/predict", "mcp/"):
            status, said = post(crowded, address, {"data": data, "session_hash": "x", "fn_index": 0})
            assert (status, "form that this app takes" in said["detail"]) == (400, True)


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
