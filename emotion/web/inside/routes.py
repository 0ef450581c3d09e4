"""The addresses that the page, programs and MCP clients use; all others that Gradio answers are closed."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

HEALTH = "/health"

# Gradio 6.31 answers 70 addresses. Among those that this page has no use for, one takes uploads of any size
# (`process_recording`), one fetches other sites, and one saves what a session holds.
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
    # Whether the app is there: clients ask, and Gradio itself at the start.
    "/gradio_api/app_id": "GET",
    "/gradio_api/startup-events": "GET",
    "/gradio_api/heartbeat/{session_hash}": "GET",
    # What can be asked: “Use via API” and clients.
    "/gradio_api/info": "GET",
    "/gradio_api/openapi.json": "GET",
    # Events of the page and of clients.
    "/gradio_api/upload": "POST",
    "/gradio_api/upload_progress": "GET",
    "/gradio_api/file={path:path}": "GET HEAD",
    "/gradio_api/run/{api_name}": "POST",
    "/gradio_api/queue/join": "POST",
    "/gradio_api/queue/data": "GET",
    "/gradio_api/stream/{event_id}": "POST",
    "/gradio_api/stream/{event_id}/close": "POST",
    "/gradio_api/cancel": "POST",
    "/gradio_api/reset": "POST",
    # Calls of programs, without Gradio's client.
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
# Gradio would fetch the file of another site.
REMOTE = ("http:", "https:")


class OpenRoutes:
    """Passes on what is in `USED`, answers the health check, and knows no other address.

    Parameters
    ----------
    alive : callable
        Whether events are still being answered.
    """

    def __init__(self, app: ASGIApp, *, alive: Callable[[], bool]) -> None:
        self.app = app
        self.alive = alive
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
        else:
            await JSONResponse({"detail": "Not Found"}, 404)(scope, receive, send)

    def _used(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if path.partition("/file=")[2].lower().startswith(REMOTE):
            return False
        # Gradio takes most addresses with a slash at the end, too.
        asked = {**scope, "path": path.rstrip("/") or "/", "root_path": ""}
        return any(route.matches(asked)[0] is Match.FULL for route in self.routes)
