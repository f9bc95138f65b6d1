"""Decisions, gates and skill for the pages: bounded queries whose cost does not grow with the history."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection

from engine.domain.intents import HOLD, explain_intent
from engine.domain.trading_config import TradingConfig
from engine.store import codec
from engine.store.read import live_ticks
from engine.store.read.live_ticks import TickCounts, TickRanges
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame, fetch_rows, fetch_scalar
from engine.store.read.status import SessionInfo, read_session
from engine.store.views import INTENT_SQL

DAY = live_ticks.DAY
MAX_DECISIONS = 200_000  # counted at most for the gates' shares
MAX_STEP = 500  # ticks by which a tally is continued at most
MAX_SEARCHED = 50_000  # decisions searched at most where several filters are set
_REASON = ("position", "target", "binding_gate", "steps", "gates", "limit_names", "gate_names")


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Filters on decisions; None for all. `gate` may be "none": no gate failed. `intent` is one of intents.INTENTS."""

    symbol: str | None = None
    action: str | None = None
    gate: str | None = None
    degraded: bool = False
    until: int | None = None  # newest tick
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class GateCounts:
    """Counts of binding gates and of intents over the last 24 h of wall time."""

    gates: tuple[tuple[str, int], ...]  # gate, decisions it bound, in the order of evaluation
    intents: tuple[tuple[str, int], ...]  # intent, decisions that acted
    unbound: int  # holds without a binding gate
    is_warmup: bool  # counted on warm-up ticks: no tick is live yet
    is_truncated: bool  # only the newest 200,000 decisions were counted

    @property
    def total(self) -> int:
        return sum(n for _, n in (*self.gates, *self.intents)) + self.unbound


