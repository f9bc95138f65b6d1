"""Phase 1, market analysis: what the market is like, symbol by symbol and as a whole."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import REGIMES, MarketState
from engine.domain.market import Bars, Inputs, MarketView
from engine.domain.record import Bools, Floats
from engine.domain.state import State
from engine.evidence import incidents, regimes
from engine.window import mean_weights

LATE = 48  # bars that "now" spans


def analyse_market(inputs: Inputs, state: State) -> MarketState:
    """Trend, volatility, liquidity, the regime with its probabilities, the universe's figures (correlation to stress), and faults of the data."""
    view = inputs.view
    sigma = view.sigma
    known = np.isfinite(sigma)
    whole = bool(known.all())
    safe = sigma if whole else np.where(known, sigma, 1.0)
    late = view.returns[:, -LATE:]
    trend = late.sum(axis=1) / (safe * LATE**0.5)
    surge = _surge(view)
    if not whole:
        trend, surge = np.where(known, trend, 0.0), np.where(known, surge, 0.0)
    probabilities, hidden = regimes.filter_forward(state.regime_probabilities, surge, np.abs(trend), known & inputs.fresh, state.regime_model)
    return MarketState(
        sigma=sigma,
        trend=trend,
        range_volatility=_garman_klass(view) if whole else np.where(known, _garman_klass(view), np.nan),
        liquidity=_illiquidity(view, late),
        regime=probabilities.argmax(axis=1),
        probabilities=probabilities,
        correlation=_correlation(late if whole else late[known]),
        breadth=int(np.count_nonzero(trend[known] > 0)) / int(np.count_nonzero(known)) if known.any() else 0.5,
        sentiment=_sentiment(view, known, whole=whole),
        stress=float(probabilities[:, REGIMES.index("volatile")].sum()) / len(probabilities),
        regime_change=regimes.change_probability(state.regime_probabilities, probabilities, state.regime_model),
        regime_model=hidden,
        incident_state=incidents.update_incidents(
            state.incident_state, inputs.at, inputs.interval, inputs.symbols, inputs.fresh, newest_bar(inputs.bars), inputs.events, inputs.books
        ),
    )


def assume_stress(inputs: Inputs, state: State) -> MarketState:
    """Assumes the worst: a volatile market of unknown direction; volatilities as the window has them. Of faults it learns nothing new."""
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
    """(5, S) open, high, low, close and volume of the newest bar."""
    return np.array([part[:, -1] for part in (bars.open, bars.high, bars.low, bars.close, bars.volume)])


def _surge(view: MarketView) -> Floats:
    """Log of the volatility of the last 24 bars over that of the whole window."""
    power = np.maximum((view.returns * view.returns) @ mean_weights(view.returns.shape[1], (24, view.returns.shape[1])), 1e-16)
    return np.asarray(0.5 * np.log(power[:, 0] / power[:, 1]))


def _illiquidity(view: MarketView, late: Floats) -> Floats:
    """Amihud (2002): |log return| per unit of money traded, 1e6 money, mean over the last 48 bars; NaN where volume is not known."""
    money = view.volume[:, -LATE:] * np.exp(view.log_close[:, -LATE:])
    np.maximum(money, 1.0, out=money)
    return np.asarray((np.abs(late) / money).sum(axis=1) * (1e6 / LATE))


def _garman_klass(view: MarketView) -> Floats:
    """Volatility of a bar over the last 48 (Garman and Klass 1980)."""
    reach = view.log_high[:, -LATE:] - view.log_low[:, -LATE:]
    body = view.log_close[:, -LATE:] - view.log_open[:, -LATE:]
    variance = (0.5 * reach * reach - (2.0 * np.log(2.0) - 1.0) * body * body).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _correlation(late: Floats) -> float:
    """Mean pairwise correlation, from the variance of the standardised mean: no pair is visited."""
    if len(late) < 2:
        return 0.0
    length = late.shape[1]
    centred = late - (late.sum(axis=1) / length)[:, None]
    power = np.einsum("st,st->s", centred, centred) / length
    moving = power > 0
    count = int(np.count_nonzero(moving))
    if count < 2:
        return 0.0
    weights = 1.0 / np.sqrt(np.where(moving, power, np.inf))
    shared = (weights @ centred) / count
    return float(min(max((float(shared @ shared) / length * count - 1.0) / (count - 1.0), -1.0), 1.0))


def _sentiment(view: MarketView, known: Bools, *, whole: bool) -> float:
    """Mean over symbols of where the last 12 closes fell in their bars' ranges, -1..1."""
    reach = view.log_high[:, -12:] - view.log_low[:, -12:]
    body = view.log_close[:, -12:] - view.log_open[:, -12:]
    if not whole:
        reach, body = reach[known], body[known]
    if not reach.size:
        return 0.0
    moved = reach > 0
    told = np.where(moved, body, 0.0) / np.where(moved, reach, 1.0)
    return float(min(max(float(told.sum()) / told.size, -1.0), 1.0))
