"""Where a symbol stands among the others at the same moment."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import means

SPANS = (1, 12, 48)  # bars


def build(view: View) -> Floats:
    """Ranks of returns (-0.5..0.5), the universe's mean and dispersion, beta and its residual. Symbols without a price stand aside."""
    length = view.returns.shape[1]
    scaled = view.returns / view.sigma[:, None]
    known = np.isfinite(view.sigma)
    sums = (scaled @ means(length, SPANS)) * np.sqrt(SPANS)
    if not known.any():
        return np.full((len(known), 9), np.nan)
    market = scaled[known].mean(axis=0)
    mean = sums[known].mean(axis=0)
    late, late_market = scaled[:, -96:], market[-96:]
    beta = (late @ late_market) / (late_market @ late_market + 1e-12)
    residual = sums - beta[:, None] * (market @ means(length, SPANS)) * np.sqrt(SPANS)
    spread = np.full(len(known), sums[known, 1].std())
    shared = np.repeat(mean[None, :2], len(known), axis=0)
    return np.concatenate((_ranks(sums, known), residual[:, 1:], spread[:, None], beta[:, None], shared), axis=1)


def _ranks(values: Floats, known: np.ndarray) -> Floats:
    """(S, k) places -0.5..0.5 within each column; NaN for those that stand aside."""
    order = np.where(known[:, None], values, np.inf).argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
    return np.where(known[:, None], order / max(1, int(known.sum()) - 1) - 0.5, np.nan)


FAMILY = Family(
    "cross_section",
    ("rank_1", "rank_12", "rank_48", "residual_12", "residual_48", "dispersion_12", "beta_96", "market_1", "market_12"),
    build,
)
