"""Messages of ccxt become base units, repeated trades are left out, and statistics and clocks say what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.live import FAULTS
from engine.feeds._contracts import Contract
from engine.live.clock_offset import ClockOffset
from engine.live.exchange import load_ccxt_errors
from engine.live.stream_messages import REMEMBERED_IDS, TradeFilter, explain_book, read_book, read_trade
from engine.live.stream_statistics import StreamStatistics
from engine.live.streams import LiveStreams, classify_error
from engine.settings import Settings
from tests.coroutines import run_coroutine

SECOND = 10**9
errors = load_ccxt_errors()
SPOT, LINEAR, INVERSE = Contract(), Contract(multiplier=0.01), Contract(multiplier=100.0, inverse=True)


@pytest.mark.parametrize(("contract", "size"), [(SPOT, 3.0), (LINEAR, 0.03), (INVERSE, 6.0)])
def test_sizes_are_in_base_units(contract: Contract, size: float) -> None:
    row = {"timestamp": 1_700_000_000_123, "price": 50.0, "amount": 3.0, "side": "sell", "id": "7"}
    trade = read_trade(row, 1, 5, contract)
    assert trade is not None
    assert (trade.symbol, trade.at, trade.received, trade.sign, trade.id) == (1, 1_700_000_000_123_000_000, 5, -1.0, "7")
    assert trade.size == pytest.approx(size)
    book = read_book({"bids": [[50.0, 3.0]], "asks": [[50.0, 3.0], [51.0, 1.0]], "timestamp": None}, 1, 5, contract, 2)
    assert book.at == 5
    assert book.levels[1, 0] == book.levels[3, 0] == pytest.approx(size)
    assert np.isnan(book.levels[:2, 1]).all()


@pytest.mark.parametrize("fault", [{"price": None}, {"amount": 0.0}, {"price": float("nan")}, {"timestamp": None}, {"price": float("inf")}])
def test_a_trade_that_is_none_is_left_out(fault: dict[str, object]) -> None:
    assert read_trade({"timestamp": 1, "price": 1.0, "amount": 1.0, "side": None, "id": None} | fault, 0, 0, SPOT) is None


def test_crossed_and_empty_books_are_explained() -> None:
    def explain(bids: list[list[float]], asks: list[list[float]]) -> str | None:
        return explain_book(read_book({"bids": bids, "asks": asks, "timestamp": 1}, 0, 0, SPOT, 3))

    assert explain([[10.0, 1.0]], [[11.0, 1.0]]) is None
    assert explain([[11.0, 1.0]], [[11.0, 1.0]]) == "the book is crossed: bid 11, ask 11"
    assert explain([], [[11.0, 1.0]]) == "the book is empty on a side"


@given(st.lists(st.integers(0, 60), max_size=80))
def test_every_id_passes_once_and_steps_back_are_counted(ids: list[int]) -> None:
    trades = TradeFilter()
    passed = [number for number in ids if trades.is_new(str(number))]
    assert passed == list(dict.fromkeys(ids))
    assert trades.stepped_back == sum(number < max(passed[:place], default=-1) for place, number in enumerate(passed))


def test_ids_are_bounded_and_trades_without_an_id_pass() -> None:
    trades = TradeFilter()
    for number in range(3 * REMEMBERED_IDS):
        trades.is_new(str(number))
    assert len(trades._ids) == len(trades._order) == REMEMBERED_IDS
    assert trades.is_new("")
    assert trades.is_new("")


def test_statistics_give_rate_latency_and_the_longest_gap() -> None:
    statistics = StreamStatistics("AAA", "trades")
    assert statistics.describe(SECOND).messages_per_second is None
    statistics.set_state("ok", None, 0)
    for place in range(100):
        received = 1_000 * SECOND + place * SECOND // 10
        statistics.add_message(received, received - (place + 1) * 10**6 + 2 * SECOND, 2 * SECOND)
    status = statistics.describe(1_010 * SECOND, late_trades=3)
    assert (status.messages, status.messages_per_second, status.late_trades, status.state) == (100, 10.0, 3, "ok")
    assert status.latency_p50_ms == pytest.approx(np.percentile(np.arange(1, 101), 50))
    assert status.latency_p99_ms == pytest.approx(np.percentile(np.arange(1, 101), 99))
    assert statistics.longest_gap == SECOND // 10
    statistics.set_state("stale", "no message", 7)
    statistics.set_state("reconnecting", "refused", 9)
    statistics.add_message(2_000 * SECOND, None, 0)
    assert (statistics.longest_gap, statistics.problem, statistics.problem_since) == (SECOND // 10, "refused", 7)
    assert statistics.describe(2_100 * SECOND).messages_per_second == 0.0


@given(st.integers(-100, 100), st.lists(st.tuples(st.integers(1, 800), st.floats(0.0, 1.0)), min_size=1, max_size=8))
def test_the_clock_offset_errs_by_half_the_shortest_round_trip_at_most(seconds: int, trips: list[tuple[int, float]]) -> None:
    clock, true = ClockOffset(), seconds * SECOND
    for place, (trip, share) in enumerate(trips):
        sent = place * SECOND
        clock.add(sent, sent + trip * 10**6, sent + int(trip * 10**6 * share) + true)
    assert abs(clock.offset - true) <= min(trip for trip, _ in trips) * 10**6 / 2 + 1
    assert (clock.problem is None) == (abs(clock.offset) <= SECOND)


def test_a_clock_that_is_set_replaces_older_samples() -> None:
    clock = ClockOffset()
    assert not clock.is_known
    clock.add(0, 10, 5)
    clock.add(0, 10**8, 5 * 10**7 + 60 * SECOND)
    assert clock.offset == 60 * SECOND


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.NetworkError("closed"), "disconnected"),
        (errors.ChecksumError("nonce is not in order"), "gap"),
        (errors.ChecksumError("invalid checksum"), "checksum"),
        (errors.RateLimitExceeded("429"), "rate_limited"),
        (errors.OnMaintenance("soon"), "maintenance"),
        (errors.ExchangeNotAvailable("503"), "disconnected"),
        (errors.BadSymbol("no"), "halted"),
        (errors.BadRequest("no"), "halted"),
        (OSError("reset"), "disconnected"),
        (KeyError("x"), "disconnected"),
    ],
)
def test_errors_have_a_kind(error: Exception, kind: str) -> None:
    assert classify_error(error) == kind
    assert kind in FAULTS


def test_an_exchange_that_gives_whole_seconds_is_measured_by_the_largest_offset() -> None:
    clock, true = ClockOffset(), 5 * SECOND + SECOND // 2
    for place in range(8):
        sent = 100 * SECOND + place * 6 * SECOND // 5
        clock.add(sent, sent + 10**7, (sent + 5 * 10**6 + true) // SECOND * SECOND)
        assert clock.offset <= true + 5 * 10**6
    assert true - clock.offset < SECOND // 5


def test_a_number_that_a_count_of_trades_leaves_out_is_reported_and_ids_that_are_no_count_are_not() -> None:
    counted = TradeFilter()
    for number in range(60):
        counted.is_new(str(number))
    assert (counted.is_new("63"), counted.missing) == (True, 3)
    assert (counted.is_new("62"), counted.missing, counted.stepped_back) == (True, 0, 1)
    joined = TradeFilter()
    reported = 0
    for number in range(1, 3_000):
        joined.is_new(str(number + number // 40))
        reported += joined.missing > 0
    assert reported == 0


def test_a_count_that_turns_out_to_be_none_is_reported_ever_less() -> None:
    joined, reported = TradeFilter(), 0
    for number in range(10_000):
        joined.is_new(str(number + number // 120))
        reported += joined.missing > 0
    assert reported <= 2


class _Unwatching:
    """An exchange of ccxt whose unsubscription runs `meanwhile`."""

    has: ClassVar[dict[str, bool]] = {"unWatchTrades": True}

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile

    async def un_watch_trades(self, symbol: str) -> None:
        """Unsubscribe."""
        self._meanwhile()


@pytest.mark.parametrize("has_dialled_again", [False, True])
def test_a_redial_cancels_the_silent_call_and_not_the_one_its_watcher_has_made_meanwhile(has_dialled_again: bool) -> None:
    async def redial() -> tuple[bool, bool]:
        settings = Settings("", "", symbols=("A", "B"))
        streams = LiveStreams(lambda: None, ("A", "B"), (SPOT, SPOT), settings, SECOND, lambda _: None)
        silent, other = streams.streams[0], streams.streams[2]
        now = streams.timer.tick()
        other.is_up, other.since = True, now
        newest = silent.call = asyncio.get_running_loop().create_future()

        def dial_again() -> None:
            nonlocal newest
            if has_dialled_again and silent.call is not None:
                silent.call.set_result([])
                newest = silent.call = asyncio.get_running_loop().create_future()

        streams.exchanges["trades"] = _Unwatching(dial_again)
        await streams._redial(silent, now)
        return newest.cancelled(), silent.is_redialled

    assert run_coroutine(redial()) == (not has_dialled_again, not has_dialled_again)
