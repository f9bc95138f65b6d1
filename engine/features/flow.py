"""The flow of orders in the bars before the decision; NaN where the feed has none."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Bools, Floats

LATE = 48  # bars
SHORT = 12  # bars
COLUMNS = (
    "ofi_last",
    "ofi_12",
    "ofi_levels_12",
    "signed_last",
    "signed_12",
    "one_sided_48",
    "trades_ratio_48",
    "trade_size_ratio_48",
    "spread_ratio_48",
    "depth_ratio_48",
    "above_vwap",
)


def build(view: View) -> Floats:
    """Order-flow imbalance over mean depth, at the best level and as the mean of all (Cont, Kukanov and Stoikov 2014); signed volume over volume;
    the share of 48 bars' volume that was one-sided (VPIN with bars for buckets, Easley, Lopez de Prado and O'Hara 2012); logs of trades, their size,
    spread and depth over their means; how far the close is above the bar's mean price, in volatilities. What is unknown counts nothing in a sum.
    """
    flow = view.flow
    count, length = flow.signed_volume.shape
    values = np.full((count, len(COLUMNS)), np.nan)
    if not length:
        return values
    parts = np.stack((flow.signed_volume, flow.trades, flow.spread, flow.depth, view.volume[:, -length:]))[:, :, -LATE:]
    known = np.isfinite(parts)
    last = parts[:, :, -1].copy()
    parts[~known] = 0.0
    parts[4] *= known[0]  # volume counts where its side is known
    sums = parts.sum(axis=2)
    mean = sums / np.maximum(known.sum(axis=2), 1)
    if flow.ofi.shape[2]:
        values[:, :3] = _imbalance(flow.ofi[:, -SHORT:], mean[3])
    short = parts[(0, 4), :, -SHORT:].sum(axis=2)
    values[:, 3] = _share(last[0], last[4], known[0, :, -1:])
    values[:, 4] = _share(short[0], short[1], known[0, :, -SHORT:])
    values[:, 5] = _share(np.abs(parts[0]).sum(axis=1), sums[4], known[0])
    ratios = np.stack((last[1] / mean[1], last[4] * sums[1] / (last[1] * sums[4]), last[2] / mean[2], last[3] / mean[3]), axis=1)
    np.log(ratios + 0.05, out=values[:, 6:10])
    values[:, 10] = (view.log_close[:, -1] - np.log(flow.vwap[:, -1])) / view.sigma
    return np.where(np.isfinite(values), values, np.nan)


def _share(signed: Floats, volume: Floats, known: Bools) -> Floats:
    """Of volume; 0 where nothing was traded, NaN where the side is unknown in all bars."""
    return np.where(known.any(axis=1), np.where(volume > 0, signed / volume, 0.0), np.nan)


def _imbalance(ofi: Floats, depth: Floats) -> Floats:
    """(S, 3) of the last bar, of all bars, and of all bars as the mean over levels; from (S, n, D)."""
    known = np.isfinite(ofi)
    total = np.where(known, ofi, 0.0).sum(axis=1)
    told = np.stack((ofi[:, -1, 0], total[:, 0], total.sum(axis=1) / ofi.shape[2]), axis=1) / depth[:, None]
    return np.where(known.reshape(len(ofi), -1).any(axis=1, keepdims=True), told, np.nan)


FAMILY = Family("flow", COLUMNS, build, may_be_blank=True)
