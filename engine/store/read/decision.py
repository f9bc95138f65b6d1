"""One decision with all its evidence, as the store kept it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.domain.intents import classify_intent
from engine.store.read.reader import Reader, fetch_all, fetch_first
from engine.store.read.status import SessionInfo, choose_spread_source, read_session

Number = float | None  # None where it was not known

_DECISION = """
    SELECT d.tick, d.symbol, d.session, d.at, d.action, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate, d.regime,
           d.horizon, d.price, d.sigma_bps, d.spread_bps, d.fee_bps, d.impact_bps, d.execution, d.flip_bps, d.delta, d.units, d.entry, d.mark,
           d.fresh, d.forecast, d.gates, d.votes, d.limits, d.regimes, d.micro, d.log_price
    FROM decisions d WHERE d.tick = :tick AND d.symbol = :symbol"""
_TICK = """
    SELECT wall, ms, warm, degraded, spans, verdict, weights, skill, spread_source, events, serving, mood, machine, knobs_digest
    FROM ticks WHERE tick = :tick"""
_VERSION = "SELECT version FROM artifacts WHERE digest = :digest AND session = :session AND serves_from <= :tick ORDER BY serves_from DESC LIMIT 1"
_OUTCOME = "SELECT log_price, fresh FROM decisions WHERE tick = :tick AND symbol = :symbol AND session = :session"
_FILLS = """
    SELECT side, size, unfilled, price, mid, fee_bps, spread_bps, impact_bps, cost_bps, realised
    FROM fills WHERE symbol = :symbol AND tick = :tick ORDER BY id"""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of the ladder."""

    name: str
    sense: str  # ">=", ">" or "<="
    unit: str
    value: Number
    limit: Number
    passed: bool
    fault: str | None = None  # of the data, as an incident is named, where it is what shut the gate

    @property
    def margin(self) -> Number:
        """How far on the right side of the limit, in the gate's unit; negative where it failed."""
        if self.value is None or self.limit is None:
            return None
        return self.limit - self.value if self.sense.startswith("<") else self.value - self.limit


@dataclass(frozen=True, slots=True)
class ModelVote:
    """What one model said for one horizon, in bps; None where it was not heard."""

    model: str
    version: str | None
    horizon: int  # bars
    bps: Number
    trust: Number
    weight: Number


@dataclass(frozen=True, slots=True)
class HorizonForecast:
    """The ensemble's forecast for one horizon."""

    horizon: int  # bars
    bps: Number
    low_bps: Number  # 90 % interval
    high_bps: Number
    probability: Number  # of a rise


@dataclass(frozen=True, slots=True)
class PhaseSpan:
    """One phase of the tick."""

    phase: str
    start_ms: float
    ms: float
    fallback: bool
    error: str | None
    thread: str


@dataclass(frozen=True, slots=True)
class HorizonOutcome:
    """What the price did over a horizon; `why` says why there is no figure."""

    horizon: int  # bars
    bps: Number
    reason: str


@dataclass(frozen=True, slots=True)
class FillDetails:
    """What the broker made of the order."""

    side: str
    size: float
    unfilled: float
    price: Number
    mid: Number
    fee_bps: Number
    spread_bps: Number
    impact_bps: Number
    cost_bps: Number
    realised: Number


@dataclass(frozen=True, slots=True)
class DecisionDetails:
    """A decision of one symbol with everything it came from."""

    tick: int
    symbol: str
    session: SessionInfo
    at: int  # ns UTC, market time
    wall: int  # ns UTC
    ms: Number
    warm: bool
    action: str
    intent: str  # one of intents.INTENTS
    target: Number  # share of equity
    position: Number  # share of equity held before
    confidence: Number
    edge_bps: Number
    cost_bps: Number
    binding_gate: str | None
    regime: str
    horizon: int  # bars
    price: Number
    sigma_bps: Number
    spread_bps: Number
    fee_bps: Number
    impact_bps: Number
    execution: str
    edge_to_flip_bps: Number
    delta: Number
    units: Number
    entry: Number
    fresh: bool
    verdict: str
    spread_source: str
    knobs_digest: str
    degraded: tuple[str, ...]
    events: tuple[tuple[str, str, str], ...]
    skill: dict[str, list[Number]]  # low, estimate: by horizon
    market_state: dict[str, Number]
    micro: dict[str, Number]
    gates: tuple[GateResult, ...]
    votes: tuple[ModelVote, ...]
    forecast: tuple[HorizonForecast, ...]
    limits: tuple[tuple[str, Number], ...]  # what was wanted, then after each limit
    regimes: tuple[tuple[str, Number], ...]
    spans: tuple[PhaseSpan, ...]
    outcomes: tuple[HorizonOutcome, ...]
    fills: tuple[FillDetails, ...]
    machine: dict[str, Number]  # by reading, what was not known is None; {} where nobody watched
    first_tick: int  # the oldest tick kept
    last_tick: int  # the newest


def read_decision(reader: Reader, tick: int, symbol: str) -> DecisionDetails | None:
    """The decision of a symbol at a tick; None where none is kept."""
    with reader.reading() as connection:
        row = fetch_first(connection, _DECISION, tick=tick, symbol=symbol)
        whole = fetch_first(connection, _TICK, tick=tick)
        session = None if row is None else read_session(connection, int(row[2]))
        if row is None or whole is None or session is None:
            return None
        return _told(connection, row, whole, session)


