"""One stored decision with all its evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from engine.domain.intents import classify_intent
from engine.store.read.past import choose_known_table
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_scalar
from engine.store.read.status import SessionInfo, choose_spread_source, read_session

Number = float | None  # None where unknown

_DECISION = """
    SELECT d.tick, d.symbol, d.session, d.at, d.action, d.target, d.position, d.confidence, d.edge_bps, d.cost_bps, d.binding_gate, d.regime,
           d.horizon, d.price, d.sigma_bps, d.spread_bps, d.fee_bps, d.impact_bps, d.execution, d.edge_to_flip_bps, d.delta, d.units, d.entry, d.mark,
           d.fresh, d.forecast, d.gates, d.votes, d.limits, d.regimes, d.micro, d.log_price
    FROM decisions d WHERE d.tick = :tick AND d.symbol = :symbol"""
_TICK = """
    SELECT wall, ms, warm, degraded, spans, verdict, weights, skill, spread_source, events, serving, market_state, machine, config_digest
    FROM ticks WHERE tick = :tick"""
_VERSION = "SELECT version FROM artifacts WHERE digest = :digest AND session = :session AND serves_from <= :tick ORDER BY serves_from DESC LIMIT 1"
_OUTCOME = "SELECT log_price, fresh FROM {} WHERE tick = :tick AND symbol = :symbol AND session = :session"
_COPIED = (  # columns that are fields of the same name
    "action", "target", "position", "confidence", "edge_bps", "cost_bps", "binding_gate", "regime", "horizon", "price", "sigma_bps", "spread_bps",
    "fee_bps", "impact_bps", "execution", "delta", "units", "entry",
)  # fmt: skip
_FILLS = """
    SELECT side, size, unfilled, price, mid, fee_bps, spread_bps, impact_bps, cost_bps, realised
    FROM {} WHERE symbol = :symbol AND tick = :tick ORDER BY id"""


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate of a decision."""

    name: str
    sense: str  # ">=", ">" or "<="
    unit: str
    value: Number
    limit: Number
    passed: bool
    fault: str | None = None  # the data fault that failed the gate, named as its incident is

    @property
    def margin(self) -> Number:
        """Distance to the limit in the gate's unit; negative where the gate failed."""
        if self.value is None or self.limit is None:
            return None
        return self.limit - self.value if self.sense.startswith("<") else self.value - self.limit


@dataclass(frozen=True, slots=True)
class ModelVote:
    """One model's forecast for one horizon, in bps; None where the model was not active."""

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
    """The price change over a horizon; `why` gives the reason where there is no figure."""

    horizon: int  # bars
    bps: Number
    reason: str
    is_later: bool = False  # due after the tick that the page is shown as of


@dataclass(frozen=True, slots=True)
class FillDetails:
    """How the broker filled the order."""

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
    """One symbol's decision with everything it was derived from."""

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
    position: Number  # share of equity before the decision
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
    config_digest: str
    degraded: tuple[str, ...]
    events: tuple[tuple[str, str, str], ...]
    skill: dict[str, list[Number]]  # low, estimate: by horizon
    market_state: dict[str, Number]
    micro: dict[str, Number]
    gates: tuple[GateResult, ...]
    votes: tuple[ModelVote, ...]
    forecast: tuple[HorizonForecast, ...]
    limits: tuple[tuple[str, Number], ...]  # the desired size, then the size after each limit
    regimes: tuple[tuple[str, Number], ...]
    spans: tuple[PhaseSpan, ...]
    outcomes: tuple[HorizonOutcome, ...]
    fills: tuple[FillDetails, ...]
    machine: dict[str, Number]  # value by reading, None where unknown; {} where the machine was not monitored
    first_tick: int  # oldest stored tick
    last: int  # newest stored tick


def read_decision(reader: Reader, tick: int, symbol: str) -> DecisionDetails | None:
    """A symbol's decision at a tick; None where it is not stored."""
    with reader.reading() as connection:
        row = fetch_first(connection, _DECISION, tick=tick, symbol=symbol)
        tick_row = fetch_first(connection, _TICK, tick=tick)
        session = None if row is None else read_session(connection, int(row["session"]))
        if row is None or tick_row is None or session is None:
            return None
        return _details(connection, row, tick_row, session)


