"""GET /api/v1/stream: decisions, alerts and trials as server-sent events, resumed after the last one that was received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache, partial

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from engine.domain.ports import Clock
from engine.store.errors import StoreError
from engine.store.read.events import KINDS
from engine.web.access_guard import CREDENTIAL
from engine.web.api_routes import PREFIX, ApiRoute, ReadLimit, Schema
from engine.web.credentials import Credential
from engine.web.event_hub import MAX_CLIENTS, EventHub, StreamClient, render_notice
from engine.web.openapi import describe_responses
from engine.web.parameters import BadRequest, quote_value, read_names
from engine.web.problems import describe_failure, problem

PATH = f"{PREFIX}/stream"
MEDIA_TYPE = "text/event-stream"
HEARTBEAT_SECONDS = 15.0  # without an event, before a comment says that the connection lives
SEND_SECONDS = 60.0  # that a client may take for what is sent
MAX_BACKLOG = 10_000  # events that are sent to somebody who comes back
MAX_NUMBER = 2**63 - 1


class Stream:
    """What one client gets, from its last event on; no more than one page of events is in memory for it."""

    def __init__(
        self, hub: EventHub, client: StreamClient, kinds: frozenset[str], position: int, *, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:  # fmt: skip
        self._hub, self._client, self._kinds, self._position, self._heartbeat = hub, client, kinds, position, heartbeat

    async def send(self) -> AsyncIterator[bytes]:
        """Events until the client leaves, its right ends, it is too slow, or the server stops."""
        yield b"retry: 2000\n\n"
        try:
            async for text in self._catch_up():
                yield text
            async for text in self._follow():
                yield text
        except StoreError:
            yield render_notice("end", "the store cannot be read right now: come back with Last-Event-ID")

    async def _follow(self) -> AsyncIterator[bytes]:
        """New events as the hub reads them, comments while there are none, and the word why it ends."""
        while not (reason := self._client.ended):
            self._client.woken.clear()
            events = self._hub.list_after(self._position)
            if events is None:
                reason = f"too slow: events up to {self._position} were sent; come back with Last-Event-ID"
                break
            for event in events:
                if self._client.ended is None:
                    self._position = event.id
                    if event.kind in self._kinds:
                        yield event.text
            if not events and not await self._is_woken():
                yield b": still here\n\n"
        yield render_notice("end", reason)

    async def _is_woken(self) -> bool:
        with anyio.move_on_after(self._heartbeat) as wait:
            await self._client.woken.wait()
        return not wait.cancelled_caught

    async def _catch_up(self) -> AsyncIterator[bytes]:
        """The events that were stored since the last one that the client received, a page at a time."""
        stored = await to_thread.run_sync(self._hub.find_range)
        if self._position > stored.newest:
            yield render_notice("skipped", "that event is of another store, or later than any of this: what follows is new", after=stored.newest)
            self._position = stored.newest
        first = max(stored.oldest - 1, stored.newest - MAX_BACKLOG)
        if self._position < first and stored.oldest:
            yield render_notice(
                "skipped", "older events are deleted, or are too many: read them from the views", after=self._position, to=first
            )  # fmt: skip
            self._position = first
        while self._client.ended is None and self._position < stored.newest and self._hub.list_after(self._position) is None:
            page = await to_thread.run_sync(self._hub.read_page, self._position)
            for event in page:
                self._position = event.id
                if event.kind in self._kinds:
                    yield event.text
            if not page:
                self._position = stored.newest


class PatientResponse(StreamingResponse):
    """A stream that is given up where its client takes nothing for a while, and then calls `leave`."""

    def __init__(self, content: AsyncIterator[bytes], leave: Callable[[], None], *, patience: float = SEND_SECONDS) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
        self._leave, self._patience = leave, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_soon(message: Message) -> None:
            with anyio.fail_after(self._patience):
                await send(message)

        try:
            await super().__call__(scope, receive, send_soon)
        except TimeoutError:
            return
        finally:
            self._leave()


def build_stream_route(address: Callable[[], str], clock: Clock, limit: ReadLimit) -> ApiRoute:
    """Build the route; `address` gives that of the store, on the first request."""

    @cache
    def hub() -> EventHub:
        return EventHub(address(), clock)

    async def follow(request: Request) -> Response:
        refusal = limit.refuse(request)
        if refusal is not None:
            return refusal
        try:
            kinds = read_kinds(request)
            position = read_position(request)
            if hub().count >= MAX_CLIENTS:
                return problem(503, "Service Unavailable", f"{MAX_CLIENTS} programs follow the stream already", {"Retry-After": "10"})
            credential: Credential | None = request.scope.get(CREDENTIAL)
            newest = (await to_thread.run_sync(hub().find_range)).newest
            client = await hub().join(credential)
        except BadRequest as error:
            return problem(400, "Bad Request", str(error))
        except StoreError as error:
            return describe_failure(error, "events cannot be read")
        stream = Stream(hub(), client, kinds, newest if position is None else position)
        return PatientResponse(stream.send(), partial(hub().leave, client))

    return ApiRoute(PATH, follow, describe_stream())


def read_kinds(request: Request) -> frozenset[str]:
    """The kinds of events that are wanted, all if none is named; raises BadRequest."""
    given = read_names(request.query_params.multi_items(), ("types",))
    if "types" not in given:
        return frozenset(KINDS)
    names = given["types"].split(",")
    for name in names:
        if name not in KINDS:
            raise BadRequest(f"types: there is no type {quote_value(name)}: give some of {', '.join(KINDS)}")
    return frozenset(names)


def read_position(request: Request) -> int | None:
    """The number of the last event that was received; None for a new client. Raises BadRequest."""
    text = request.headers.get("last-event-id", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_NUMBER):
        raise BadRequest(f"Last-Event-ID is {quote_value(text)}: give the id of an event, or leave it out for new ones")
    return int(text)


def describe_stream() -> Schema:
    """The operation in OpenAPI's form."""
    types = {
        "name": "types", "in": "query", "style": "form", "explode": False, "description": "Kinds of events, separated by commas; all if left out.",
        "schema": {"type": "array", "items": {"enum": list(KINDS)}, "minItems": 1},
    }  # fmt: skip
    last = {
        "name": "Last-Event-ID", "in": "header", "description": "The id of the last event that was received: the stream goes on after it.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MAX_NUMBER},
    }  # fmt: skip
    body = {"description": "Server-sent events.", "content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}
    return {
        "summary": "Follow decisions, alerts and trials as server-sent events", "parameters": [types, last],
        "responses": describe_responses({200: body}, 400, 401, 403, 429, 503),
    }  # fmt: skip
