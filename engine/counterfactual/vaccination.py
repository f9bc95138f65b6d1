"""The smallest change that would have avoided a trade, searched over a grid, and what it would have done to the last decisions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.counterfactual.comparison import HOLD, SpanFigures, collect_figures, compare_arm
from engine.counterfactual.lasting_change import GATE, GATE_SETTINGS, WITHOUT, parse_lasting_change
from engine.counterfactual.rolling import Report, choose_span
from engine.domain.counterfactual import TriedChange, Vaccination
from engine.domain.decision import ACTIONS
from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.schema import Bounds
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.story.basis import DecidedTick, decide_stored_tick, summarise_decision
from engine.trading_parameters import CHANGEABLE, list_live_parameters

FACTORS = (1.1, 1.25, 1.5, 2.0, 4.0)  # by which a parameter is raised and lowered
ZERO_STEPS = (0.01, 0.05, 0.25)  # instead, from 0, as shares of its upper bound or of 1
BOUND_SIZE = 2.0  # size of a change to a bound
WHOLE_SIZE = 1.0  # size of a model out or a gate off: about a factor of e


@dataclass(frozen=True, slots=True)
class ChangeCandidate:
    """A change on the grid; its size is the logarithm of its factor."""

    text: str
    size: float


def list_candidates(config: TradingConfig, models: tuple[str, ...]) -> list[ChangeCandidate]:
    """The grid around a configuration, the smallest changes first: every parameter a decision depends on, gates off, models out."""
    grid = [
        ChangeCandidate(f"{name}={value}", size)
        for name, parameter in list_live_parameters().items()
        if name in CHANGEABLE and isinstance(getattr(config, name), int | float)
        for value, size in _list_values(float(getattr(config, name)), parameter.bounds)
    ]
    grid += [ChangeCandidate(f"{GATE}={name}", WHOLE_SIZE) for name in GATE_SETTINGS]
    grid += [ChangeCandidate(f"{WITHOUT}={model}", WHOLE_SIZE) for model in models]
    return sorted(grid, key=lambda candidate: candidate.size)


def vaccinate(history: TickHistory, tick: int, symbol: str, count: int, report: Report | None = None) -> Vaccination:
    """Search the smallest change with which the tick holds, then decide the last `count` ticks again under it.

    The search decides the one tick again from its recorded state; every change tried counts in the interval of the P&L. Raises NotStored, and
    ValueError where the decision was to hold.
    """
    decided = decide_stored_tick(history, tick)
    place = decided.place_of(symbol)
    then = summarise_decision(decided.outcome, decided.session.horizons, place)
    if then.action == ACTIONS[HOLD]:
        raise ValueError(f"{symbol} was held at tick {tick}: there is no trade to avoid")
    serving = tuple(name for name, served in zip(decided.basis.catalog.names, decided.basis.catalog.serving, strict=True) if served is not None)
    tried = tuple(_try(decided, place, candidate) for candidate in list_candidates(decided.basis.inputs.config, serving))
    chosen = next((attempt.change for attempt in tried if attempt.avoids), None)
    if chosen is None:
        return Vaccination(tick, symbol, then.action, then.reason, tried, None, None)
    span = choose_span(history, count)
    change = parse_lasting_change(chosen, span.session.models)
    figures = collect_figures(history, span, (change,), report)
    notes = () if span.first <= tick <= span.last else (f"tick {tick:,} is older than the ticks {span.first:,} to {span.last:,} decided again",)
    missed = _measure_avoided(figures)
    known = missed[np.isfinite(missed)]
    return Vaccination(
        tick, symbol, then.action, then.reason, tried, chosen, compare_arm(figures, 0, (change.words,), len(tried)),
        float(known.mean()) if len(known) else None, len(missed), len(known), notes,
    )  # fmt: skip


def find_worst_trade(history: TickHistory, first: int, last: int) -> tuple[int, str]:
    """The trade among these ticks whose price moved most against it over its horizon, after the round trip's cost; raises NotStored without any."""
    span = choose_span(history, last - first + 1, last)
    figures = collect_figures(history, span, ())
    outcome = measure_trades(figures)
    if not np.isfinite(outcome).any():
        raise NotStored(f"no trade with a known outcome was decided from tick {span.first} to {span.last}")
    row, column = np.unravel_index(int(np.nanargmin(outcome)), outcome.shape)
    return figures.ticks[int(row)], span.session.symbols[int(column)]


def measure_trades(figures: SpanFigures) -> Floats:
    """(T, S) bps by which the price moved in the direction of the record's trades over their horizon, after the round trip's cost.

    NaN where nothing was traded or the outcome is not within the span.
    """
    prices, side = np.log(np.array(figures.prices)), np.sign(np.array(figures.deltas))
    outcome = np.full(side.shape, np.nan)
    for row, horizon in enumerate(figures.horizons):
        if row + horizon < len(prices):
            outcome[row] = side[row] * (prices[row + horizon] - prices[row]) * 1e4 - 2.0 * figures.cost_bps[row]
    return np.where(side == 0.0, np.nan, outcome)


def _measure_avoided(figures: SpanFigures) -> Floats:
    """The outcome of each trade of the record that is a hold with the change."""
    before, after = np.array(figures.record.actions), np.array(figures.arms[0].actions)
    return np.asarray(measure_trades(figures)[(before != HOLD) & (after == HOLD)])


def _try(decided: DecidedTick, place: int, candidate: ChangeCandidate) -> TriedChange:
    change = parse_lasting_change(candidate.text, decided.session.models)
    outcome, _ = change.apply(decided.basis).decide_again()
    action = int(outcome.decisions.action[place])
    return TriedChange(candidate.text, candidate.size, ACTIONS[action], action == HOLD)


def _list_values(value: float, bounds: Bounds) -> Iterator[tuple[str, float]]:
    """The values around one, within its bounds, with the size of each change; each once."""
    low, high = (-math.inf if bounds.low is None else bounds.low), (math.inf if bounds.high is None else bounds.high)
    steps = [(value * factor**sign, math.log(factor)) for factor in FACTORS for sign in (1.0, -1.0)]
    if value == 0.0:
        steps = [(share * min(high, 1.0), share * BOUND_SIZE) for share in ZERO_STEPS]
    steps += [(bound, BOUND_SIZE) for bound in (low, high) if math.isfinite(bound)]
    seen = {_write(value, bounds)}
    for raw, size in steps:
        text = _write(min(max(raw, low), high), bounds)
        if text not in seen:
            seen.add(text)
            yield text, size


def _write(value: float, bounds: Bounds) -> str:
    return str(round(value)) if bounds.kind == "whole number" else f"{value:.6g}"
