"""Gradio's queue, kept running and fair: each kind of event and each visitor has a limited number of places.

A kind is what shares Gradio's `concurrency_id`; the events of one session are one visitor's.

Written for Gradio 6.31. Its restart can go when an error in one event no longer ends Gradio's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
import time
from asyncio import Queue as AsyncQueue
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, Literal, cast

import fastapi
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage, ProcessGeneratingMessage
from gradio.utils import LRUCache

from emotion.web.inside.uploads import delete
from emotion.web.language import words_of

logger = logging.getLogger(__name__)

FAILED = "Something went wrong here, not with you. Try again in a moment."
BUSY = "Busy: many people are asking at this moment. Try again in a moment."
YOUR_TURN = "You have sent {} of these already, and they are not answered yet. Wait for them, then try again."
RETRY_AFTER = "2"  # seconds
# Seconds: Gradio's loop turns every millisecond, so a longer silence means that it has ended.
STALLED_AFTER = 10.0
RESTARTED_AFTER = 1.0
# Bytes of all requests that are waiting or being answered.
MOST_HELD = 128_000_000
# Sessions whose messages are kept although they have no waiting or running event, and the bytes of all unread
# messages; above that, the session with the most unread loses its own.
IDLE_SESSIONS, MOST_UNREAD = 1000, 128_000_000
# Events of one kind that a visitor may have waiting or running; of cameras, one that ends and the next.
MOST_OF_ONE, CAMERAS_OF_ONE = 8, 2
# The kind of the events that send frames; they have one limit together.
CAMERAS = "cameras"
# Characters of an upload's path.
LONGEST_PATH = 1000


class Unread(AsyncQueue[EventMessage]):
    """Messages of one session that are not read yet, with their size in bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._sizes: deque[int] = deque()
        super().__init__()

    def _put(self, item: EventMessage) -> None:
        self._sizes.append(memory_of(getattr(item, "output", None)))
        self.size += self._sizes[-1]
        super()._put(item)

    def _get(self) -> EventMessage:
        self.size -= self._sizes.popleft()
        return super()._get()

    def clear(self) -> None:
        """Forget them."""
        while not self.empty():
            self.get_nowait()


class Messages(LRUCache[str, AsyncQueue[EventMessage]]):
    """Messages of each session, until its visitor reads them.

    Gradio 6.31 keeps those of the 2,000 latest sessions and drops the oldest, even if its event is still
    waiting; the next message to it then ends the queue with a `KeyError`. Here a session with a waiting or
    running event is never dropped, and messages to a dropped one are discarded.
    """

    def __init__(self, queue: SteadyQueue) -> None:
        super().__init__()
        self.queue = queue

    def __setitem__(self, key: str, value: AsyncQueue[EventMessage]) -> None:
        busy = {event.session_hash for event in self.queue.event_ids_to_events.values()}
        self.max_size = IDLE_SESSIONS + len(busy)
        while key not in self and len(self) >= self.max_size:
            oldest = next(each for each in self if each not in busy)
            del self[oldest]
            # Gradio keeps an empty set for every session that ever sent an event.
            self.queue.pending_event_ids_session.pop(oldest, None)
        super().__setitem__(key, Unread())

    def make_room(self) -> None:
        """Forget the messages of the sessions that leave most unread, if all together are too many."""
        unread = [cast(Unread, each) for each in self.values()]
        excess = sum(each.size for each in unread) - MOST_UNREAD
        for each in sorted(unread, key=lambda each: -each.size):
            if excess <= 0:
                break
            excess -= each.size
            each.clear()

    def __missing__(self, session: str) -> AsyncQueue[EventMessage]:
        return AsyncQueue()

    def __delitem__(self, session: str) -> None:
        # Gradio deletes them when a connection closes; a session may have had two.
        with contextlib.suppress(KeyError):
            super().__delitem__(session)


