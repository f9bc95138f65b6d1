"""Turns an exchange's market data into contracts and the description of a live feed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.domain.ports import FeedInfo
from engine.domain.record import Record
from engine.feeds._contracts import Contract, trading_rules_of
from engine.live.exchange import SHOWN_NAMES, ExchangeMarkets, ExchangeRefused, require_symbols
from engine.schema import join_names
from engine.settings import DAY, SECOND, Settings, format_duration

DEFAULT_INTERVAL = 60 * SECOND  # ns
DEFAULT_FEE_BPS = 10.0  # where an exchange states no fee
DEFAULT_SPREAD_BPS = 2.0
FUNDING_HOURS = 8.0  # that a rate applies to, where the exchange does not say
MAX_FUNDING_RATE = 0.1  # per 8 h, of either sign
DECIMAL_PLACES, TICK_SIZE = 2, 4  # ccxt's modes of precision
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY}
_US_DOLLARS = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USDD", "DAI", "PYUSD", "USDE", "USD1"})  # priced alike, within their spread


@dataclass(frozen=True, slots=True)
class LiveMarket(Record):
    """The symbols of a live feed: its description and the terms of each symbol."""

    info: FeedInfo
    contracts: tuple[Contract, ...]
    timeframe: str  # of candles, by ccxt's name
    perpetuals: tuple[int, ...] = ()  # columns of the symbols that pay funding
    notes: tuple[str, ...] = ()  # what the exchange does not give, a line each


def describe_live_market(settings: Settings, markets: ExchangeMarkets) -> LiveMarket:
    """Describe the feed of these settings; raises ExchangeRefused in one line for symbols and intervals that cannot be used."""
    require_symbols(settings.symbols, markets)
    listed = [markets.markets[symbol] for symbol in settings.symbols]
    _require_tradable(listed)
    contracts = tuple(_build_contract(market, markets) for market in listed)
    interval, timeframe = choose_timeframe(settings.interval, markets)
    default_fee = max((terms.fee_bps for terms in contracts if terms.fee_bps is not None), default=DEFAULT_FEE_BPS)
    fees = tuple(default_fee if terms.fee_bps is None else terms.fee_bps for terms in contracts)
    info = FeedInfo(
        "live", f"live: {markets.exchange}", settings.symbols, interval, levels=settings.book_levels, has_flow=True, simulated=False,
        fee_bps=default_fee, spread_bps=DEFAULT_SPREAD_BPS, tick_size=tuple(terms.tick for terms in contracts), fees_bps=fees,
        maker_fees_bps=tuple(fee if terms.maker_fee_bps is None else terms.maker_fee_bps for fee, terms in zip(fees, contracts, strict=True)),
        rules=trading_rules_of(contracts),
    )  # fmt: skip
    perpetuals = tuple(column for column, market in enumerate(listed) if market.get("swap"))
    return LiveMarket(info, contracts, timeframe, perpetuals if markets.has_funding else (), _describe_limits(listed, markets))


def choose_timeframe(interval: int | None, markets: ExchangeMarkets) -> tuple[int, str]:
    """Choose a bar length in ns and its name in ccxt; raises ExchangeRefused with the nearest where the exchange has no such candles.

    Lengths above a day do not begin at multiples of their length and are left out.
    """
    lengths = {length: name for name in markets.timeframes if (length := _parse_timeframe(name)) is not None and length <= DAY}
    if not lengths:
        raise ExchangeRefused(f"{markets.exchange} names no candles of a day or less in ccxt: give another exchange")
    wanted = DEFAULT_INTERVAL if interval is None else interval
    if wanted in lengths:
        return wanted, lengths[wanted]
    near = min(lengths, key=lambda length: (abs(math.log(length / wanted)), length))
    if interval is None:
        return near, lengths[near]
    known = ", ".join(format_duration(length) for length in sorted(lengths))
    raise ExchangeRefused(f"{markets.exchange} has no candles of {format_duration(wanted)}: did you mean {format_duration(near)}? There are {known}")


def format_timeframe(interval: int, timeframes: Iterable[str]) -> str:
    """The exchange's name for candles of so many ns; raises ExchangeRefused where it has none."""
    name = next((name for name in timeframes if _parse_timeframe(name) == interval), None)
    if name is None:
        raise ExchangeRefused(f"there are no candles of {format_duration(interval)}: give one of {', '.join(timeframes)}")
    return name


