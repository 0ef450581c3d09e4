"""Requests that are too large, too many, or no error at all."""

import asyncio
import json
import re

import pytest

from emotion.web.inside import requests
from emotion.web.inside.requests import (
    MISFIT,
    LimitBodies,
    OpenRoutes,
    is_plausible,
)
from emotion.web.inside.uploads import PassUploads

pytestmark = pytest.mark.slow

LIMIT = 1000


class Echo:
    """An app that answers with the length of the body."""

    def __init__(self, status=200):
        self.status = status
        self.read = 0

    async def __call__(self, _scope, receive, send):
        more = True
        while more:
            message = await receive()
            self.read += len(message.get("body", b""))
            more = message.get("more_body", False)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": str(self.read).encode()})


def ask(
    app,
    chunks=(b"",),
    *,
    path="/gradio_api/queue/join",
    headers=(),
    query=b"",
    method="POST",
    root_path="",
):
    """Send a request to an ASGI app; return status, headers and body."""
    sent, pending = [], list(chunks)

    async def receive():
        if not pending:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "headers": list(headers),
        "query_string": query,
    }
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"].decode()


def limited(app):
    return LimitBodies(
        PassUploads(app, most=5 * LIMIT, on_disk=10**9),
        most=LIMIT,
    )


def test_a_body_of_the_largest_size_passes():
    assert ask(limited(Echo()), [b"x" * 400, b"x" * 600])[::2] == (200, "1000")


@pytest.mark.parametrize(("path", "most"), [("queue/join", LIMIT), ("upload", 5 * LIMIT)])
def test_a_body_that_grows_too_large_is_refused_as_soon_as_it_does(path, most):
    app = Echo()
    status, _, said = ask(limited(app), [b"x" * 400] * 50, path=f"/gradio_api/{path}")
    assert status == 413
    assert re.search("too large|maximum", json.loads(said)["detail"])
    assert app.read <= most


def test_a_body_that_grows_too_large_inside_is_refused():
    status, _, said = ask(limited(Echo()), [b"[{},", b"{}," * 100, b"{}]"])
    assert status == 200
    app = LimitBodies(Echo(), most=10**6)
    status, _, said = ask(app, [b'{"data": [', b"{}," * 100_000, b"{}]}"])
    assert status == 400
    assert MISFIT in json.loads(said)["detail"]


def picture(number):
    """One of many pictures, as Gradio's page names it; its own name is as odd as a file's may be."""
    name = f'holiday [{{"{number}"}}], on the beach, again: ' + ",[{\\" * 20 + ".jpg"
    return {
        "path": f"/tmp/gradio/{number:064}/{name}",
        "url": f"http://127.0.0.1:7860/gradio_api/file=/tmp/gradio/{number:064}/{name}",
        "orig_name": name,
        "size": 123456,
        "mime_type": "image/jpeg",
        "is_stream": False,
        "meta": {"_type": "gradio.FileData"},
    }


def asked(*data, **more):
    return {"data": data, "event_data": None, "fn_index": 3, "trigger_id": 12, "session_hash": "x"} | more


FRAME = "data:image/jpeg;base64," + "A" * 3_000_000


