"""Market data of an exchange as the terms of symbols: costs, order rules, contract sizes and funding, with nothing invented."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.feeds.live import LiveFeed
from engine.live.exchange import ExchangeMarkets, ExchangeRefused, read_markets
from engine.live.instruments import choose_timeframe, describe_live_market, format_timeframe
from engine.report.data_counts import describe_data
from engine.settings import Settings
from tests.exchanges.binance import FakeBinance

MINUTE = 60 * 10**9


def market(symbol: str, **more: Any) -> dict[str, Any]:
    """A spot market as ccxt has it."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    plain = {"symbol": symbol, "base": base, "quote": quote, "type": "spot", "spot": True, "contract": False, "taker": 0.0026, "maker": 0.0016}
    return plain | {"precision": {"price": 0.1, "amount": 1e-8}, "limits": {"cost": {"min": 0.5}}} | more


def perpetual(symbol: str, size: float | None, *, inverse: bool = False, **more: Any) -> dict[str, Any]:
    kind = {"type": "swap", "spot": False, "swap": True, "contract": True, "contractSize": size, "inverse": inverse, "linear": not inverse}
    return market(symbol, **{"precision": {"price": 0.1, "amount": 1.0}, "limits": {"cost": {"min": None}}} | kind | more)


def markets(
    *rows: dict[str, Any], funding: dict[str, Any] | None = None, mode: int = 4, timeframes: tuple[str, ...] = ("1m", "5m", "1h", "1w")
) -> Any:
    return ExchangeMarkets("venue", {row["symbol"]: row for row in rows}, {}, timeframes, mode, funding or {})


def settings(*symbols: str, interval: int | None = None, levels: int = 5) -> Settings:
    return Settings("/h", "sqlite:////h/p.db", feed="live", exchange="venue", symbols=symbols, interval=interval, book_levels=levels)


def test_a_spot_symbol_has_its_fees_steps_and_minimum_and_cannot_be_sold_short() -> None:
    live = describe_live_market(settings("BTC/USD", levels=10), markets(market("BTC/USD")))
    info = live.info
    assert (info.name, info.label, info.symbols, info.interval, info.levels) == ("live", "live: venue", ("BTC/USD",), MINUTE, 10)
    assert (info.has_flow, info.simulated, live.timeframe) == (True, False, "1m")
    assert (info.fee_bps, info.fees_bps, info.maker_fees_bps, info.tick_size) == (26.0, (26.0,), (16.0,), (0.1,))
    assert (info.rules.lots, info.rules.min_notionals, info.rules.shorts) == ((1e-8,), (0.5,), (False,))


def test_sizes_of_linear_and_inverse_contracts_become_base_units() -> None:
    listed = (perpetual("BTC/USDT:USDT", 0.01), perpetual("BTC/USD:BTC", 100.0, inverse=True), market("ETH/USD"))
    live = describe_live_market(settings("BTC/USDT:USDT", "BTC/USD:BTC", "ETH/USD"), markets(*listed))
    linear, inverse, spot = live.contracts
    size, price = np.array([3.0]), np.array([50_000.0])
    assert [float(terms.units(size, price)[0]) for terms in (linear, inverse, spot)] == [0.03, 3 * 100 / 50_000, 3.0]
    rules = live.info.rules
    assert (rules.lots, rules.money_lots) == ((0.01, 100.0, 1e-8), (False, True, False))
    assert (rules.shorts, rules.min_notionals) == ((True, True, False), (0.0, 0.0, 0.5))


@pytest.mark.parametrize(
    ("funding", "rate"),
    [
        ({"fundingRate": 0.0001, "interval": "8h"}, 0.0001), ({"fundingRate": -0.0001, "interval": "1h"}, -0.0008),
        ({"fundingRate": 0.0002, "interval": "4h"}, 0.0004), ({"fundingRate": 0.0001, "interval": None}, 0.0001),
        ({"fundingRate": None}, 0.0), ({"fundingRate": 3.0, "interval": "8h"}, 0.1), ({}, 0.0),
    ],
)  # fmt: skip
def test_the_funding_rate_is_per_8_hours_whatever_the_exchanges_interval(funding: dict[str, Any], rate: float) -> None:
    listed = (perpetual("A/USDT:USDT", 1.0), perpetual("B/USDT:USDT", 1.0))
    live = describe_live_market(settings("A/USDT:USDT", "B/USDT:USDT"), markets(*listed, funding={"A/USDT:USDT": funding}))
    assert live.info.rules.funding_rates == (pytest.approx((rate, 0.0)) if rate else ())


