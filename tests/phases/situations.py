"""Made situations: what the decision phase is given, with every gate open unless told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from engine import broker
from engine.domain.decision import REGIMES, SPREAD_SOURCES, Decisions, Forecast, Liquidity, MarketState, ModelSelection, Phase, Predictions, Sizes
from engine.domain.evidence import SkillSums
from engine.domain.market import Bars, Inputs
from engine.domain.record import Bools, Floats, Ints
from engine.domain.state import State
from engine.domain.trading_config import TradingConfig
from engine.evidence import conformal, incidents, liquidity_forecast, regimes, skill, volatility
from engine.phases import decision, learning, risk
from engine.phases.microstructure import book_metrics_without_book
from engine.window import build_view
from tests.makers import MINUTE, START, having, no_books, no_flow, walk_bars

KNOBS = TradingConfig()
HORIZONS = KNOBS.horizons
TICK = 5_000
PRICE = 100.0


@dataclass(frozen=True)
class Situation:
    """All inputs of the risk and decision phases, for S symbols."""

    forecast: Forecast
    market_state: MarketState
    liquidity: Liquidity
    predictions: Predictions
    inputs: Inputs
    state: State
    degraded: tuple[Phase, ...] = ()

    def sizes(self) -> Sizes:
        return risk.size_positions(self.forecast, self.market_state, self.liquidity, self.inputs, self.state)

    def settled(self, *, waived: tuple[str, ...] = ()) -> Decisions:
        return decision.decide_actions(self.sizes(), self.liquidity, self.predictions, self.market_state, self.inputs, self.degraded, waived=waived)

    def with_config(self, **changed: Any) -> Situation:
        return replace(self, inputs=replace(self.inputs, config=replace(self.inputs.config, **changed)))

    def with_account(self, **changed: Any) -> Situation:
        return replace(self, inputs=replace(self.inputs, account=replace(self.inputs.account, **changed)))

    def with_inputs(self, **changed: Any) -> Situation:
        return replace(self, inputs=replace(self.inputs, **changed))

    def moving(self, returns: Floats, *, missing: Bools | None = None) -> Situation:
        """With bars (S, 300) that close at these log returns from one to the next, NaN where missing."""
        close = PRICE * np.exp(np.cumsum(returns, axis=1))
        close = close if missing is None else np.where(missing, np.nan, close)
        bars = Bars(close, close, close, close, np.ones_like(close))
        inputs = self.inputs
        view = build_view(bars, inputs.books, inputs.flow, inputs.at, inputs.interval, inputs.config.volatility_halflife)
        return self.with_inputs(bars=bars, view=view)

    def with_liquidity(self, **changed: Any) -> Situation:
        return replace(self, liquidity=replace(self.liquidity, **changed))

    def with_predictions(self, **changed: Any) -> Situation:
        return replace(self, predictions=replace(self.predictions, **changed))

    def holding(self, *shares: float) -> Situation:
        """With positions of these shares of equity."""
        account = self.inputs.account
        held = np.array(shares)
        return self.with_account(positions=held * account.equity / PRICE, entry_price=np.where(held != 0, PRICE, np.nan))

    def expecting(self, *means: float) -> Situation:
        """With forecasts of these many horizon volatilities, at every horizon."""
        mean = np.repeat(np.array([means]), len(HORIZONS), axis=0)
        forecast = replace(self.forecast, mean=mean, low=mean - 1.6, high=mean + 1.6, probability=np.where(mean >= 0, 0.6, 0.4))
        return replace(self, forecast=forecast)

    def proven(self, low: float, estimate: float) -> Situation:
        """With about this lower bound of R2 and this R2 at every horizon; the variance is set to give the bound."""
        state = replace(self.state, recent=sums(low, estimate))
        return replace(self, state=state)


@cache
def sums(low: float, estimate: float) -> SkillSums:
    """Sums of 300 blocks and 10,000 units of power whose skill bound is `low`, found by bisection over the variance."""
    empty = skill.empty_skill(2, len(HORIZONS), 1)
    power, blocks = np.full_like(empty.power, 10_000.0), np.full_like(empty.blocks, 300.0)
    small, large = 1e-9, 1e12
    for _ in range(200):
        middle = (small * large) ** 0.5
        made = having(empty, power=power, gain=power * estimate, blocks=blocks, rows=blocks * 8, block_squared=np.full_like(power, middle))
        if float(skill.skill_bound(made, KNOBS)[0][0]) > low:
            small = middle
        else:
            large = middle
    return made


def situation(symbols: int = 1, *, sigma: float = 0.002, cost_bps: float = 3.0) -> Situation:
    """A flat account of 100,000, a proven skill, a forecast of half a volatility up, cheap trading: every gate passes."""
    bars = walk_bars(symbols, 300, 5)
    books, flow = no_books(symbols), no_flow(symbols)
    view = build_view(bars, books, flow, START, MINUTE, 60.0)
    ones, zeros, nothing = np.ones(symbols), np.zeros(symbols), np.full(symbols, np.nan)
    account = replace(broker.open_account(100_000.0, symbols), mark_price=ones * PRICE, day=START // (86_400 * 10**9))
    names = tuple(f"S{index}" for index in range(symbols))
    inputs = Inputs(TICK, START, MINUTE, names, bars, books, flow, np.ones(symbols, dtype=bool), account, KNOBS, (), view)
    probabilities = np.tile([1.0, 0.0, 0.0, 0.0], (symbols, 1))
    market_state = MarketState(
        ones * sigma, zeros, ones * sigma, zeros, np.zeros(symbols, dtype=np.int64), probabilities, 0.3, 0.5, 0.0, 0.0, zeros,
        regimes.initial_regime_model(), incidents.initial_incident_state(symbols),
    )  # fmt: skip
    assert len(REGIMES) == 4
    metrics = book_metrics_without_book(liquidity_forecast.empty_liquidity_forecast(), nothing, nothing, nothing)
    liquidity = Liquidity(
        ones * PRICE, ones * 2.0, nothing, nothing, nothing, nothing, nothing, ones * (cost_bps - 1.0), zeros, ones * cost_bps,
        np.zeros(symbols, dtype=bool), np.full(symbols, SPREAD_SOURCES.index("setting")), metrics, (), nothing,
    )  # fmt: skip
    models = ("one", "two", "three", "four")
    shape, all_active = (len(models), len(HORIZONS), symbols), np.ones(len(models), dtype=bool)
    predictions = Predictions(
        models, models, np.full(shape, 0.5), np.ones(shape), np.ones(shape[1:]), zeros, ones * len(models), "reliable", np.full(shape, 0.5),
        np.zeros(shape[1:]), (), ModelSelection(models, all_active, all_active, np.full(len(models), np.nan), np.zeros(4)), (),
        np.zeros((0, *shape[1:])),
    )  # fmt: skip
    scale: Floats = np.sqrt(np.array(HORIZONS, dtype=float))[:, None] * sigma * ones
    flat = np.zeros(shape[1:])
    state = replace(learning.blank_state(symbols, models, HORIZONS), tick=TICK - 1, decided=TICK)
    widths = conformal.current_half_widths(state.intervals), np.ones((*shape[1:], 2))
    forecast = Forecast(
        flat, flat, flat, flat + 0.5, np.full(shape[:2], 0.25), scale, *widths, volatility.missing_volatility_forecast(state.volatility)
    )
    made = Situation(forecast, market_state, liquidity, predictions, inputs, state)
    return made.expecting(*([0.5] * symbols)).proven(0.02, 0.04)


def random_book(seed: int, *, symbols: int = 6, order: Ints | None = None) -> Situation:
    """Forecasts, positions, costs, volatilities, skill and correlations at random, some symbols nearly the same; in this order."""
    draw = np.random.default_rng(seed)
    loads = draw.normal(size=(symbols, 2)) * draw.choice([0.1, 1.0, 4.0], (symbols, 1))
    moves = loads @ draw.normal(size=(2, 300)) + draw.normal(size=(symbols, 300)) * draw.choice([0.2, 1.0])
    sigma, cost = draw.uniform(0.0005, 0.004, symbols), draw.uniform(0.5, 15.0, symbols)
    held = np.where(draw.random(symbols) < 0.4, 0.0, draw.uniform(-0.2, 0.2, symbols))
    mean, low = draw.normal(0.0, 0.5, symbols), float(draw.uniform(0.001, 0.05))
    order = np.arange(symbols) if order is None else order
    moves, sigma, cost, held, mean = moves[order] * 0.001, sigma[order], cost[order], held[order], mean[order]
    case = situation(symbols).with_config(max_position=float(draw.choice([0.2, 0.5]))).moving(moves)
    scale = np.sqrt(np.array(HORIZONS, dtype=float))[:, None] * sigma
    case = replace(case, forecast=replace(case.forecast, scale=scale), market_state=replace(case.market_state, sigma=sigma))
    return case.expecting(*mean).with_liquidity(cost_bps=cost).holding(*held).proven(low, 0.05)
