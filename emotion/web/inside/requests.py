"""What stands between visitors and Gradio: counting uploads, limits, and kind words when it is busy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.web.inside.blocks import MISFIT
from emotion.web.inside.uploads import Uploads, is_upload

BUSY = "Busy: many people are asking at this moment. Try again in a moment."
RETRY_AFTER = "2"  # seconds
# Methods of requests that Gradio reads no body of.
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
# Seconds: a body of 16 MB over the slowest connection that a camera works with.
BODY_SECONDS = 120
# Bytes of all bodies that are arriving, and of one that is never broken off.
MOST_ARRIVING, SMALL = 128_000_000, 100_000
# What stands in JSON between texts and numbers; 50 pictures on the tab for many take 1,000 of these.
MOST_MARKS, DEEPEST = 20_000, 50
NO_MARKS = bytes(set(range(256)) - set(b'[]{}",:'))

logger = logging.getLogger(__name__)


class AnswerErrors:
    """Answers requests that no route can read, which would end in a traceback, in plain words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = False

        async def note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except Exception as error:
            # Its text may quote what was sent.
            logger.warning("A request to %r was refused: %s", _path(scope)[:100], type(error).__name__)
            if not answered:
                answer = JSONResponse({"detail": MISFIT, "error": MISFIT}, 400)
                await answer(scope, receive, send)


