"""Measures of a window of order flow: imbalance over levels, toxicity (VPIN), and price impact per unit traded (Kyle's lambda)."""

from __future__ import annotations

import numpy as np

from engine.domain.market import OrderFlow
from engine.domain.record import Floats

WINDOW = 48  # bars
BUCKETS = 12  # of equal volume in the window
MIN_BARS = 12  # with signed volume, of a slope


def order_flow_imbalance(flow: OrderFlow, volume: Floats) -> tuple[Floats, Floats]:
    """(S,) order-flow imbalance of the last bar over its mean depth (Cont, Kukanov and Stoikov 2014), without books signed volume over volume, else
    NaN; and (S,) the mean of the imbalances of all levels, each over the same depth.
    """
    if not flow.signed_volume.shape[1]:
        return np.full(len(volume), np.nan), np.full(len(volume), np.nan)
    by_volume = flow.signed_volume[:, -1] / volume[:, -1]
    best = levels = np.full(len(volume), np.nan)
    if flow.ofi.shape[2]:
        scaled = flow.ofi[:, -1] / flow.depth[:, -1:]
        best = scaled[:, 0]
        known = np.isfinite(scaled)
        levels = np.where(known, scaled, 0.0).sum(axis=1) / known.sum(axis=1)
    best = np.where(np.isfinite(best), best, by_volume)
    return np.where(np.isfinite(best), best, np.nan), np.where(np.isfinite(levels), levels, np.nan)


def vpin(flow: OrderFlow, volume: Floats) -> Floats:
    """(S,) volume-synchronised probability of informed trading (Easley, Lopez de Prado and O'Hara 2012) over the last 48 bars, 0..1.

    The window's volume is divided into 12 equal buckets, a bar belonging to the bucket of its midpoint; |bought - sold| summed over buckets is
    divided by the volume traded. NaN where nothing was traded or sides are unknown.
    """
    if not flow.signed_volume.shape[1]:
        return np.full(len(volume), np.nan)
    signed = flow.signed_volume[:, -WINDOW:]
    traded = volume[:, -signed.shape[1] :]
    known = np.isfinite(signed) & (traded >= 0) & (traded < np.inf)
    traded = np.where(known, traded, 0.0)
    cumulative = traded.cumsum(axis=1)
    total = cumulative[:, -1]
    safe_total = np.where(total > 0, total, 1.0)
    bucket = np.minimum((cumulative - 0.5 * traded) * (BUCKETS / safe_total)[:, None], BUCKETS - 0.5).astype(np.int64)
    net = np.where(known, signed, 0.0)
    sums = np.bincount((bucket + (BUCKETS * np.arange(len(total)))[:, None]).ravel(), net.ravel(), BUCKETS * len(total))
    one_sided = np.abs(sums).reshape(-1, BUCKETS).sum(axis=1)
    return np.where((total > 0) & net.any(axis=1), np.minimum(one_sided / safe_total, 1.0), np.nan)


def kyle_lambda(flow: OrderFlow, returns: Floats, price: Floats) -> Floats:
    """(S,) slope of a bar's return on the money bought net by aggressors (Kyle 1985), bps per 1e6 money; NaN with fewer than 12 bars."""
    if not flow.signed_volume.shape[1]:
        return np.full(len(returns), np.nan)
    signed = flow.signed_volume[:, -WINDOW:]
    known = np.isfinite(signed)
    count = known.sum(axis=1)
    x = np.where(known, signed, 0.0)
    y = returns[:, -signed.shape[1] :] * known
    safe_count = np.maximum(count, 1)
    x_sum, y_sum = x.sum(axis=1), y.sum(axis=1)
    variance = np.einsum("st,st->s", x, x) - x_sum * x_sum / safe_count
    covariance = np.einsum("st,st->s", x, y) - x_sum * y_sum / safe_count
    return np.where((count >= MIN_BARS) & (variance > 0), covariance / (variance * price) * 1e10, np.nan)
