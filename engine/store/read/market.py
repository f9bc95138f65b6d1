"""One symbol's market over the last ticks: bars, book, flow, regimes, forecasts and their outcomes, fills and incidents."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import orjson
import pandas as pd
from sqlalchemy import Connection, RowMapping

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats
from engine.evidence.calibration import IntervalCoverage, measure_coverage
from engine.store import codec
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame
from engine.store.read.status import SessionInfo, choose_spread_source, read_session

__all__ = ["BOOK_TICKS", "MAX_TICKS", "IntervalCoverage", "MarketHistory", "OrderBook", "SymbolSnapshot", "read_liquidity_forecast", "read_market"]
MAX_TICKS = 300  # read at most
BOOK_TICKS = 240  # of the order book over time
_CACHED = 300 * 24  # decoded bars of symbols in memory
_TICKS = """
    SELECT tick, at, wall FROM (SELECT tick, at, wall, session FROM ticks ORDER BY tick DESC LIMIT :limit)
    WHERE session = :session ORDER BY tick"""
_SNAPSHOTS = "SELECT s.tick, s.data FROM json_each(:picked) p CROSS JOIN market_snapshots s ON s.tick = p.value"
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
    """One symbol's part of a market snapshot."""

    bar: tuple[float, float, float, float, float]  # open, high, low, close, volume; NaN where there is none
    fresh: bool
    book: OrderBook | None  # None where the feed has no books, empty where only this symbol has none
    flow: tuple[float, float, float, float] | None  # signed volume, trades, spread (price), imbalance at the best level; None without flow
    levels: Floats  # (K, 2) distance from the mid in bps, bids below 0, and money of each level; K = 0 without a two-sided book


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """The last ticks of a symbol."""

    symbol: str
    session: SessionInfo
    bars: pd.DataFrame  # a row per tick, oldest first
    forecasts: pd.DataFrame  # horizon, tick, due (ns), mean_bps, low_bps, high_bps, realised_bps
    coverage: tuple[IntervalCoverage, ...]
    book: OrderBook | None  # at the newest tick; None where the feed has none
    has_flow: bool
    micro: dict[str, float | None]  # results of phase 3 at the newest tick, by name
    spread_source: str
    fills: pd.DataFrame
    incidents: pd.DataFrame
    book_levels: Floats  # (K, 3) tick, distance from the mid in bps (bids below 0), money: every level of the last BOOK_TICKS ticks


def read_market(reader: Reader, symbol: str | None, ticks: int = MAX_TICKS) -> MarketHistory | None:
    """A symbol over its last ticks, by default the session's first symbol; None where no tick of it is stored."""
    with reader.reading() as connection:
        newest = fetch_first(connection, "SELECT session, tick, spread_source FROM ticks ORDER BY tick DESC LIMIT 1")
        session = None if newest is None else read_session(connection, int(newest["session"]))
        if session is None or newest is None:
            return None
        symbol = session.symbols[0] if symbol is None else symbol
        if symbol not in session.symbols:
            return None
        limit = min(ticks, MAX_TICKS)
        stored = fetch_all(connection, _TICKS, limit=limit, session=session.id)
        parts = _read_parts(connection, reader.url, stored, symbol, session)
        numbers, times = [int(row["tick"]) for row in stored], [int(row["at"]) for row in stored]
        decided = fetch_frame(connection, _DECISIONS, {"picked": json.dumps(numbers), "symbol": symbol})
        ends: dict[str, int | float | str | None] = {"symbol": symbol, "first": numbers[0], "last": numbers[-1]}
        fills = fetch_frame(connection, _FILLS, ends | {"limit": limit}).astype({"price": float, "mid": float, "cost_bps": float})
        incidents = fetch_frame(connection, _INCIDENTS, ends | {"first": times[0], "last": times[-1]})
    forecasts = _forecasts(decided, dict(zip(numbers, times, strict=True)), session)
    last = parts[-1]
    return MarketHistory(
        symbol, session, _frame(numbers, times, parts, decided, session), forecasts, _coverage(forecasts, session), last.book,
        last.flow is not None, _micro(decided[decided["tick"] == numbers[-1]]), choose_spread_source(str(newest["spread_source"]), session, symbol),
        fills, incidents, _stack_levels(numbers[-BOOK_TICKS:], parts[-BOOK_TICKS:]),
    )  # fmt: skip


