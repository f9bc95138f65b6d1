"""A symbol relative to the others at the same moment."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Bools, Floats, Ints
from engine.window import mean_weights

SPANS = (1, 12, 48)  # bars
RECENT = 96  # bars
TINY = 1e-12
COLUMNS = (
    *(f"return_rank_{span}" for span in SPANS),
    "realised_variance_rank_24",
    "idiosyncratic_return_12",
    "idiosyncratic_return_48",
    "dispersion_12",
    "beta_96",
    "idiosyncratic_share_96",
    "market_return_1",
    "market_return_12",
)


def build(view: MarketView) -> Floats:
    """(..., S, 11): ranks (-0.5..0.5) of returns and of realised variance; idiosyncratic returns, which are returns less beta times the market's; the
    cross-sectional dispersion of returns; beta; the idiosyncratic share of variance; and the market's return. The market is the universe's mean.
    Returns are in volatilities; symbols without a known volatility are left out.
    """
    known = np.isfinite(view.sigma)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    complete = bool(known.all())
    values = np.empty((*known.shape, len(COLUMNS)))
    scale = 1.0 / view.sigma if complete else np.where(known, 1.0 / view.sigma, 0.0)
    share = known / count
    rank_inputs = np.empty((*known.shape[:-1], len(SPANS) + 1, known.shape[-1]))
    sums = (view.returns @ _sums(view.returns.shape[-1])) * scale[..., None]
    market = _weigh(share * scale, view.returns)
    rank_inputs[..., :-1, :] = sums.swapaxes(-1, -2)
    recent, recent_market = view.returns[..., -RECENT:], market[..., -RECENT:]
    rank_inputs[..., -1, :] = np.vecdot(recent[..., -24:], recent[..., -24:]) * scale * scale
    power = (np.vecdot(recent_market, recent_market) + TINY)[..., None]
    beta = (recent @ recent_market[..., None])[..., 0] * scale / power
    mean = _weigh(share, sums)
    deviation = sums[..., 1] - mean[..., 1:2]
    values[..., :4] = _ranks(rank_inputs, None if complete else known, count).swapaxes(-1, -2)
    values[..., 4:6] = sums[..., 1:] - beta[..., None] * mean[..., None, 1:]
    values[..., 6] = np.sqrt(np.vecdot(share, deviation * deviation))[..., None]
    values[..., 7] = beta
    values[..., 8] = 1.0 - beta * beta * power / (np.vecdot(recent, recent) * scale * scale + TINY)
    values[..., 9:] = mean[..., None, :2]
    if not complete:
        values[~known] = np.nan
    return values


def _weigh(weights: Floats, rows: Floats) -> Floats:
    """(..., n) the sum of rows (..., S, n) by weights (..., S)."""
    return np.asarray((weights[..., None, :] @ rows)[..., 0, :])


@cache
def _sums(length: int) -> Floats:
    """(T, k): kernel of sums over the last bars, scaled to unit variance for white noise."""
    return np.ascontiguousarray(mean_weights(length, SPANS) * np.sqrt(SPANS))


def _ranks(values: Floats, known: Bools | None, count: Ints) -> Floats:
    """(..., k, S) ranks -0.5..0.5 within each row; equal values share their mean rank, so that the order of symbols has no effect.

    `known` (..., S) marks the symbols to rank, None for all; `count` (..., 1) is their number.
    """
    rising, falling = values, -values
    if known is not None:
        rising, falling = (np.where(known[..., None, :], part, np.inf) for part in (rising, falling))
    return np.asarray((_order(rising) - _order(falling)) / (2.0 * np.maximum(1, count - 1))[..., None])


def _order(values: Floats) -> Ints:
    return np.asarray(values.argsort(axis=-1, kind="stable").argsort(axis=-1, kind="stable"))


FAMILY = FeatureFamily("cross_section", COLUMNS, build, takes_blocks=True)