def _parse_timeframe(name: str) -> int | None:
    """Ns of '5m'; None for weeks, months and years."""
    unit = _UNITS.get(name[-1:])
    return int(name[:-1]) * unit if unit and name[:-1].isdecimal() and int(name[:-1]) else None


def _require_tradable(listed: Sequence[Mapping[str, Any]]) -> None:
    for market in listed:
        if not (market.get("spot") or market.get("swap") or market.get("future")):
            raise ExchangeRefused(f"{market['symbol']} is of the kind {market.get('type')}: give spot symbols, perpetuals or futures")
    quotes = {"USD" if market.get("quote") in _US_DOLLARS else str(market.get("quote")): market for market in listed}
    if len(quotes) > 1:
        first, second = list(quotes.values())[:2]
        raise ExchangeRefused(
            f"{first['symbol']} and {second['symbol']} are priced in {first.get('quote')} and {second.get('quote')}: give symbols of one currency"
        )
    short = join_names(
        str(market["symbol"]) for market in listed[:SHOWN_NAMES] if market.get("contract") and not _positive(market.get("contractSize"))
    )
    if short:
        raise ExchangeRefused(f"the exchange does not give the contract size of {short}: leave them out")


def _build_contract(market: Mapping[str, Any], markets: ExchangeMarkets) -> Contract:
    is_derivative = bool(market.get("contract"))
    precision, limits = market.get("precision") or {}, market.get("limits") or {}
    return Contract(
        multiplier=float(market["contractSize"]) if is_derivative else 1.0,
        inverse=is_derivative and bool(market.get("inverse")),
        tick=_step(precision.get("price"), markets.precision_mode),
        lot=_step(precision.get("amount"), markets.precision_mode),
        min_notional=_positive((limits.get("cost") or {}).get("min")),
        fee_bps=_bps(market.get("taker")),
        maker_fee_bps=_bps(market.get("maker")),
        spot=not is_derivative,
        funding_rate=funding_per_8h(markets.funding.get(str(market["symbol"]))) or 0.0,
        declared=True,
    )


def _step(value: object, mode: int) -> float:
    """The smallest step that a precision stands for; 0 where it is unknown or counts significant digits."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    if mode == DECIMAL_PLACES:
        return 10.0 ** -int(value)
    return float(value) if mode == TICK_SIZE and value > 0 else 0.0


def _bps(fraction: object) -> float | None:
    return round(float(fraction) * 1e4, 6) if isinstance(fraction, int | float) and math.isfinite(fraction) else None


def _positive(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else 0.0


def _describe_limits(listed: Sequence[Mapping[str, Any]], markets: ExchangeMarkets) -> tuple[str, ...]:
    perpetuals = [str(market["symbol"]) for market in listed if market.get("swap")]
    unknown = [symbol for symbol in perpetuals if funding_per_8h(markets.funding.get(symbol)) is None]
    if markets.has_funding:
        line = f"{markets.exchange} gave no funding rate of {join_names(unknown)} at the start: positions in them pay and receive none until it does"
        return (line,) if unknown else ()
    line = (
        f"ccxt reads no funding rates of {markets.exchange}: positions in {join_names(perpetuals)} pay and receive none here, unlike at the exchange"
    )
    return (line,) if perpetuals else ()


def funding_per_8h(funding: Mapping[str, Any] | None) -> float | None:
    """The rate per 8 h of a funding rate as ccxt has it; None where it is unknown."""
    rate = (funding or {}).get("fundingRate")
    if funding is None or not isinstance(rate, int | float) or not math.isfinite(rate):
        return None
    length = _parse_timeframe(str(funding.get("interval") or ""))
    hours = FUNDING_HOURS if length is None else length / _UNITS["h"]
    return max(-MAX_FUNDING_RATE, min(MAX_FUNDING_RATE, rate * FUNDING_HOURS / hours))
