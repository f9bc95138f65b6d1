"""P&L of the newest bars by symbol, hour and regime, from positions, marks and fills; a number of rows that does not grow with the history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from engine.domain.market import Account
from engine.domain.record import Floats
from engine.evidence.pnl_attribution import PnlGroup, attribute_pnl, sum_groups
from engine.store import codec
from engine.store.read.reader import Reader, fetch_all, fetch_frame
from engine.store.read.status import SessionInfo, find_session_range, read_session

__all__ = ["MAX_BARS", "PnlAttribution", "PnlGroup", "read_pnl", "read_symbol_prices"]
MAX_BARS, MAX_ROWS = 2_000, 20_000  # read at most: bars, and decisions of all symbols together
HOUR = 3_600 * 10**9  # ns
UNKNOWN = "not known"  # regime of a bar before its first one
_DECISIONS = "SELECT tick, symbol, units, mark, regime FROM decisions WHERE tick BETWEEN :first AND :last"
_FILLS = "SELECT tick, symbol, side, size, price, fee_bps FROM fills WHERE tick BETWEEN :first AND :last AND size > 0"
_PRICES = """
    SELECT d.tick, d.at, d.symbol, CASE WHEN d.fresh THEN d.price END AS price
    FROM (SELECT tick FROM ticks WHERE session = :session ORDER BY tick DESC LIMIT :limit) t
    CROSS JOIN json_each(:symbols) s CROSS JOIN decisions d ON d.tick = t.tick AND d.symbol = s.value ORDER BY d.tick"""


@dataclass(frozen=True, slots=True)
class PnlAttribution:
    """The change of equity over a span of ticks, and its parts. Money."""

    first: int  # tick after which it begins
    last: int
    since: int  # ns UTC, close of the first bar
    change: float  # of equity
    carry: float | None  # borrow and funding; None where the account cannot be read
    symbols: tuple[PnlGroup, ...]
    hours: tuple[PnlGroup, ...]  # UTC hours of the day
    regimes: tuple[PnlGroup, ...]  # as judged at the decision before the bar

    @property
    def rest(self) -> float:
        """What prices, fills and carry do not explain: 0 up to rounding while every row is stored."""
        return self.change - sum(group.pnl for group in self.symbols) - (self.carry or 0.0)


def read_pnl(reader: Reader, bars: int = MAX_BARS) -> PnlAttribution | None:
    """Read the newest bars of the running session, at most MAX_BARS; None before the second bar."""
    with reader.reading() as connection:
        ends = find_session_range(connection)
        session = None if ends is None else _read_session(connection, ends[1])
        if ends is None or session is None:
            return None
        first = max(ends[0], ends[1] - min(bars, MAX_BARS, MAX_ROWS // len(session.symbols)))
        window: dict[str, int | float | str | None] = {"first": first, "last": ends[1]}
        ticks = fetch_frame(connection, "SELECT tick, at, equity FROM ticks WHERE tick BETWEEN :first AND :last ORDER BY tick", window)
        decided = fetch_frame(connection, _DECISIONS, window)
        fills = fetch_frame(connection, _FILLS, window)
        ticks = ticks[ticks["tick"].isin(decided["tick"])].reset_index(drop=True)
        if len(ticks) < 2:
            return None
        carry = _read_carry(connection, int(ticks["tick"].iloc[0]), ends[1])
    return _attribute(session.symbols, ticks, decided, fills, carry)


def read_symbol_prices(reader: Reader, symbols: Sequence[str], bars: int) -> pd.DataFrame:
    """Read the prices of some symbols at the newest ticks of the running session: tick, at, symbol, price (NaN where there is no bar)."""
    with reader.reading() as connection:
        rows = fetch_all(connection, "SELECT session FROM ticks ORDER BY tick DESC LIMIT 1")
        if not rows:
            return pd.DataFrame(columns=["tick", "at", "symbol", "price"])
        wanted: dict[str, int | float | str | None] = {"session": int(rows[0]["session"]), "limit": bars, "symbols": json.dumps(list(symbols))}
        return fetch_frame(connection, _PRICES, wanted).astype({"price": float})


def _read_session(connection: Connection, tick: int) -> SessionInfo | None:
    rows = fetch_all(connection, "SELECT session FROM ticks WHERE tick = :tick", tick=tick)
    return read_session(connection, int(rows[0]["session"])) if rows else None


def _read_carry(connection: Connection, first: int, last: int) -> float | None:
    """Return borrow and funding between two ticks; None for an account of an older version."""
    rows = fetch_all(connection, "SELECT account FROM ticks WHERE tick IN (:first, :last) ORDER BY tick", first=first, last=last)
    try:
        carried = [codec.unpack(Account, bytes(row["account"])).carry for row in rows]
    except ValueError:
        return None
    return carried[-1] - carried[0]


def _attribute(symbols: tuple[str, ...], ticks: pd.DataFrame, decided: pd.DataFrame, fills: pd.DataFrame, carry: float | None) -> PnlAttribution:
    numbers = ticks["tick"].to_numpy()
    held, mark = (_table(decided, name, numbers, symbols) for name in ("units", "mark"))
    held = np.nan_to_num(held)
    regime = decided.pivot(index="tick", columns="symbol", values="regime").reindex(index=numbers, columns=list(symbols)).to_numpy(dtype=object)
    regime = np.where([[isinstance(name, str) and bool(name) for name in row] for row in regime], regime, UNKNOWN)
    paid = _money_paid(fills, numbers, symbols)
    pnl = np.nan_to_num(attribute_pnl(held, mark, paid))
    active = (held[:-1] != 0.0) | (paid[1:] != 0.0)
    hour = [f"{(int(at) - 1) // HOUR % 24:02d}" for at in ticks["at"].tolist()[1:]]
    wide, names = len(symbols), sorted({name for row in regime[:-1] for name in row})
    ends = ticks["equity"].to_numpy(dtype=float)
    return PnlAttribution(
        int(numbers[0]), int(numbers[-1]), int(ticks["at"].iloc[0]), float(ends[-1] - ends[0]), carry,
        sum_groups(pnl, active, numbers[1:], [symbols] * len(hour), symbols),
        sum_groups(pnl, active, numbers[1:], [[name] * wide for name in hour], sorted(set(hour))),
        sum_groups(pnl, active, numbers[1:], regime[:-1].tolist(), names),
    )  # fmt: skip


def _table(decided: pd.DataFrame, column: str, ticks: Floats, symbols: tuple[str, ...]) -> Floats:
    table = decided.pivot(index="tick", columns="symbol", values=column).reindex(index=ticks, columns=list(symbols))
    return np.asarray(table.to_numpy(dtype=float))


def _money_paid(fills: pd.DataFrame, ticks: Floats, symbols: tuple[str, ...]) -> Floats:
    """Return (T, S) the money paid for the fills of each bar, fees included."""
    paid = np.zeros((len(ticks), len(symbols)))
    known = fills[fills["tick"].isin(ticks) & fills["symbol"].isin(symbols) & fills["price"].notna()]
    signed = np.where(known["side"] == "buy", 1.0, -1.0) * known["size"].to_numpy(dtype=float)
    price, fee = known["price"].to_numpy(dtype=float), known["fee_bps"].to_numpy(dtype=float) / 1e4
    columns = np.array([symbols.index(symbol) for symbol in known["symbol"]], dtype=np.int64)
    places = np.searchsorted(ticks, known["tick"].to_numpy()), columns
    np.add.at(paid, places, price * (signed + np.abs(signed) * fee))
    return paid