def read_liquidity_forecast(reader: Reader) -> pd.DataFrame:
    """Out-of-sample skill of forecasts of the next spread, depth, impact and volatility: measure, r2, low, high, n, n_effective."""
    return reader.frame("SELECT measure, r2, low, high, n, n_effective FROM v_liquidity_forecast ORDER BY measure LIMIT 50")


_CACHE: OrderedDict[tuple[str, int, int, str], SymbolSnapshot] = OrderedDict()
_LOCK = Lock()


def _read_parts(connection: Connection, url: str, ticks: Sequence[RowMapping], symbol: str, session: SessionInfo) -> list[SymbolSnapshot]:
    """A symbol's part of the ticks' snapshots. A stored snapshot never changes, so only new ones are read and decoded."""
    keys = [(url, int(row["tick"]), int(row["wall"]), symbol) for row in ticks]
    with _LOCK:
        parts = {key[1]: _CACHE[key] for key in keys if key in _CACHE}
    missing = [key for key in keys if key[1] not in parts]
    place = session.symbols.index(symbol)
    for row in fetch_all(connection, _SNAPSHOTS, picked=json.dumps([key[1] for key in missing])) if missing else ():
        parts[int(row["tick"])] = _part(int(row["tick"]), bytes(row["data"]), place)
    with _LOCK:
        _CACHE.update({key: parts[key[1]] for key in missing if key[1] in parts})
        while len(_CACHE) > _CACHED:
            _CACHE.popitem(last=False)
    nothing = SymbolSnapshot((np.nan,) * 5, False, None, None, np.empty((0, 2)))
    return [parts.get(key[1], nothing) for key in keys]


def _part(tick: int, data: bytes, place: int) -> SymbolSnapshot:
    try:
        snapshot = codec.unpack(MarketSnapshot, data)
    except ValueError as error:
        raise StoreUnreadable(f"the bar of tick {tick} cannot be read: {error}") from None
    bar = tuple(float(values[place]) for values in (snapshot.open, snapshot.high, snapshot.low, snapshot.close, snapshot.volume))
    book = _book(snapshot, place)
    return SymbolSnapshot(bar, bool(snapshot.fresh[place]), book, _flow(snapshot, place), _measure_levels(book))  # type: ignore[arg-type]


def _book(snapshot: MarketSnapshot, place: int) -> OrderBook | None:
    """The valid levels: price and size known, the size above 0."""
    books = snapshot.books
    if books.bid_price.shape[1] == 0:
        return None
    bid, ask = _side(books.bid_price[place], books.bid_size[place]), _side(books.ask_price[place], books.ask_size[place])
    return OrderBook(*bid, *ask)


