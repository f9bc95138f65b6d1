"""What the pages ask of the store: bounded queries, none of which grows with the history kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import orjson
import pandas as pd
from sqlalchemy import Connection

from engine.domain.intents import HOLD, explain_intent
from engine.domain.market import Account
from engine.domain.orders import EXECUTIONS, Order
from engine.domain.trading_config import TradingConfig
from engine.store import codec
from engine.store.read import live_ticks
from engine.store.read.live_ticks import TickCounts
from engine.store.read.reader import Reader, StoreUnreadable, fetch_all, fetch_first, fetch_frame
from engine.store.read.status import find_session_range, read_session
from engine.store.views import INTENT_SQL

DAY = live_ticks.DAY
MAX_DECISIONS = 200_000  # counted at most for the shares of gates
MAX_SEARCHED = 50_000  # decisions looked through at most where several filters meet
_REASON = ("position", "target", "binding_gate", "steps", "gates", "limit_names", "gate_names")
EQUITY_POINTS = 600  # points of a line over the whole history


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Which decisions to show; None for all. `gate` may be "none": no gate failed. `intent` is one of intents.INTENTS."""

    symbol: str | None = None
    action: str | None = None
    gate: str | None = None
    degraded: bool = False
    until: int | None = None  # newest tick
    intent: str | None = None


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What bound, or what was done, over the last 24 h of wall time."""

    gates: tuple[tuple[str, int], ...]  # gate, decisions it held, in the order of the ladder
    intents: tuple[tuple[str, int], ...]  # intent, decisions that acted
    unbound: int  # holds that no gate bound
    is_warmup: bool  # no tick is live yet: they are of the warm-up, decided over history
    is_truncated: bool  # the newest 200,000 of more

    @property
    def total(self) -> int:
        return sum(n for _, n in (*self.gates, *self.intents)) + self.unbound


def read_latest_decisions(reader: Reader, criteria: DecisionFilter, *, limit: int) -> tuple[pd.DataFrame, int | None]:
    """The newest decisions that fit, newest first; and the oldest tick looked at where the search was cut short.

    One filter has an index of its own; several at once are looked for among the last 50,000 decisions.
    """
    where, params = _filters(criteria)
    with reader.reading() as connection:
        floor = None
        if len(where) > 1:
            told = fetch_first(connection, "SELECT max(tick), (SELECT count(*) FROM decisions WHERE tick = (SELECT max(tick) FROM ticks)) FROM ticks")
            floor = max(0, int(told[0]) - MAX_SEARCHED // max(1, int(told[1])) + 1) if told and told[0] is not None else 0
            where.append("d.tick >= :floor")
            params["floor"] = floor
        if criteria.until is not None:
            where.append("d.tick <= :until")
            params["until"] = criteria.until
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        sql = f"""
            SELECT d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate,
                   d.degraded, d.regime, d.price, d.flip_bps, d.horizon, t.wall, json_extract(d.gates, '$.fault') AS fault,
                   CASE WHEN d.action <> 'hold' THEN d.limits END AS steps, CASE WHEN d.action <> 'hold' THEN d.gates END AS gates,
                   s.limits AS limit_names, s.gates AS gate_names
            FROM decisions d CROSS JOIN ticks t ON t.tick = d.tick CROSS JOIN sessions s ON s.id = d.session {condition}
            ORDER BY d.tick DESC, d.symbol LIMIT :limit"""
        found = fetch_frame(connection, sql, params | {"limit": limit})
    found["reason"] = [_reason(*one) for one in zip(*(found[name].tolist() for name in _REASON), strict=True)]
    return found.drop(columns=["steps", "gates", "limit_names", "gate_names"]), floor or None


def _reason(position: float | None, target: float | None, gate: object, steps: object, gates: object, limit_names: object, gate_names: object) -> str:
    """Why a row's decision was taken; a hold needs only the gate that bound it."""
    if not isinstance(gates, str):
        return explain_intent(position, position, (gate,) if isinstance(gate, str) else (), {})
    ladder = orjson.loads(gates)
    names = ladder.get("names") or [one["name"] for one in orjson.loads(str(gate_names or "[]"))]
    shut = [name for name, passed in zip(names, ladder["passed"], strict=False) if not passed]
    sizes = dict(zip(("wanted", *orjson.loads(str(limit_names or "[]"))), orjson.loads(str(steps or "[]")), strict=False))
    return explain_intent(position, target, shut, sizes)


