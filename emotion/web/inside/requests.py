"""Which requests reach Gradio: the routes in use, bodies that an event can need, errors in plain words.

Written for Gradio 6.31. It can go when Gradio lets an app choose its routes and limits what it parses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MISFIT = "This request does not have the form that this app takes. “Use via API” on its page shows that form."
HEALTH, DEVICE = "/health", "/device/"

# Gradio 6.31 has 70 routes. Among those that this page does not use, one accepts uploads of any size
# (`process_recording`), one fetches other sites, and one stores what a session holds.
USED = {
    # The page and what it loads.
    "/": "GET HEAD",
    "/config": "GET",
    "/theme.css": "GET",
    "/gradio_api/theme.css": "GET",
    "/assets/{path:path}": "GET",
    "/static/{path:path}": "GET",
    "/svelte/{path:path}": "GET",
    "/favicon.ico": "GET",
    "/manifest.json": "GET",
    "/robots.txt": "GET",
    # Clients check whether the app is up, and so does Gradio itself at the start.
    "/gradio_api/app_id": "GET",
    "/gradio_api/startup-events": "GET",
    "/gradio_api/heartbeat/{session_hash}": "GET",
    # The API's description, for “Use via API” and clients.
    "/gradio_api/info": "GET",
    "/gradio_api/openapi.json": "GET",
    # Events of the page and of clients.
    "/gradio_api/upload": "POST",
    "/gradio_api/upload_progress": "GET",
    "/gradio_api/file={path:path}": "GET HEAD",
    "/gradio_api/run/{api_name}": "POST",
    "/gradio_api/queue/join": "POST",
    "/gradio_api/queue/data": "GET",
    "/gradio_api/cancel": "POST",
    "/gradio_api/reset": "POST",
    # API calls without Gradio's client.
    "/gradio_api/call/{api_name}": "POST",
    "/gradio_api/call/{api_name}/{event_id}": "GET",
    "/gradio_api/call/v2/{api_name}": "POST",
    "/gradio_api/call/v2/{api_name}/{event_id}": "GET",
    # MCP, over HTTP and over the older server-sent events.
    "/gradio_api/mcp": "GET POST DELETE",
    "/gradio_api/mcp/http": "GET POST DELETE",
    "/gradio_api/mcp/schema": "GET",
    "/gradio_api/mcp/sse": "GET",
    "/gradio_api/mcp/messages": "POST",
}
# Gradio would fetch a file from another site.
REMOTE = ("http:", "https:")
TOO_LARGE = (
    "This request is too large: at most {:g} MB are taken. Upload the file instead, or make it smaller."
)
# Methods whose body Gradio does not read.
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
# Seconds: a body of 16 MB over the slowest connection that a camera works with.
BODY_SECONDS = 120
# Bytes of all arriving bodies together, and of one that is small enough never to be cut off.
MOST_ARRIVING, SMALL = 128_000_000, 100_000
# JSON's punctuation, and the deepest nesting; 50 pictures in "Many pictures" take 1,000 marks.
MOST_MARKS, DEEPEST = 20_000, 50
NO_MARKS = bytes(set(range(256)) - set(b'[]{}",:'))

logger = logging.getLogger(__name__)


class OpenRoutes:
    """Passes on the routes in `USED`, answers the health check by `alive`, and returns 404 for all others.

    The files that visitors' browsers run are `device`'s to answer for.
    """

    def __init__(self, app: ASGIApp, *, alive: Callable[[], bool], device: ASGIApp) -> None:
        self.app = app
        self.alive = alive
        self.device = device
        self.routes = [Route(path, JSONResponse, methods=methods.split()) for path, methods in USED.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] == "lifespan" or self._used(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"] == HEALTH:
            alive = self.alive()
            await JSONResponse({"alive": alive}, 200 if alive else 503)(scope, receive, send)
        elif _below(scope).startswith(DEVICE) and scope["method"] in ("GET", "HEAD"):
            await self.device(scope, receive, send)
        else:
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)

    def _used(self, scope: Scope) -> bool:
        path = _below(scope)
        if path.partition("/file=")[2].lower().startswith(REMOTE):
            return False
        # Gradio accepts most routes with a trailing slash, too.
        asked = {**scope, "path": path.rstrip("/") or "/", "root_path": ""}
        return any(route.matches(asked)[0] is Match.FULL for route in self.routes)


def _below(scope: Scope) -> str:
    """Return the address of a request below the app's own."""
    return scope["path"].removeprefix(scope.get("root_path", ""))


