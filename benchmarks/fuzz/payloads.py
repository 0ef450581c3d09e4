"""Requests to the running app that no page sends: its API, its queue, its uploads and its MCP tool."""

from __future__ import annotations

import base64
import http.client
import json
import random
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.apps import API, OURS, App, running
from benchmarks.fuzz.changes import changed, damaged, odd
from benchmarks.fuzz.pictures import check_message, corpus, damaged_picture
from emotion.web.service import Limits

ANSWERS_WITHIN = 60  # seconds, on a busy machine
# What the log of an app must not hold.
TRACEBACK = "Traceback (most recent call last)"
# Gradio 6.31 says so when a visitor leaves just as their turn comes; nothing is lost.
KNOWN = ("messages = self.pending_messages_per_session[event.session_hash]",)


class Payloads:
    """Sends requests to the app; every answer has to be one that a person or a program can read."""

    name = "payloads"

    def __init__(self, folder: Path) -> None:
        del folder
        self._files = list(corpus())
        self._starting = running(OURS)
        self.app: App = self._starting.__enter__()
        self._seen = 0
        # Of the latest case; a crowd sends many.
        self.requests = 1

    def try_one(self, chance: random.Random) -> str:
        """Send one request, or a crowd's; return how it was answered."""
        self.requests = 1
        ask = chance.choice(
            (self._call, self._call, self._join, self._join, self._upload, self._tool, self._anything)
            + (self._growing, self._crowd)
        )
        try:
            status = ask(chance)
        except (OSError, http.client.HTTPException) as error:
            if self.app.ended():
                raise ValueError("the app ended") from error
            raise ValueError(f"the app did not answer: {type(error).__name__} {error}") from error
        finally:
            self._check_log()
        if status >= 500 and status != http.client.SERVICE_UNAVAILABLE:
            raise ValueError(f"{ask.__name__} was answered with {status}")
        return f"{ask.__name__.strip('_')} {status}"

    def close(self) -> None:
        """Stop the app."""
        self._starting.__exit__(None, None, None)

    def _check_log(self) -> None:
        log = self.app.log.read_text(errors="replace")
        added, self._seen = log[self._seen :], len(log)
        if TRACEBACK in added and not any(known in added for known in KNOWN):
            raise ValueError("a traceback in the app's log: " + added[added.index(TRACEBACK) :][-1500:])

    def _call(self, chance: random.Random) -> int:
        body = {"data": [self._picture(chance)]}
        if chance.random() < 0.7:
            body = changed(body, chance)
        name = chance.choice(
            ("classify", "classify", "classify", "v2/classify", "nothing", "v2/nothing", "%00")
        )
        status, content = self._post(f"{API}/call/{name}", _json(body))
        if status == http.client.OK:
            self._follow(f"{API}/call/classify/{json.loads(content)['event_id']}")
        return status

    def _join(self, chance: random.Random) -> int:
        """Trigger any event of the page, as its script does, with other values."""
        handlers = self.app.config["dependencies"]
        handler = chance.choice(handlers)
        body = {
            "data": [
                odd(chance) if chance.random() < 0.5 else self._picture(chance) for _ in handler["inputs"]
            ],
            "fn_index": handler["id"],
            "session_hash": uuid.UUID(int=chance.getrandbits(128)).hex,
            "event_data": odd(chance)
            if chance.random() < 0.3
            else {"index": chance.choice((0, -1, [3, 4], "a"))},
            "trigger_id": chance.choice((handler["targets"][0][0], None, 10**6))
            if handler["targets"]
            else None,
        }
        session = body["session_hash"]
        if chance.random() < 0.5:
            body = changed(body, chance)
        status, content = self._post(f"{API}/queue/join", _json(body))
        if status == http.client.OK and isinstance(body, dict) and body.get("session_hash") == session:
            self._follow(f"{API}/queue/data?session_hash={session}")
        del content
        return status

    def _upload(self, chance: random.Random) -> int:
        picture = damaged_picture(self._files, chance)
        parts = [
            (
                chance.choice(("files", "files", "files", "other", "")),
                chance.choice(("a.jpg", "", "../x", "\u0430\0", None)),
            )
            for _ in range(chance.choice((0, 1, 1, 1, 3)))
        ]
        form = b""
        for name, file in parts:
            kind = f'; filename="{file}"' if file is not None else ""
            form += (
                f'--b\r\nContent-Disposition: form-data; name="{name}"{kind}\r\n\r\n'.encode()
                + picture
                + b"\r\n"
            )
        form += b"--b--\r\n"
        if chance.random() < 0.3:
            form = damaged(form, picture, chance)
        kind = chance.choice(
            ("multipart/form-data; boundary=b",) * 4 + ("multipart/form-data", "text/plain", "")
        )
        query = chance.choice(("", "", "?upload_id=x", "?upload_id="))
        status, content = self._post(f"{API}/upload{query}", form, kind)
        if status == http.client.OK:
            for path in json.loads(content):
                asked, event = self._post(f"{API}/call/classify", _json({"data": [_file(path)]}))
                if asked == http.client.OK:
                    self._follow(f"{API}/call/classify/{json.loads(event)['event_id']}")
        return status

    def _tool(self, chance: random.Random) -> int:
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": chance.choice(("tools/call", "tools/call", "tools/list", "initialize", "nothing")),
            "params": {"name": "classify", "arguments": {"picture": self._url(chance)}},
        }
        if chance.random() < 0.7:
            body = changed(body, chance)
        return self._post(f"{API}/mcp/", _json(body), accept="application/json, text/event-stream")[0]

    def _anything(self, chance: random.Random) -> int:
        """Send some bytes to some address."""
        address = chance.choice((
            *("/", "/config", "/theme.css", "/static/../app.py", "//", "/?__theme=%ff", API, f"{API}/info"),
            *(f"{API}/{rest}" for rest in ADDRESSES),
        ))  # fmt: skip
        if address.endswith(ENDLESS):
            method, body = "HEAD", b""
        else:
            method = chance.choice(("GET", "POST", "POST", "PUT", "HEAD", "OPTIONS"))
            body = chance.choice((b"", b"\xff\xfe", b"{", b"[]", _json(odd(chance)), chance.randbytes(100)))
        return self._request(method, address, body, {"Content-Type": "application/json"})[0]

    def _growing(self, chance: random.Random) -> int:
        """Send JSON that is small on the line and large in memory."""
        count = round(10 ** chance.uniform(2, 6.3))
        part = chance.choice((b"{}", b"[]", b"0", b'""', b'{"a":0}', b"[[]]", b'"\\\\"'))
        body = b'{"session_hash": "x", "fn_index": 0, "data": [' + b",".join([part] * count) + b"]}"
        if chance.random() < 0.3:
            body = b'{"data": ' + b"[" * count + b"]" * count + b"}"
        address = chance.choice(
            ("queue/join", "call/classify", "call/v2/classify", "stream/x", "mcp/", "cancel")
        )
        return self._post(f"{API}/{address}", body)[0]

    def _crowd(self, chance: random.Random) -> int:
        """Let sessions come and go while others wait: those that stay get answers, and the queue runs on."""
        sessions = [uuid.UUID(int=chance.getrandbits(128)).hex for _ in range(chance.randint(1, 30))]
        handlers = [each for each in self.app.config["dependencies"] if each["queue"] is not False]
        self.requests = chance.randint(1, 60)
        for _ in range(self.requests):
            session, handler = chance.choice(sessions), chance.choice(handlers)
            data = [self._picture(chance) for _ in handler["inputs"]]
            body = {"data": data, "fn_index": handler["id"], "session_hash": session}
            self._post(f"{API}/queue/join", _json(body))
            if chance.random() < 0.3:
                self._leave(chance.choice(sessions))
        status, content = self._post(f"{API}/call/classify", _json({"data": [{"url": self._url(chance)}]}))
        if status == http.client.OK:
            self._follow(f"{API}/call/classify/{json.loads(content)['event_id']}")
        if self._request("GET", "/health", b"", {})[0] != http.client.OK:
            raise ValueError("the queue has stopped")
        return status

    def _leave(self, session: str) -> None:
        """Begin to read the messages of a session, and hang up."""
        line = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=ANSWERS_WITHIN)
        try:
            line.request("GET", f"{API}/queue/data?session_hash={session}")
            line.getresponse().fp.readline()
        finally:
            line.close()

    def _picture(self, chance: random.Random) -> Any:
        return chance.choice((
            *(None, {"url": self._url(chance)}, {"url": self._url(chance), "path": None, "meta": META}),
            *({"path": "/etc/passwd", "meta": META}, {"path": str(OURS)}, {"path": "", "meta": META}),
            {"url": "file:///etc/passwd", "path": "x", "meta": META},
        ))  # fmt: skip

    def _url(self, chance: random.Random) -> str:
        content = base64.b64encode(damaged_picture(self._files, chance)).decode()
        return (
            chance.choice(("data:image/png;base64,", "data:,", "data:image/jpeg;base64", "data:;base64,"))
            + content
        )

    def _post(
        self, path: str, body: bytes, kind: str = "application/json", accept: str = "*/*"
    ) -> tuple[int, bytes]:
        return self._request("POST", path, body, {"Content-Type": kind, "Accept": accept})

    def _request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=ANSWERS_WITHIN)
        try:
            line.request(method, path, body, headers)
            response = line.getresponse()
            return response.status, response.read()
        except (BrokenPipeError, ConnectionResetError):
            if len(body) <= Limits.body_bytes:
                raise
            # Refused by its announced length, while it was still being sent.
            return http.client.REQUEST_ENTITY_TOO_LARGE, b""
        finally:
            line.close()

    def _follow(self, path: str) -> None:
        """Read what the app streams about an event, and refuse an error without words."""
        line = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=ANSWERS_WITHIN)
        end = time.monotonic() + ANSWERS_WITHIN
        try:
            line.request("GET", path)
            kind = ""
            for row in line.getresponse():
                if time.monotonic() > end:
                    raise ValueError("only heartbeats, no answer")
                if row.startswith(b"event: "):
                    kind = row.decode().strip()
                elif row.startswith(b"data: "):
                    said = json.loads(row[len(b"data: ") :])
                    if kind == "event: error":
                        _check_error(said)
                    if kind in ("event: error", "event: complete"):
                        return
                    if not kind and said.get("msg") in LAST_MESSAGES:
                        if said.get("success") is False:
                            _check_error(said.get("output"))
                        return
        finally:
            line.close()


# A camera's stream waits for the next frame after each.
LAST_MESSAGES = ("process_completed", "process_streaming", "close_stream", "unexpected_error")
ADDRESSES = (
    *("queue/join", "cancel", "reset", "mcp/sse", "file=/etc/passwd", "file=%00", "stream/x", "run/predict"),
    *("run/classify", "component_server", "call/classify/x", "queue/status", "heartbeat/x", "startup-events"),
    "upload_progress?upload_id=x",
)
ENDLESS = ("heartbeat/x", "mcp/sse", "call/classify/x", "upload_progress?upload_id=x")
META = {"_type": "gradio.FileData"}


def _check_error(said: Any) -> None:
    if not isinstance(said, dict) or not isinstance(said.get("error"), str):
        raise ValueError(f"an error without words: {said!r}")
    check_message(said["error"])


def _file(path: str) -> dict:
    return {"path": path, "meta": META}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
