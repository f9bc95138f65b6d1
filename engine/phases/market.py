"""Phase 1, market analysis: the state of the market, per symbol and for the universe."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import REGIMES, MarketState
from engine.domain.market import Bars, Inputs, MarketView
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.evidence import incidents, regimes
from engine.window import mean_weights

RECENT_BARS = 48


def analyse_market(inputs: Inputs, state: State) -> MarketState:
    """Return trend, volatility, liquidity and regime per symbol, the figures of the universe (correlation to stress), and faults of the data."""
    view = inputs.view
    sigma = view.sigma
    known = np.isfinite(sigma)
    all_known = bool(known.all())
    safe = sigma if all_known else np.where(known, sigma, 1.0)
    recent_returns = view.returns[:, -RECENT_BARS:]
    trend = recent_returns.sum(axis=1) / (safe * RECENT_BARS**0.5)
    surge = _surge(view)
    if not all_known:
        trend, surge = np.where(known, trend, 0.0), np.where(known, surge, 0.0)
    probabilities, hidden = regimes.filter_forward(state.regime_probabilities, surge, np.abs(trend), known & inputs.fresh, state.regime_model)
    return MarketState(
        sigma=sigma,
        trend=trend,
        range_volatility=_garman_klass(view) if all_known else np.where(known, _garman_klass(view), np.nan),
        liquidity=_illiquidity(view, recent_returns),
        regime=probabilities.argmax(axis=1),
        probabilities=probabilities,
        correlation=_correlation(recent_returns if all_known else recent_returns[known]),
        breadth=int(np.count_nonzero(trend[known] > 0)) / int(np.count_nonzero(known)) if known.any() else 0.5,
        sentiment=_sentiment(view, known, all_known=all_known),
        stress=float(probabilities[:, REGIMES.index("volatile")].sum()) / len(probabilities),
        regime_change=regimes.change_probability(state.regime_probabilities, probabilities, state.regime_model),
        regime_model=hidden,
        incident_state=incidents.update_incidents(
            state.incident_state, inputs.at, inputs.interval, inputs.symbols, inputs.fresh, newest_bar(inputs.bars), inputs.events, inputs.books
        ),
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
    """Return (S,) the log ratio of the volatility of the last 24 bars to that of the whole window."""
    power = np.maximum((view.returns * view.returns) @ mean_weights(view.returns.shape[1], (24, view.returns.shape[1])), 1e-16)
    return np.asarray(0.5 * np.log(power[:, 0] / power[:, 1]))


def _illiquidity(view: MarketView, recent_returns: Floats) -> Floats:
    """Return (S,) |log return| per 1e6 money traded, mean over the last 48 bars (Amihud 2002); NaN where volume is unknown."""
    money = view.volume[:, -RECENT_BARS:] * np.exp(view.log_close[:, -RECENT_BARS:])
    np.maximum(money, 1.0, out=money)
    return np.asarray((np.abs(recent_returns) / money).sum(axis=1) * (1e6 / RECENT_BARS))


def _garman_klass(view: MarketView) -> Floats:
    """Return (S,) the volatility of a bar over the last 48 (Garman and Klass 1980)."""
    bar_range = view.log_high[:, -RECENT_BARS:] - view.log_low[:, -RECENT_BARS:]
    body = view.log_close[:, -RECENT_BARS:] - view.log_open[:, -RECENT_BARS:]
    variance = (0.5 * bar_range * bar_range - (2.0 * np.log(2.0) - 1.0) * body * body).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _correlation(recent_returns: Floats) -> float:
    """Return the mean pairwise correlation, from the variance of the standardised mean, without visiting pairs."""
    if len(recent_returns) < 2:
        return 0.0
    length = recent_returns.shape[1]
    centred = recent_returns - (recent_returns.sum(axis=1) / length)[:, None]
    power = np.einsum("st,st->s", centred, centred) / length
    moving = power > 0
    count = int(np.count_nonzero(moving))
    if count < 2:
        return 0.0
    weights = 1.0 / np.sqrt(np.where(moving, power, np.inf))
    shared = (weights @ centred) / count
    return float(min(max((float(shared @ shared) / length * count - 1.0) / (count - 1.0), -1.0), 1.0))


def _sentiment(view: MarketView, known: Bools, *, all_known: bool) -> float:
    """Return the mean of body over range of the last 12 bars of all symbols, -1..1."""
    bar_range = view.log_high[:, -12:] - view.log_low[:, -12:]
    body = view.log_close[:, -12:] - view.log_open[:, -12:]
    if not all_known:
        bar_range, body = bar_range[known], body[known]
    if not bar_range.size:
        return 0.0
    moved = bar_range > 0
    pressure = np.where(moved, body, 0.0) / np.where(moved, bar_range, 1.0)
    return float(min(max(float(pressure.sum()) / pressure.size, -1.0), 1.0))
