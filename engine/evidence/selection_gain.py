"""Whether using only the preferred models has been better than using all: both forecasts against the realised returns, row by row.

The gain of a row is the squared error of all models less that of the preferred ones. Gains of all horizons and symbols are summed; blocks and bounds
are those of evidence.skill, valid at every tick at once.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.decision import Predictions
from engine.domain.record import Floats
from engine.domain.state import SelectionGain
from engine.evidence import skill
from engine.evidence.scoring import ScoredForecasts, due_places


def empty_selection_gain(length: int, horizons: int, symbols: int) -> SelectionGain:
    """The sums before any forecast; `length` is the longest horizon in bars."""
    return SelectionGain(np.full((length, 2, horizons, symbols), np.nan), skill.empty_skill(1, 1, 1))


def combine_forecasts(predictions: Predictions, weights: Floats) -> Floats:
    """(2, H, S) forecasts of all models and of the preferred ones; NaN without any model. A model that was left out counts with full reliability."""
    selection, has_forecast = predictions.selection, np.isfinite(predictions.mean)
    reliability = np.where(selection.active[:, None, None], predictions.reliability, 1.0)
    parts = np.where(has_forecast, predictions.mean, 0.0) * reliability * weights[:, :, None]
    whole = np.add.reduce(parts, axis=0)
    chosen = whole if selection.preferred.all() else np.add.reduce(np.where(selection.preferred[:, None, None], parts, 0.0), axis=0)
    return np.where(has_forecast.any(axis=0), np.array((whole, chosen)), np.nan)


def update_selection_gain(
    before: SelectionGain, scored: ScoredForecasts, new: Floats, horizons: tuple[int, ...], *, closes: Floats, memory: float
) -> SelectionGain:
    """Score the forecasts that come due and append this tick's two (2, H, S); `closes` (1,) is 1 where a block ends, `memory` discounts the sums."""
    rows, index, _ = due_places(horizons)
    all_models, preferred = before.pending[rows, :, index].transpose(1, 0, 2)
    known = scored.known[-1] & np.isfinite(all_models)
    gain = np.where(known, (all_models - preferred) * (all_models + preferred - 2.0 * scored.target), 0.0)
    power = np.where(known, scored.target * scored.target, 0.0)
    sums = np.array((gain, gain * gain, power, known)).reshape(4, -1).sum(axis=1).reshape(4, 1, 1, 1)
    score = skill.add_scores(before.gain, sums, closes, memory=memory)
    return SelectionGain(np.concatenate((new[None], before.pending[:-1])), score)


def selection_gain_interval(state: SelectionGain) -> tuple[float, float, float, int] | None:
    """The R2 gained by selection, its 95 % bounds and n; None with fewer than 15 blocks, or where selection never left a model out."""
    r2, half_width, _ = (float(part[0, 0, 0]) for part in skill.confidence_interval(state.gain))
    return (r2, r2 - half_width, r2 + half_width, int(state.gain.rows[0, 0, 0])) if math.isfinite(half_width) else None


def is_selection_proved(state: SelectionGain) -> bool:
    """Whether the lower bound of the gain is above 0."""
    if not state.gain.gain[0, 0, 0] > 0.0:  # as at most ticks, where no model was to be left out
        return False
    interval = selection_gain_interval(state)
    return interval is not None and interval[1] > 0.0
