"""A `gr.Blocks` that keeps nothing of what was sent and shown, and has words for every error."""

from __future__ import annotations

import logging
from collections import Counter, deque
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import gradio as gr
from gradio.state_holder import SessionState, StateHolder
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion.web.inside.queue import FAILED, SteadyQueue
from emotion.web.inside.requests import MISFIT
from emotion.web.memory import Kept

if TYPE_CHECKING:
    from gradio.blocks import BlockFunction

logger = logging.getLogger(__name__)

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


class LightSessions(StateHolder):
    """The sessions of all visitors, without a description of the whole page for each.

    With it, 20 people get 35 answers a second instead of 43 (`benchmarks.load --only people`); Gradio wants
    it for links that restore a page.
    """

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            page = SimpleNamespace(default_config=self.blocks.default_config, blocks={})
            self.session_data[session_id] = SessionState(cast(gr.Blocks, page))
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        """Note that a session was used; where there are too many, the oldest goes whose page is not open.

        Gradio takes every call of a program for one more visitor, and would forget the oldest of all.
        """
        with self.lock:
            if session_id in self.session_data:
                self.session_data.move_to_end(session_id)
            here = cast(PrivateBlocks, self.blocks).visitors.here
            while len(self.session_data) > self.capacity:
                away = (each for each in self.session_data if each != session_id and not here(each))
                oldest = next(away, next(iter(self.session_data)))
                del self.session_data[oldest]
                self.time_last_used.pop(oldest, None)


class PrivateBlocks(gr.Blocks):
    """The page.

    Gradio remembers the last value of every component for every session, for links that restore a page, which
    this one has not: those are people's pictures. And it answers an unexpected error with nothing.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.visitors = Visitors()
        self._closing: list[gr.State] = []
        self._sessions: StateHolder | None = None

    def queue(self, *arguments: Any, **options: Any) -> PrivateBlocks:
        """Queue the events of the page."""
        super().queue(*arguments, **options)
        self.steady_queue = SteadyQueue.instead_of(self._queue)
        return self

    @property
    def state_holder(self) -> StateHolder:
        """The sessions; Gradio sets them once the page is complete."""
        return cast(StateHolder, self._sessions)

    @state_holder.setter
    def state_holder(self, sessions: StateHolder) -> None:
        sessions.__class__ = LightSessions
        self._sessions = sessions

    def forget_when_closed(self, states: list[gr.State]) -> None:
        """Forget what these states hold as soon as their visitor closes the page."""
        self._closing = states

        def leave(request: gr.Request) -> None:
            if visitor := self.state_holder.session_data.get(request.session_hash or ""):
                self._forget(visitor)

        self.unload(leave)

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        explicit_call: bool = False,
    ) -> list[Any]:
        """Read what was sent.

        Raises
        ------
        gradio.Error
            Whatever is wrong with it.
        """
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:
            # Its text may quote what was sent.
            logger.info("A request was refused: %s", type(error).__name__)
            raise gr.Error(MISFIT, print_exception=False) from error

    # What it passes on is Gradio's to name.
    # pyrefly: ignore [bad-override]
    async def process_api(
        self,
        block_fn: BlockFunction | int,
        inputs: list[Any],
        state: SessionState | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Answer an event.

        Raises
        ------
        gradio.Error
            Whatever goes wrong.
        """
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        visitor = more.get("session_hash")
        if function.fn is None:
            # It runs in the browser alone.
            raise gr.Error(MISFIT, print_exception=False)
        try:
            return await super().process_api(function, inputs, state, **more)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            logger.exception("An event could not be answered")
            raise gr.Error(FAILED, print_exception=False) from error
        finally:
            if state is not None:
                # What `gr.State` holds is not among them.
                state.config_values.clear()
                if self.visitors.gone(visitor):
                    self._forget(state)

    def _forget(self, visitor: SessionState) -> None:
        for state in self._closing:
            kept = visitor.state_data.get(state._id)
            if isinstance(kept, Kept):
                kept.value = None