class AnswerErrors:
    """Answers requests that Gradio cannot parse with a readable 400 instead of a traceback."""

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
            logger.warning("A request to %r was refused: %s", path_of(scope)[:100], type(error).__name__)
            if not answered:
                answer = JSONResponse({"detail": MISFIT, "error": MISFIT}, 400)
                await answer(scope, receive, send)


class LimitBodies:
    """Rejects requests of more than `most` bytes, or with more values than any event of this page needs.

    Uploads, which go to disk, have a limit of their own.
    """

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self.app = app
        self.most = most
        # Bytes of the requests being received, oldest first; only the event loop touches them.
        self.arriving: dict[asyncio.Timeout, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on as long as it is small enough."""
        path = path_of(scope)
        if scope["type"] != "http" or scope["method"] in BODILESS or path.endswith("/upload"):
            await self.app(scope, receive, send)
        elif (refused := too_large(scope, self.most)) is not None:
            await refused(scope, receive, send)
        else:
            await self._pass_body(scope, receive, send)

    async def _pass_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Receive the whole body, check it, and pass it on in one piece."""
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
                    if len(body) > self.most:
                        await refusal(TOO_LARGE.format(self.most / 1e6), 413)(scope, receive, send)
                        return
                    self._make_room(time_left, len(body))
        except TimeoutError:
            await refusal("The request took too long to arrive. Send it again.", 408)(scope, receive, send)
            return
        finally:
            self.arriving.pop(time_left, None)
        if not is_plausible(body):
            await refusal(MISFIT, 400)(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]
        del body
        await self.app(scope, lambda: _first(pending, receive), send)

    def _make_room(self, mine: asyncio.Timeout, size: int) -> None:
        """Record the size of an arriving body; if all are too much together, the oldest are cut off."""
        self.arriving[mine] = size
        excess = sum(self.arriving.values()) - MOST_ARRIVING
        for oldest, held in list(self.arriving.items()):
            if excess > 0 and held > SMALL and not oldest.expired():
                excess -= held
                self.arriving[oldest] = 0
                oldest.reschedule(0)


def is_plausible(body: bytes | bytearray) -> bool:
    """Whether a body has no more values, and nests no deeper, than events of this page do.

    16 MB of `[{},{},…]` become 400 MB of Python objects, and more while Gradio copies them.
    """
    if body.count(b"\\") > 10 * MOST_MARKS:
        return False
    marks = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, NO_MARKS)
    if len(marks) > 10 * MOST_MARKS:
        return False
    # Every second piece is the inside of a string.
    marks = b"".join(marks.split(b'"')[::2])
    depth = deepest = 0
    for mark in marks:
        depth += (mark in b"[{") - (mark in b"]}")
        deepest = max(deepest, depth)
    return len(marks) <= MOST_MARKS and deepest <= DEEPEST


def path_of(scope: Scope) -> str:
    """Return the path of a request, without a trailing slash."""
    return scope.get("path", "").rstrip("/")


def too_large(scope: Scope, most: int) -> Response | None:
    """Return the answer to a request whose Content-Length exceeds `most` bytes; else None."""
    announced = Headers(scope=scope).get("content-length", "")
    # More digits are too large anyway, and slow int() down.
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > most):
        return refusal(TOO_LARGE.format(most / 1e6), 413)
    return None


def refusal(message: str, status: int) -> Response:
    """Return the answer to a request whose body is not read to its end."""
    return JSONResponse({"detail": message, "error": message}, status, {"Connection": "close"})


async def _first(pending: list[Message], receive: Receive) -> Message:
    """Return the pending message, then what is received."""
    return pending.pop() if pending else await receive()
