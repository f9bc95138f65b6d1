"""What the pages ask of the store: bounded queries, none of which grows with the history kept."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from sqlalchemy import Connection

from engine.domain.control import Knobs
from engine.store import codec
from engine.store.reader import Reader, StoreUnreadable, rows, told_all, told_first

DAY = 86_400_000_000_000  # ns
MOST_DECISIONS = 200_000  # counted at most for the shares of gates
SEARCHED = 50_000  # decisions looked through at most where several filters meet
SAMPLED = 600  # points of a line over the whole history


@dataclass(frozen=True, slots=True)
class Session:
    """What the running session is made of; () where the first tick has yet to tell."""

    id: int
    started_at: int  # ns UTC
    feed: str
    label: str
    symbols: tuple[str, ...]
    interval: int  # ns
    models: tuple[str, ...]
    horizons: tuple[int, ...]  # bars
    regimes: tuple[str, ...]
    gates: tuple[tuple[str, str, str], ...]  # name, sense, unit
    limits: tuple[str, ...]
    settings: dict[str, Any]
    simulated: bool


@dataclass(frozen=True, slots=True)
class LastTick:
    """The newest tick, without its decisions."""

    tick: int
    at: int  # ns UTC, market time
    wall: int  # ns UTC
    warm: bool
    ms: float | None
    equity: float | None
    cash: float | None
    naive: float | None
    drawdown: float | None
    gross: float | None
    net: float | None
    verdict: str
    spread_source: str
    degraded: tuple[str, ...]
    knobs_digest: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the engine and its store are; None for what is not there yet."""

    version: str
    session: Session | None
    last: LastTick | None
    beat: int | None  # ns UTC of the engine's last heartbeat, None before the first
    holder: str | None  # host and process of the engine
    started: int | None  # ns UTC, when the engine took the store
    meta: dict[str, str]
    components: tuple[tuple[str, str, int, str | None], ...]  # component, state, since, last error
    alerts: int  # open


def version(reader: Reader) -> str:
    """Changes with everything a page might show from the store."""
    with reader.reading() as connection:
        return _version(connection)


def status(reader: Reader) -> Status:
    with reader.reading() as connection:
        lease = told_first(connection, "SELECT beat, host, pid, started_at FROM lease WHERE id = 1")
        meta = {str(key): str(value) for key, value in told_all(connection, "SELECT key, value FROM meta")}
        components = told_all(connection, "SELECT component, state, since, last_error FROM components ORDER BY component")
        alerts = told_first(connection, "SELECT count(*) FROM alerts WHERE state = 'open'")
        return Status(
            version=_version(connection),
            session=session_of(connection),
            last=_last(connection),
            beat=None if lease is None else int(lease[0]),
            holder=None if lease is None else f"{lease[1]}, process {lease[2]}",
            started=None if lease is None else int(lease[3]),
            meta=meta,
            components=tuple((str(name), str(state), int(since), error) for name, state, since, error in components),
            alerts=int(alerts[0]) if alerts else 0,
        )


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
                   d.regime, d.price, d.flip_bps, d.horizon, t.wall
            FROM decisions d JOIN ticks t ON t.tick = d.tick {condition} ORDER BY d.tick DESC, d.symbol LIMIT :limit"""
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


def equity(reader: Reader) -> pd.DataFrame:
    """Equity over the running session at up to 600 evenly spaced ticks, the newest among them: tick, at, equity, naive, drawdown."""
    with reader.reading() as connection:
        ends = _session_ends(connection)
        picked = [] if ends is None else sorted(range(ends[1], ends[0] - 1, -max(1, -(-(ends[1] - ends[0] + 1) // SAMPLED))))
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
        "SELECT tick, at, symbol, units, entry, mark, position, target, action, price FROM decisions WHERE tick = (SELECT max(tick) FROM ticks) ORDER BY symbol"
    )


def fills(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest fills with every cost, newest first."""
    return reader.frame(
        "SELECT id, tick, at, symbol, side, size, unfilled, price, mid, fee_bps, spread_bps, impact_bps, cost_bps, realised "
        "FROM fills ORDER BY id DESC LIMIT :limit",
        {"limit": limit},
    )


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


def _version(connection: Connection) -> str:
    told = told_first(connection, "SELECT (SELECT value FROM meta WHERE key = 'version'), (SELECT max(tick) FROM ticks), (SELECT max(id) FROM commands), "
                "(SELECT max(id) FROM trials)")  # fmt: skip
    return "-".join("" if part is None else str(part) for part in told or ())


def _session_ends(connection: Connection) -> tuple[int, int] | None:
    """First and last tick of the newest session, by halving: sessions follow one another in the ticks."""
    told = told_first(
        connection, "SELECT (SELECT min(tick) FROM ticks), max(tick), (SELECT session FROM ticks ORDER BY tick DESC LIMIT 1) FROM ticks"
    )
    if told is None or told[1] is None:
        return None
    low, high, session = int(told[0]), int(told[1]), int(told[2])
    while low < high:
        middle = (low + high) // 2
        found = told_first(connection, "SELECT session FROM ticks WHERE tick >= :middle ORDER BY tick LIMIT 1", middle=middle)
        low, high = (low, middle) if found and int(found[0]) == session else (middle + 1, high)
    return low, int(told[1])


def session_of(connection: Connection, number: int | None = None) -> Session | None:
    """The session of this number, or the newest."""
    told = told_first(connection, "SELECT id, started_at, feed, label, symbols, interval_ns, models, horizons, regimes, gates, limits, settings, simulated "
                      "FROM sessions WHERE id = coalesce(:number, (SELECT max(id) FROM sessions))", number=number)  # fmt: skip
    if told is None:
        return None
    models, horizons, regimes, gates, limits, settings = (json.loads(part) if part else [] for part in told[6:12])
    return Session(
        int(told[0]), int(told[1]), str(told[2]), str(told[3]), tuple(json.loads(told[4])), int(told[5]), tuple(models), tuple(horizons), tuple(regimes),
        tuple((gate["name"], gate["sense"], gate["unit"]) for gate in gates), tuple(limits), settings or {}, bool(told[12]),
    )  # fmt: skip


def _last(connection: Connection) -> LastTick | None:
    told = told_first(connection, "SELECT tick, at, wall, warm, ms, equity, cash, naive, drawdown, gross, net, verdict, spread_source, degraded, knobs_digest "
                "FROM ticks ORDER BY tick DESC LIMIT 1")  # fmt: skip
    if told is None:
        return None
    return LastTick(int(told[0]), int(told[1]), int(told[2]), bool(told[3]), *told[4:13], tuple(json.loads(told[13])), str(told[14]))
