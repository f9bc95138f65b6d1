"""Cases of what the engine says and falls back to: sentences on decisions, the verdict of health, calibration, volatility, and phases that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from engine import explain, health, window
from engine.domain.decision import REGIMES, Phase
from engine.domain.gates import GATES
from engine.domain.incidents import INCIDENT_KINDS
from engine.domain.market import Bars
from engine.domain.record import Floats
from engine.evidence import calibration, regimes, volatility
from engine.explain import DecisionFacts, FailedGate
from engine.health import SECOND, ClockStep, ComponentState, HealthInputs
from engine.orchestrator import decide
from engine.phases.learning import blank_state
from engine.run import PhaseRunner, axis_lengths
from tests.makers import START, no_books, no_flow
from tests.reference.figures import figures_of, project
from tests.reference.sessions import LEFT_OUT, SESSIONS

Cases = Iterator[tuple[str, object]]
MINUTE = 60 * SECOND  # ns
NOW = 1_000_000 * SECOND
FAILING_AT = 116  # tick of the session "contested" at which each phase fails in turn: models serve, and a challenger is searched


def verdict_cases() -> Cases:
    """Every case."""
    for parts in (_sentences(), _health(), _calibration(), _volatility(), _failing_phases()):
        yield from parts


def _sentences() -> Cases:
    plain = DecisionFacts("hold", 0.05, 0.05, 3, 8.25, -10.5, 30.0, 23.0, (), 15.5)
    for name, sense, _ in GATES:
        failed = [FailedGate(name, value, limit) for value, limit in ((1.0, 2.0), (0.257, 3.5), (None, 1.0), (2e6, None))]
        yield f"gate {name} {sense}", [explain.explain_decision(replace(plain, failed_gates=(gate,)))[1] for gate in failed]
    for kind in (*INCIDENT_KINDS, "another"):
        fault = FailedGate("fresh data", 3.0, 0.0, kind)
        yield f"fault {kind}", explain.explain_decision(replace(plain, failed_gates=(fault,)))[1]
        yield f"duration of {kind}", [explain.describe_fault(kind, bars) for bars in (1.0, 7.4, None)]
    shut = (FailedGate("edge above cost", 1.0, 2.0), FailedGate("history", 10.0, 20.0), FailedGate("spread", 60.0, 50.0))
    places = product(("hold", "buy", "sell"), ((0.0, 0.1), (0.1, 0.0), (0.1, 0.2), (0.1, 0.05), (0.1, -0.1), (-0.1, -0.2), (None, 0.1), (4e-5, 0.3)))
    for action, (before, after) in places:
        facts = [
            replace(plain, action=action, position=before, target=after, failed_gates=shut[:count], edge_to_flip_bps=flip)
            for count, flip in ((0, 4.5), (1, -4.5), (3, None), (2, 0.0))
        ]
        yield f"decision {action} {before} {after}", [" ".join(explain.explain_decision(some)[1:]) for some in facts]
    rest: tuple[dict[str, Any], ...] = (
        {"horizon": 1}, {"expected_bps": None}, {"low_bps": None}, {"high_bps": None}, {"cost_bps": None}, {"inherited": 0.42}, {"inherited": 0.9995},
        {"inherited": 0.9994}, {"inherited": 1.0}, {"reason": "the volatility target", "action": "buy"}, {"edge_to_flip_bps": float("nan")},
    )  # fmt: skip
    for changed in rest:
        yield f"decision with {changed}", explain.explain_decision(replace(plain, **changed))
    bounds: tuple[tuple[float | None, ...], ...] = ((), (None,), (0.0,), (-0.1, None), (0.1,), (None, 0.2))
    yield "skill", [explain.judge_skill(whole, some) for whole, some in product(bounds, bounds)]


def _health() -> Cases:
    well = HealthInputs(
        now=NOW, heartbeat_at=NOW - SECOND, started_at=NOW - 500 * SECOND, tick_interval_seconds=2.0, tick=9, decided_at=NOW - 2 * SECOND,
        components=(ComponentState("feed", "ok", 0, "an old error"),), ticks_counted=10, ticks_clean=9, open_alerts=0,
    )  # fmt: skip
    ages = (None, -6.0, -5.0, 0.0, 14.9, 15.0, 15.1, 29.0, 30.0, 31.0, 49.0, 51.0, 119.0, 121.0, 400.0)
    for name in ("heartbeat_at", "decided_at", "started_at"):
        for interval, warmup in ((2.0, False), (10.0, False), (0.0, False), (2.0, True)):
            changed = [
                replace(well, **{name: None if age is None else NOW - round(age * SECOND)}, tick_interval_seconds=interval, is_warmup=warmup)  # type: ignore[arg-type]
                for age in ages
            ]
            yield f"{name} {interval} {warmup}", [_health_text(inputs) for inputs in changed]
    first = replace(well, decided_at=None)
    yield "first tick", [_health_text(replace(first, started_at=NOW - age * SECOND)) for age in (1, 119, 121)]
    states = ("ok", "degraded", "down", "starting")
    for state, alerts in product(states, ((), (("feed failing", "it fails"),), (("disk full", "no space"), ("feed failing", "it fails")))):
        parts = (ComponentState("feed", state, 0, None), ComponentState("trainer", "ok", 0, "x"))
        yield (
            f"feed {state} {len(alerts)}",
            [
                _health_text(replace(well, components=parts, critical_alerts=alerts, decided_at=decided))
                for decided in (well.decided_at, NOW - 300 * SECOND)
            ],
        )
    for seconds, ago in product((-3.5, 900.0), (-9.0, 0.0, 20.0, 300.0)):
        step = ClockStep(NOW - round(ago * SECOND), seconds)
        late = replace(well, clock_step=step, decided_at=NOW - 200 * SECOND, is_full=ago == 20.0)
        yield f"clock {seconds} {ago}", (_health_text(late), health.recent_clock_step(step, NOW, 60.0), health.describe_clock_step(step))
    yield "clock read", [health.parse_clock_step(text) for text in (None, '{"at": 5, "seconds": -1.5}')]
    yield "clean rate", [replace(well, ticks_counted=count).clean_rate for count in (0, 10, 12)]
    yield "times", [(health.discard_future_time(at, NOW), health.is_in_future(at, NOW)) for at in (NOW, NOW + 5 * SECOND, NOW + 5 * SECOND + 1)]


def _health_text(inputs: HealthInputs) -> str:
    judged = health.judge_health(inputs)
    return f"{judged.state}, {'alive' if judged.alive else 'dead'}: {'; '.join(judged.reasons)}"


def _calibration() -> Cases:
    draw = np.random.default_rng(3)
    state = blank_state(2, ("ridge",), (1, 3))
    yield "calibration of nothing", calibration.calibrate_horizon(state, 0, 1, None)
    counted = np.floor(draw.uniform(0.0, 60.0, (2, 10))) * (np.arange(10) != 4)
    stated = counted * (np.arange(10) * 0.1 + 0.05)
    rows = counted.sum(axis=1)
    moved = replace(state.direction, rows=rows, brier=rows * 0.24, stated=stated, observed=np.floor(stated * 0.9), counted=counted)
    known = np.floor(draw.uniform(20.0, 90.0, (2, len(REGIMES))))
    intervals = replace(
        state.intervals, rows=known, covered=np.floor(known[:, :, None] * np.array([0.78, 0.91])), winkler=np.array([[1.0, 2.0], [3.0, 4.0]]),
        winkler_constant=np.array([[1.5, 0.0], [2.5, 8.0]]),
    )  # fmt: skip
    for place, deflation in product((0, 1), (None, 0.3, 1.0)):
        yield (
            f"calibration {place} {deflation}",
            calibration.calibrate_horizon(replace(state, direction=moved, intervals=intervals), place, 3, deflation),
        )


def _volatility() -> Cases:
    """Forty symbols, so that enough rows are learned from within few bars; volatility comes in waves."""
    draw, symbols, bars, length = np.random.default_rng(12), 40, 400, 3
    wave = 1.0 + 0.6 * np.sin(np.arange(bars) / 17.0) + 0.3 * draw.random(bars)
    moves = draw.normal(0.0, 1e-3, (symbols, bars)) * wave * np.linspace(0.5, 2.0, symbols)[:, None]
    close = 100.0 * (1.0 + moves).cumprod(axis=1)
    opened = np.concatenate((close[:, :1], close[:, :-1]), axis=1)
    high, low = np.maximum(opened, close) * (1.0 + 5e-4 * wave), np.minimum(opened, close) * (1.0 - 4e-4 * wave)
    parts = [opened, high, low, close, draw.gamma(2.0, 50.0, (symbols, bars))]
    model = volatility.empty_volatility(symbols, length)
    for tick in range(120, bars):
        view = window.build_view(_bars(parts, tick), no_books(symbols), no_flow(symbols), START + tick * MINUTE, MINUTE, 60.0)
        seen = volatility.forecast_volatility(model, view) if tick % 41 else volatility.missing_volatility_forecast(model)
        model = volatility.update_volatility(model, seen, view, draw.random(symbols) < 0.95, tick=tick, fade=0.999)
        if tick in {200, 300, bars - 1}:
            yield f"volatility after {tick}", (seen, model, volatility.volatility_scores(model))
    yield "regimes", regimes.emission_parameters(regimes.initial_regime_model())


def _bars(parts: list[Floats], tick: int) -> Bars:
    return Bars(*(np.ascontiguousarray(part[:, tick - 120 : tick]) for part in parts))


def _failing_phases() -> Cases:
    session = next(session for session in SESSIONS if session.name == "contested")
    engine = session.open()
    ticks = session.run(engine)
    while engine.tick < FAILING_AT:
        next(ticks)
    state, catalog = engine.state, engine.catalog
    tick = next(ticks)
    for phase in Phase:
        runner = PhaseRunner(axis_lengths(tick.inputs, catalog), lambda: 0.0, forced_failures={phase: "made to fail"})
        outcome = decide(tick.inputs, state, catalog, runner)
        figures = figures_of(outcome, "", LEFT_OUT)
        groups: dict[str, list[object]] = {}
        for name, values in figures.items():
            groups.setdefault(name.split(".")[0], []).extend(values)
        yield f"without {phase.value}", {name: project(values) for name, values in groups.items()}