def _told(connection: Connection, row: tuple[Any, ...], whole: tuple[Any, ...], session: SessionInfo) -> DecisionDetails:
    forecast, gates, votes, limits, regimes, micro = (json.loads(part) if part else None for part in row[25:31])
    degraded, spans, weights, skill, events, serving, mood = (json.loads(whole[place]) if whole[place] else None for place in (3, 4, 6, 7, 9, 10, 11))
    tick, symbol = int(row[0]), str(row[1])
    ends = fetch_first(connection, "SELECT (SELECT min(tick) FROM ticks), (SELECT max(tick) FROM ticks)") or (tick, tick)
    versions = tuple(_version(connection, digest, session.id, tick) for digest in serving or ())
    return DecisionDetails(
        tick=tick,
        symbol=symbol,
        session=session,
        at=int(row[3]),
        wall=int(whole[0]),
        ms=whole[1],
        warm=bool(whole[2]),
        action=str(row[4]),
        intent=classify_intent(row[6], row[5]),
        target=row[5],
        position=row[6],
        confidence=row[7],
        edge_bps=row[8],
        cost_bps=row[9],
        binding_gate=row[10],
        regime=str(row[11]),
        horizon=int(row[12]),
        price=row[13],
        sigma_bps=row[14],
        spread_bps=row[15],
        fee_bps=row[16],
        impact_bps=row[17],
        execution=str(row[18]),
        edge_to_flip_bps=row[19],
        delta=row[20],
        units=row[21],
        entry=row[22],
        fresh=bool(row[24]),
        verdict=str(whole[5]),
        spread_source=choose_spread_source(str(whole[8]), session, symbol),
        knobs_digest=str(whole[13]),
        degraded=tuple(degraded or ()),
        events=tuple((str(a), str(b), str(c)) for a, b, c in events or ()),
        skill=skill or {},
        market_state=mood or {},
        micro=micro or {},
        gates=_rungs(session, gates),
        votes=_votes(session, votes, weights, forecast, versions),
        forecast=_forecast(session, forecast),
        limits=tuple(zip(("wanted", *session.limits), limits or (), strict=False)),
        regimes=tuple(zip(session.regimes, regimes or (), strict=False)),
        spans=tuple(PhaseSpan(str(p), float(s), float(m), bool(f), e, str(t)) for p, s, m, f, e, t in spans or ()),
        outcomes=tuple(_came(connection, tick, symbol, session.id, horizon, row, int(ends[1])) for horizon in session.horizons),
        fills=tuple(FillDetails(*found) for found in fetch_all(connection, _FILLS, symbol=symbol, tick=tick + 1)),
        machine=json.loads(whole[12]) if whole[12] else {},
        first_tick=int(ends[0]),
        last_tick=int(ends[1]),
    )


def _rungs(session: SessionInfo, gates: dict[str, Any] | None) -> tuple[GateResult, ...]:
    if not gates:
        return ()
    told = zip(session.gates, gates["value"], gates["limit"], gates["passed"], strict=False)
    fault = gates.get("fault")
    return tuple(
        GateResult(name, sense, unit, value, limit, bool(passed), fault if name == "fresh data" else None)
        for (name, sense, unit), value, limit, passed in told
    )


def _votes(
    session: SessionInfo, votes: dict[str, Any] | None, weights: Any, forecast: dict[str, Any] | None, versions: tuple[str | None, ...]
) -> tuple[ModelVote, ...]:
    if not votes:
        return ()
    scale = (forecast or {}).get("scale") or [None] * len(session.horizons)
    return tuple(
        ModelVote(
            model,
            versions[m] if m < len(versions) else None,
            horizon,
            _times(votes["mean"][m][h], scale[h]),
            votes["trust"][m][h],
            weights[m][h] if weights else None,
        )
        for m, model in enumerate(session.models)
        for h, horizon in enumerate(session.horizons)
    )


def _forecast(session: SessionInfo, forecast: dict[str, Any] | None) -> tuple[HorizonForecast, ...]:
    if not forecast:
        return ()
    scale = forecast["scale"]
    return tuple(
        HorizonForecast(
            horizon,
            _times(forecast["mean"][h], scale[h]),
            _times(forecast["low"][h], scale[h]),
            _times(forecast["high"][h], scale[h]),
            forecast["probability"][h],
        )
        for h, horizon in enumerate(session.horizons)
    )


def _times(value: Number, scale: Number) -> Number:
    """Horizon volatilities as bps; a scale of 0 is an unknown volatility."""
    return None if value is None or not scale else value * scale * 1e4


def _came(connection: Connection, tick: int, symbol: str, session: int, horizon: int, row: tuple[Any, ...], last: int) -> HorizonOutcome:
    if tick + horizon > last:
        return HorizonOutcome(horizon, None, "not due yet")
    then = fetch_first(connection, _OUTCOME, tick=tick + horizon, symbol=symbol, session=session)
    if then is None or not row[24] or not then[1] or row[31] is None or then[0] is None:
        return HorizonOutcome(horizon, None, "no price")
    return HorizonOutcome(horizon, (then[0] - row[31]) * 1e4, "")


def _version(connection: Connection, digest: str | None, session: int, tick: int) -> str | None:
    told = None if digest is None else fetch_first(connection, _VERSION, digest=digest, session=session, tick=tick)
    return None if told is None else str(told[0])
