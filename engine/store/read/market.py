"""One symbol's market as its last ticks kept it: bars, book, flow, regimes, forecasts against what came, and what was done."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Connection

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats
from engine.evidence.proportions import wilson_interval
from engine.store import codec
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame
from engine.store.read.status import SessionInfo, choose_spread_source, read_session

MAX_TICKS = 300  # read at most
_KEPT = 300 * 24  # bars of a symbol that stay decoded
_TICKS = """
    SELECT tick, at, wall FROM (SELECT tick, at, wall, session FROM ticks ORDER BY tick DESC LIMIT :limit)
    WHERE session = :session ORDER BY tick"""
_SLICES = "SELECT s.tick, s.data FROM json_each(:picked) p CROSS JOIN slices s ON s.tick = p.value"
_DECISIONS = """
    SELECT d.tick, d.action, d.target, d.position, d.binding_gate, d.degraded, d.regime, d.horizon, d.price, d.log_price, d.spread_bps, d.edge_bps,
           d.cost_bps, d.confidence, d.execution, d.fresh AS seen, d.forecast, d.regimes, d.micro,
           json_extract(d.gates, '$.fault') AS fault
    FROM json_each(:picked) p CROSS JOIN decisions d ON d.tick = p.value AND d.symbol = :symbol ORDER BY d.tick"""
_REALS = ("target", "position", "price", "log_price", "spread_bps", "edge_bps", "cost_bps", "confidence", "degraded")  # None is NaN
_FILLS = """
    SELECT tick, at, side, size, unfilled, price, mid, cost_bps FROM fills WHERE symbol = :symbol AND tick >= :first AND tick <= :last
    ORDER BY tick DESC LIMIT :limit"""
_INCIDENTS = """
    SELECT id, kind, symbol, since, until, detail FROM (SELECT * FROM incidents ORDER BY id DESC LIMIT 2000)
    WHERE symbol IN (:symbol, '*') AND since <= :last AND coalesce(until, :last) >= :first ORDER BY since DESC LIMIT 100"""


@dataclass(frozen=True, slots=True)
class OrderBook:
    """One order book, the best level first; sizes in base units."""

    bid_price: tuple[float, ...]
    bid_size: tuple[float, ...]
    ask_price: tuple[float, ...]
    ask_size: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SymbolSnapshot:
    """What a slice says of one symbol."""

    bar: tuple[float, float, float, float, float]  # open, high, low, close, volume; NaN where there is none
    fresh: bool
    book: OrderBook | None  # None where the feed has none, empty where it has one and this symbol not
    flow: tuple[float, float, float, float] | None  # signed volume, trades, spread (price), imbalance at the best level; None without flow


@dataclass(frozen=True, slots=True)
class IntervalCoverage:
    """How often what came lay inside the stated interval."""

    horizon: int  # bars
    n: int  # forecasts that have come due
    covered: int
    n_effective: float  # those that do not overlap
    low: float | None  # 95 % interval of the share, None while there is not enough data
    high: float | None


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """The last ticks of a symbol."""

    symbol: str
    session: SessionInfo
    bars: pd.DataFrame  # a row a tick, oldest first
    forecasts: pd.DataFrame  # horizon, tick, due (ns), mean_bps, low_bps, high_bps, came_bps
    coverage: tuple[IntervalCoverage, ...]
    book: OrderBook | None  # as at the newest tick; None where the feed has none
    has_flow: bool
    micro: dict[str, float | None]  # what phase 3 told at the newest tick, by name
    spread_source: str
    fills: pd.DataFrame
    incidents: pd.DataFrame


def read_market(reader: Reader, symbol: str | None, ticks: int = MAX_TICKS) -> MarketHistory | None:
    """A symbol over its last ticks, the first of the session where none is named; None where no tick of it is kept."""
    with reader.reading() as connection:
        newest = fetch_first(connection, "SELECT session, tick, spread_source FROM ticks ORDER BY tick DESC LIMIT 1")
        session = None if newest is None else read_session(connection, int(newest[0]))
        if session is None or newest is None:
            return None
        symbol = session.symbols[0] if symbol is None else symbol
        if symbol not in session.symbols:
            return None
        limit = min(ticks, MAX_TICKS)
        told = fetch_all(connection, _TICKS, limit=limit, session=session.id)
        kept = _kept(connection, reader.url, told, symbol, session)
        numbers, times = [int(one[0]) for one in told], [int(one[1]) for one in told]
        decided = fetch_frame(connection, _DECISIONS, {"picked": json.dumps(numbers), "symbol": symbol})
        ends: dict[str, int | float | str | None] = {"symbol": symbol, "first": numbers[0], "last": numbers[-1]}
        fills = fetch_frame(connection, _FILLS, ends | {"limit": limit}).astype({"price": float, "mid": float, "cost_bps": float})
        incidents = fetch_frame(connection, _INCIDENTS, ends | {"first": times[0], "last": times[-1]})
    forecasts = _forecasts(decided, dict(zip(numbers, times, strict=True)), session)
    last = kept[-1]
    return MarketHistory(
        symbol, session, _frame(numbers, times, kept, decided, session), forecasts, _coverage(forecasts, session), last.book,
        last.flow is not None, _micro(decided[decided["tick"] == numbers[-1]]), choose_spread_source(str(newest[2]), session, symbol), fills, incidents,
    )  # fmt: skip


def read_liquidity_forecast(reader: Reader) -> pd.DataFrame:
    """How well the next spread, depth, impact and volatility are foreseen, out of sample: measure, r2, low, high, n, n_effective."""
    return reader.frame("SELECT measure, r2, low, high, n, n_effective FROM v_outlook ORDER BY measure LIMIT 50")


_SEEN: OrderedDict[tuple[str, int, int, str], SymbolSnapshot] = OrderedDict()
_LOCK = Lock()


def _kept(connection: Connection, url: str, told: list[tuple[Any, ...]], symbol: str, session: SessionInfo) -> list[SymbolSnapshot]:
    """A symbol's part of the ticks' slices. A stored slice never changes, so only those not seen before are read and decoded."""
    keys = [(url, int(tick), int(wall), symbol) for tick, _, wall in told]
    with _LOCK:
        found = {key[1]: _SEEN[key] for key in keys if key in _SEEN}
    missing = [key for key in keys if key[1] not in found]
    place = session.symbols.index(symbol)
    for tick, data in fetch_all(connection, _SLICES, picked=json.dumps([key[1] for key in missing])) if missing else ():
        found[int(tick)] = _of_slice(int(tick), bytes(data), place)
    with _LOCK:
        _SEEN.update({key: found[key[1]] for key in missing if key[1] in found})
        while len(_SEEN) > _KEPT:
            _SEEN.popitem(last=False)
    nothing = SymbolSnapshot((np.nan,) * 5, False, None, None)
    return [found.get(key[1], nothing) for key in keys]


def _of_slice(tick: int, data: bytes, place: int) -> SymbolSnapshot:
    try:
        one = codec.unpack(MarketSnapshot, data)
    except ValueError as error:
        raise StoreUnreadable(f"the bar of tick {tick} cannot be read: {error}") from None
    bar = tuple(float(part[place]) for part in (one.open, one.high, one.low, one.close, one.volume))
    return SymbolSnapshot(bar, bool(one.fresh[place]), _book(one, place), _flow(one, place))  # type: ignore[arg-type]


def _book(one: MarketSnapshot, place: int) -> OrderBook | None:
    """The levels that are there: both price and size known, the size above 0."""
    books = one.books
    if books.bid_price.shape[1] == 0:
        return None
    bid, ask = _side(books.bid_price[place], books.bid_size[place]), _side(books.ask_price[place], books.ask_size[place])
    return OrderBook(*bid, *ask)


def _side(price: Floats, size: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    there = np.isfinite(price) & (size > 0)
    return tuple(price[there].tolist()), tuple(size[there].tolist())


def _flow(one: MarketSnapshot, place: int) -> tuple[float, float, float, float] | None:
    if one.flow.shape[1] < 5:
        return None
    best = float(one.ofi[place, 0]) if one.ofi.shape[1] else float("nan")
    signed, trades, _, spread, _ = one.flow[place, :5].tolist()
    return signed, trades, spread, best


def _frame(numbers: list[int], times: list[int], kept: list[SymbolSnapshot], decided: pd.DataFrame, session: SessionInfo) -> pd.DataFrame:
    """Made in one go: each column set by itself would cost as much as all of them."""
    none = (float("nan"),) * 4
    depths = [_depth(one.book) for one in kept]
    columns: dict[str, Any] = {"tick": numbers, "at": times, "fresh": [one.fresh for one in kept]}
    columns |= dict(zip(("open", "high", "low", "close", "volume"), zip(*(one.bar for one in kept), strict=True), strict=True))
    columns |= dict(zip(("signed_volume", "trades", "quoted", "ofi"), zip(*(one.flow or none for one in kept), strict=True), strict=True))
    columns |= dict(zip(("bid_depth", "ask_depth"), zip(*depths, strict=True), strict=True))
    columns["quoted_bps"] = np.array(columns["quoted"]) / np.array(columns["close"]) * 1e4
    chances = {int(tick): orjson.loads(told) for tick, told in zip(decided["tick"].tolist(), decided["regimes"].tolist(), strict=True) if told}
    columns |= {f"regime {name}": [_at(chances.get(tick), place) for tick in numbers] for place, name in enumerate(session.regimes)}
    beside = decided.set_index("tick").drop(columns=["forecast", "regimes", "micro"]).reindex(numbers).reset_index(drop=True)
    return pd.concat([pd.DataFrame(columns), beside.astype(dict.fromkeys(_REALS, float))], axis=1)


def _depth(book: OrderBook | None) -> tuple[float, float]:
    """Money within the levels, bid and ask."""
    if book is None or not book.bid_price or not book.ask_price:
        return float("nan"), float("nan")
    return float(np.dot(book.bid_price, book.bid_size)), float(np.dot(book.ask_price, book.ask_size))


def _micro(decided: pd.DataFrame) -> dict[str, float | None]:
    text = decided["micro"].iloc[-1] if len(decided) else None
    told: dict[str, float | None] = orjson.loads(text) if text else {}
    return told


def _at(values: list[Any] | None, place: int) -> float:
    return float("nan") if not values or place >= len(values) or values[place] is None else float(values[place])


def _forecasts(decided: pd.DataFrame, times: dict[int, int], session: SessionInfo) -> pd.DataFrame:
    """What was expected at each tick over each horizon, and what the price then did, in bps; NaN where it is not known."""
    ticks, prices, seen = (decided[name].tolist() for name in ("tick", "log_price", "seen"))
    price = {tick: float(one) for tick, one, there in zip(ticks, prices, seen, strict=True) if there and one is not None}
    nan = float("nan")
    found: list[tuple[float, ...]] = []
    for tick, text in zip(ticks, decided["forecast"].tolist(), strict=True):
        told: dict[str, list[Any]] = orjson.loads(text) if text else {}
        for place, horizon in enumerate(session.horizons if told else ()):
            scale = _at(told["scale"], place) * 1e4
            mean, low, high = (_at(told[part], place) * scale if scale else nan for part in ("mean", "low", "high"))
            came = (price.get(tick + horizon, nan) - price.get(tick, nan)) * 1e4
            found.append((horizon, tick, times.get(tick + horizon, times[tick] + horizon * session.interval), mean, low, high, came))
    frame = pd.DataFrame(found, columns=["horizon", "tick", "due", "mean_bps", "low_bps", "high_bps", "came_bps"])
    return frame.astype({"horizon": "int64", "tick": "int64", "due": "int64"} | dict.fromkeys(frame.columns[3:], float))


def _coverage(forecasts: pd.DataFrame, session: SessionInfo) -> tuple[IntervalCoverage, ...]:
    """Forecasts over several bars overlap, so only every horizon-th is counted as independent."""
    told = []
    horizons, came, low, high = (forecasts[name].to_numpy(dtype=float) for name in ("horizon", "came_bps", "low_bps", "high_bps"))
    for horizon in session.horizons:
        due = (horizons == horizon) & np.isfinite(came) & np.isfinite(low)
        n, inside = int(due.sum()), int((due & (came >= low) & (came <= high)).sum())
        least, most = (wilson_interval(inside / n, n / horizon) if n else None) or (None, None)
        told.append(IntervalCoverage(horizon, n, inside, n / horizon, least, most))
    return tuple(told)