def _side(price: Floats, size: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    valid = np.isfinite(price) & (size > 0)
    return tuple(price[valid].tolist()), tuple(size[valid].tolist())


def _measure_levels(book: OrderBook | None) -> Floats:
    """Return (K, 2) distance from the mid in bps, bids below 0, and money of each level; K = 0 without a two-sided book."""
    if book is None or not book.bid_price or not book.ask_price:
        return np.empty((0, 2))
    price, size = np.array(book.bid_price + book.ask_price), np.array(book.bid_size + book.ask_size)
    return np.column_stack([(price / ((book.bid_price[0] + book.ask_price[0]) / 2) - 1) * 1e4, price * size])


def _stack_levels(ticks: list[int], parts: list[SymbolSnapshot]) -> Floats:
    levels = [np.column_stack([np.full(len(part.levels), tick), part.levels]) for tick, part in zip(ticks, parts, strict=True)]
    return np.concatenate(levels) if levels else np.empty((0, 3))


def _flow(snapshot: MarketSnapshot, place: int) -> tuple[float, float, float, float] | None:
    if snapshot.flow.shape[1] < 5:
        return None
    best = float(snapshot.ofi[place, 0]) if snapshot.ofi.shape[1] else float("nan")
    signed, trades, _, spread, _ = snapshot.flow[place, :5].tolist()
    return signed, trades, spread, best


def _frame(numbers: list[int], times: list[int], parts: list[SymbolSnapshot], decided: pd.DataFrame, session: SessionInfo) -> pd.DataFrame:
    """Built in one step: setting each column separately would cost as much as all of them."""
    none = (float("nan"),) * 4
    depths = [_depth(part.book) for part in parts]
    columns: dict[str, Any] = {"tick": numbers, "at": times, "fresh": [part.fresh for part in parts]}
    columns |= dict(zip(("open", "high", "low", "close", "volume"), zip(*(part.bar for part in parts), strict=True), strict=True))
    columns |= dict(zip(("signed_volume", "trades", "quoted", "ofi"), zip(*(part.flow or none for part in parts), strict=True), strict=True))
    columns |= dict(zip(("bid_depth", "ask_depth"), zip(*depths, strict=True), strict=True))
    columns["quoted_bps"] = np.array(columns["quoted"]) / np.array(columns["close"]) * 1e4
    chances = {int(tick): orjson.loads(text) for tick, text in zip(decided["tick"].tolist(), decided["regimes"].tolist(), strict=True) if text}
    columns |= {f"regime {name}": [_at(chances.get(tick), place) for tick in numbers] for place, name in enumerate(session.regimes)}
    figures = decided.set_index("tick").drop(columns=["forecast", "regimes", "micro"]).reindex(numbers).reset_index(drop=True)
    return pd.concat([pd.DataFrame(columns), figures.astype(dict.fromkeys(_REALS, float))], axis=1)


def _depth(book: OrderBook | None) -> tuple[float, float]:
    """Money within the levels, bid and ask."""
    if book is None or not book.bid_price or not book.ask_price:
        return float("nan"), float("nan")
    return float(np.dot(book.bid_price, book.bid_size)), float(np.dot(book.ask_price, book.ask_size))


def _micro(decided: pd.DataFrame) -> dict[str, float | None]:
    text = decided["micro"].iloc[-1] if len(decided) else None
    return dict(orjson.loads(text)) if text else {}


def _at(values: list[Any] | None, place: int) -> float:
    return float("nan") if not values or place >= len(values) or values[place] is None else float(values[place])


def _forecasts(decided: pd.DataFrame, times: dict[int, int], session: SessionInfo) -> pd.DataFrame:
    """Forecast and outcome at each tick over each horizon, in bps; NaN where unknown."""
    ticks, prices, seen = (decided[name].tolist() for name in ("tick", "log_price", "seen"))
    price = {tick: float(log_price) for tick, log_price, fresh in zip(ticks, prices, seen, strict=True) if fresh and log_price is not None}
    nan = float("nan")
    listed: list[tuple[float, ...]] = []
    for tick, text in zip(ticks, decided["forecast"].tolist(), strict=True):
        forecast: dict[str, list[Any]] = orjson.loads(text) if text else {}
        for place, horizon in enumerate(session.horizons if forecast else ()):
            scale = _at(forecast["scale"], place) * 1e4
            mean, low, high = (_at(forecast[part], place) * scale if scale else nan for part in ("mean", "low", "high"))
            outcome = (price.get(tick + horizon, nan) - price.get(tick, nan)) * 1e4
            listed.append((horizon, tick, times.get(tick + horizon, times[tick] + horizon * session.interval), mean, low, high, outcome))
    frame = pd.DataFrame(listed, columns=["horizon", "tick", "due", "mean_bps", "low_bps", "high_bps", "realised_bps"])
    return frame.astype({"horizon": "int64", "tick": "int64", "due": "int64"} | dict.fromkeys(frame.columns[3:], float))


def _coverage(forecasts: pd.DataFrame, session: SessionInfo) -> tuple[IntervalCoverage, ...]:
    by_horizon = ((horizon, forecasts[forecasts["horizon"] == horizon]) for horizon in session.horizons)
    return tuple(
        measure_coverage(horizon, *(rows[name].to_numpy(dtype=float) for name in ("realised_bps", "low_bps", "high_bps")))
        for horizon, rows in by_horizon
    )