@pytest.mark.parametrize(
    "body",
    [
        asked([picture(number) for number in range(50)], None, event_data=[picture(n) for n in range(50)]),
        asked({"path": None, "url": FRAME, "is_stream": True, "meta": {"_type": "gradio.FileData"}}, None),
        asked(None, event_data={"id": 7, "picture": FRAME}),
        asked("owner/name@v1", event_data={"index": [3, 4], "value": {"image": {"url": FRAME}}}),
        {"data": [{"url": FRAME, "path": None}]},
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "classify", "arguments": {"picture": FRAME}, "_meta": {"progressToken": 1}},
        },
        "[" * 1000 + '\\"' + "]",
        [[[[[[[[1.5, None, True]]]]]]]],
        None,
    ],
)
def test_bodies_that_the_page_and_programs_send_are_plausible(body):
    for indent in (None, 2):
        assert is_plausible(json.dumps(body, indent=indent).encode())
    assert is_plausible(json.dumps(body, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "body",
    [
        json.dumps([{}] * 20_000),
        json.dumps({str(number): number for number in range(10_000)}),
        "[" * 51,
        '{"a":' * 51,
        '["\\\\",' + "[" * 51,
        '"' * 300_000,
        json.dumps('"' * 300_000),
        ",".join(["0"] * 30_000),
        json.dumps({"path": "," * 300_000}),
    ],
)
def test_bodies_with_more_or_deeper_values_are_not(body):
    assert not is_plausible(body.encode())


def test_bodies_that_arrive_at_once_take_a_limited_amount_and_the_oldest_breaks_off(monkeypatch):
    monkeypatch.setattr(requests, "MOST_ARRIVING", 1000)
    monkeypatch.setattr(requests, "SMALL", 100)
    app = LimitBodies(Echo(), most=10_000)

    async def visit(sizes, pause):
        sent, pending = [], [b"x" * size for size in sizes]

        async def receive():
            if not pending:
                await asyncio.sleep(pause)
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.request", "body": pending.pop(0), "more_body": True}

        async def send(message):
            sent.append(message)

        path = "/gradio_api/queue/join"
        await app({"type": "http", "method": "POST", "path": path, "headers": []}, receive, send)
        return sent[0]["status"]

    async def crowd():
        small, stalled = asyncio.create_task(visit([90], 0.2)), asyncio.create_task(visit([600], 60))
        await asyncio.sleep(0)
        late = await visit([300, 300], 0)
        return await small, await stalled, late

    assert asyncio.run(crowd()) == (200, 408, 200)
    assert not app.arriving


def open_routes(app):
    return OpenRoutes(app, alive=lambda: True, device=Echo(203))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server/"),
        ("GET", "/gradio_api/proxy=https://example.org/x"),
        ("GET", "/gradio_api/file=https://example.org/x.png"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/gradio_api/nothing/call/x/session"),
        ("GET", "/gradio_api/upload"),
        ("POST", "/gradio_api/api/classify"),
        ("POST", "/config"),
        ("GET", "/monitoring"),
        ("POST", "/device/0a1b/engine/worker.js"),
    ],
)
def test_an_address_that_the_page_does_not_use_is_closed(method, path):
    app = Echo()
    assert ask(open_routes(app), path=path, method=method)[0] == 404


@pytest.mark.parametrize("root", ["", "/space"])
def test_the_engines_files_are_answered_for_here(root):
    path = f"{root}/device/0a1b/engine/worker.js"
    assert ask(open_routes(Echo()), path=path, method="GET", root_path=root)[0] == 203


@pytest.mark.parametrize("path", ["", "/", "/space/"])
def test_addresses_that_are_used_are_open_also_below_another_one(path):
    root = path.rstrip("/")
    for method, asked_for in [
        ("GET", "/"),
        ("GET", "/gradio_api/info/"),
        ("GET", "/gradio_api/file=/tmp/a/b c.png"),
        ("POST", "/gradio_api/mcp/"),
        ("POST", "/gradio_api/mcp/messages/"),
        ("GET", "/assets/index-0a1b.js"),
    ]:
        answered = ask(open_routes(Echo()), path=root + asked_for, method=method, root_path=root)
        assert answered[0] == 200


def test_a_body_that_says_it_is_too_large_is_not_read():
    app = Echo()
    for length in (b"1001", b"9" * 4000):
        assert ask(limited(app), [b"x"], headers=[(b"content-length", length)])[0] == 413
    assert app.read == 0


def test_a_length_that_is_none_is_counted():
    for length in (b"", b"-5", b"ten", b"12"):
        headers = [(b"content-length", length)]
        assert ask(limited(Echo()), [b"x" * 400] * 3, headers=headers)[0] == 413


def test_uploads_have_a_limit_of_their_own():
    assert ask(limited(Echo()), [b"x" * 4000], path="/gradio_api/upload")[0] == 200
    assert ask(limited(Echo()), [b"x" * 4000] * 2, path="/gradio_api/upload")[0] == 413


def test_an_error_of_the_app_stays_one():
    class Broken:
        async def __call__(self, *_):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        ask(limited(Broken()))
