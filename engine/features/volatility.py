"""How much the price moves: realised variance over several spans, ranges, tails and asymmetry."""

from __future__ import annotations

import numpy as np

from engine.domain.market import View
from engine.domain.model import Family
from engine.domain.record import Floats
from engine.window import means

SPANS = (6, 24, 96, 288)  # bars
TINY = 1e-12


def build(view: View) -> Floats:
    """Logs of realised variance over sigma^2 by span (HAR's components, Corsi 2009); Parkinson range; skew and downside share over 96 bars."""
    length = view.returns.shape[1]
    scaled = view.returns / view.sigma[:, None]
    power = scaled * scaled
    realised = np.log(power @ means(length, SPANS) + 1e-4)
    reach = (view.log_high[:, -24:] - view.log_low[:, -24:]) / view.sigma[:, None]
    parkinson = np.log((reach * reach).mean(axis=1) / (4.0 * np.log(2.0)) + 1e-4)
    late, late_power = scaled[:, -96:], power[:, -96:]
    total = late_power.sum(axis=1) + TINY
    skew = (late_power * late).mean(axis=1) / (total / late.shape[1]) ** 1.5
    downside = np.where(late < 0, late_power, 0.0).sum(axis=1) / total
    jump = late_power.max(axis=1) / total
    return np.concatenate((realised, np.stack((parkinson, np.log(reach[:, -1] + 0.05), skew, downside, jump, np.log(view.sigma)), axis=1)), axis=1)


FAMILY = Family(
    "volatility",
    (*(f"realised_{span}" for span in SPANS), "range_24", "range_last", "skew_96", "downside_96", "jump_96", "level"),
    build,
)
