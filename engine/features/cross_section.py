"""Where a symbol stands among the others at the same moment."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Bools, Floats, Ints
from engine.window import mean_weights

SPANS = (1, 12, 48)  # bars
LATE = 96  # bars
TINY = 1e-12
COLUMNS = (
    *(f"rank_{span}" for span in SPANS),
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
    """Ranks of returns and of realised variance (-0.5..0.5), what the universe does not explain, its dispersion, beta, the share of a symbol's
    variance that is its own, and the universe's mean return. Returns are in volatilities; symbols without one stand aside.
    """
    known = np.isfinite(view.sigma)
    count = int(np.count_nonzero(known))
    values = np.full((len(known), len(COLUMNS)), np.nan)
    if not count:
        return values
    scale = 1.0 / view.sigma if count == len(known) else np.where(known, 1.0 / view.sigma, 0.0)
    share = known / count
    placed = np.empty((len(SPANS) + 1, len(known)))
    sums = (view.returns @ _sums(view.returns.shape[1])) * scale[:, None]
    market = (share * scale) @ view.returns
    placed[:-1] = sums.T
    late, late_market = view.returns[:, -LATE:], market[-LATE:]
    placed[-1] = np.vecdot(late[:, -24:], late[:, -24:]) * scale * scale
    power = float(late_market @ late_market) + TINY
    beta = (late @ late_market) * scale / power
    mean = share @ sums
    away = sums[:, 1] - mean[1]
    values[:, :4] = _ranks(placed, known, count).T
    values[:, 4:6] = sums[:, 1:] - beta[:, None] * mean[1:]
    values[:, 6] = np.sqrt(share @ (away * away))
    values[:, 7] = beta
    values[:, 8] = 1.0 - beta * beta * power / (np.vecdot(late, late) * scale * scale + TINY)
    values[:, 9:] = mean[:2]
    if count < len(known):
        values[~known] = np.nan
    return values


@cache
def _sums(length: int) -> Floats:
    """(T, k): sums over the last bars, scaled to unit variance of white noise."""
    return np.ascontiguousarray(mean_weights(length, SPANS) * np.sqrt(SPANS))


def _ranks(values: Floats, known: Bools, count: int) -> Floats:
    """(k, S) places -0.5..0.5 within each row; equals share the mean of theirs, so that the order of symbols says nothing."""
    rising, falling = values, -values
    if count < len(known):
        rising, falling = np.where(known, rising, np.inf), np.where(known, falling, np.inf)
    return np.asarray((_order(rising) - _order(falling)) / (2.0 * max(1, count - 1)))


def _order(values: Floats) -> Ints:
    return np.asarray(values.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable"))


FAMILY = FeatureFamily("cross_section", COLUMNS, build)
