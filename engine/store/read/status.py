"""The state of the engine and its store: session, newest tick, heartbeat, and the version that keys the pages' caches."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.domain.market import Account
from engine.store import codec
from engine.store.errors import is_full
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar
from engine.store.write.alerts import find_critical_alerts


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """The running session's market and model set; () for what only its first tick can show."""

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
    """The newest tick without its decisions."""

    tick: int
    at: int  # ns UTC, market time
    wall: int  # ns UTC
    warm: bool
    warmup_ticks: int | None  # ticks of its session up to it, while warming up
    ms: float | None
    equity: float | None
    cash: float | None
    benchmark: float | None
    drawdown: float | None
    gross: float | None
    net: float | None
    verdict: str
    spread_sources: tuple[str, ...]  # by symbol, or a single one for all
    borrow: float | None  # money paid so far for short positions, at most 0; None where the account cannot be read
    funding: float | None  # money, funding received less paid so far
    degraded: tuple[str, ...]
    config_digest: str
    paused: bool  # according to its gates
    flattening: bool
    skill_bounds: tuple[float | None, ...] = ()  # lower bounds of the ensemble's R2 that sizes are based on, by horizon; None where unknown
    largest_drawdown: float | None = None  # of the session's stored ticks


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The state of the engine and its store; None for what does not exist yet."""

    version: str
    session: SessionInfo | None
    last: LastTick | None
    beat: int | None  # ns UTC of the engine's last heartbeat, None before the first
    holder: str | None  # host and process of the engine
    started: int | None  # ns UTC, when the engine acquired the lease
    meta: dict[str, str]
    components: tuple[tuple[str, str, int, str | None], ...]  # component, state, since, last error
    alerts: int  # open
    critical: tuple[tuple[str, str], ...] = ()  # rule and message of the critical ones
    is_full: bool = False  # no room on the disk of the store


def read_version(reader: Reader) -> str:
    """A text that changes with everything a page may show from the store."""
    with reader.reading() as connection:
        return _version(connection)


def read_status(reader: Reader) -> EngineStatus:
    """Read the state of the engine in one snapshot."""
    with reader.reading() as connection:
        lease = fetch_first(connection, "SELECT beat, host, pid, started_at FROM lease WHERE id = 1")
        components = fetch_all(connection, "SELECT component, state, since, last_error FROM components ORDER BY component")
        return EngineStatus(
            version=_version(connection),
            session=read_session(connection),
            last=_last(connection),
            beat=None if lease is None else int(lease["beat"]),
            holder=None if lease is None else f"{lease['host']}, process {lease['pid']}",
            started=None if lease is None else int(lease["started_at"]),
            meta={str(row["key"]): str(row["value"]) for row in fetch_all(connection, "SELECT key, value FROM meta")},
            components=tuple((str(row["component"]), str(row["state"]), int(row["since"]), row["last_error"]) for row in components),
            alerts=int(fetch_scalar(connection, "SELECT count(*) FROM alerts WHERE state = 'open'")),
            critical=find_critical_alerts(connection),
            is_full=is_full(reader.path),
        )


def read_session(connection: Connection, number: int | None = None) -> SessionInfo | None:
    """The session of this number, or the newest session; None without one."""
    row = fetch_first(
        connection,
        "SELECT id, started_at, feed, label, symbols, interval_ns, models, horizons, regimes, gates, limits, settings, simulated "
        "FROM sessions WHERE id = coalesce(:number, (SELECT max(id) FROM sessions))",
        number=number,
    )
    if row is None:
        return None
    lists = {name: json.loads(row[name]) if row[name] else [] for name in ("symbols", "models", "horizons", "regimes", "gates", "limits")}
    return SessionInfo(
        id=int(row["id"]), started_at=int(row["started_at"]), feed=str(row["feed"]), label=str(row["label"]), symbols=tuple(lists["symbols"]),
        interval=int(row["interval_ns"]), models=tuple(lists["models"]), horizons=tuple(lists["horizons"]), regimes=tuple(lists["regimes"]),
        gates=tuple((gate["name"], gate["sense"], gate["unit"]) for gate in lists["gates"]), limits=tuple(lists["limits"]),
        settings=json.loads(row["settings"]) if row["settings"] else {}, simulated=bool(row["simulated"]),
    )  # fmt: skip


def _version(connection: Connection) -> str:
    row = fetch_first(
        connection,
        "SELECT (SELECT value FROM meta WHERE key = 'version') AS version, (SELECT max(tick) FROM ticks) AS tick, "
        "(SELECT max(id) FROM commands) AS command, (SELECT max(id) FROM trials) AS trial",
    )
    return "-".join("" if part is None else str(part) for part in (row or {}).values())


def read_session_range(reader: Reader) -> tuple[int, int] | None:
    """First and last tick of the newest session, searched once in a snapshot."""
    ends: tuple[int, int] | None = reader.once(_search_session_range)
    return ends


def _search_session_range(reader: Reader) -> tuple[int, int] | None:
    with reader.reading() as connection:
        return find_session_range(connection)


# The bisection runs within SQLite: one statement instead of one for each step.
_SESSION_RANGE = """
    WITH RECURSIVE newest(first, last, session) AS
        (SELECT (SELECT min(tick) FROM ticks), tick, session FROM ticks ORDER BY tick DESC LIMIT 1),
    search(low, high) AS (SELECT first, last FROM newest UNION ALL
        SELECT iif(t.session = n.session, s.low, (s.low + s.high) / 2 + 1), iif(t.session = n.session, (s.low + s.high) / 2, s.high)
        FROM search s CROSS JOIN newest n CROSS JOIN ticks t
        WHERE s.low < s.high AND t.tick = (SELECT min(tick) FROM ticks WHERE tick >= (s.low + s.high) / 2))
    SELECT s.low AS first, n.last FROM search s CROSS JOIN newest n WHERE s.low >= s.high"""


def find_session_range(connection: Connection) -> tuple[int, int] | None:
    """First and last tick of the newest session, found by bisection: sessions follow one another in the ticks."""
    row = fetch_first(connection, _SESSION_RANGE)
    return None if row is None else (int(row["first"]), int(row["last"]))


_LAST = """
    SELECT tick, at, wall, warm, ms, equity, cash, benchmark, drawdown, gross, net, verdict, spread_source, degraded, config_digest, session,
           account, skill, (SELECT max(drawdown) FROM ticks t WHERE t.session = ticks.session) AS largest_drawdown
    FROM ticks ORDER BY tick DESC LIMIT 1"""
_COPIED = ("ms", "equity", "cash", "drawdown", "gross", "net", "verdict", "largest_drawdown")  # columns that are fields of the same name


def _last(connection: Connection) -> LastTick | None:
    row = fetch_first(connection, _LAST)
    if row is None:
        return None
    failed = _failed_gates(connection, int(row["tick"]), int(row["session"]))
    borrow, funding = parse_carry(row["account"])
    return LastTick(
        **{name: row[name] for name in _COPIED},
        tick=int(row["tick"]), at=int(row["at"]), wall=int(row["wall"]), warm=bool(row["warm"]),
        warmup_ticks=_decided(connection) if row["warm"] else None, benchmark=row["benchmark"],
        spread_sources=parse_spread_sources(row["spread_source"]),
        borrow=borrow, funding=funding, degraded=tuple(json.loads(row["degraded"])), config_digest=str(row["config_digest"]),
        paused="not paused" in failed, flattening="not flattened" in failed,
        skill_bounds=tuple(json.loads(row["skill"] or "{}").get("low") or ()),
    )  # fmt: skip


def parse_spread_sources(text: str) -> tuple[str, ...]:
    """The source of each symbol's spread, or a single source for all."""
    return tuple(json.loads(text)) if text.startswith("[") else (text,)


def choose_spread_source(text: str, session: SessionInfo, symbol: str) -> str:
    """The source of a symbol's spread."""
    sources = parse_spread_sources(text)
    return sources[0] if len(sources) == 1 else sources[session.symbols.index(symbol)]


def parse_carry(data: bytes) -> tuple[float | None, float | None]:
    """Borrow and funding so far; None for an account of an older version."""
    try:
        account = codec.unpack(Account, bytes(data))
    except ValueError:
        return None, None
    return account.borrow, account.funding


def _decided(connection: Connection) -> int | None:
    ends = find_session_range(connection)
    return None if ends is None else ends[1] - ends[0] + 1


def _failed_gates(connection: Connection, tick: int, session: int) -> set[str]:
    """The gates that failed for the first symbol of a tick."""
    row = fetch_first(
        connection,
        "SELECT d.gates AS results, s.gates AS gates FROM decisions d JOIN sessions s ON s.id = :session "
        "WHERE d.tick = :tick ORDER BY d.symbol LIMIT 1",
        tick=tick,
        session=session,
    )
    if row is None or row["gates"] is None:
        return set()
    return {gate["name"] for gate, passed in zip(json.loads(row["gates"]), json.loads(row["results"])["passed"], strict=False) if not passed}