def test_an_exchange_without_funding_rates_is_said_to_lack_them() -> None:
    listed = (perpetual("A/USDT:USDT", 1.0), market("B/USDT"))
    known = describe_live_market(settings("A/USDT:USDT", "B/USDT"), markets(*listed, funding={"A/USDT:USDT": {"fundingRate": 0.0}}))
    assert (known.perpetuals, known.notes) == ((0,), ())
    unknown = describe_live_market(settings("A/USDT:USDT", "B/USDT"), markets(*listed))
    line = "venue gave no funding rate of A/USDT:USDT at the start: positions in them pay and receive none until it does"
    assert (unknown.perpetuals, unknown.notes) == ((0,), (line,))
    lacking = describe_live_market(settings("A/USDT:USDT", "B/USDT"), replace(markets(*listed), has_funding=False))
    line = "ccxt reads no funding rates of venue: positions in A/USDT:USDT pay and receive none here, unlike at the exchange"
    assert (lacking.perpetuals, lacking.notes) == ((), (line,))
    assert describe_data(LiveFeed(lacking, lambda: None, settings("A/USDT:USDT", "B/USDT"))) == (line,)


def test_what_an_exchange_does_not_say_is_unknown() -> None:
    bare = market("A/USD", precision={}, limits={}, taker=None, maker=None)
    assert describe_live_market(settings("A/USD"), markets(bare)).info.fee_bps == 10.0
    info = describe_live_market(settings("A/USD", "B/USD"), markets(bare, market("B/USD"))).info
    assert (info.fees_bps, info.maker_fees_bps) == ((26.0, 26.0), (26.0, 16.0))
    assert (info.tick_size, info.rules.lots, info.rules.min_notionals) == ((0.0, 0.1), (0.0, 1e-8), (0.0, 0.5))


def test_precision_is_a_step_a_number_of_decimals_or_unknown() -> None:
    decimals = market("A/USD", precision={"price": 2, "amount": 0})
    assert describe_live_market(settings("A/USD"), markets(decimals, mode=2)).contracts[0].tick == 0.01
    assert describe_live_market(settings("A/USD"), markets(decimals, mode=2)).contracts[0].lot == 1.0
    assert describe_live_market(settings("A/USD"), markets(decimals, mode=3)).contracts[0].tick == 0.0


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ((market("A/USD"), market("B/EUR")), "A/USD and B/EUR are priced in USD and EUR: give symbols of one currency"),
        ((market("A/USD"), market("B/USD", type="option", spot=False)), "B/USD is of the kind option: give spot symbols, perpetuals or futures"),
        ((perpetual("A/USD:USD", None),), "the exchange does not give the contract size of A/USD:USD: leave them out"),
    ],
)
def test_symbols_that_cannot_be_traded_together_are_refused(rows: tuple[dict[str, Any], ...], line: str) -> None:
    with pytest.raises(ExchangeRefused) as caught:
        describe_live_market(settings(*(row["symbol"] for row in rows)), markets(*rows))
    assert str(caught.value) == line


def test_symbols_in_us_dollars_and_their_stablecoins_trade_together() -> None:
    rows = (market("A/USD"), market("B/USDT"), market("C/USDC"))
    assert describe_live_market(settings("A/USD", "B/USDT", "C/USDC"), markets(*rows)).info.symbols == ("A/USD", "B/USDT", "C/USDC")


def test_the_interval_is_one_of_the_exchanges_or_refused_with_the_nearest() -> None:
    venue = markets(market("A/USD"))
    assert choose_timeframe(300 * 10**9, venue) == (300 * 10**9, "5m")
    assert choose_timeframe(60 * MINUTE, venue) == (60 * MINUTE, "1h")
    assert choose_timeframe(None, venue) == (MINUTE, "1m")
    assert choose_timeframe(None, markets(market("A/USD"), timeframes=("5m", "1h"))) == (5 * MINUTE, "5m")
    with pytest.raises(ExchangeRefused, match=r"^venue has no candles of 4m: did you mean 5m\? There are 1m, 5m, 1h$"):
        choose_timeframe(4 * MINUTE, venue)
    with pytest.raises(ExchangeRefused, match=r"names no candles of a day or less"):
        choose_timeframe(None, markets(market("A/USD"), timeframes=("1w", "1M")))
    assert format_timeframe(5 * MINUTE, ("1m", "5m")) == "5m"
    with pytest.raises(ExchangeRefused, match=r"^there are no candles of 3m: give one of 1m, 5m$"):
        format_timeframe(3 * MINUTE, ("1m", "5m"))


def test_binances_market_data_are_read_as_its_documentation_says() -> None:
    with FakeBinance(history_seconds=120) as binance:
        options = json.dumps(binance.ccxt_options())
        chosen = Settings("/h", "sqlite:////h/p.db", feed="live", exchange="binance", symbols=("ETH/USDT", "BTC/USDT"), exchange_options=options)
        info = describe_live_market(chosen, read_markets(chosen)).info
    assert (info.label, info.symbols, info.tick_size, info.fees_bps) == ("live: binance", ("ETH/USDT", "BTC/USDT"), (0.0001, 0.01), (10.0, 10.0))
    assert (info.rules.lots, info.rules.min_notionals, info.rules.shorts) == ((0.0001, 0.00001), (5.0, 5.0), (False, False))
