"""Who has the page open at this moment."""

from __future__ import annotations

from collections import Counter, deque

from starlette.types import ASGIApp, Receive, Scope, Send

# Sessions: whoever waits for an answer left not longer ago.
GONE_REMEMBERED = 1000


class Visitors:
    """The sessions whose page is open; touched by the event loop only."""

    def __init__(self) -> None:
        self._pages: Counter[str] = Counter()
        self._left: deque[str] = deque(maxlen=GONE_REMEMBERED)

    def gone(self, session_hash: str | None) -> bool:
        """Whether somebody had the page open and has closed it; programs never have it open."""
        return session_hash in self._left and session_hash not in self._pages

    def here(self, session_hash: str) -> bool:
        """Whether somebody has the page open."""
        return session_hash in self._pages

    def arrive(self, session_hash: str) -> None:
        """Note one more open page."""
        self._pages[session_hash] += 1

    def leave(self, session_hash: str) -> None:
        """Note that a page was closed."""
        self._pages[session_hash] -= 1
        if not self._pages[session_hash]:
            del self._pages[session_hash]
            self._left.append(session_hash)


class NoteVisitors:
    """Notes whose page is open by the connection that Gradio's page holds for as long as it is."""

    def __init__(self, app: ASGIApp, *, visitors: Visitors) -> None:
        self.app = app
        self.visitors = visitors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        _, mark, session_hash = scope.get("path", "").rpartition("/heartbeat/")
        if scope["type"] != "http" or not mark:
            await self.app(scope, receive, send)
            return
        self.visitors.arrive(session_hash)
        try:
            await self.app(scope, receive, send)
        finally:
            self.visitors.leave(session_hash)
