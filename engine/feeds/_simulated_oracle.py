"""The best possible result on the simulated market: the best forecast from public data, its R2, and its return after costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record
from engine.feeds._simulated_changes import SignalGains, append_returns, empty_history, interaction

BLOCK = 250  # bars per block of the intervals: rows of a bar are correlated, neighbouring bars clustered
BANDS = np.linspace(0.0, 2.0, 11)  # in deviations of the forecast
Z90 = 1.6449  # a two-sided 90 % interval


@dataclass(frozen=True, slots=True)
class Ceiling(Record):
    """Results per symbol and bar of a position of one unit of money, long or short, in every symbol; 90 % intervals over blocks of 250 bars."""

    r2: tuple[float, float, float]  # estimate, low, high
    gross_bps: float
    net_bps: tuple[float, float, float]
    turnover: float  # units of money traded per bar; a flip is two
    band_bps: float  # a position is flipped only when the forecast is this far on the other side
    bars: int


def best_forecast(returns: Floats, gains: SignalGains) -> Floats:
    """(n + 1, S) forecasts of each bar's return and of the next, from the returns (n, S) of all symbols before it alone; gains of n + 1 bars.

    f[t] = k[t] x[t-1], x[t] = p[t] x[t-1] + r[t] - f[t] for the own relation: the innovations form of docs/simulated_market.md, where k and
    the relation may change.
    """
    out = np.zeros((len(returns) + 1, returns.shape[1]))
    drive, history = np.zeros(returns.shape[1]), empty_history(returns.shape[1])
    for bar in range(len(out)):
        out[bar] = gains.own[bar] * drive + gains.other[bar] * drive.mean()
        if gains.interaction[bar]:
            out[bar] += gains.interaction[bar] * interaction(history)
        if bar < len(returns):
            drive = gains.persistence[bar] * drive + returns[bar] - out[bar]
            history = append_returns(history, returns[bar : bar + 1])
    return out


def hold_positions(expected: Floats, bands: Floats) -> Floats:
    """(G, n, S) positions of -1 or 1 (0 before the first), flipped when the forecast is beyond the band on the other side; bands (G,)."""
    desired = np.where(np.abs(expected) > bands[:, None, None], np.sign(expected), 0.0)
    out = np.empty_like(desired)
    position = np.zeros((len(bands), expected.shape[1]))
    for bar in range(len(expected)):
        position = np.where(desired[:, bar] == 0.0, position, desired[:, bar])
        out[:, bar] = position
    return out


def performance_ceiling(returns: Floats, expected: Floats, round_trip_bps: float) -> Ceiling:
    """The ceiling for bars with returns (n, S) and best forecasts (n, S). The band is the best of eleven in hindsight."""
    bands = BANDS * expected.std()
    positions = hold_positions(expected, bands)
    traded = np.abs(np.diff(positions, axis=1, prepend=0.0))
    gross = positions * returns * 1e4
    net = gross - 0.5 * round_trip_bps * traded
    best = int(np.argmax(net.mean(axis=(1, 2))))
    net_interval = ratio_interval(net[best], np.ones_like(net[best]))
    return Ceiling(
        ratio_interval(returns**2 - (returns - expected) ** 2, returns**2), float(gross[best].mean()), net_interval,
        float(traded[best].mean()), float(bands[best] * 1e4), len(returns),
    )  # fmt: skip


def ratio_interval(gain: Floats, power: Floats) -> tuple[float, float, float]:
    """Sum of gain over sum of power, both (n, S), with a 90 % interval over blocks of bars; NaN below two blocks."""
    count = len(gain) // BLOCK * BLOCK
    if count < 2 * BLOCK:
        return np.nan, np.nan, np.nan
    a, b = (part[:count].sum(axis=1).reshape(-1, BLOCK).sum(axis=1) for part in (gain, power))
    ratio = float(a.sum() / b.sum())
    error = Z90 * float(np.sqrt(((a - ratio * b) ** 2).sum()) / b.sum())
    return ratio, ratio - error, ratio + error
