"""Features of the order book at the decision; NaN where the feed has none."""

from __future__ import annotations

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats

COLUMNS = ("queue_imbalance", "depth_imbalance", "best_depth_share", "micro_price_offset", "relative_spread")


def build(view: MarketView) -> Floats:
    """(S, 5): imbalance of sizes (-1..1) at the best prices (Gould and Bonart 2016) and over all levels; log share of the size at the best prices;
    offset of the micro-price (Stoikov 2018) from the mid and log spread, both in volatilities of a bar. A level without a size counts as empty.
    """
    books = view.books
    count, depth = books.bid_price.shape
    values = np.full((count, len(COLUMNS)), np.nan)
    if not depth:
        return values
    sizes = np.stack((books.bid_size, books.ask_size))
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    best, total = sizes[:, :, 0], sizes.sum(axis=2)
    both, all_levels = best[0] + best[1], total[0] + total[1]
    values[:, 0] = (best[0] - best[1]) / both
    values[:, 1] = (total[0] - total[1]) / all_levels
    values[:, 2] = np.log(both / all_levels + 1e-3)
    bid, ask = books.bid_price[:, 0], books.ask_price[:, 0]
    spread = (ask - bid) / (0.5 * (ask + bid) * view.sigma)
    values[:, 3] = 0.5 * values[:, 0] * spread  # the micro-price weights each best price with the size of the other side
    values[:, 4] = np.log(np.maximum(spread, 0.0) + 1e-3)
    return np.where(np.isfinite(values), values, np.nan)


FAMILY = FeatureFamily("book", COLUMNS, build, may_be_blank=True, builds_ahead=True)