def count_binding_gates(reader: Reader, now: int) -> GateCounts:
    """How often each gate bound and each intent was decided, of the live ticks of the last 24 h of wall time.

    Ticks of the warm-up count only while there is no live one.
    """
    with reader.reading() as connection:
        session, ends = read_session(connection), live_ticks.find_ticks_since(connection, now - DAY)
        if session is None or ends is None:
            return GateCounts((), (), 0, is_warmup=False, is_truncated=False)
        start = max(ends[0], ends[1] - MAX_DECISIONS // max(1, len(session.symbols)) + 1)
        spans = live_ticks.find_live_ranges(connection, start, ends[1])
        whole = spans or ((start, ends[1]),)
        names = [name for name, _, _ in session.gates]
        gates = tuple((name, sum(_count(connection, "binding_gate = :gate", span, gate=name) for span in whole)) for name in names)
        unbound = sum(_count(connection, "binding_gate IS NULL", span) for span in whole)
        sql = f"SELECT {INTENT_SQL}, count(*) FROM decisions d WHERE d.action <> 'hold' AND d.tick >= :first AND d.tick <= :last GROUP BY 1"
        acted: Counter[str] = Counter()
        for first, last in whole:
            acted.update({str(intent): int(n) for intent, n in fetch_all(connection, sql, first=first, last=last)})
    return GateCounts(gates, tuple(acted.most_common()), unbound - acted.total(), is_warmup=not spans, is_truncated=start > ends[0])


def _count(connection: Connection, what: str, span: tuple[int, int], **params: str) -> int:
    found = fetch_first(
        connection, f"SELECT count(*) FROM decisions WHERE {what} AND tick >= :first AND tick <= :last", first=span[0], last=span[1], **params
    )
    return int(found[0]) if found else 0


def read_gate_strip(reader: Reader, ticks: int) -> pd.DataFrame:
    """The binding gates of the last ticks: tick, at, symbol, action, intent, binding_gate, value and threshold of that gate."""
    sql = f"""
        SELECT d.tick, d.at, d.symbol, d.action, {INTENT_SQL} AS intent, d.binding_gate, d.gates, d.edge_bps
        FROM decisions d WHERE d.tick > (SELECT max(tick) FROM ticks) - :ticks
        AND d.session = (SELECT max(id) FROM sessions) ORDER BY d.tick, d.symbol"""
    return reader.frame(sql, {"ticks": ticks})


def read_equity(reader: Reader, points: int = EQUITY_POINTS) -> pd.DataFrame:
    """Equity over the running session at up to so many evenly spaced ticks, the newest among them: tick, at, equity, naive, drawdown, warm."""
    with reader.reading() as connection:
        ends = find_session_range(connection)
        picked = [] if ends is None else sorted(range(ends[1], ends[0] - 1, -max(1, -(-(ends[1] - ends[0] + 1) // points))))
        sql = """
            SELECT t.tick, t.at, t.wall, t.equity, t.naive, t.drawdown, t.warm
            FROM json_each(:picked) p JOIN ticks t ON t.tick = p.value ORDER BY t.tick"""
        return fetch_frame(connection, sql, {"picked": json.dumps(picked)})


def read_session_ticks(reader: Reader) -> TickCounts:
    """Ticks of the running session that are kept, live and of the warm-up."""
    with reader.reading() as connection:
        return live_ticks.count_session_ticks(connection)


def read_skill(reader: Reader) -> pd.DataFrame:
    return reader.frame("SELECT scope, model, horizon, regime, r2, low, high, n, n_effective FROM skill ORDER BY scope, model, horizon, regime")


def read_trading_config(reader: Reader, digest: str) -> dict[str, Any]:
    """The knobs of this digest by name; {} where they are not kept."""
    with reader.reading() as connection:
        told = fetch_first(connection, "SELECT data FROM knobs WHERE digest = :digest", digest=digest)
    if told is None:
        return {}
    try:
        return asdict(codec.unpack(TradingConfig, bytes(told[0])))
    except ValueError as error:
        raise StoreUnreadable(f"the knobs {digest} cannot be read: {error}") from None


def read_positions(reader: Reader) -> pd.DataFrame:
    """Every symbol at the newest tick with what is held of it: symbol, units, entry, mark, position (share of equity), target, action."""
    return reader.frame(
        "SELECT tick, at, symbol, units, entry, mark, position, target, action, price, horizon FROM decisions "
        "WHERE tick = (SELECT max(tick) FROM ticks) ORDER BY symbol"
    )


def read_fills(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest fills with every cost, newest first."""
    return reader.frame(
        "SELECT id, tick, at, symbol, side, size, unfilled, price, mid, fee_bps, spread_bps, impact_bps, cost_bps, realised "
        "FROM fills ORDER BY id DESC LIMIT :limit",
        {"limit": limit},
    )


def read_execution(reader: Reader) -> list[dict[str, Any]]:
    """What kinds of order have come to in the newest session (orders.ExecutionRow by name); [] until it is first kept."""
    with reader.reading() as connection:
        told = fetch_first(connection, "SELECT value FROM meta WHERE key = 'execution.' || (SELECT max(id) FROM sessions)")
    return json.loads(told[0]) if told is not None else []


def read_working_orders(reader: Reader) -> pd.DataFrame:
    """The orders that stand over at the newest tick: symbol, kind, side, units left, units asked, limit, bars worked."""
    with reader.reading() as connection:
        told = fetch_first(connection, "SELECT t.account, s.symbols FROM ticks t JOIN sessions s ON s.id = t.session ORDER BY t.tick DESC LIMIT 1")
    orders: tuple[Order, ...] = ()
    if told is not None:
        try:
            orders = codec.unpack(Account, bytes(told[0])).working_orders
        except ValueError:  # a session of another version, which had none
            orders = ()
    symbols = json.loads(told[1]) if told is not None else []
    found = [
        (
            symbols[one.symbol],
            EXECUTIONS[one.execution],
            "buy" if one.units > 0 else "sell",
            abs(one.units),
            abs(work.requested),
            work.limit_price,
            work.bars_worked,
        )
        for one in orders
        if (work := one.progress) is not None
    ]
    return pd.DataFrame(found, columns=["symbol", "kind", "side", "left", "asked", "limit", "bars"])


def _filters(wanted: DecisionFilter) -> tuple[list[str], dict[str, Any]]:
    told: list[str] = []
    params: dict[str, Any] = {}
    if wanted.symbol is not None:
        told.append("d.symbol = :symbol")
        params["symbol"] = wanted.symbol
    if wanted.action is not None:
        told.append("d.action = 'hold'" if wanted.action == "hold" else "(d.action <> 'hold' AND d.action = :action)")  # those acted on have an index
        params |= {} if wanted.action == "hold" else {"action": wanted.action}
    if wanted.intent is not None:
        told.append("d.action = 'hold'" if wanted.intent == HOLD else f"(d.action <> 'hold' AND {INTENT_SQL} = :intent)")
        params |= {} if wanted.intent == HOLD else {"intent": wanted.intent}
    if wanted.gate == "none":
        told.append("d.binding_gate IS NULL")
    elif wanted.gate is not None:
        told.append("d.binding_gate = :gate")
        params["gate"] = wanted.gate
    if wanted.degraded:
        told.append("d.tick IN (SELECT tick FROM ticks WHERE degraded <> '[]' ORDER BY tick DESC LIMIT :limit)")
    return told, params