def read_latest_decisions(reader: Reader, criteria: DecisionFilter, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """The newest matching decisions, newest first; and the oldest tick searched where the search was cut short.

    A single filter has its own index. Several filters are applied to the last 50,000 decisions.
    """
    where, params = _filters(criteria)
    with reader.reading() as connection:
        floor = None
        if len(where) > 1:
            floor = _search_floor(connection)
            where.append("d.tick >= :floor")
            params["floor"] = floor
        if criteria.until is not None:
            where.append("d.tick <= :until")
            params["until"] = criteria.until
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        sql = f"""
            SELECT d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps,
                   d.binding_gate, d.degraded, d.regime, d.price, d.edge_to_flip_bps, d.horizon, t.wall, json_extract(d.gates, '$.fault') AS fault,
                   CASE WHEN d.action <> 'hold' THEN d.limits END AS steps, CASE WHEN d.action <> 'hold' THEN d.gates END AS gates,
                   s.limits AS limit_names, s.gates AS gate_names
            FROM decisions d CROSS JOIN ticks t ON t.tick = d.tick CROSS JOIN sessions s ON s.id = d.session {condition}
            ORDER BY d.tick DESC, d.symbol LIMIT :limit"""
        frame = fetch_frame(connection, sql, params | {"limit": limit})
    return explain_rows(frame), floor or None


def explain_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Decisions with the reason of each, without the fields that only the reason needs."""
    frame["reason"] = [_reason(*values) for values in zip(*(frame[name].tolist() for name in _REASON), strict=True)]
    return frame.drop(columns=["steps", "gates", "limit_names", "gate_names"])


def _search_floor(connection: Connection) -> int:
    """The oldest tick of the last 50,000 decisions."""
    row = fetch_first(
        connection, "SELECT max(tick) AS last, (SELECT count(*) FROM decisions WHERE tick = (SELECT max(tick) FROM ticks)) AS symbols FROM ticks"
    )
    return 0 if row is None or row["last"] is None else max(0, int(row["last"]) - MAX_SEARCHED // max(1, int(row["symbols"])) + 1)


def _reason(position: float | None, target: float | None, gate: object, steps: object, gates: object, limit_names: object, gate_names: object) -> str:
    """The reason of a decision; a hold needs only its binding gate."""
    if not isinstance(gates, str):
        return explain_intent(position, position, (gate,) if isinstance(gate, str) else (), {})
    results = orjson.loads(gates)
    names = results.get("names") or [gate["name"] for gate in orjson.loads(str(gate_names or "[]"))]
    failed = [name for name, passed in zip(names, results["passed"], strict=False) if not passed]
    sizes = dict(zip(("wanted", *orjson.loads(str(limit_names or "[]"))), orjson.loads(str(steps or "[]")), strict=False))
    return explain_intent(position, target, failed, sizes)


NO_COUNTS = GateCounts((), (), 0, is_warmup=False, is_truncated=False)


@dataclass(frozen=True, slots=True)
class GateTally:
    """Counts of binding gates with the ticks they are of, so that a later count reads only what has come and what has left."""

    session: SessionInfo
    first: int  # tick
    last: int
    wall: int  # ns UTC, of the last tick
    spans: TickRanges  # live ticks; () while there are none
    gates: Counter[str | None]  # decisions by binding gate, None for none
    intents: Counter[str]  # decisions that acted
    is_truncated: bool

    def to_counts(self) -> GateCounts:
        gates = tuple((name, self.gates[name]) for name, _, _ in self.session.gates)
        intents = sorted(((intent, n) for intent, n in self.intents.items() if n), key=lambda pair: (-pair[1], pair[0]))
        unbound = self.gates[None] - self.intents.total()
        return GateCounts(gates, tuple(intents), unbound, is_warmup=not self.spans, is_truncated=self.is_truncated)


def count_binding_gates(reader: Reader, now: int) -> GateCounts:
    """Count binding gates and intents of the live ticks of the last 24 h of wall time.

    Warm-up ticks count only as long as there is no live one.
    """
    tally = tally_gates(reader, now)
    return NO_COUNTS if tally is None else tally.to_counts()


def tally_gates(reader: Reader, now: int, earlier: GateTally | None = None) -> GateTally | None:
    """Count the same from an earlier tally of this store, where it can be continued; None without a tick in the last 24 h."""
    with reader.reading() as connection:
        session, ends = read_session(connection), live_ticks.find_ticks_since(connection, now - DAY)
        if session is None or ends is None:
            return None
        first = max(ends[0], ends[1] - MAX_DECISIONS // max(1, len(session.symbols)) + 1)
        wall = int(fetch_scalar(connection, "SELECT wall FROM ticks WHERE tick = :tick", tick=ends[1]))
        window = GateTally(session, first, ends[1], wall, (), Counter(), Counter(), is_truncated=first > ends[0])
        continued = None if earlier is None else _continue_tally(connection, earlier, window)
        return continued or _tally_window(connection, window)


def _tally_window(connection: Connection, window: GateTally) -> GateTally:
    """Count all ticks of the window."""
    spans = live_ticks.find_live_ranges(connection, window.first, window.last)
    whole = spans or ((window.first, window.last),)
    gates: Counter[str | None] = Counter(
        {name: count_decisions(connection, whole, "binding_gate = :gate", gate=name) for name, _, _ in window.session.gates}
    )
    gates[None] = count_decisions(connection, whole, "binding_gate IS NULL")
    return replace(window, spans=spans, gates=gates, intents=count_intents(connection, whole))


def _continue_tally(connection: Connection, earlier: GateTally, window: GateTally) -> GateTally | None:
    """Add what has come since the earlier tally and subtract what has left its window; None where that is much, or the store is another one."""
    moved = (window.first - earlier.first, window.last - earlier.last)
    if earlier.session != window.session or min(moved) < 0 or sum(moved) > MAX_STEP or window.first > earlier.last:
        return None  # also where the windows share no tick: those between them would be added and never subtracted
    row = fetch_first(
        connection, "SELECT (SELECT wall FROM ticks WHERE tick = :last) AS wall, (SELECT min(tick) FROM ticks) AS oldest", last=earlier.last
    )
    if row is None or row["wall"] != earlier.wall or row["oldest"] > earlier.first:  # another store, or pruned ticks
        return None
    come = live_ticks.find_live_ranges(connection, earlier.last + 1, window.last) if moved[1] else ()
    left = live_ticks.clip_ranges(earlier.spans, earlier.first, window.first - 1)
    spans = live_ticks.clip_ranges(live_ticks.join_ranges((*earlier.spans, *come)), window.first, window.last)
    if not earlier.spans or not spans:
        return None
    gates, intents = Counter(earlier.gates), Counter(earlier.intents)
    for sign, ranges in ((1, come), (-1, left)):
        for gate, intent, n in _count_grouped(connection, ranges):
            gates[gate] += sign * n
            if intent is not None:
                intents[intent] += sign * n
    return replace(window, spans=spans, gates=gates, intents=intents)


def count_decisions(connection: Connection, spans: live_ticks.TickRanges, condition: str, **params: str) -> int:
    """The decisions of these ticks that meet a condition in SQL."""
    sql = f"SELECT count(*) FROM decisions WHERE {condition} AND tick >= :first AND tick <= :last"
    return sum(int(fetch_scalar(connection, sql, first=first, last=last, **params)) for first, last in spans)


def count_intents(connection: Connection, spans: live_ticks.TickRanges) -> Counter[str]:
    """The decisions of these ticks that acted, by intent."""
    sql = (
        f"SELECT {INTENT_SQL} AS intent, count(*) AS n FROM decisions d WHERE d.action <> 'hold' AND d.tick >= :first AND d.tick <= :last GROUP BY 1"
    )
    counts: Counter[str] = Counter()
    for first, last in spans:
        counts.update({str(row["intent"]): int(row["n"]) for row in fetch_all(connection, sql, first=first, last=last)})
    return counts


def _count_grouped(connection: Connection, ranges: TickRanges) -> list[tuple[str | None, str | None, int]]:
    """Count the decisions of a few ticks by binding gate and by intent, None for a hold."""
    sql = (
        f"SELECT d.binding_gate, CASE WHEN d.action <> 'hold' THEN {INTENT_SQL} END, count(*) FROM decisions d "
        "WHERE d.tick >= :first AND d.tick <= :last GROUP BY 1, 2"
    )
    return [(gate, intent, n) for first, last in ranges for gate, intent, n in fetch_rows(connection, sql, {"first": first, "last": last})]


def read_gate_strip(reader: Reader, ticks: int, *, since: int | None = None) -> pd.DataFrame:
    """The binding gates of the last ticks: tick, at, symbol, action, intent, binding_gate, gates (JSON), edge_bps.

    `since` leaves out the ticks before it.
    """
    sql = f"""
        SELECT d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.binding_gate, d.gates, d.edge_bps
        FROM decisions d WHERE d.tick > (SELECT max(tick) FROM ticks) - :ticks AND d.tick >= :since
        AND d.session = (SELECT max(id) FROM sessions) ORDER BY d.tick, d.symbol"""
    return reader.frame(sql, {"ticks": ticks, "since": -1 if since is None else since})


def read_session_ticks(reader: Reader) -> TickCounts:
    """Numbers of live and warm-up ticks stored of the running session."""
    with reader.reading() as connection:
        return live_ticks.count_session_ticks(connection)


def read_skill(reader: Reader, model: str | None = None) -> pd.DataFrame:
    """The table of out-of-sample skill, of all models or of one."""
    where = "" if model is None else " WHERE model = :model"
    sql = f"SELECT scope, model, horizon, regime, r2, low, high, n, n_effective FROM skill{where} ORDER BY scope, model, horizon, regime"
    return reader.frame(sql, {} if model is None else {"model": model})


def read_trading_config(reader: Reader, digest: str) -> dict[str, Any]:
    """The trading configuration with this digest, by name; {} where it is not stored."""
    with reader.reading() as connection:
        data = fetch_scalar(connection, "SELECT data FROM trading_configs WHERE digest = :digest", digest=digest)
    if data is None:
        return {}
    try:
        return asdict(codec.unpack(TradingConfig, bytes(data)))
    except ValueError as error:
        raise StoreUnreadable(f"the trading configuration {digest} cannot be read: {error}") from None


def _filters(wanted: DecisionFilter) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    params: dict[str, Any] = {}
    if wanted.symbol is not None:
        conditions.append("d.symbol = :symbol")
        params["symbol"] = wanted.symbol
    if wanted.action is not None:
        acted = "(d.action <> 'hold' AND d.action = :action)"  # the first condition is that of an index
        conditions.append("d.action = 'hold'" if wanted.action == "hold" else acted)
        params |= {} if wanted.action == "hold" else {"action": wanted.action}
    if wanted.intent is not None:
        conditions.append("d.action = 'hold'" if wanted.intent == HOLD else f"(d.action <> 'hold' AND {INTENT_SQL} = :intent)")
        params |= {} if wanted.intent == HOLD else {"intent": wanted.intent}
    if wanted.gate == "none":
        conditions.append("d.binding_gate IS NULL")
    elif wanted.gate is not None:
        conditions.append("d.binding_gate = :gate")
        params["gate"] = wanted.gate
    if wanted.degraded:
        conditions.append("d.tick IN (SELECT tick FROM ticks WHERE degraded <> '[]' ORDER BY tick DESC LIMIT :limit)")
    return conditions, params
