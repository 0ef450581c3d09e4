"""A `gr.Blocks` that keeps nothing of what was sent or shown, and answers every error in plain words.

All of it is for Gradio 6.31. `NoteVisitors` and `PrivateBlocks` can go when Gradio can forget a session as
soon as its page is closed; `LightSessions` when deep links, which need the copies that it leaves out, are
optional.
"""

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
from emotion.web.language import words_of
from emotion.web.memory import Kept

if TYPE_CHECKING:
    from gradio.blocks import BlockFunction

logger = logging.getLogger(__name__)

# Closed pages that are remembered; an answer may still be on its way to one.
GONE_REMEMBERED = 1000


class Visitors:
    """The sessions whose page is open; only the event loop touches them."""

    def __init__(self) -> None:
        self._pages: Counter[str] = Counter()
        self._left: deque[str] = deque(maxlen=GONE_REMEMBERED)

    def gone(self, session_hash: str | None) -> bool:
        """Whether this session's page was open and has been closed; API clients never open it."""
        return session_hash in self._left and session_hash not in self._pages

    def here(self, session_hash: str) -> bool:
        """Whether this session's page is open."""
        return session_hash in self._pages

    def arrive(self, session_hash: str) -> None:
        """Count one more open page."""
        self._pages[session_hash] += 1

    def leave(self, session_hash: str) -> None:
        """Count one page less."""
        self._pages[session_hash] -= 1
        if not self._pages[session_hash]:
            del self._pages[session_hash]
            self._left.append(session_hash)


class NoteVisitors:
    """Tracks open pages by the heartbeat connection that Gradio's page holds while it is open."""

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
    """The sessions of all visitors, without a copy of the whole page's description for each.

    20 people at once get 43 answers a second this way, 35 otherwise (`benchmarks.load --only people`). Gradio
    needs the copies for deep links, which this page does not have.
    """

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            page = SimpleNamespace(default_config=self.blocks.default_config, blocks={})
            self.session_data[session_id] = SessionState(cast(gr.Blocks, page))
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        """Mark a session as used; if there are too many, drop the oldest one whose page is closed.

        Gradio counts every API call as another visitor, and would drop the oldest session of all.
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


class DrawnAsParent:
    """Has the browser draw a component as the class that it derives from first.

    Gradio 6.31 asks the browser for a component with the subclass's name, which does not exist there. This
    can go when `is_template` is documented.
    """

    is_template = True


class PrivateBlocks(gr.Blocks):
    """The page.

    Gradio stores the last value of every component per session, to support deep links. We don't use them, and
    the values are people's pictures, so we drop them. It also sends no message for an unexpected error.
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
        """Read what was sent; a gr.Error without details says that it does not fit."""
        try:
            return await super().preprocess_data(block_fn, inputs, state, explicit_call)
        except gr.Error:
            raise
        except Exception as error:
            # The error's text may quote what was sent.
            logger.info("A request was refused: %s", type(error).__name__)
            raise gr.Error(MISFIT, print_exception=False) from error

    # The remaining arguments are Gradio's and are passed through.
    # pyrefly: ignore [bad-override]
    async def process_api(
        self,
        block_fn: BlockFunction | int,
        inputs: list[Any],
        state: SessionState | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Answer an event; every error becomes a gr.Error that a visitor can read."""
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        visitor = more.get("session_hash")
        if function.fn is None:
            # It runs only in the browser.
            raise gr.Error(MISFIT, print_exception=False)
        try:
            return await super().process_api(function, inputs, state, **more)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            logger.exception("An event could not be answered")
            said = words_of(more.get("request")).error(FAILED)
            raise gr.Error(said, print_exception=False) from error
        finally:
            if state is not None:
                # `gr.State` values are stored elsewhere and stay.
                state.config_values.clear()
                if self.visitors.gone(visitor):
                    self._forget(state)

    def _forget(self, visitor: SessionState) -> None:
        for state in self._closing:
            kept = visitor.state_data.get(state._id)
            if isinstance(kept, Kept):
                kept.value = None
