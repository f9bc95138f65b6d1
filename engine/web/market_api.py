"""Market data over HTTP: a post is taken whole or refused whole, and answered with the decisions of its bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import pyarrow as pa
from anyio import sleep, to_thread
from starlette.requests import Request
from starlette.responses import Response

from engine.domain.ports import Clock, Feed
from engine.feeds._push_posts import PostConflicts, PostRefused, PostTooEarly, parse_arrow_post, parse_json_post
from engine.feeds.push import PostReceipt, PushFeed
from engine.store.errors import StoreError
from engine.store.read import api
from engine.store.read.reader import Reader
from engine.web.access_guard import find_scope_visitor
from engine.web.api import format_timestamp, name_rows, respond_json
from engine.web.api_routes import ApiRoute
from engine.web.openapi_posts import describe_market
from engine.web.problems import problem
from engine.web.request_body import find_address, limit_requests, read_body, read_media_type, refuse_push
from engine.web.request_limit import Rate, RequestLimit

PATH = "/api/v1/market"
MAX_BODY = 16_000_000  # bytes
MAX_WAIT = 60.0  # s
MAX_WAITING = 100  # posts that wait for decisions at once; further ones are answered without
POLL_SECONDS = 0.02
POSTS = Rate(300.0, 50.0)  # of a visitor
BUSY_MS = 300
PARSERS: Mapping[str, Callable[[bytes], dict[str, pa.Table]]] = {
    "application/json": parse_json_post,
    "application/vnd.apache.arrow.stream": parse_arrow_post,
}


class MarketApi:
    """Takes what is posted for the engine of this process, and reads the decisions on it from the store."""

    def __init__(self, url: str, clock: Clock, feed: Callable[[], Feed | None]) -> None:
        self._url, self._clock, self._feed = url, clock, feed
        self._limit, self._reader, self._waiting = RequestLimit(clock, POSTS), Reader(url, busy_ms=BUSY_MS), 0

    async def submit(self, request: Request) -> Response:
        """Answer 200 with the decisions of the newest bar of the post, 202 while they are not there, the same for a repeat; else the problem."""
        visitor = find_scope_visitor(request.scope)
        refusal = limit_requests(self._limit, visitor, "posts")
        if refusal is None:
            refusal = await to_thread.run_sync(refuse_push, self._url, visitor, "market", self._clock.now(), find_address(request))
        if refusal is not None:
            return refusal
        body = await read_body(request, MAX_BODY, "post it in parts, oldest first")
        if isinstance(body, Response):
            return body
        parse = PARSERS.get(read_media_type(request))
        if parse is None:
            return problem(415, "Unsupported Media Type", f"send {' or '.join(PARSERS)}")
        seconds = read_wait(request)
        if isinstance(seconds, Response):
            return seconds
        taken = await to_thread.run_sync(self._take, parse, body)
        if isinstance(taken, Response):
            return taken
        feed, receipt = taken
        await self._wait(feed, receipt, seconds)
        return await to_thread.run_sync(self._answer, feed, receipt)

    def _take(self, parse: Callable[[bytes], dict[str, pa.Table]], body: bytes) -> tuple[PushFeed, PostReceipt] | Response:
        feed = self._feed()
        if feed is None:
            remedy = "wait for it, or see the log of Podium; nothing was taken"
            return problem(503, "Service Unavailable", f"no engine runs in this server: {remedy}", {"Retry-After": "5"})
        if not isinstance(feed, PushFeed):
            return problem(409, "Conflict", f"the engine decides on the {feed.info.label}: start Podium with feed = push to post a market")
        try:
            return feed, feed.take(feed.parse_post(parse(body)))
        except PostConflicts as error:
            return problem(409, "Conflict", str(error))
        except PostTooEarly as error:
            return problem(503, "Service Unavailable", str(error), {"Retry-After": "2"})
        except PostRefused as error:
            return problem(422, "Unprocessable Content", str(error))

    async def _wait(self, feed: PushFeed, receipt: PostReceipt, seconds: float) -> None:
        """Wait until the tick on the receipt's bar is stored, at most so long."""
        if receipt.bar_at is None or self._waiting >= MAX_WAITING:
            return
        self._waiting += 1
        deadline = self._clock.tick() + seconds
        try:
            while feed.stored_until < receipt.bar_at and (left := deadline - self._clock.tick()) > 0.0:  # noqa: ASYNC110 - the engine decides in another thread
                await sleep(min(POLL_SECONDS, left))
        finally:
            self._waiting -= 1

    def _answer(self, feed: PushFeed, receipt: PostReceipt) -> Response:
        content: dict[str, object] = {"rows": receipt.rows, "repeated": receipt.repeated, "bar": receipt.bar_at, "decided": False, "decisions": []}
        if receipt.bar_at is None:
            return respond_json(content, 200)
        poll = f"/api/v1/decisions?since={receipt.bar_at}&limit={len(feed.info.symbols)}"
        content |= {"bar_utc": format_timestamp(receipt.bar_at), "poll": poll}
        try:
            rows = name_rows(api.read_decisions_at(self._reader, receipt.bar_at))
        except StoreError:
            rows = []  # the post is taken; its decisions can be polled
        content |= {"decided": bool(rows), "decisions": rows}
        return respond_json(content, 200 if rows else 202)


def read_wait(request: Request) -> float | Response:
    """The seconds that a request waits for an answer; the problem where it is no number from 0 to MAX_WAIT."""
    text = request.query_params.get("wait", "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if len(text) > 10 or not 0.0 <= seconds <= MAX_WAIT:
        return problem(400, "Bad Request", f"wait={text[:20]!r} is no number of seconds from 0 to {MAX_WAIT:.0f}: give one, or leave it out")
    return seconds


def build_market_routes(address: Callable[[], str], clock: Clock, feed: Callable[[], Feed | None]) -> list[ApiRoute]:
    """Build the route; `address` gives that of the store, `feed` that of the engine in this process, both at a request."""

    @cache
    def market() -> MarketApi:
        return MarketApi(address(), clock, feed)

    async def submit(request: Request) -> Response:
        return await market().submit(request)

    return [ApiRoute(PATH, submit, describe_market(MAX_WAIT), "POST")]
