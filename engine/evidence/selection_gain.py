"""Whether hearing only the models preferred has been worth more than hearing all: the two forecasts against what came, row by row.

The gain of a row is what the squared error of all exceeds that of those preferred by; gains of all horizons and symbols are summed, and blocks and
bound are those of evidence.skill, valid at every tick at once.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.decision import Predictions
from engine.domain.record import Floats
from engine.domain.state import SelectionGain
from engine.evidence import skill
from engine.evidence.scoring import ScoredForecasts


def empty_selection_gain(length: int, horizons: int, symbols: int) -> SelectionGain:
    """Nothing forecast, nothing gained."""
    return SelectionGain(np.full((length, 2, horizons, symbols), np.nan), skill.empty_skill(1, 1, 1))


def combine_forecasts(opinions: Predictions, weights: Floats) -> Floats:
    """(2, H, S) of all models and of those preferred; NaN where none speaks. One that was silenced counts with full trust."""
    chosen, spoken = opinions.selection, np.isfinite(opinions.mean)
    trust = np.where(chosen.active[:, None, None], opinions.reliability, 1.0)
    parts = np.where(spoken, opinions.mean, 0.0) * trust * weights[:, :, None]
    preferred = np.where(chosen.preferred[:, None, None], parts, 0.0)
    return np.where(spoken.any(axis=0), np.stack((parts.sum(axis=0), preferred.sum(axis=0))), np.nan)


def update_selection_gain(
    silencing: SelectionGain, scored: ScoredForecasts, new: Floats, horizons: tuple[int, ...], *, closes: Floats, memory: float
) -> SelectionGain:
    """What came due counted in, and this tick's two forecasts remembered; `closes` (1,) where a block ends with this tick."""
    rows, index = np.array(horizons) - 1, np.arange(len(horizons))
    everybody, preferred = silencing.pending[rows, :, index].transpose(1, 0, 2)
    known = scored.known[-1] & np.isfinite(everybody)
    gain = np.where(known, (everybody - preferred) * (everybody + preferred - 2.0 * scored.target), 0.0)
    power = np.where(known, scored.target * scored.target, 0.0)
    sums = np.array((gain, gain * gain, power, known)).reshape(4, -1).sum(axis=1).reshape(4, 1, 1, 1)
    gained = skill.add_scores(silencing.gain, sums, closes, memory=memory)
    return SelectionGain(np.concatenate((new[None], silencing.pending[:-1])), gained)


def selection_gain_interval(silencing: SelectionGain) -> tuple[float, float, float, int] | None:
    """R2 gained by silencing with its 95 % bounds and n; None with fewer than 15 blocks, or where nobody was ever to be silenced."""
    r2, reach, _ = (float(part[0, 0, 0]) for part in skill.confidence_interval(silencing.gain))
    return (r2, r2 - reach, r2 + reach, int(silencing.gain.rows[0, 0, 0])) if math.isfinite(reach) else None


def is_selection_proved(silencing: SelectionGain) -> bool:
    """Whether the lower bound is above 0."""
    found = selection_gain_interval(silencing)
    return found is not None and found[1] > 0.0
