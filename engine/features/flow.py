"""Features of order flow in the bars before the decision; NaN where the feed has none."""

from __future__ import annotations

import numpy as np

from engine.domain.market import MarketView
from engine.domain.model import FeatureFamily
from engine.domain.record import Floats

WINDOW = 48  # bars
SHORT = 12  # bars
COLUMNS = (
    "ofi_1",
    "ofi_12",
    "multi_level_ofi_12",
    "trade_imbalance_1",
    "trade_imbalance_12",
    "vpin_48",
    "trade_count_ratio_48",
    "trade_size_ratio_48",
    "spread_ratio_48",
    "depth_ratio_48",
    "vwap_distance_1",
)


def build(view: MarketView) -> Floats:
    """(S, 11): order-flow imbalance over mean depth at the best level (Cont, Kukanov and Stoikov 2014) and as the mean over levels (Xu, Gould and
    Howison 2018); trade imbalance, which is signed volume over volume; VPIN with bars as buckets (Easley, Lopez de Prado and O'Hara 2012); logs of
    the number of trades, their size, spread and depth over their means; distance of the close above the bar's VWAP, in volatilities. Unknown
    values are left out of sums.
    """
    flow = view.flow
    count, length = flow.signed_volume.shape
    values = np.full((count, len(COLUMNS)), np.nan)
    if not length:
        return values
    parts = np.empty((5, count, min(length, WINDOW)))
    for row, part in enumerate((flow.signed_volume, flow.trades, flow.spread, flow.depth, view.volume)):
        parts[row] = part[:, -parts.shape[2] :]
    last, known = parts[:, :, -1].copy(), np.isfinite(parts)
    complete = bool(known.all())
    if not complete:
        parts = np.where(known, parts, 0.0)
        parts[4] *= known[0]  # volume counts where its side is known
    sums = parts.sum(axis=2)
    mean = sums / (parts.shape[2] if complete else np.maximum(known.sum(axis=2), 1))
    if flow.ofi.shape[2]:
        values[:, :3] = _flow_imbalance(flow.ofi[:, -SHORT:], mean[3])
    values[:, 3:6] = _trade_imbalance(last, parts, sums)
    if not complete:
        values[:, 3:6][~np.stack([known[0, :, -span:].any(axis=1) for span in (1, SHORT, WINDOW)], axis=1)] = np.nan
    ratios = np.stack((last[1] / mean[1], last[4] * sums[1] / (last[1] * sums[4]), last[2] / mean[2], last[3] / mean[3]), axis=1)
    np.log(ratios + 0.05, out=values[:, 6:10])
    values[:, 10] = (view.log_close[:, -1] - np.log(flow.vwap[:, -1])) / view.sigma
    return np.where(np.isfinite(values), values, np.nan)


def _trade_imbalance(last: Floats, parts: Floats, sums: Floats) -> Floats:
    """(S, 3): signed volume over volume in the last bar and in 12, and its absolute value over volume in 48; 0 where nothing was traded."""
    short = parts[::4, :, -SHORT:].sum(axis=2)  # of the first part and the last
    numerator = np.stack((last[0], short[0], np.abs(parts[0]).sum(axis=1)), axis=1)
    denominator = np.stack((last[4], short[1], sums[4]), axis=1)
    return np.where(denominator > 0, numerator / denominator, 0.0)


def _flow_imbalance(ofi: Floats, depth: Floats) -> Floats:
    """(S, 3): imbalance over depth (S,) in the last bar, in all bars, and in all bars as the mean over levels; from (S, n, D)."""
    known = np.isfinite(ofi)
    complete = bool(known.all())
    total = (ofi if complete else np.where(known, ofi, 0.0)).sum(axis=1)
    scaled = np.stack((ofi[:, -1, 0], total[:, 0], total.sum(axis=1) / ofi.shape[2]), axis=1) / depth[:, None]
    return scaled if complete else np.where(known.reshape(len(ofi), -1).any(axis=1, keepdims=True), scaled, np.nan)


FAMILY = FeatureFamily("flow", COLUMNS, build, may_be_blank=True, builds_ahead=True)
