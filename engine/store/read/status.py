"""How the engine and its store are: the session, the newest tick, the heartbeat, and the version pages are kept by."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.domain.market import Account
from engine.store import codec
from engine.store.errors import is_full
from engine.store.read.reader import Reader, fetch_all, fetch_first
from engine.store.write.alerts import find_critical_alerts


@dataclass(frozen=True, slots=True)
class SessionInfo:
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
    warmup_ticks: int | None  # ticks of its session up to it, while warming up
    ms: float | None
    equity: float | None
    cash: float | None
    benchmark: float | None
    drawdown: float | None
    gross: float | None
    net: float | None
    verdict: str
    spread_sources: tuple[str, ...]  # by symbol, or one that is that of all
    borrow: float | None  # money, paid so far for what was sold short, at most 0; None where the account cannot be read
    funding: float | None  # money, funding received less paid so far
    degraded: tuple[str, ...]
    knobs_digest: str
    paused: bool  # as its gates saw it
    flattening: bool
    skill_bounds: tuple[float | None, ...] = ()  # lower bounds of the ensemble's R2 that sizes rest on, by horizon; None where not known
    largest_drawdown: float | None = None  # of the session's ticks that are kept


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the engine and its store are; None for what is not there yet."""

    version: str
    session: SessionInfo | None
    last: LastTick | None
    beat: int | None  # ns UTC of the engine's last heartbeat, None before the first
    holder: str | None  # host and process of the engine
    started: int | None  # ns UTC, when the engine took the store
    meta: dict[str, str]
    components: tuple[tuple[str, str, int, str | None], ...]  # component, state, since, last error
    alerts: int  # open
    critical: tuple[tuple[str, str], ...] = ()  # rule and message of the critical ones
    is_full: bool = False  # the disk of the store has no room


def read_version(reader: Reader) -> str:
    """Changes with everything a page might show from the store."""
    with reader.reading() as connection:
        return _version(connection)


def read_status(reader: Reader) -> EngineStatus:
    with reader.reading() as connection:
        lease = fetch_first(connection, "SELECT beat, host, pid, started_at FROM lease WHERE id = 1")
        meta = {str(key): str(value) for key, value in fetch_all(connection, "SELECT key, value FROM meta")}
        components = fetch_all(connection, "SELECT component, state, since, last_error FROM components ORDER BY component")
        alerts = fetch_first(connection, "SELECT count(*) FROM alerts WHERE state = 'open'")
        return EngineStatus(
            version=_version(connection),
            session=read_session(connection),
            last=_last(connection),
            beat=None if lease is None else int(lease[0]),
            holder=None if lease is None else f"{lease[1]}, process {lease[2]}",
            started=None if lease is None else int(lease[3]),
            meta=meta,
            components=tuple((str(name), str(state), int(since), error) for name, state, since, error in components),
            alerts=int(alerts[0]) if alerts else 0,
            critical=find_critical_alerts(connection),
            is_full=is_full(reader.path),
        )


def read_session(connection: Connection, number: int | None = None) -> SessionInfo | None:
    """The session of this number, or the newest."""
    told = fetch_first(
        connection,
        "SELECT id, started_at, feed, label, symbols, interval_ns, models, horizons, regimes, "
        "gates, limits, settings, simulated "
        "FROM sessions WHERE id = coalesce(:number, (SELECT max(id) FROM sessions))",
        number=number,
    )
    if told is None:
        return None
    models, horizons, regimes, gates, limits, settings = (json.loads(part) if part else [] for part in told[6:12])
    return SessionInfo(
        int(told[0]),
        int(told[1]),
        str(told[2]),
        str(told[3]),
        tuple(json.loads(told[4])),
        int(told[5]),
        tuple(models),
        tuple(horizons),
        tuple(regimes),
        tuple((gate["name"], gate["sense"], gate["unit"]) for gate in gates),
        tuple(limits),
        settings or {},
        bool(told[12]),
    )


def _version(connection: Connection) -> str:
    told = fetch_first(
        connection,
        "SELECT (SELECT value FROM meta WHERE key = 'version'), (SELECT max(tick) FROM ticks), "
        "(SELECT max(id) FROM commands), "
        "(SELECT max(id) FROM trials)",
    )
    return "-".join("" if part is None else str(part) for part in told or ())


def find_session_range(connection: Connection) -> tuple[int, int] | None:
    """First and last tick of the newest session, by halving: sessions follow one another in the ticks."""
    told = fetch_first(
        connection, "SELECT (SELECT min(tick) FROM ticks), max(tick), (SELECT session FROM ticks ORDER BY tick DESC LIMIT 1) FROM ticks"
    )
    if told is None or told[1] is None:
        return None
    low, high, session = int(told[0]), int(told[1]), int(told[2])
    while low < high:
        middle = (low + high) // 2
        found = fetch_first(connection, "SELECT session FROM ticks WHERE tick >= :middle ORDER BY tick LIMIT 1", middle=middle)
        low, high = (low, middle) if found and int(found[0]) == session else (middle + 1, high)
    return low, int(told[1])


def _last(connection: Connection) -> LastTick | None:
    told = fetch_first(
        connection,
        "SELECT tick, at, wall, warm, ms, equity, cash, naive, drawdown, gross, net, "
        "verdict, spread_source, degraded, knobs_digest, session, account, skill, "
        "(SELECT max(drawdown) FROM ticks t WHERE t.session = ticks.session) "
        "FROM ticks ORDER BY tick DESC LIMIT 1",
    )
    if told is None:
        return None
    shut = _shut(connection, int(told[0]), int(told[15]))
    return LastTick(
        int(told[0]),
        int(told[1]),
        int(told[2]),
        bool(told[3]),
        _decided(connection) if told[3] else None,
        told[4],
        told[5],
        told[6],
        told[7],
        told[8],
        told[9],
        told[10],
        told[11],
        parse_spread_sources(told[12]),
        *parse_carry(told[16]),
        tuple(json.loads(told[13])),
        str(told[14]),
        paused="not paused" in shut,
        flattening="not flattened" in shut,
        skill_bounds=tuple(json.loads(told[17] or "{}").get("low") or ()),
        largest_drawdown=told[18],
    )


def parse_spread_sources(text: str) -> tuple[str, ...]:
    """Where the spread of each symbol is from, or one name where that of all is from there."""
    return tuple(json.loads(text)) if text.startswith("[") else (text,)


def choose_spread_source(text: str, session: SessionInfo, symbol: str) -> str:
    """Where the spread of a symbol is from."""
    sources = parse_spread_sources(text)
    return sources[0] if len(sources) == 1 else sources[session.symbols.index(symbol)]


def parse_carry(data: bytes) -> tuple[float | None, float | None]:
    """Borrow and funding so far; None for an account that an older version wrote."""
    try:
        account = codec.unpack(Account, bytes(data))
    except ValueError:
        return None, None
    return account.borrow, account.funding


def _decided(connection: Connection) -> int | None:
    ends = find_session_range(connection)
    return None if ends is None else ends[1] - ends[0] + 1


def _shut(connection: Connection, tick: int, session: int) -> set[str]:
    """The gates that were shut for the first symbol of a tick."""
    told = fetch_first(
        connection,
        "SELECT d.gates, s.gates FROM decisions d JOIN sessions s ON s.id = :session WHERE d.tick = :tick ORDER BY d.symbol LIMIT 1",
        tick=tick,
        session=session,
    )
    if told is None or told[1] is None:
        return set()
    return {gate["name"] for gate, passed in zip(json.loads(told[1]), json.loads(told[0])["passed"], strict=False) if not passed}
