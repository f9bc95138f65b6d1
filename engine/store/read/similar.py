"""The decisions that a stored one can be compared with: the newest whose outcomes were known at its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping

from engine.store.errors import NotStored
from engine.store.read.reader import Reader, fetch_all, fetch_first
from engine.store.read.status import read_session

MOST_ROWS = 20_000  # decisions, the newest
_COLUMNS = """d.tick, d.symbol, d.action, d.edge_bps, d.cost_bps, d.confidence, d.sigma_bps, d.regime, d.log_price, d.horizon, d.session,
    json_extract(d.gates, '$.value[' || :agreement || ']') AS agreement"""
_TARGET = f"SELECT {_COLUMNS} FROM decisions d WHERE d.tick = :tick AND d.symbol = :symbol"
_PAST = f"""
    SELECT {_COLUMNS}, later.log_price AS outcome FROM decisions d
    JOIN decisions later ON later.tick = d.tick + :horizon AND later.symbol = d.symbol
    WHERE d.tick <= :newest AND d.tick > :oldest AND d.session = :session AND d.fresh = 1 AND d.log_price IS NOT NULL AND d.edge_bps <> 0
        AND later.session = :session AND later.fresh = 1 AND later.log_price IS NOT NULL
    ORDER BY d.tick, d.symbol"""


@dataclass(frozen=True, slots=True)
class ComparableDecisions:
    """A decision and past ones of its session, oldest first, with the log price a horizon later as `outcome`."""

    target: RowMapping
    past: Sequence[RowMapping]
    horizon: int  # bars
    regimes: tuple[str, ...]


def read_comparable_decisions(reader: Reader, tick: int, symbol: str, *, most: int = MOST_ROWS) -> ComparableDecisions:
    """Read a decision and at most `most` past ones, the newest, whose horizon had ended by its tick.

    Raises NotStored where the decision is not stored.
    """
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT session, horizon FROM decisions WHERE tick = :tick AND symbol = :symbol", tick=tick, symbol=symbol)
        session = None if row is None else read_session(connection, int(row["session"]))
        if row is None or session is None:
            raise NotStored(f"no decision of {symbol} at tick {tick} is stored")
        names = [name for name, _, _ in session.gates]
        place = names.index("agreement") if "agreement" in names else -1
        horizon, ticks = int(row["horizon"]), max(1, most // max(1, len(session.symbols)))
        target = fetch_first(connection, _TARGET, tick=tick, symbol=symbol, agreement=place)
        assert target is not None  # it was read above
        past = _read_past(connection, newest=tick - horizon, ticks=ticks, session=session.id, horizon=horizon, agreement=place)
        return ComparableDecisions(target, past, horizon, session.regimes)


def _read_past(connection: Connection, *, newest: int, ticks: int, session: int, horizon: int, agreement: int) -> Sequence[RowMapping]:
    return fetch_all(connection, _PAST, newest=newest, oldest=newest - ticks, session=session, horizon=horizon, agreement=agreement)