def _details(connection: Connection, row: RowMapping, tick_row: RowMapping, session: SessionInfo) -> DecisionDetails:
    tick, symbol = int(row["tick"]), str(row["symbol"])
    ends = fetch_first(connection, "SELECT (SELECT min(tick) FROM ticks) AS first, (SELECT max(tick) FROM ticks) AS last")
    assert ends is not None  # the query always gives a row
    last = int(ends["last"])
    known = int(fetch_scalar(connection, f"SELECT max(tick) FROM {choose_known_table(connection, 'ticks')}"))
    forecast, serving = _parsed(row["forecast"]), _parsed(tick_row["serving"])
    versions = tuple(_version(connection, digest, session.id, tick) for digest in serving or ())
    return DecisionDetails(
        **{name: row[name] for name in _COPIED},
        tick=tick, symbol=symbol, session=session, at=int(row["at"]), wall=int(tick_row["wall"]), ms=tick_row["ms"], warm=bool(tick_row["warm"]),
        intent=classify_intent(row["position"], row["target"]), edge_to_flip_bps=row["edge_to_flip_bps"], fresh=bool(row["fresh"]),
        verdict=str(tick_row["verdict"]), spread_source=choose_spread_source(str(tick_row["spread_source"]), session, symbol),
        config_digest=str(tick_row["config_digest"]), degraded=tuple(_parsed(tick_row["degraded"]) or ()),
        events=tuple((str(kind), str(subject), str(detail)) for kind, subject, detail in _parsed(tick_row["events"]) or ()),
        skill=_parsed(tick_row["skill"]) or {}, market_state=_parsed(tick_row["market_state"]) or {}, micro=_parsed(row["micro"]) or {},
        gates=_gate_results(session, _parsed(row["gates"])),
        votes=_votes(session, _parsed(row["votes"]), _parsed(tick_row["weights"]), forecast, versions),
        forecast=_forecast(session, forecast),
        limits=tuple(zip(("wanted", *session.limits), _parsed(row["limits"]) or (), strict=False)),
        regimes=tuple(zip(session.regimes, _parsed(row["regimes"]) or (), strict=False)),
        spans=tuple(_span(*span) for span in _parsed(tick_row["spans"]) or ()),
        outcomes=tuple(_outcome(connection, row, horizon, last, known) for horizon in session.horizons),
        fills=_fills(connection, symbol, tick + 1),
        machine=_parsed(tick_row["machine"]) or {}, first_tick=int(ends["first"]), last=last,
    )  # fmt: skip


def _span(phase: str, start_ms: float, ms: float, fallback: int, error: str | None, thread: str) -> PhaseSpan:
    return PhaseSpan(phase, float(start_ms), float(ms), bool(fallback), error, thread)


def _parsed(text: str | None) -> Any:
    return json.loads(text) if text else None


def _gate_results(session: SessionInfo, gates: dict[str, Any] | None) -> tuple[GateResult, ...]:
    if not gates:
        return ()
    rows = zip(session.gates, gates["value"], gates["limit"], gates["passed"], strict=False)
    fault = gates.get("fault")
    return tuple(
        GateResult(name, sense, unit, value, limit, bool(passed), fault if name == "fresh data" else None)
        for (name, sense, unit), value, limit, passed in rows
    )


def _votes(
    session: SessionInfo, votes: dict[str, Any] | None, weights: Any, forecast: dict[str, Any] | None, versions: tuple[str | None, ...]
) -> tuple[ModelVote, ...]:
    if not votes:
        return ()
    scale = (forecast or {}).get("scale") or [None] * len(session.horizons)
    return tuple(
        ModelVote(
            model, versions[m] if m < len(versions) else None, horizon, _in_bps(votes["mean"][m][h], scale[h]), votes["trust"][m][h],
            weights[m][h] if weights else None,
        )
        for m, model in enumerate(session.models)
        for h, horizon in enumerate(session.horizons)
    )  # fmt: skip


def _forecast(session: SessionInfo, forecast: dict[str, Any] | None) -> tuple[HorizonForecast, ...]:
    if not forecast:
        return ()
    scale = forecast["scale"]
    return tuple(
        HorizonForecast(
            horizon, _in_bps(forecast["mean"][h], scale[h]), _in_bps(forecast["low"][h], scale[h]), _in_bps(forecast["high"][h], scale[h]),
            forecast["probability"][h],
        )
        for h, horizon in enumerate(session.horizons)
    )  # fmt: skip


def _in_bps(value: Number, scale: Number) -> Number:
    """Horizon volatilities as bps; a scale of 0 means that the volatility is unknown."""
    return None if value is None or not scale else value * scale * 1e4


def _fills(connection: Connection, symbol: str, tick: int) -> tuple[FillDetails, ...]:
    sql = _FILLS.format(choose_known_table(connection, "fills"))
    return tuple(FillDetails(**fill) for fill in fetch_all(connection, sql, symbol=symbol, tick=tick))


def _outcome(connection: Connection, row: RowMapping, horizon: int, last: int, known: int) -> HorizonOutcome:
    """The outcome over a horizon, with the ticks up to `known`; `last` is the newest tick of the page."""
    due = int(row["tick"]) + horizon
    if due > known:
        return HorizonOutcome(horizon, None, "not due yet", is_later=due > last)
    sql = _OUTCOME.format(choose_known_table(connection, "decisions"))
    then = fetch_first(connection, sql, tick=due, symbol=row["symbol"], session=row["session"])
    if then is None or not row["fresh"] or not then["fresh"] or row["log_price"] is None or then["log_price"] is None:
        return HorizonOutcome(horizon, None, "no price", is_later=due > last)
    return HorizonOutcome(horizon, (then["log_price"] - row["log_price"]) * 1e4, "", is_later=due > last)


def _version(connection: Connection, digest: str | None, session: int, tick: int) -> str | None:
    return None if digest is None else fetch_scalar(connection, _VERSION, digest=digest, session=session, tick=tick)
