"""Scores forecasts that have come due against realised returns: the sums behind weights, intervals, calibration and skill."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import PendingForecasts

CLIP = 5.0  # the target is clipped at this many volatilities


@dataclass(frozen=True, slots=True)
class ScoredForecasts(Record):
    """The forecasts that come due at one tick and their targets. Where a forecast or a price is missing, `known` is False and the value 0."""

    mean: Floats  # (M + 1, H, S)
    target: Floats  # (H, S)
    known: Bools  # (M + 1, H, S) forecast and target both exist
    half_width: Floats  # (H, R, 2)
    scale: Floats  # (H, S) log return of one unit of the target, 0 where unknown
    scale_factor: Floats  # (H, S, 2) factor of the half-widths
    probability: Floats  # (H, S)
    regime: Ints  # (H, S)
    constant_half_width: Floats  # (H, 2, S) log return, half-widths of the intervals of constant width


def forecast_target(later: Floats, earlier: Floats, sigma: Floats, horizon: int) -> Floats:
    """The log return over the horizon in volatilities of the horizon as known at the decision, clipped at +-5; NaN where a price is missing."""
    return np.asarray(np.clip((later - earlier) / (sigma * np.sqrt(horizon)), -CLIP, CLIP))


def score_forecasts(pending: PendingForecasts, horizons: tuple[int, ...], price: Floats) -> ScoredForecasts:
    """Score the forecasts of each horizon that end now; `price` (S,) is the log price now, NaN where the bar is not fresh."""
    rows, index, roots = due_places(horizons)
    scale = pending.sigma[rows] * roots
    realised = np.minimum(np.maximum((price - pending.price[rows]) / scale, -CLIP), CLIP)
    known_target = np.isfinite(realised)
    mean = pending.mean[rows, :, index].transpose(1, 0, 2)
    known = np.isfinite(mean) & known_target
    return ScoredForecasts(
        mean=np.where(known, mean, 0.0),
        target=np.where(known_target, realised, 0.0),
        known=known,
        half_width=pending.half_width[rows, index],
        scale=np.where(np.isfinite(scale), scale, 0.0),
        scale_factor=pending.scale_factor[rows, index],
        probability=pending.probability[rows, index],
        regime=pending.regime[rows],
        constant_half_width=pending.constant_half_width[rows, index],
    )


@cache
def due_places(horizons: tuple[int, ...]) -> tuple[Ints, Ints, Floats]:
    """(H,) places of the forecasts that come due among the pending ones, (H,) of their horizons, and (H, 1) square roots of the horizons."""
    return np.array(horizons) - 1, np.arange(len(horizons)), np.sqrt(horizons)[:, None]


def sum_by_regime(scored: ScoredForecasts, regimes: int) -> Floats:
    """(4, M + 1, H, R + 1) sums of gain, squared gain, power and rows by regime; the last cell is all regimes."""
    target_values = scored.target
    gain = np.where(scored.known, scored.mean * (2.0 * target_values - scored.mean), 0.0)
    power = np.where(scored.known, target_values * target_values, 0.0)
    cells = (scored.regime[:, :, None] == np.arange(regimes + 1)) * 1.0
    cells[:, :, -1] = 1.0
    parts = np.array((gain, gain * gain, power, scored.known))
    return np.asarray(np.matmul(parts.transpose(0, 2, 1, 3), cells).transpose(0, 2, 1, 3))


def sum_moments(scored: ScoredForecasts) -> tuple[Floats, Floats, Floats]:
    """(H, M, M), (H, M) and (H,): sums of f f', f y and rows over symbols with any model's forecast; a missing forecast counts as 0."""
    votes = scored.mean[:-1].transpose(1, 0, 2)
    covered = scored.known[:-1].any(axis=0)
    return votes @ votes.transpose(0, 2, 1), np.add.reduce(votes * scored.target[:, None, :], axis=2), np.add.reduce(covered, axis=1) * 1.0


def sum_losses(scored: ScoredForecasts, worth: Floats, context: Floats, horizons: tuple[int, ...]) -> Floats:
    """(M, C, C + 1) moments of each model's relative loss on the market conditions at its forecast (L, C), summed over horizons.

    A forecast is scaled by its single-model weight `worth` (M, H), without which bold models would look worse than they are.
    """
    votes = scored.mean[:-1] * worth[:, :, None]
    gain = np.where(scored.known[:-1], votes * (2.0 * scored.target - votes), 0.0).sum(axis=2)
    power = np.where(scored.known[:-1], scored.target * scored.target, 0.0).sum(axis=2)
    moved = power > 0
    loss = np.where(moved, -gain / np.where(moved, power, 1.0), 0.0)
    conditions = context[due_places(horizons)[0]]
    square = np.einsum("mh,hc,hd->mcd", moved * 1.0, conditions, conditions)
    return np.concatenate((square, np.einsum("mh,hc->mc", loss, conditions)[:, :, None]), axis=2)
