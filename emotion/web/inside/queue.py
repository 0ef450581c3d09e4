"""Gradio's queue, kept running: no visitor's event can stop it, and waiting requests have a size limit.

Written for Gradio 6.31. It can go when an error in one event no longer ends Gradio's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import sys
import time
from asyncio import Queue as AsyncQueue
from collections.abc import Iterator
from typing import Any, Literal, cast

import fastapi
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage
from gradio.utils import LRUCache

from emotion.web.inside.uploads import delete

logger = logging.getLogger(__name__)

FAILED = "Something went wrong here, not with you. Try again in a moment."
BUSY = "Busy: many people are asking at this moment. Try again in a moment."
RETRY_AFTER = "2"  # seconds
# Seconds: Gradio's loop turns every millisecond, so a longer silence means that it has ended.
STALLED_AFTER = 10.0
RESTARTED_AFTER = 1.0
# Bytes of all requests that are waiting or being answered.
MOST_HELD = 128_000_000
# Sessions whose messages are kept although they have no waiting or running event.
IDLE_SESSIONS = 1000


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
        super().__setitem__(key, value)

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

    @classmethod
    def instead_of(cls, queue: Queue) -> SteadyQueue:
        """Turn the queue that Gradio made for a page into one of this class."""
        # Gradio looks it up on its own class.
        # pyrefly: ignore [method-assign]
        Queue.wait_for_event_or_timeout = staticmethod(signal_or_timeout)
        queue.__class__ = cls
        steady = cast(SteadyQueue, queue)
        steady.pending_messages_per_session = Messages(steady)
        # Gradio would keep statistics of 10,000 events and recompute them after each; nothing reads them.
        # The second name is misspelt in Gradio.
        steady.ANALYTICS_MAX_EVENTS, steady.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize
        steady.turned = -math.inf
        steady.held = {}
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
                self.send_message(event, ProcessCompletedMessage(output={"error": FAILED}, success=False))
            await asyncio.sleep(RESTARTED_AFTER)

    async def push(
        self, body: PredictBodyInternal, request: fastapi.Request, username: str | None
    ) -> tuple[bool, Any, Literal["success", "error", "queue_full", "validator_error"]]:
        """Queue an event.

        If too much is waiting already, it is refused with status 503, and the uploads that it names are
        deleted.
        """
        # Twice, because the request itself is kept too.
        size = 2 * memory_of([body.data, body.event_data])
        for ended in self.held.keys() - self.event_ids_to_events.keys():
            del self.held[ended]
        done, event, state = False, "", "queue_full"
        if size + sum(self.held.values()) <= MOST_HELD:
            done, event, state = await super().push(body, request, username)
        if state == "queue_full":
            for each in values_of(body.data):
                if isinstance(each, dict) and isinstance(each.get("path"), str):
                    delete(each["path"])
            raise fastapi.HTTPException(503, BUSY, {"Retry-After": RETRY_AFTER})
        if done:
            self.held[str(event)] = size
        return done, event, state


async def signal_or_timeout(event: Event, timeout: float) -> Literal["signal", "timeout"]:
    """Wait for the next frame of a camera, and leave no timer behind.

    Gradio 6.31 leaves one timer per frame, which stays for as long as a camera may run.
    """
    try:
        await asyncio.wait_for(event.signal.wait(), timeout)
    except TimeoutError:
        return "timeout"
    finally:
        event.signal.clear()
    return "signal"


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
