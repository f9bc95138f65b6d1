"""Forecasts that have come due against what came: the sums that weights, intervals, calibration and skill are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from engine.domain.record import Bools, Floats, Ints, Record
from engine.domain.state import Calibration, Pending

CLIP = 5.0  # the target is clipped at this many volatilities
LEVELS = np.array([0.8, 0.9])  # of the two intervals
NORMAL = (1.2815515655446004, 1.6448536269514722)  # half-widths of a standard normal's, to start from
Sums = tuple[Floats, Floats, Floats, Floats]


@dataclass(frozen=True, slots=True)
class Scored(Record):
    """What came due at one tick. Where a forecast or a price is missing, `known` is False and the value 0."""

    mean: Floats  # (M + 1, H, S)
    target: Floats  # (H, S)
    known: Bools  # (M + 1, H, S) forecast and target both there
    width: Floats  # (H, 2)
    probability: Floats  # (H, S)
    regime: Ints  # (H, S)


def target(later: Floats, earlier: Floats, sigma: Floats, horizon: int) -> Floats:
    """Log return over the horizon in volatilities of the horizon as known at the decision, clipped at +-5; NaN where a price is missing."""
    return np.asarray(np.clip((later - earlier) / (sigma * np.sqrt(horizon)), -CLIP, CLIP))


def score(pending: Pending, horizons: tuple[int, ...], price: Floats) -> Scored:
    """What each horizon's forecasts came to, `price` being the log price now, NaN where the bar is not fresh."""
    rows = np.array([horizon - 1 for horizon in horizons])
    index = np.arange(len(horizons))
    came = np.stack([target(price, pending.price[horizon - 1], pending.sigma[horizon - 1], horizon) for horizon in horizons])
    mean = np.stack([pending.mean[horizon - 1, :, column, :] for column, horizon in enumerate(horizons)], axis=1)
    known = np.isfinite(mean) & np.isfinite(came)
    return Scored(
        mean=np.where(known, mean, 0.0),
        target=np.where(np.isfinite(came), came, 0.0),
        known=known,
        width=pending.width[rows, index],
        probability=pending.probability[rows, index],
        regime=pending.regime[rows],
    )


def by_regime(scored: Scored, regimes: int) -> Sums:
    """gain, gain squared, power and rows by (M + 1, H, R + 1); the last cell is all regimes."""
    came = scored.target
    gain = np.where(scored.known, scored.mean * (2.0 * came - scored.mean), 0.0)
    power = np.where(scored.known, came * came, 0.0)
    cells = np.concatenate((scored.regime[:, :, None] == np.arange(regimes), np.ones((*scored.regime.shape, 1), dtype=bool)), axis=2) * 1.0
    parts = (gain, gain * gain, power, scored.known * 1.0)
    return cast("Sums", tuple(np.matmul(part.transpose(1, 0, 2), cells).transpose(1, 0, 2) for part in parts))


def moments(scored: Scored) -> tuple[Floats, Floats, Floats]:
    """(H, M, M), (H, M) and (H,): sums of f f', f y and rows, over symbols where any model spoke; a silent model's forecast counts as 0."""
    votes = scored.mean[:-1].transpose(1, 0, 2)
    heard = scored.known[:-1].any(axis=0)
    return votes @ votes.transpose(0, 2, 1), (votes * scored.target[:, None, :]).sum(axis=2), heard.sum(axis=1) * 1.0


def losses(scored: Scored, context: Floats, horizons: tuple[int, ...]) -> Floats:
    """(M, C, C + 1) moments of each model's relative loss on the conditions in which it was forecast, summed over horizons."""
    gain = np.where(scored.known[:-1], scored.mean[:-1] * (2.0 * scored.target - scored.mean[:-1]), 0.0).sum(axis=2)
    power = np.where(scored.known[:-1], scored.target * scored.target, 0.0).sum(axis=2)
    there = power > 0
    loss = np.where(there, -gain / np.where(there, power, 1.0), 0.0)
    then = context[[horizon - 1 for horizon in horizons]]
    square = np.einsum("mh,hc,hd->mcd", there * 1.0, then, then)
    return np.concatenate((square, np.einsum("mh,hc->mc", loss, then)[:, :, None]), axis=2)


def uncalibrated(horizons: int) -> Calibration:
    """Sums before anything is scored; intervals start as wide as a standard normal's."""
    zero, pair, tenths = np.zeros(horizons), np.zeros((horizons, 2)), np.zeros((horizons, 10))
    return Calibration(np.repeat(np.array([NORMAL]), horizons, axis=0), pair, zero, zero, tenths, tenths, tenths, pair, zero)


def calibrate(before: Calibration, scored: Scored, step: float) -> Calibration:
    """Widens an interval that missed too often and narrows one that missed too seldom (Gibbs and Candes 2021), all symbols of a tick at once."""
    known = scored.known[-1]
    rows = known.sum(axis=1) * 1.0
    some = np.maximum(rows, 1.0)
    inside = (np.abs(scored.target - scored.mean[-1])[:, :, None] <= scored.width[:, None, :]) & known[:, :, None]
    covered = inside.sum(axis=1) * 1.0
    missed = np.where(rows[:, None] > 0, LEVELS - covered / some[:, None], 0.0)
    up: Floats = np.where(scored.target > 0, 1.0, 0.0)
    error = np.where(known, scored.probability - up, 0.0)
    moved = known & (scored.target != 0)
    forecast = np.where(moved, scored.mean[-1], 0.0)
    stated, observed, counted = _tenths(scored, known, up)
    return Calibration(
        quantile=before.quantile * np.exp(step * missed),
        covered=before.covered + covered,
        rows=before.rows + rows,
        brier=before.brier + (error * error).sum(axis=1),
        stated=before.stated + stated,
        observed=before.observed + observed,
        counted=before.counted + counted,
        slope=before.slope + np.stack(((forecast * (up - 0.5)).sum(axis=1), (forecast * forecast).sum(axis=1) / 4.0), axis=1),
        brier_naive=before.brier_naive + 0.25 * rows,
    )


def _tenths(scored: Scored, known: Bools, up: Floats) -> tuple[Floats, Floats, Floats]:
    """(H, 10) sums of stated probability, of what came, and counts, by tenth of the stated probability."""
    stated = np.where(known, scored.probability, 0.0)
    tenth = np.minimum((stated * 10).astype(np.int64), 9)
    member = ((tenth[:, :, None] == np.arange(10)) & known[:, :, None]) * 1.0
    return np.einsum("hs,hst->ht", stated, member), np.einsum("hs,hst->ht", up, member), member.sum(axis=1)
