"""Rows that a program posts, and a push feed with a clock of its own."""

from __future__ import annotations

import json
from typing import Any, Literal

from engine.domain.market import MarketSnapshot
from engine.feeds._push_posts import parse_json_post
from engine.feeds._push_terms import describe_push_market
from engine.feeds.push import PostReceipt, PushFeed
from engine.settings import Settings

SECOND = 10**9
MINUTE = 60 * SECOND
START = 1_700_000_040 * SECOND // MINUTE * MINUTE  # ns UTC
SYMBOLS = ("A", "B")
Row = dict[str, Any]
Data = Literal["bars", "bars+books", "trades", "trades+books"]


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at

    def tick(self) -> float:
        return self.at / SECOND


class Posts:
    """A feed with a clock of its own, to which rows are posted."""

    def __init__(self, data: Data = "bars", *, after: int | None = None, terms: object = None, settle_ms: float = 10_000.0) -> None:
        self.clock = Clock()
        chosen = Settings(
            home="unused", database_url="sqlite:///unused", feed="push", symbols=SYMBOLS, interval=MINUTE, settle_ms=settle_ms,
            push_data=data, push_terms=json.dumps(terms or {}), latency_ms=250.0,
        )  # fmt: skip
        self.feed = PushFeed(*describe_push_market(chosen), chosen, self.clock)
        self.feed.wait(0.0, after)
        self._slices = self.feed.slices(after)

    def post(self, **rows: list[Row]) -> PostReceipt:
        return self.feed.take(self.feed.parse_post(parse_json_post(json.dumps(rows).encode())))

    def take(self) -> MarketSnapshot | None:
        """The next bar that is there; None without one."""
        return next(self._slices) if self.feed.wait(0.0) else None

    def take_all(self) -> list[MarketSnapshot]:
        return list(iter(self.take, None))

    def begin(self) -> MarketSnapshot:
        """The first bar of the moment."""
        self.clock.at = START + SECOND
        self.post(bars=[bar("A", START - MINUTE), bar("B", START - MINUTE)])
        first = self.take()
        assert first is not None
        return first


def bar(symbol: str, opened: int, price: float = 100.0, **changed: object) -> Row:
    row = {"symbol": symbol, "ts": opened, "open": price, "high": price + 2.0, "low": price - 1.0, "close": price + 1.0, "volume": 5.0}
    return {name: value for name, value in (row | changed).items() if value != "absent"}


def trade(symbol: str, at: int, price: float = 100.0, size: float = 1.0, side: str = "buy") -> Row:
    return {"symbol": symbol, "ts": at, "price": price, "size": size, "side": side}


def book(symbol: str, at: int, bid: float = 99.0, ask: float = 101.0, **changed: object) -> Row:
    return {"symbol": symbol, "ts": at, "bid_px_0": bid, "bid_sz_0": 3.0, "ask_px_0": ask, "ask_sz_0": 4.0} | changed


def digest_of(posts: Posts) -> str:
    """What the feed gives from here on, after one more whole bar."""
    posts.clock.at = START + MINUTE + SECOND
    posts.post(bars=[bar("A", START, 200.0), bar("B", START, 300.0)])
    return "".join(snapshot.digest() for snapshot in posts.take_all())
