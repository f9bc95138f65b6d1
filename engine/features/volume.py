"""How much is traded, and on which side of the price it falls."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import means

SPANS = (6, 48, 288)  # bars


def build(view: View) -> Floats:
    """Logs of volume against its own means; the share traded in rising bars; illiquidity (Amihud 2002) against its mean. NaN without any volume."""
    length = view.volume.shape[1]
    volume = view.volume
    short, middle, long = (volume @ means(length, SPANS)).T
    base = np.where(long > 0, long, np.nan)
    surge = np.log(volume[:, -1] / base + 0.05)
    lean = [_lean(view.returns[:, -span:], volume[:, -span:]) for span in (6, 24, 96)]
    size = np.abs(view.returns[:, -48:]) / view.sigma[:, None]
    share = volume[:, -48:] / base[:, None]
    follow = (size * share).mean(axis=1) / (size.mean(axis=1) * share.mean(axis=1) + 1e-12)
    quiet = (volume[:, -48:] <= 0).mean(axis=1)
    columns = (surge, np.log(short / base + 0.05), np.log(middle / base + 0.05), *lean, np.log(follow + 0.05), quiet)
    return np.stack(columns, axis=1)


def _lean(returns: Floats, volume: Floats) -> Floats:
    total = volume.sum(axis=1)
    return np.where(total > 0, (np.sign(returns) * volume).sum(axis=1) / np.where(total > 0, total, 1.0), 0.0)


FAMILY = Family("volume", ("surge", "mean_6", "mean_48", "lean_6", "lean_24", "lean_96", "follows_size_48", "quiet_48"), build, may_be_blank=True)