class CountUploads:
    """Notes who needs which upload, and cleans up behind uploads that break off and MCP tools.

    Parameters
    ----------
    silence : float
        Seconds without a byte after which an upload is taken for broken off.
    """

    def __init__(self, app: ASGIApp, *, uploads: Uploads, silence: float = 60) -> None:
        self.app = app
        self.uploads = uploads
        self.silence = silence
        # Calls of MCP clients, and uploads, that are being answered now; touched by the event loop only.
        self.tool_calls = 0
        self.running_uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if _is_upload_request(scope):
            self.running_uploads += 1
            try:
                await self._pass_upload(scope, receive, send)
            finally:
                self.running_uploads -= 1
                if not self.running_uploads:
                    self.uploads.delete_parts()
        elif _path(scope).endswith("/mcp") and scope["method"] == "POST":
            self.tool_calls += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.tool_calls -= 1
                if not self.tool_calls:
                    self.uploads.delete_tool_files()
        else:
            await self.app(scope, receive, send)

    async def _pass_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        settling = contextlib.ExitStack()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.body" and message.get("body", b"").startswith(b"["):
                self.uploads.add(json.loads(message["body"]))
            await send(message)

        async def receive_or_break_off() -> Message:
            # Of what may go wrong inside, Gradio deletes the parts that it has written after this error only.
            try:
                message = await asyncio.wait_for(receive(), self.silence)
            except TimeoutError:
                raise MultiPartException("The upload stopped. Send the file again.") from None
            if message["type"] == "http.disconnect":
                raise MultiPartException("The upload broke off.")
            if not message.get("more_body"):
                settling.enter_context(self.uploads.settling())
            return message

        with settling:
            await self.app(scope, receive_or_break_off, note)


class AnswerFalseAlarms:
    """Answers three requests of Gradio 6.31 that browsers would report as errors.

    The page asks for the progress of a camera snapshot's upload before it has a name for it, it may ask for
    the preview of an upload that was already read and deleted, and a camera that is closed ends its stream
    also where there was none or it has ended.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a false alarm, pass everything else on."""
        path = scope.get("path", "")
        answer: ASGIApp = self.app
        if path.endswith("/upload_progress") and scope["query_string"] == b"upload_id=":
            answer = Response('data: {"msg": "done"}\n\n', media_type="text/event-stream")
        elif "/file=" in path and _is_deleted(path.partition("/file=")[2]):
            answer = Response(status_code=204, media_type="image/png")
        elif "/stream/" in path and path.endswith("/close"):
            send = _found(send)
        await answer(scope, receive, send)


class LimitBodies:
    """Refuses requests that are too large, or hold more than any event of this page needs.

    Parameters
    ----------
    upload_bytes : int
        For uploads, which go to the disk; Gradio itself limits each file.
    body_bytes : int
        For everything else, which is taken into memory.
    """

    def __init__(self, app: ASGIApp, *, upload_bytes: int, body_bytes: int) -> None:
        self.app = app
        self.upload_bytes = upload_bytes
        self.body_bytes = body_bytes
        # Requests that are being received, the oldest first; touched by the event loop only.
        self.arriving: dict[asyncio.Timeout, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as long as it is small enough."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = _is_upload_request(scope)
        limit = self.upload_bytes if upload else self.body_bytes
        announced = Headers(scope=scope).get("content-length", "")
        # Longer numbers are too large anyhow, and would only keep int() busy.
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
            await _too_large(limit)(scope, receive, send)
        elif upload or scope["method"] in BODILESS:
            await _Counted(self.app, limit)(scope, receive, send)
        else:
            await self._pass_body(scope, receive, send)

    async def _pass_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the whole body, look at it, and pass it on in one piece."""
        body = bytearray()
        time_left = asyncio.timeout(BODY_SECONDS)
        try:
            async with time_left:
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self.body_bytes:
                        await _too_large(self.body_bytes)(scope, receive, send)
                        return
                    self._make_room(time_left, len(body))
        except TimeoutError:
            await _refusal("The request took too long to arrive. Send it again.", 408)(scope, receive, send)
            return
        finally:
            self.arriving.pop(time_left, None)
        if not is_plausible(body):
            await _refusal(MISFIT, 400)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
        del body
        await self.app(scope, lambda: _first(pending, receive), send)

    def _make_room(self, mine: asyncio.Timeout, size: int) -> None:
        """Note the size of a body that is arriving; where all are too much, the oldest break off."""
        self.arriving[mine] = size
        excess = sum(self.arriving.values()) - MOST_ARRIVING
        for oldest, held in list(self.arriving.items()):
            if excess > 0 and held > SMALL and not oldest.expired():
                excess -= held
                self.arriving[oldest] = 0
                oldest.reschedule(0)


def is_plausible(body: bytes | bytearray) -> bool:
    """Whether a body has no more values, and no deeper ones, than events of this page have.

    Of 16 MB that say `[{},{},…]`, Python makes 400 MB of objects, and more while Gradio copies them.
    """
    if body.count(b"\\") > 10 * MOST_MARKS:
        return False
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, NO_MARKS)
    if len(marks) > 10 * MOST_MARKS:
        return False
    # Every other piece is the inside of a text.
    marks = b"".join(marks.split(b'"')[::2])
    depth = deepest = 0
    for mark in marks:
        depth += (mark in b"[{") - (mark in b"]}")
        deepest = max(deepest, depth)
    return len(marks) <= MOST_MARKS and deepest <= DEEPEST


class _Counted:
    """One request whose body is being counted."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.received = 0
        self.answered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count() -> Message:
            message = await receive()
            self.received += len(message.get("body", b""))
            if self.received > self.limit:
                raise _TooLargeError
            return message

        async def pass_on(message: Message) -> None:
            # Whatever the app makes of a body that broke off, the answer is ours.
            if self.received <= self.limit or self.answered:
                self.answered = True
                await send(message)

        try:
            await self.app(scope, count, pass_on)
        except Exception:
            if self.received <= self.limit:
                raise
        if self.received > self.limit and not self.answered:
            await _too_large(self.limit)(scope, receive, send)


class AnswerBusy:
    """Says in plain words that the queue is full, and deletes the uploads of whoever is sent away."""

    def __init__(self, app: ASGIApp, *, uploads: Uploads) -> None:
        self.app = app
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and replace Gradio's answer where there was no room for it."""
        if not _asks_for_work(scope):
            await self.app(scope, receive, send)
            return
        body: list[bytes] = []
        refused = False

        async def keep() -> Message:
            message = await receive()
            body.append(message.get("body", b""))
            return message

        async def replace(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 503:
                refused = True
            if not refused:
                body.clear()
                await send(message)

        await self.app(scope, keep, replace)
        if refused:
            for path in _named_paths(b"".join(body)):
                self.uploads.release(path)
            answer = JSONResponse({"detail": BUSY, "error": BUSY}, 503, {"Retry-After": RETRY_AFTER})
            await answer(scope, receive, send)


class _TooLargeError(MultiPartException):
    """The body of a request grew beyond its limit; of an upload, Gradio then deletes what it has written."""

    def __init__(self) -> None:
        super().__init__("The body is too large.")


def _too_large(limit: int) -> Response:
    message = (
        f"This request is too large: at most {limit / 1e6:g} MB are taken. "
        "Upload the file instead, or make it smaller."
    )
    return _refusal(message, 413)


def _refusal(message: str, status: int) -> Response:
    return JSONResponse({"detail": message, "error": message}, status, {"Connection": "close"})


async def _first(pending: list[Message], receive: Receive) -> Message:
    """Return what is pending, then what is received."""
    return pending.pop() if pending else await receive()


def _path(scope: Scope) -> str:
    return scope.get("path", "").rstrip("/")


def _is_upload_request(scope: Scope) -> bool:
    return _path(scope).endswith("/upload")


def _asks_for_work(scope: Scope) -> bool:
    path = _path(scope)
    return (
        scope["type"] == "http" and scope["method"] == "POST" and ("/queue/join" in path or "/call/" in path)
    )


def _found(send: Send) -> Send:
    """Let an answer say that all is well where it says that there is no such thing."""

    async def forgiving(message: Message) -> None:
        await send({**message, "status": 200} if message.get("status") == 404 else message)

    return forgiving


def _is_deleted(name: str) -> bool:
    path = Path(name)
    return is_upload(path) and not path.exists()


def _named_paths(body: bytes) -> list[str]:
    """Return the files that a call names; it may hold anything."""
    paths: list[str] = []
    with contextlib.suppress(ValueError, RecursionError):
        paths += _paths(json.loads(body))
    return paths


def _paths(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("path"), str) and "\0" not in value["path"]:
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _paths(item)
