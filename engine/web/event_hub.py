"""One reader of the store for all who follow the stream of events: it reads each event once and gives every client the same bytes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import orjson
from anyio import to_thread

from engine.domain.access import VIEW, judge_access
from engine.domain.ports import Clock
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.read.events import EventRange, StoredEvent, find_event_range, read_events
from engine.store.read.reader import Reader
from engine.web.credentials import Credential

POLL_SECONDS = 0.25  # between two reads of the store, for all clients together
RECHECK_SECONDS = 1.0  # between two looks whether a token or a log-in still holds; it is looked at before every event as well
PAGE = 200  # events of one read
RING_EVENTS, RING_BYTES = 500, 8_000_000  # newest events in memory, which a client that is not slower gets without a read of its own
MAX_CLIENTS = 200
BUSY_MS = 1_000


@dataclass(frozen=True, slots=True)
class RenderedEvent:
    """An event as it is sent."""

    id: int
    kind: str
    text: bytes


@dataclass(eq=False, slots=True)
class StreamClient:
    """Somebody who follows the stream: a wake-up and a reason to end, and no queue."""

    credential: Credential | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: str | None = None  # why the stream ends


class EventHub:
    """Reads new events while anybody follows them. Everything but the reading happens in the event loop of the server."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._reader, self._clock = Reader(url, busy_ms=BUSY_MS), clock
        self._ring: deque[RenderedEvent] = deque()
        self._ring_bytes = 0
        self._before = 0  # number of the event before the ring
        self.last = 0  # number of the newest event that was read
        self._clients: set[StreamClient] = set()
        self._task: asyncio.Task[None] | None = None
        self._checked = 0.0  # s, when the credentials were looked at
        self.is_closing = False

    @property
    def count(self) -> int:
        """Clients that follow the stream."""
        return len(self._clients)

    async def join(self, credential: Credential | None) -> StreamClient:
        """Follow the stream until `leave`. The first client starts the reader; raises StoreError where the store cannot be read."""
        if self._task is None or self._task.done():
            newest = (await to_thread.run_sync(self.find_range)).newest
            if self._task is None or self._task.done():
                self._ring.clear()
                self._ring_bytes, self._before, self.last = 0, newest, newest
                self._follow_signals()
                self._task = asyncio.get_running_loop().create_task(self._follow())
        client = StreamClient(credential)
        self._clients.add(client)
        return client

    def leave(self, client: StreamClient) -> None:
        """Follow no more; the reader stops with the last client."""
        self._clients.discard(client)

    def find_range(self) -> EventRange:
        """The numbers of the events that are stored; raises StoreError."""
        return find_event_range(self._reader)

    def read_page(self, after: int) -> list[RenderedEvent]:
        """Read events from the store for a client that comes back; raises StoreError."""
        return [render_event(event) for event in read_events(self._reader, after, PAGE)]

    def list_after(self, number: int) -> list[RenderedEvent] | None:
        """The events in memory after a number; None where some of them are in memory no more."""
        if number < self._before:
            return None
        return [event for event in self._ring if event.id > number] if number < self.last else []

    async def _follow(self) -> None:
        while self._clients and not self.is_closing:
            try:
                events = await to_thread.run_sync(self.read_page, self.last)
            except StoreError as error:
                LOG.info("the stream of events waits: %s", error)
                events = []
            now = self._clock.tick()
            if events or not 0.0 <= now - self._checked < RECHECK_SECONDS:
                self._checked = now
                await self._end_without_right()
            self._append(events)
            for client in tuple(self._clients):
                if events or client.ended is not None:
                    client.woken.set()
            if len(events) < PAGE:
                await asyncio.sleep(POLL_SECONDS)
        for client in tuple(self._clients):
            client.ended = client.ended or "the server stops: come back with Last-Event-ID"
            client.woken.set()

    async def _end_without_right(self) -> None:
        """End the streams of those whose token or log-in holds no more: each is looked up once, however many streams it has."""
        credentials = {client.credential.key: client.credential for client in self._clients if client.credential is not None}
        if not credentials:
            return
        refusals = await to_thread.run_sync(lambda: {key: _find_refusal(credential) for key, credential in credentials.items()})
        for client in self._clients:
            if client.credential is not None and refusals.get(client.credential.key) is not None:
                client.ended = refusals[client.credential.key]

    def _append(self, events: list[RenderedEvent]) -> None:
        for event in events:
            self._ring.append(event)
            self._ring_bytes += len(event.text)
            self.last = event.id
        while len(self._ring) > RING_EVENTS or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._ring_bytes -= len(oldest.text)
            self._before = oldest.id

    def _follow_signals(self) -> None:
        """End every stream on the signal that stops the server, which waits for its answers to end."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if callable(before) and not isinstance(before, _Closing):
                signal.signal(number, _Closing(self, before))


class _Closing:
    """A handler of a signal that closes a hub, and calls the handler before it."""

    def __init__(self, hub: EventHub, before: Callable[[int, FrameType | None], Any]) -> None:
        self._hub, self._before = hub, before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._hub.is_closing = True
        self._before(number, frame)


def render_event(event: StoredEvent) -> RenderedEvent:
    """An event in the form of server-sent events."""
    data = orjson.dumps({"kind": event.kind, "state": event.state, "stored_at": event.at, "data": event.data})
    return RenderedEvent(event.id, event.kind, b"id: %d\nevent: %s\ndata: %s\n\n" % (event.id, event.kind.encode(), data))


def render_notice(name: str, reason: str, **figures: int) -> bytes:
    """A word about the stream itself, without a number: the last event stays the place to come back to."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps({"reason": reason, **figures}))


def _find_refusal(credential: Credential) -> str | None:
    try:
        return judge_access(credential.find(), VIEW)
    except StoreError:
        return "whether the log-in still holds is unknown: come back with Last-Event-ID"
