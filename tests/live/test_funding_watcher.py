"""Funding rates that cannot be read for a while, or never could: a fault that lasts is reported, and every report ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import ccxt
import pytest

from engine.domain.live import StreamEvent, StreamFault
from engine.live.exchange import ExchangeMarkets, ExchangeRefused, fetch_funding
from engine.live.funding_watcher import FAILED_READS, FundingWatcher
from engine.live.instruments import describe_live_market
from engine.live.streams import LiveStreams, StreamTimes
from engine.settings import Settings
from tests.coroutines import run_coroutine

SYMBOL = "BTC/USDT:USDT"
MARKET = {
    "symbol": SYMBOL, "base": "BTC", "quote": "USDT", "type": "swap", "spot": False, "swap": True, "contract": True, "contractSize": 1.0,
    "linear": True, "inverse": False, "taker": 0.0005, "maker": 0.0002, "precision": {"price": 0.1, "amount": 0.001}, "limits": {},
}  # fmt: skip
SETTINGS = Settings("/h", "sqlite:////h/p.db", feed="live", exchange="venue", symbols=(SYMBOL,))
LONGEST = 300.0  # s that a test waits for something
TIMES = StreamTimes(first_pause=0.0, funding=0.0, funding_again=0.0)
LOST, REFUSED = ccxt.NetworkError("no answer"), ccxt.BadSymbol("no such symbol")


class Venue:
    """An exchange of ccxt whose answers about funding are set by a test: a value, or an error that it raises."""

    id = "venue"

    def __init__(self, rate: Any, interval: Any = None) -> None:
        self.rate, self.interval, self.requests, self.lost = rate, interval, 0, 0
        self.has = {"fetchFundingRate": True, "fetchFundingInterval": interval is not None}

    async def fetch_funding_rate(self, symbol: str) -> Mapping[str, Any]:
        assert symbol == SYMBOL
        self.requests += 1
        self.lost -= 1
        return {"fundingRate": _answer(LOST if self.lost >= 0 else self.rate), "interval": None}

    async def fetch_funding_interval(self, symbol: str) -> Mapping[str, Any]:
        assert symbol == SYMBOL
        return {"interval": _answer(self.interval)}


def _answer(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


class Watched:
    """A watcher of one perpetual, and the messages that it sent."""

    def __init__(self, venue: Venue, start: float | None = None, *, times: StreamTimes = TIMES) -> None:
        funding = {} if start is None else {SYMBOL: {"fundingRate": start, "interval": "8h"}}
        market = describe_live_market(SETTINGS, ExchangeMarkets("venue", {SYMBOL: MARKET}, {}, ("1m",), 4, funding))
        streams = LiveStreams(lambda: venue, (SYMBOL,), market.contracts, SETTINGS, market.info.interval, lambda _: None, times=times)
        streams.exchanges["trades"] = venue
        self.taken: list[StreamEvent] = []
        self.watcher = FundingWatcher(streams, market, SETTINGS, self.taken.append, times)

    def read(self, times: int = 1) -> str | None:
        """Read the rate so often; the problem after the last."""
        for _ in range(times):
            run_coroutine(self.watcher.read(0))
        return self.watcher.problem

    def rates(self) -> list[str]:
        return [event.detail for event in self.taken if isinstance(event, StreamFault)]


def test_a_lost_request_is_made_again_and_is_no_problem() -> None:
    venue = Venue(0.0001)
    venue.lost = 1
    watched = Watched(venue)
    assert watched.read() is None
    assert (watched.rates(), venue.requests) == (["0.0001 per 8 h"], 2)


def test_only_several_failed_reads_in_a_row_are_a_problem_which_ends_with_the_next_rate() -> None:
    venue = Venue(LOST)
    watched = Watched(venue, 0.0001)
    assert watched.read() is None
    line = watched.read(FAILED_READS - 1)
    assert line is not None
    assert line.startswith(f"the funding of {SYMBOL} on venue: NetworkError (no answer)")
    assert line.endswith("; the last rate stays in force")
    venue.rate = 0.0002
    assert watched.read() is None
    venue.rate = None
    assert watched.read(FAILED_READS) == f"venue gives no funding rate of {SYMBOL}; the last rate stays in force"
    venue.rate = 0.0002
    assert watched.read() is None
    assert watched.rates() == ["0.0002 per 8 h"]


@pytest.mark.parametrize("answer", [REFUSED, None], ids=["refused", "without a rate"])
def test_an_outage_of_a_symbol_that_never_had_a_rate_ends_with_the_exchanges_answer(answer: Any) -> None:
    venue = Venue(LOST)
    watched = Watched(venue)
    assert watched.read(FAILED_READS) is not None
    venue.rate = answer
    assert watched.read() is None
    assert watched.read(FAILED_READS) is None, "the exchange is taken at its word"


def test_a_rate_whose_interval_is_refused_stays_that_of_the_last_read() -> None:
    venue = Venue(0.0001, "4h")
    watched = Watched(venue)
    watched.read()
    venue.interval = ccxt.PermissionDenied("not from here")
    assert "the interval of funding of " in str(watched.read(FAILED_READS))
    venue.interval = "4h"
    assert watched.read() is None
    assert watched.rates() == ["0.0002 per 8 h"]


def test_the_interval_is_unknown_where_the_exchange_lists_none_and_the_rate_is_unknown_where_it_refuses() -> None:
    unlisted = Venue(0.0001, ccxt.NullResponse("no data"))
    assert run_coroutine(fetch_funding(unlisted, SYMBOL, SETTINGS)) == {"fundingRate": 0.0001, "interval": None}
    with pytest.raises(ExchangeRefused, match="the interval of funding of"):
        run_coroutine(fetch_funding(Venue(0.0001, REFUSED), SYMBOL, SETTINGS))


def test_rates_that_could_not_be_read_are_read_again_before_the_others_are_due() -> None:
    venue = Venue(LOST)
    watched = Watched(venue, 0.0001, times=StreamTimes(first_pause=0.0, funding=1e6, funding_again=0.0))

    async def recover() -> None:
        running = asyncio.ensure_future(watched.watcher.run())
        await _wait_until(lambda: watched.watcher.problem is not None)
        venue.rate = 0.0003
        await _wait_until(lambda: watched.rates() == ["0.0003 per 8 h"])
        running.cancel()

    run_coroutine(recover())
    assert watched.watcher.problem is None


async def _wait_until(is_done: Callable[[], bool]) -> None:
    deadline = monotonic() + LONGEST
    while not is_done():
        assert monotonic() < deadline
        await asyncio.sleep(0)
