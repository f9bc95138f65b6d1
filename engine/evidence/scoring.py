"""Forecasts that have come due against what came: the sums that weights, intervals, calibration and skill are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import PendingForecasts

CLIP = 5.0  # the target is clipped at this many volatilities


@dataclass(frozen=True, slots=True)
class ScoredForecasts(Record):
    """What came due at one tick. Where a forecast or a price is missing, `known` is False and the value 0."""

    mean: Floats  # (M + 1, H, S)
    target: Floats  # (H, S)
    known: Bools  # (M + 1, H, S) forecast and target both there
    half_width: Floats  # (H, R, 2)
    scale: Floats  # (H, S) log return of one unit of the target, 0 where it is not known
    scale_factor: Floats  # (H, S, 2) what the widths were multiplied by
    probability: Floats  # (H, S)
    regime: Ints  # (H, S)
    constant_half_width: Floats  # (H, 2, S) log return, the intervals of constant width


def forecast_target(later: Floats, earlier: Floats, sigma: Floats, horizon: int) -> Floats:
    """Log return over the horizon in volatilities of the horizon as known at the decision, clipped at +-5; NaN where a price is missing."""
    return np.asarray(np.clip((later - earlier) / (sigma * np.sqrt(horizon)), -CLIP, CLIP))


def score_forecasts(pending: PendingForecasts, horizons: tuple[int, ...], price: Floats) -> ScoredForecasts:
    """What each horizon's forecasts came to, `price` being the log price now, NaN where the bar is not fresh."""
    rows, index = np.array(horizons) - 1, np.arange(len(horizons))
    scale = pending.sigma[rows] * np.sqrt(horizons)[:, None]
    came = np.clip((price - pending.price[rows]) / scale, -CLIP, CLIP)
    there = np.isfinite(came)
    mean = pending.mean[rows, :, index].transpose(1, 0, 2)
    known = np.isfinite(mean) & there
    return ScoredForecasts(
        mean=np.where(known, mean, 0.0),
        target=np.where(there, came, 0.0),
        known=known,
        half_width=pending.half_width[rows, index],
        scale=np.where(np.isfinite(scale), scale, 0.0),
        scale_factor=pending.scale_factor[rows, index],
        probability=pending.probability[rows, index],
        regime=pending.regime[rows],
        constant_half_width=pending.constant_half_width[rows, index],
    )


def sum_by_regime(scored: ScoredForecasts, regimes: int) -> Floats:
    """(4, M + 1, H, R + 1) gain, gain squared, power and rows; the last cell is all regimes."""
    came = scored.target
    gain = np.where(scored.known, scored.mean * (2.0 * came - scored.mean), 0.0)
    power = np.where(scored.known, came * came, 0.0)
    cells = np.concatenate((scored.regime[:, :, None] == np.arange(regimes), np.ones((*scored.regime.shape, 1), dtype=bool)), axis=2) * 1.0
    parts = np.array((gain, gain * gain, power, scored.known))
    return np.asarray(np.matmul(parts.transpose(0, 2, 1, 3), cells).transpose(0, 2, 1, 3))


def sum_moments(scored: ScoredForecasts) -> tuple[Floats, Floats, Floats]:
    """(H, M, M), (H, M) and (H,): sums of f f', f y and rows, over symbols where any model spoke; a silent model's forecast counts as 0."""
    votes = scored.mean[:-1].transpose(1, 0, 2)
    heard = scored.known[:-1].any(axis=0)
    return votes @ votes.transpose(0, 2, 1), (votes * scored.target[:, None, :]).sum(axis=2), heard.sum(axis=1) * 1.0


def sum_losses(scored: ScoredForecasts, worth: Floats, context: Floats, horizons: tuple[int, ...]) -> Floats:
    """(M, C, C + 1) moments of each model's relative loss on the conditions in which it was forecast, summed over horizons.

    A forecast counts as it would be used by itself, scaled by what it has been worth (M, H): else the bold look worse than they are.
    """
    votes = scored.mean[:-1] * worth[:, :, None]
    gain = np.where(scored.known[:-1], votes * (2.0 * scored.target - votes), 0.0).sum(axis=2)
    power = np.where(scored.known[:-1], scored.target * scored.target, 0.0).sum(axis=2)
    there = power > 0
    loss = np.where(there, -gain / np.where(there, power, 1.0), 0.0)
    then = context[[horizon - 1 for horizon in horizons]]
    square = np.einsum("mh,hc,hd->mcd", there * 1.0, then, then)
    return np.concatenate((square, np.einsum("mh,hc->mc", loss, then)[:, :, None]), axis=2)