class SteadyQueue(Queue):
    """A queue that restarts after an error, knows whether it is alive, and holds a limited amount."""

    # When Gradio's loop last turned, on the monotonic clock.
    turned: float
    # Bytes of each event that waits or is being answered.
    held: dict[str, int]
    # Events of each kind that may wait; beyond, the app says that it is busy.
    most_waiting: int

    @classmethod
    def instead_of(cls, queue: Queue) -> SteadyQueue:
        """Turn the queue that Gradio made for a page into one of this class."""
        queue.__class__ = cls
        steady = cast(SteadyQueue, queue)
        steady.pending_messages_per_session = Messages(steady)
        # Gradio would keep statistics of 10,000 events and recompute them after each; nothing reads them.
        # The second name is misspelt in Gradio.
        steady.ANALYTICS_MAX_EVENTS, steady.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize
        steady.turned = -math.inf
        steady.held = {}
        # Gradio's own limit is for all kinds together: 66 clips would keep everybody's pictures out.
        steady.most_waiting, steady.max_size = steady.max_size or sys.maxsize, None
        return steady

    @property
    def alive(self) -> bool:
        """Whether the loop that hands out events is still running."""
        return not self.stopped and time.monotonic() - self.turned < STALLED_AFTER

    @property
    def sleep_when_free(self) -> float:
        """Seconds between two turns of Gradio's loop, which reads this on every turn."""
        self.turned = time.monotonic()
        return self.__dict__["sleep_when_free"]

    @sleep_when_free.setter
    def sleep_when_free(self, seconds: float) -> None:
        self.__dict__["sleep_when_free"] = seconds

    async def start_processing(self) -> None:
        """Hand out events until the app closes; an error loses only the events that were running."""
        while True:
            try:
                return await super().start_processing()
            except Exception:
                logger.exception("The queue broke off; it starts again")
            # Gradio marked the queue as stopped and cancelled the running events.
            self.stopped = False
            for event in [event for events in self.active_jobs if events for event in events]:
                failed = {"error": words_of(event.request).error(FAILED)}
                self.send_message(event, ProcessCompletedMessage(output=failed, success=False))
            await asyncio.sleep(RESTARTED_AFTER)

    async def push(
        self, body: PredictBodyInternal, request: fastapi.Request, username: str | None
    ) -> tuple[bool, Any, Literal["success", "error", "queue_full", "validator_error"]]:
        """Queue an event.

        If too much is waiting already, of all visitors or of this one, it is refused with status 503, and the
        uploads that it names are deleted.
        """
        refused = self._refused(body)
        # Twice, because the request itself is kept too.
        size = 2 * memory_of([body.data, body.event_data])
        for ended in self.held.keys() - self.event_ids_to_events.keys():
            del self.held[ended]
        done, event, state = False, "", "queue_full"
        if not refused and size + sum(self.held.values()) <= MOST_HELD:
            done, event, state = await super().push(body, request, username)
        if state == "queue_full":
            for each in values_of([body.data, body.event_data]):
                path = each.get("path") if isinstance(each, dict) else each
                if isinstance(path, str) and len(path) <= LONGEST_PATH:
                    delete(path)
            said = words_of(request).error(refused or BUSY)
            raise fastapi.HTTPException(503, said, {"Retry-After": RETRY_AFTER})
        if done:
            self.held[str(event)] = size
            self._queue_fairly(str(event))
        return done, event, state

    def _refused(self, body: PredictBodyInternal) -> str | None:
        """Return why an event of this kind cannot wait now; None if it can."""
        function = self.blocks.fns.get(body.fn_index) if body.fn_index is not None else None
        if function is None:
            return None
        kind = self.event_queue_per_concurrency_id.get(function.concurrency_id)
        if kind is not None and len(kind.queue) >= self.most_waiting:
            return BUSY
        most = CAMERAS_OF_ONE if function.concurrency_id == CAMERAS else MOST_OF_ONE
        own = [
            event
            for event in self._events_of(function.concurrency_id)
            if event.session_hash == body.session_hash
        ]
        return YOUR_TURN.format(len(own)) if body.session_hash and len(own) >= most else None

    def _events_of(self, kind: str) -> Iterator[Event]:
        return (event for event in self.event_ids_to_events.values() if event.concurrency_id == kind)

    def _queue_fairly(self, event_id: str) -> None:
        """Let a visitor's first event go before another visitor's second one, and so on."""
        event = self.event_ids_to_events.get(event_id)
        if event is None or event not in (
            waiting := self.event_queue_per_concurrency_id[event.concurrency_id].queue
        ):
            return
        waiting.remove(event)
        turns = Counter(each.session_hash for each in self._events_of(event.concurrency_id))
        mine = turns[event.session_hash] - 1
        turns[event.session_hash] -= 1
        place = len(waiting)
        while place > 0:
            turns[waiting[place - 1].session_hash] -= 1
            if turns[waiting[place - 1].session_hash] <= mine:
                break
            place -= 1
        waiting.insert(place, event)

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Send a message to the visitor of an event; drop unread answers that take too much memory."""
        super().send_message(event, event_message)
        if isinstance(event_message, ProcessCompletedMessage | ProcessGeneratingMessage):
            cast(Messages, self.pending_messages_per_session).make_room()


def memory_of(value: object) -> int:
    """Return the bytes of memory that a value parsed from JSON takes."""
    return sum(map(sys.getsizeof, values_of(value)))


def values_of(value: object) -> Iterator[object]:
    """Yield a value parsed from JSON and everything in it."""
    left = [value]
    while left:
        each = left.pop()
        yield each
        if isinstance(each, dict):
            left += each.keys()
            left += each.values()
        elif isinstance(each, list):
            left += each
