"""The expected loss of forecasts whose horizon has not passed, from public conditions at the forecast, checked against what they lost.

The idea is direct loss estimation (DLE, NannyML): a second model learns the loss of the first. Here it is a ridge regression on discounted sums, for
each horizon apart. The loss of a tick is 1 - gain / usual power with gain = y^2 - (y - f)^2 and power = y^2, means over symbols, so that its mean is
1 - R2 and volatility alone does not change it. It is linear in the gain on purpose: the log of a tick's loss would call every bold forecast a loss,
as the log of a ratio with a small denominator is large. An expectation becomes a prediction once and is scored when its horizon has passed, against
the mean loss that was known at the same time, by the confidence sequence of evidence.skill. Unless it is proved better it triggers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.domain.evidence import SkillSums
from engine.domain.evolution import ExpectedLossFigures, ExpectedLossState
from engine.domain.record import Bools, Floats
from engine.evidence.skill import add_scores, block_ends, confidence_interval, empty_skill

MEMORY = 0.5 ** (1.0 / 5_000.0)  # per tick
PRIOR_TICKS = 500.0  # of "no condition matters" that shrink the slopes
FIT_EVERY = 12  # ticks
MIN_TICKS = 120  # scored before an expectation is stated
WIDEST = 3.0  # standard deviations at which a condition is clipped
MAX_LOSS = 8.0  # distance of a tick's loss from 1 at which it is clipped, for one tick is not to decide the slopes
ALPHA = 0.05  # one-sided error of "proved", shared by the horizons


def empty_expected_loss(horizons: Sequence[int], conditions: int) -> ExpectedLossState:
    """The state before any forecast."""
    count, length = len(horizons), max(horizons)
    return ExpectedLossState(
        np.zeros((count, conditions + 2, conditions + 2)),
        np.zeros((count, 2)),
        np.full((count, conditions + 1), np.nan),
        np.full((length, conditions), np.nan),
        np.full((length, 2, count), np.nan),
        empty_skill(1, count, 1),
    )


def update_expected_loss(
    state: ExpectedLossState, conditions: Floats, gain: Floats, power: Floats, scored: Bools, tick: int, horizons: Sequence[int]
) -> ExpectedLossState:
    """Learn from the gain and power (H,), means over symbols, that come due with this tick where `scored` (H,), then state what is expected of this
    tick's forecasts, made under `conditions` (C,); a tick with a NaN among them has no expectation."""
    ahead = np.asarray(horizons) - 1
    before, stated = state.waiting_conditions[ahead], state.waiting[ahead, :, np.arange(len(ahead))]
    totals = state.power * MEMORY
    totals[:, 0] += np.where(scored, power, 0.0)
    totals[:, 1] += scored
    excess = np.where(scored, gain, 0.0) * totals[:, 1] / np.where(totals[:, 0] > 0.0, totals[:, 0], np.inf)
    loss = 1.0 - np.minimum(np.maximum(excess, -MAX_LOSS), MAX_LOSS)
    learned = scored & np.isfinite(before).all(axis=1)
    row = np.empty(state.moments.shape[:2])
    row[:, 0], row[:, 1:-1], row[:, -1] = 1.0, before, loss
    row[~learned] = 0.0
    moments = state.moments * MEMORY + row[:, :, None] * row[:, None, :]
    slopes = _fit(moments) if tick % FIT_EVERY == FIT_EVERY - 1 else state.slopes
    return ExpectedLossState(
        moments,
        totals,
        slopes,
        np.concatenate((conditions[None], state.waiting_conditions[:-1])),
        np.concatenate((_predict(moments, slopes, conditions)[None], state.waiting[:-1])),
        _score(state.skill, loss, stated, learned, block_ends(tick, horizons)),
    )


def expected_loss_figures(state: ExpectedLossState, horizons: Sequence[int]) -> tuple[ExpectedLossFigures, ...]:
    """The figures of each horizon."""
    r2, half_width, blocks = (part[0, :, 0] for part in confidence_interval(state.skill))
    proved, rows = proved_horizons(state), []
    for place, horizon in enumerate(horizons):
        pending = state.waiting[:horizon, :, place]
        known = pending[np.isfinite(pending).all(axis=1)]
        expected, usual = known.mean(axis=0).tolist() if len(known) else (None, None)
        skilled = bool(np.isfinite(half_width[place]))
        low, high = (float(r2[place] + sign * half_width[place]) if skilled else None for sign in (-1.0, 1.0))
        numbers = (expected, usual, float(r2[place]) if skilled else None, low, high)
        rows.append(ExpectedLossFigures(horizon, *numbers, int(blocks[place]), bool(proved[place])))
    return tuple(rows)


