"""The surroundings of one decision: the book it was decided on, and the readings and input ages nearest to it."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from engine.domain.market import Account, MarketSnapshot
from engine.evidence.transaction_cost import fill_levels
from engine.store import codec
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar
from engine.store.read.status import read_session

NEAREST_NS = 90 * 10**9  # ns, beyond which a reading says nothing of a decision
_TICK = """
    SELECT t.session, t.wall, t.account, t.input_ages, s.data AS snapshot FROM ticks t JOIN market_snapshots s ON s.tick = t.tick
    WHERE t.tick = :tick"""
_RAW = "SELECT source || '.' || name AS name, value FROM readings_raw WHERE at = :at"
_OF_ONE = " AND series = (SELECT id FROM series WHERE source = 'host' AND name = 'cpu_percent')"  # tiers are sorted by series first
_ROLLED = "SELECT s.source || '.' || s.name AS name, r.mean AS value FROM {table} r JOIN series s ON s.id = r.series WHERE r.at = :at"
_TIERS = (  # name, bucket in ns, query of its rows, condition for the search
    ("readings_raw", 1, _RAW, ""),
    ("readings_ten", 10 * 10**9, _ROLLED, _OF_ONE),
    ("readings_minute", 60 * 10**9, _ROLLED, _OF_ONE),
)


@dataclass(frozen=True, slots=True)
class BookLevel:
    """One level of a book, and the part of an order that would be filled there."""

    price: float
    size: float  # base units
    filled: float  # base units


@dataclass(frozen=True, slots=True)
class WalkedBook:
    """A book with an order walked through it; the best level first."""

    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    side: str  # buy or sell
    units: float  # of the order, base units
    filled: float
    cost_bps: float | None  # against the mid, without fee; None where the book is too thin for the whole order


@dataclass(frozen=True, slots=True)
class Moment:
    """What surrounded a decision."""

    book: WalkedBook | None  # None without a valid book
    readings: dict[str, float]  # nearest in time, by "source.name"; {} for none near
    readings_lag: float | None  # s, from the reading to the decision; below 0 it came later
    trade_age_ms: float | None  # of the newest trade when the inputs of a live tick were read
    book_age_ms: float | None


def read_moment(reader: Reader, tick: int, symbol: str, delta: float | None, edge: float | None, max_position: float | None) -> Moment | None:
    """Read what surrounded a decision; None where its tick is not stored.

    The order walked through the book is the decided one, and for a hold the largest one allowed, in the direction of the expected move.
    """
    with reader.reading() as connection:
        row = fetch_first(connection, _TICK, tick=tick)
        session = None if row is None else read_session(connection, int(row["session"]))
        if row is None or session is None or symbol not in session.symbols:
            return None
        place = session.symbols.index(symbol)
        readings, lag = _nearest_readings(connection, int(row["wall"]))
    snapshot, account = codec.unpack(MarketSnapshot, bytes(row["snapshot"])), codec.unpack(Account, bytes(row["account"]))
    side = "buy" if (delta or edge or 0.0) >= 0.0 else "sell"
    money = (max_position or 0.0) * max(account.equity, 0.0)
    trade_age, book_age = _input_ages(row["input_ages"], place)
    return Moment(_walk(snapshot, place, side, abs(delta or 0.0), money), readings, lag, trade_age, book_age)


def _walk(snapshot: MarketSnapshot, place: int, side: str, units: float, money: float) -> WalkedBook | None:
    books = snapshot.books
    if not books.bid_price.shape[1]:
        return None
    bid_price, bid_size, ask_price, ask_size = (part[place] for part in (books.bid_price, books.bid_size, books.ask_price, books.ask_size))
    if not bid_price[0] > 0 or not ask_price[0] > bid_price[0]:
        return None
    mid = (bid_price[0] + ask_price[0]) / 2.0
    wanted = units or money / mid
    price, size = (ask_price, ask_size) if side == "buy" else (bid_price, bid_size)
    filled = fill_levels(np.where((size > 0) & (price > 0), size, 0.0), wanted)
    total, sign = float(filled.sum()), 1.0 if side == "buy" else -1.0
    whole = total > 0 and total >= wanted * (1.0 - 1e-9)
    cost = sign * (float(filled @ np.where(filled > 0, price, 0.0)) / total / mid - 1.0) * 1e4 if whole else None
    none = np.zeros_like(filled)
    bids, asks = (
        tuple(BookLevel(*map(float, level)) for level in zip(*sides, strict=True) if level[0] > 0 and level[1] > 0)
        for sides in ((bid_price, bid_size, none if side == "buy" else filled), (ask_price, ask_size, filled if side == "buy" else none))
    )
    return WalkedBook(bids, asks, side, float(wanted), total, cost)


def _nearest_readings(connection: Connection, wall: int) -> tuple[dict[str, float], float | None]:
    """The readings nearest to a wall time, from the finest tier that has any near it, and their lag in s."""
    for table, bucket, query, condition in _TIERS:
        nearest = [
            fetch_scalar(connection, f"SELECT {pick}(at) FROM {table} WHERE at {sense} :wall{condition}", wall=wall)
            for pick, sense in (("max", "<="), ("min", ">"))
        ]
        known = [int(at) for at in nearest if at is not None]
        at = min(known, key=lambda point: abs(point + bucket // 2 - wall), default=None)
        if at is not None and abs(at + bucket // 2 - wall) <= NEAREST_NS:
            rows = fetch_all(connection, query.format(table=table), at=at)
            return {row["name"]: float(row["value"]) for row in rows if row["value"] is not None}, (wall - at) / 1e9
    return {}, None


def _input_ages(text: str | None, place: int) -> tuple[float | None, float | None]:
    """The ages of the newest trade and book in ms; None where not known."""
    ages = json.loads(text) if text else ()
    trade, book = (part[place] if place < len(part) else None for part in ages) if len(ages) == 2 else (None, None)
    return trade, book
