"""What the pages ask of the store: bounded queries, none of which grows with the history kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from engine.domain.control import Knobs
from engine.domain.market import Account
from engine.domain.orders import EXECUTIONS, Order
from engine.store import codec
from engine.store.reader import Reader, StoreUnreadable, rows, told_first
from engine.store.status_query import session_ends, session_of

DAY = 86_400_000_000_000  # ns
MOST_DECISIONS = 200_000  # counted at most for the shares of gates
SEARCHED = 50_000  # decisions looked through at most where several filters meet
SAMPLED = 600  # points of a line over the whole history


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which decisions to show; None for all. `gate` may be "none": no gate failed."""

    symbol: str | None = None
    action: str | None = None
    gate: str | None = None
    degraded: bool = False
    until: int | None = None  # newest tick


def latest(reader: Reader, wanted: Wanted, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """The newest decisions that fit, newest first; and the oldest tick looked at where the search was cut short.

    One filter has an index of its own; several at once are looked for among the last 50,000 decisions.
    """
    where, params = _filters(wanted)
    with reader.reading() as connection:
        floor = None
        if len(where) > 1:
            told = told_first(connection, "SELECT max(tick), (SELECT count(*) FROM decisions WHERE tick = (SELECT max(tick) FROM ticks)) FROM ticks")
            floor = max(0, int(told[0]) - SEARCHED // max(1, int(told[1])) + 1) if told and told[0] is not None else 0
            where.append("d.tick >= :floor")
            params["floor"] = floor
        if wanted.until is not None:
            where.append("d.tick <= :until")
            params["until"] = wanted.until
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        sql = f"""
            SELECT d.tick, d.at, d.symbol, d.action, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate, d.degraded,
                   d.regime, d.price, d.flip_bps, d.horizon, t.wall, json_extract(d.gates, '$.fault') AS fault
            FROM decisions d CROSS JOIN ticks t ON t.tick = d.tick {condition} ORDER BY d.tick DESC, d.symbol LIMIT :limit"""
        found = rows(connection, sql, params | {"limit": limit})
    return found, floor or None


def gate_shares(reader: Reader, now: int) -> tuple[pd.DataFrame, bool]:
    """How often each gate bound over the last 24 h of wall time: gate (None for none), n; and whether the count was capped.

    Ticks decided in the warm-up count by the wall time at which they were decided.
    """
    with reader.reading() as connection:
        session, last = session_of(connection), told_first(connection, "SELECT max(tick) FROM ticks")
        first = told_first(connection, "SELECT tick FROM ticks WHERE wall >= :since ORDER BY wall LIMIT 1", since=now - DAY)
        if session is None or last is None or first is None:
            return pd.DataFrame({"gate": [], "n": []}), False
        start = max(int(first[0]), int(last[0]) - MOST_DECISIONS // max(1, len(session.symbols)) + 1)
        names = [name for name, _, _ in session.gates]
        counts = [
            told_first(connection, "SELECT count(*) FROM decisions WHERE binding_gate = :gate AND tick >= :start", gate=name, start=start)
            for name in names
        ]
        counts.append(told_first(connection, "SELECT count(*) FROM decisions WHERE binding_gate IS NULL AND tick >= :start", start=start))
    frame = pd.DataFrame({"gate": [*names, None], "n": [int(told[0]) if told else 0 for told in counts]})
    return frame, start > int(first[0])


def strip(reader: Reader, ticks: int) -> pd.DataFrame:
    """The binding gates of the last ticks: tick, at, symbol, action, binding_gate, value and threshold of that gate."""
    sql = """
        SELECT d.tick, d.at, d.symbol, d.action, d.binding_gate, d.gates, d.edge_bps
        FROM decisions d WHERE d.tick > (SELECT max(tick) FROM ticks) - :ticks
        AND d.session = (SELECT max(id) FROM sessions) ORDER BY d.tick, d.symbol"""
    return reader.frame(sql, {"ticks": ticks})


def equity(reader: Reader, points: int = SAMPLED) -> pd.DataFrame:
    """Equity over the running session at up to so many evenly spaced ticks, the newest among them: tick, at, equity, naive, drawdown."""
    with reader.reading() as connection:
        ends = session_ends(connection)
        picked = [] if ends is None else sorted(range(ends[1], ends[0] - 1, -max(1, -(-(ends[1] - ends[0] + 1) // points))))
        sql = "SELECT t.tick, t.at, t.wall, t.equity, t.naive, t.drawdown FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick"
        return rows(connection, sql, {"picked": json.dumps(picked)})


def tick_times(reader: Reader, *, ticks: int = 1000) -> pd.DataFrame:
    """How long the last ticks took and whether a phase fell back: tick, wall, ms, degraded."""
    return reader.frame("SELECT tick, wall, ms, degraded <> '[]' AS degraded FROM ticks ORDER BY tick DESC LIMIT :ticks", {"ticks": ticks})


def honesty(reader: Reader, now: int) -> tuple[int, int]:
    """Ticks of the last 30 days of wall time (of those kept), and how many of them had a phase fall back."""
    with reader.reading() as connection:
        first = told_first(connection, "SELECT tick FROM ticks WHERE wall >= :since ORDER BY wall LIMIT 1", since=now - 30 * DAY)
        last = told_first(connection, "SELECT max(tick) FROM ticks")
        if first is None or last is None:
            return 0, 0
        told = told_first(connection, "SELECT count(*) FROM ticks WHERE degraded <> '[]' AND tick >= :first", first=int(first[0]))
        return int(last[0]) - int(first[0]) + 1, int(told[0]) if told else 0


def skill(reader: Reader) -> pd.DataFrame:
    return reader.frame("SELECT scope, model, horizon, regime, r2, low, high, n, n_effective FROM skill ORDER BY scope, model, horizon, regime")


def knobs(reader: Reader, digest: str) -> dict[str, Any]:
    """The knobs of this digest by name; {} where they are not kept."""
    with reader.reading() as connection:
        told = told_first(connection, "SELECT data FROM knobs WHERE digest = :digest", digest=digest)
    if told is None:
        return {}
    try:
        return asdict(codec.unpack(Knobs, bytes(told[0])))
    except ValueError as error:
        raise StoreUnreadable(f"the knobs {digest} cannot be read: {error}") from None


def positions(reader: Reader) -> pd.DataFrame:
    """Every symbol at the newest tick with what is held of it: symbol, units, entry, mark, position (share of equity), target, action."""
    return reader.frame(
        "SELECT tick, at, symbol, units, entry, mark, position, target, action, price FROM decisions "
        "WHERE tick = (SELECT max(tick) FROM ticks) ORDER BY symbol"
    )


def fills(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest fills with every cost, newest first."""
    return reader.frame(
        "SELECT id, tick, at, symbol, side, size, unfilled, price, mid, fee_bps, spread_bps, impact_bps, cost_bps, realised "
        "FROM fills ORDER BY id DESC LIMIT :limit",
        {"limit": limit},
    )


def execution(reader: Reader) -> list[dict[str, Any]]:
    """What kinds of order have come to in the newest session (orders.ExecutionRow by name); [] until it is first kept."""
    with reader.reading() as connection:
        told = told_first(connection, "SELECT value FROM meta WHERE key = 'execution.' || (SELECT max(id) FROM sessions)")
    return json.loads(told[0]) if told is not None else []


def working(reader: Reader) -> pd.DataFrame:
    """The orders that stand over at the newest tick: symbol, kind, side, units left, units asked, limit, bars worked."""
    with reader.reading() as connection:
        told = told_first(connection, "SELECT t.account, s.symbols FROM ticks t JOIN sessions s ON s.id = t.session ORDER BY t.tick DESC LIMIT 1")
    orders: tuple[Order, ...] = ()
    if told is not None:
        try:
            orders = codec.unpack(Account, bytes(told[0])).working
        except ValueError:  # a session of another version, which had none
            orders = ()
    symbols = json.loads(told[1]) if told is not None else []
    found = [
        (symbols[one.symbol], EXECUTIONS[one.execution], "buy" if one.units > 0 else "sell", abs(one.units), abs(work.asked), work.limit, work.bars)
        for one in orders
        if (work := one.work) is not None
    ]
    return pd.DataFrame(found, columns=["symbol", "kind", "side", "left", "asked", "limit", "bars"])


def _filters(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    told: list[str] = []
    params: dict[str, Any] = {}
    if wanted.symbol is not None:
        told.append("d.symbol = :symbol")
        params["symbol"] = wanted.symbol
    if wanted.action is not None:
        told.append("d.action = 'hold'" if wanted.action == "hold" else "(d.action <> 'hold' AND d.action = :action)")  # those acted on have an index
        params |= {} if wanted.action == "hold" else {"action": wanted.action}
    if wanted.gate == "none":
        told.append("d.binding_gate IS NULL")
    elif wanted.gate is not None:
        told.append("d.binding_gate = :gate")
        params["gate"] = wanted.gate
    if wanted.degraded:
        told.append("d.tick IN (SELECT tick FROM ticks WHERE degraded <> '[]' ORDER BY tick DESC LIMIT :limit)")
    return told, params
