"""Phase 1, market analysis: the state of the market, per symbol and for the universe."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.domain.decision import REGIMES, MarketState
from engine.domain.market import Bars, Inputs, MarketView
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.evidence import incidents, regimes
from engine.window import evaluate, mean_weights

RECENT_BARS = 48


def analyse_market(inputs: Inputs, state: State) -> MarketState:
    """Return trend, volatility, liquidity and regime per symbol, the figures of the universe (correlation to stress), and faults of the data."""
    figures = evaluate(measure_market, inputs.view)
    known = np.isfinite(inputs.view.sigma)
    probabilities, hidden = regimes.filter_forward(
        state.regime_probabilities, figures.surge, np.abs(figures.trend), known & inputs.fresh, state.regime_model
    )
    return MarketState(
        sigma=inputs.view.sigma,
        trend=figures.trend,
        range_volatility=figures.range_volatility,
        liquidity=figures.illiquidity,
        regime=probabilities.argmax(axis=1),
        probabilities=probabilities,
        correlation=float(figures.correlation),
        breadth=float(figures.breadth),
        sentiment=float(figures.sentiment),
        stress=float(probabilities[:, REGIMES.index("volatile")].sum()) / len(probabilities),
        regime_change=regimes.change_probability(state.regime_probabilities, probabilities, state.regime_model),
        regime_model=hidden,
        incident_state=incidents.update_incidents(
            state.incident_state, inputs.at, inputs.interval, inputs.symbols, inputs.fresh, newest_bar(inputs.bars), inputs.events, inputs.books
        ),
    )


class MarketFigures(NamedTuple):
    """The figures of a window that need no state; a block of bars is a leading axis."""

    trend: Floats  # (..., S) t-statistic of the last 48 returns
    surge: Floats  # (..., S) log ratio of volatilities: 24 bars over the whole window
    range_volatility: Floats  # (..., S)
    illiquidity: Floats  # (..., S)
    correlation: Floats  # (...)
    breadth: Floats  # (...) share of symbols that rise
    sentiment: Floats  # (...)


def measure_market(view: MarketView) -> MarketFigures:
    """Measure one window; or those of a block in which every symbol has a volatility."""
    known = np.isfinite(view.sigma)
    all_known = bool(known.all())
    recent_returns = view.returns[..., -RECENT_BARS:]
    trend = recent_returns.sum(axis=-1) / ((view.sigma if all_known else np.where(known, view.sigma, 1.0)) * RECENT_BARS**0.5)
    surge, range_volatility = _surge(view), _garman_klass(view)
    if not all_known:
        trend, surge, range_volatility = np.where(known, trend, 0.0), np.where(known, surge, 0.0), np.where(known, range_volatility, np.nan)
    rising, count = (trend > 0).sum(axis=-1), known.shape[-1] if all_known else max(int(np.count_nonzero(known)), 1)
    return MarketFigures(
        trend=trend,
        surge=surge,
        range_volatility=range_volatility,
        illiquidity=_illiquidity(view, recent_returns),
        correlation=_correlation(recent_returns if all_known else recent_returns[known]),
        breadth=rising / count if known.any() else np.full((), 0.5),
        sentiment=_sentiment(view, known, all_known=all_known),
    )


def assume_stress(inputs: Inputs, state: State) -> MarketState:
    """Fall back to a volatile market of unknown direction, with the volatilities of the window; fault detection learns nothing from this bar."""
    count = len(inputs.symbols)
    zero, nothing = np.zeros(count), np.full(count, np.nan)
    probabilities = np.zeros((count, len(REGIMES)))
    volatile = REGIMES.index("volatile")
    probabilities[:, volatile] = 1.0
    sigma, regime = inputs.view.sigma, np.full(count, volatile)
    return MarketState(
        sigma, zero, nothing, nothing, regime, probabilities, 1.0, 0.5, 0.0, 1.0, zero, state.regime_model, incidents.skip_bar(state.incident_state)
    )


def newest_bar(bars: Bars) -> Floats:
    """Return (5, S) open, high, low, close and volume of the newest bar."""
    return np.array([part[:, -1] for part in (bars.open, bars.high, bars.low, bars.close, bars.volume)])


def _surge(view: MarketView) -> Floats:
    """Return (..., S) the log ratio of the volatility of the last 24 bars to that of the whole window."""
    length = view.returns.shape[-1]
    power = np.maximum((view.returns * view.returns) @ mean_weights(length, (24, length)), 1e-16)
    return np.asarray(0.5 * np.log(power[..., 0] / power[..., 1]))


def _illiquidity(view: MarketView, recent_returns: Floats) -> Floats:
    """Return (..., S) |log return| per 1e6 money traded, mean over the last 48 bars (Amihud 2002); NaN where volume is unknown."""
    money = view.volume[..., -RECENT_BARS:] * np.exp(view.log_close[..., -RECENT_BARS:])
    np.maximum(money, 1.0, out=money)
    return np.asarray((np.abs(recent_returns) / money).sum(axis=-1) * (1e6 / RECENT_BARS))


def _garman_klass(view: MarketView) -> Floats:
    """Return (..., S) the volatility of a bar over the last 48 (Garman and Klass 1980)."""
    bar_range = view.log_high[..., -RECENT_BARS:] - view.log_low[..., -RECENT_BARS:]
    body = view.log_close[..., -RECENT_BARS:] - view.log_open[..., -RECENT_BARS:]
    variance = (0.5 * bar_range * bar_range - (2.0 * np.log(2.0) - 1.0) * body * body).mean(axis=-1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _correlation(recent_returns: Floats) -> Floats:
    """Return the mean pairwise correlation (...) of returns (..., S, T), from the variance of the standardised mean, without visiting pairs."""
    count, length = recent_returns.shape[-2:]
    if count < 2:
        return np.zeros(recent_returns.shape[:-2])
    centred = recent_returns - (recent_returns.sum(axis=-1) / length)[..., None]
    power = np.einsum("...st,...st->...s", centred, centred) / length
    moving = (power > 0).sum(axis=-1)
    weights = 1.0 / np.sqrt(np.where(power > 0, power, np.inf))
    shared = (weights[..., None, :] @ centred)[..., 0, :] / np.maximum(moving, 1)[..., None]
    value = (np.vecdot(shared, shared) / length * moving - 1.0) / np.maximum(moving - 1.0, 1.0)
    return np.where(moving < 2, 0.0, np.minimum(np.maximum(value, -1.0), 1.0))


def _sentiment(view: MarketView, known: Bools, *, all_known: bool) -> Floats:
    """Return (...) the mean of body over range of the last 12 bars of all symbols, -1..1."""
    bar_range = view.log_high[..., -12:] - view.log_low[..., -12:]
    body = view.log_close[..., -12:] - view.log_open[..., -12:]
    if not all_known:
        bar_range, body = bar_range[known], body[known]
    if not bar_range.size:
        return np.zeros(())
    moved = bar_range > 0
    pressure = np.where(moved, body, 0.0) / np.where(moved, bar_range, 1.0)
    flat = pressure.reshape(*pressure.shape[:-2], -1)
    return np.asarray(np.minimum(np.maximum(flat.sum(axis=-1) / flat.shape[-1], -1.0), 1.0))