def proved_horizons(state: ExpectedLossState) -> Bools:
    """(H,) whether the expected loss is proved better than the usual, with the error shared by the horizons and valid at every tick at once."""
    r2, half_width, _ = (part[0, :, 0] for part in confidence_interval(state.skill, 2.0 * ALPHA / len(state.power)))
    with np.errstate(invalid="ignore"):
        return np.asarray(r2 - half_width > 0.0)


def is_proved(state: ExpectedLossState) -> bool:
    """Whether it may be a trigger: the expected loss is proved at some horizon."""
    return bool(proved_horizons(state).any())


def expects_harm(state: ExpectedLossState, horizons: Sequence[int]) -> Bools:
    """(H,) whether the pending forecasts are expected to do worse than none, by an expectation that is proved."""
    gain, squared = state.skill.gain, state.skill.block_squared
    if not ((gain > 0.0) & (gain * gain > squared)).any() or not is_proved(state):  # the sequence is wider than the root of the blocks' squares
        return np.zeros(len(horizons), dtype=np.bool_)
    figures = expected_loss_figures(state, horizons)
    return np.array([row.proved and row.expected is not None and row.expected > 1.0 for row in figures])


def _fit(moments: Floats) -> Floats:
    """(H, C + 1) mean loss, and the ridge slopes on standardised conditions; NaN before MIN_TICKS."""
    ticks = moments[:, 0, 0]
    enough = ticks >= MIN_TICKS
    if not enough.any():
        return np.full((len(moments), moments.shape[1] - 1), np.nan)
    mean = moments[:, 0] / np.maximum(ticks, 1.0)[:, None]
    covariance = moments[:, 1:, 1:] / np.maximum(ticks, 1.0)[:, None, None] - mean[:, 1:, None] * mean[:, None, 1:]
    deviation = _deviation(moments)
    used = np.where(deviation > 0.0, deviation, np.inf)
    correlation = covariance[:, :-1, :-1] / (used[:, :, None] * used[:, None, :])
    size = correlation.shape[1]
    correlation[:, np.arange(size), np.arange(size)] = 1.0 + (PRIOR_TICKS / np.maximum(ticks, 1.0))[:, None]
    slopes = np.linalg.solve(correlation, (covariance[:, :-1, -1] / used)[:, :, None])[:, :, 0]
    return np.where(enough[:, None], np.concatenate((mean[:, -1:], slopes), axis=1), np.nan)


def _predict(moments: Floats, slopes: Floats, conditions: Floats) -> Floats:
    """(2, H) the expected and the usual loss under these conditions."""
    if np.isnan(conditions).any():
        return np.full((2, len(slopes)), np.nan)
    deviation = _deviation(moments)
    distance = conditions - moments[:, 0, 1:-1] / np.maximum(moments[:, 0, :1], 1.0)
    z = np.minimum(np.maximum(distance / np.where(deviation > 0.0, deviation, np.inf), -WIDEST), WIDEST)
    usual = slopes[:, 0]
    return np.array((usual + np.vecdot(z, slopes[:, 1:]), usual))


def _deviation(moments: Floats) -> Floats:
    """(H, C) standard deviations of the conditions; 0 where they are constant."""
    ticks = np.maximum(moments[:, 0, 0], 1.0)[:, None]
    mean, square = moments[:, 0, 1:-1] / ticks, moments.diagonal(axis1=1, axis2=2)[:, 1:-1] / ticks
    variance = square - mean * mean
    return np.sqrt(np.where(variance > 1e-9 * square, variance, 0.0))


def _score(skill: SkillSums, loss: Floats, stated: Floats, learned: Bools, closes: Floats) -> SkillSums:
    """Add how much closer the expected loss was than the usual."""
    known = learned & np.isfinite(stated).all(axis=1)
    expected, usual = np.where(known[:, None], stated, 0.0).T
    missed = np.where(known, loss - usual, 0.0)
    better = missed * missed - np.where(known, loss - expected, 0.0) ** 2
    return add_scores(skill, np.array((better, better * better, missed * missed, known))[:, None, :, None], closes)
