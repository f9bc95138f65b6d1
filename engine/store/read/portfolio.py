"""Equity, positions, fills and working orders for the pages: bounded queries whose cost does not grow with the history."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from engine.domain.market import Account
from engine.domain.orders import EXECUTIONS, Order
from engine.store import codec
from engine.store.read import live_ticks
from engine.store.read.reader import Reader, fetch_first, fetch_scalar
from engine.store.read.status import read_session_range
from engine.store.read.tick_rows import fetch_ticks

EQUITY_POINTS = 600  # of a chart over the whole history


def read_equity(reader: Reader, points: int = EQUITY_POINTS, *, ticks: int | None = None) -> pd.DataFrame:
    """Equity of the running session at evenly spaced ticks, the newest among them: tick, at, wall, equity, benchmark, drawdown, warm.

    `ticks` limits it to the newest so many.
    """
    ends = read_session_range(reader)
    first = None if ends is None else ends[0] if ticks is None else max(ends[0], ends[1] - ticks + 1)
    picked = [] if ends is None or first is None else live_ticks.spaced(first, ends[1], points)
    return fetch_ticks(reader, picked, ("tick", "at", "wall", "equity", "benchmark", "drawdown", "warm"))


def read_positions(reader: Reader) -> pd.DataFrame:
    """Every symbol at the newest tick with its position: symbol, units, entry, mark, position (share of equity), target, action ..."""
    return reader.frame(
        "SELECT tick, at, symbol, units, entry, mark, position, target, action, price, horizon FROM decisions "
        "WHERE tick = (SELECT max(tick) FROM ticks) ORDER BY symbol"
    )


def read_execution(reader: Reader) -> list[dict[str, Any]]:
    """Execution quality by kind of order in the newest session (fields of orders.ExecutionRow); [] until it is first stored."""
    with reader.reading() as connection:
        value = fetch_scalar(connection, "SELECT value FROM meta WHERE key = 'execution.' || (SELECT max(id) FROM sessions)")
    return json.loads(value) if value is not None else []


def read_working_orders(reader: Reader) -> pd.DataFrame:
    """The working orders at the newest tick: symbol, kind, side, units left, units requested, limit, bars worked."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT t.account, s.symbols FROM ticks t JOIN sessions s ON s.id = t.session ORDER BY t.tick DESC LIMIT 1")
    orders: tuple[Order, ...] = ()
    if row is not None:
        try:
            orders = codec.unpack(Account, bytes(row["account"])).working_orders
        except ValueError:  # a session of an older version, which had none
            orders = ()
    symbols = json.loads(row["symbols"]) if row is not None else []
    listed = [
        (
            symbols[order.symbol],
            EXECUTIONS[order.execution],
            "buy" if order.units > 0 else "sell",
            abs(order.units),
            abs(work.requested),
            work.limit_price,
            work.bars_worked,
        )
        for order in orders
        if (work := order.progress) is not None
    ]
    return pd.DataFrame(listed, columns=["symbol", "kind", "side", "left", "requested", "limit", "bars"])
