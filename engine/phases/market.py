"""Phase 1, market analysis: what the market is like, symbol by symbol and as a whole."""

from __future__ import annotations

import numpy as np

from engine.domain.decision import REGIMES, Mood
from engine.domain.market import Inputs, View
from engine.domain.record import Floats
from engine.domain.state import State
from engine.evidence import regimes

LATE = 48  # bars that "now" spans


def analyse(inputs: Inputs, state: State) -> Mood:
    """Trend, volatility, liquidity, the regime with its probabilities, and the universe's correlation, breadth, sentiment and stress."""
    view = inputs.view
    sigma = view.sigma
    known = np.isfinite(sigma)
    late = view.returns[:, -LATE:]
    safe = np.where(known, sigma, 1.0)
    trend = np.where(known, late.sum(axis=1) / (safe * np.sqrt(LATE)), 0.0)
    probabilities = regimes.filter_forward(state.regime, _surge(view, known), np.abs(trend))
    correlation = _correlation(late[known])
    money = np.maximum(view.volume[:, -LATE:] * np.exp(np.where(np.isfinite(view.log_close[:, -LATE:]), view.log_close[:, -LATE:], 0.0)), 1.0)
    return Mood(
        sigma=sigma,
        trend=trend,
        range_volatility=np.where(known, _garman_klass(view), np.nan),
        liquidity=(np.abs(late) / money).mean(axis=1) * 1e6,
        regime=probabilities.argmax(axis=1),
        probabilities=probabilities,
        correlation=correlation,
        breadth=float((trend[known] > 0).mean()) if known.any() else 0.5,
        sentiment=_sentiment(view, known),
        stress=float(probabilities[:, REGIMES.index("volatile")].mean()),
    )


def assume_stress(inputs: Inputs, state: State) -> Mood:
    """Assumes the worst: a volatile market of unknown direction; volatilities as the window has them."""
    del state
    count = len(inputs.symbols)
    zero, nothing = np.zeros(count), np.full(count, np.nan)
    probabilities = np.zeros((count, len(REGIMES)))
    volatile = REGIMES.index("volatile")
    probabilities[:, volatile] = 1.0
    return Mood(inputs.view.sigma, zero, nothing, nothing, np.full(count, volatile), probabilities, 1.0, 0.5, 0.0, 1.0)


def _surge(view: View, known: np.ndarray) -> Floats:
    """Log of the volatility of the last 24 bars over that of the whole window."""
    power = view.returns * view.returns
    whole = np.maximum(power.mean(axis=1), 1e-16)
    return np.where(known, 0.5 * np.log(np.maximum(power[:, -24:].mean(axis=1), 1e-16) / whole), 0.0)


def _garman_klass(view: View) -> Floats:
    """Volatility of a bar over the last 48 (Garman and Klass 1980)."""
    reach = view.log_high[:, -LATE:] - view.log_low[:, -LATE:]
    body = view.log_close[:, -LATE:] - view.log_open[:, -LATE:]
    variance = (0.5 * reach * reach - (2.0 * np.log(2.0) - 1.0) * body * body).mean(axis=1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def _correlation(late: Floats) -> float:
    """Mean pairwise correlation, from the variance of the standardised mean: no pair is visited."""
    spread = late.std(axis=1)
    moving = spread > 0
    count = int(moving.sum())
    if count < 2:
        return 0.0
    scaled = (late[moving] - late[moving].mean(axis=1)[:, None]) / spread[moving][:, None]
    shared = float(scaled.mean(axis=0).var())
    return float(np.clip((shared * count - 1.0) / (count - 1.0), -1.0, 1.0))


def _sentiment(view: View, known: np.ndarray) -> float:
    """Mean over symbols of where the last 12 closes fell in their bars' ranges, -1..1."""
    reach = view.log_high[known, -12:] - view.log_low[known, -12:]
    body = view.log_close[known, -12:] - view.log_open[known, -12:]
    if not reach.size:
        return 0.0
    return float(np.clip(np.where(reach > 0, body / np.where(reach > 0, reach, 1.0), 0.0).mean(), -1.0, 1.0))
