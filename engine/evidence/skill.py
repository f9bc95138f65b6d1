"""Out-of-sample skill with a confidence sequence: a bound that holds at every tick at once, however often it is looked at.

R2 = 1 - sum (y - f)^2 / sum y^2 = sum gain / sum y^2 with gain = y^2 - (y - f)^2. Gains are summed over all symbols and over blocks of 12 ticks or
the horizon, whichever is longer. A target due in a block reaches into the previous block, but no further, so neighbouring blocks are correlated: the
variance of the sum is that of the blocks' residuals plus twice the covariance of neighbours (a flat-top kernel, Politis and Romano 1995). The bound
is Robbins' normal mixture (Howard, Ramdas, McAuliffe and Sekhon 2021, section 3.2) with this variance, valid asymptotically (Waudby-Smith et al.
2024). Declined trades, the gain of selection, volatility and the liquidity forecast are measured by the same sums.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.domain.decision import REGIMES
from engine.domain.evidence import BLOCK_SQUARED, BLOCKS, GAIN, LAG_PRODUCTS, LAST_RESIDUAL, OPEN_GAIN, OPEN_POWER, POWER, SkillSums
from engine.domain.record import Floats
from engine.domain.state import State
from engine.domain.tick import SkillRow
from engine.domain.trading_config import TradingConfig

MIN_BLOCK_TICKS = 12  # shortest block: where forecasts persist, gains are correlated for longer than targets overlap
MIN_BLOCKS = 15  # of a bound
EXTRA_BLOCKS = 15.0  # blocks added to the variance: few blocks understate it where gains are skewed
TIGHTEST_AT = 300.0  # blocks at which the mixture is tightest
Z_ONE_SIDED = 1.645  # standard errors, one-sided 5 %
DISPLAY_ALPHA = 0.05  # two-sided error of the displayed intervals
UNFADED = 1.0  # memory of sums that nothing discounts
LINEAR, SQUARES = slice(0, BLOCKS), slice(BLOCK_SQUARED, OPEN_GAIN)


def empty_skill(scopes: int, horizons: int, cells: int) -> SkillSums:
    """Sums before any forecast has been scored."""
    return SkillSums(np.zeros((LAST_RESIDUAL + 1, scopes, horizons, cells)))


def block_ends(tick: int, horizons: Sequence[int], every: int = 1) -> Floats:
    """(H,) 1 where a block ends with this tick, else 0; with `every`, only one tick in so many is scored."""
    return np.array([float((tick + 1) % max(horizon, MIN_BLOCK_TICKS) < every) for horizon in horizons])


def add_scores(skill: SkillSums, sums: Floats, closes: Floats, *, memory: Floats | float = UNFADED, idle: bool = False) -> SkillSums:
    """Add one tick's gain, squared gain, power and rows (4, scopes, H, cells) to the sums, which `memory` discounts.

    `closes` (H,) is 1 where a block ends with this tick, else 0. A block without any gain had no forecast: it carries no information on the variance
    of gains, and does not count unless `idle`.
    """
    after = skill.sums * memory
    if memory is not UNFADED:
        after[SQUARES] *= memory
    after[LINEAR] += sums
    after[OPEN_GAIN] += sums[GAIN]
    after[OPEN_POWER] += sums[POWER]
    if np.count_nonzero(closes):  # a fifth of the time of any(), five times a tick
        ends, has_forecasts = closes[:, None] > 0, (after[OPEN_GAIN] != 0.0) | (idle & (after[OPEN_POWER] > 0.0))
        residual = np.where(ends, _residual(after), 0.0)
        after[BLOCKS] += ends & has_forecasts
        after[BLOCK_SQUARED] += residual * residual
        after[LAG_PRODUCTS] += residual * after[LAST_RESIDUAL]
        after[LAST_RESIDUAL] = np.where(ends, residual, after[LAST_RESIDUAL])
        after[OPEN_GAIN : OPEN_POWER + 1] *= ~ends
    return SkillSums(after)


def sampling_variance(skill: SkillSums) -> tuple[Floats, Floats]:
    """The number of blocks and the variance of the sum of their gains, including the current block, whose gain is in the sum already."""
    blocks, current = skill.blocks + (skill.open_gain != 0.0), _residual(skill.sums)
    covariance = np.maximum(skill.lag_products + current * skill.last_residual, 0.0)
    return blocks, (skill.block_squared + current * current + 2.0 * covariance) * (1.0 + EXTRA_BLOCKS / np.maximum(blocks, 1.0))


def confidence_radius(variance: Floats, blocks: Floats, alpha: float) -> Floats:
    """Half-width of the confidence sequence on the sum of block gains: sqrt((V + r) log((V + r) / (r alpha^2))), r tuned for 300 blocks."""
    share = TIGHTEST_AT / (2.0 * math.log(1.0 / alpha) + math.log(1.0 + 2.0 * math.log(1.0 / alpha)))
    spread = variance / np.maximum(blocks, 1.0) * share
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, np.sqrt((variance + spread) * np.log((variance + spread) / (spread * alpha * alpha))), np.inf)


def confidence_interval(skill: SkillSums, alpha: float = DISPLAY_ALPHA) -> tuple[Floats, Floats, Floats]:
    """The ratio of gain to power, the half-width of its confidence sequence (two-sided error `alpha`) and the blocks; NaN with fewer than 15."""
    return _interval(skill, *sampling_variance(skill), alpha)


def _interval(skill: SkillSums, blocks: Floats, variance: Floats, alpha: float) -> tuple[Floats, Floats, Floats]:
    enough = (blocks >= MIN_BLOCKS) & (skill.power > 0) & (variance > 0)
    power = np.where(enough, skill.power, np.nan)
    return skill.gain / power, confidence_radius(variance, blocks, alpha) / power, blocks


def recent_interval(recent: SkillSums, decided: int, halflife: float) -> tuple[Floats, Floats]:
    """The R2 of sums that halve in `halflife` ticks, and the half-width of its 95 % interval; NaN with fewer than 15 blocks.

    It is valid at every tick at once, for any length of time. Discounted sums can be wrong again and again, so the error is spent by half-lives: the
    k-th may spend 6 / (pi k)^2 of it. Within one, the sum over its remaining weight is a martingale that Robbins' mixture bounds; half a half-life's
    error more pays for the loss of up to half of its scale.
    """
    error_share = 6.0 / (math.pi * (1 + int(decided // halflife))) ** 2 / 2.0
    estimate, half_width, _ = confidence_interval(recent, DISPLAY_ALPHA * error_share)
    return estimate, half_width


def skill_bound(recent: SkillSums, config: TradingConfig) -> tuple[Floats, Floats]:
    """(H,) the lower bound of the ensemble's R2 at the configured error, shared by the horizons, and (H,) the R2; NaN with fewer than 15 blocks.

    The bound never exceeds the recent R2 of the second scope, which has a short memory, so that a dying signal is noticed in hours and not in weeks.
    """
    blocks, variance = sampling_variance(recent)
    estimate, half_width, _ = (part[0, :, 0] for part in _interval(recent, blocks, variance, 2.0 * config.skill_alpha / recent.sums.shape[2]))
    low = estimate - half_width
    return np.minimum(low, _recent_bound(recent, variance[1, :, 0], low)), estimate


def proven_share(low: Floats, estimate: Floats) -> Floats:
    """Share of the full size that proven skill allows: the lower bound of R2 over its estimate; 0 where the bound is not above 0."""
    proven = (low > 0) & (estimate > 0)
    return np.where(proven, np.minimum(1.0, low / np.where(proven, estimate, 1.0)), 0.0)


def recent_skill_table(state: State, config: TradingConfig) -> tuple[SkillRow, ...]:
    """The ensemble's skill over the short memory on which sizes rely; n is the number of scored forecasts in that memory."""
    recent = SkillSums(state.recent.sums[:, 1:])
    r2, half_width = (part[0, :, 0] for part in recent_interval(recent, state.decided, config.recent_skill_halflife))
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.minimum(recent.rows, recent.rows * recent.gain_squared / sampling_variance(recent)[1])[0, :, 0]
    rows = []
    for column, horizon in enumerate(config.horizons):
        enough = math.isfinite(half_width[column])
        numbers = [float(value[column]) if enough else None for value in (r2, r2 - half_width, r2 + half_width, effective)]
        n = int(recent.rows[0, column, 0])
        rows.append(SkillRow("recent", "ensemble", horizon, "all", numbers[0], numbers[1], numbers[2], n, numbers[3]))
    return tuple(rows)


def skill_table(state: State, horizons: tuple[int, ...]) -> tuple[SkillRow, ...]:
    """Every R2 with its 95 % interval, n and effective n by model, horizon and regime; None where fewer than 15 blocks were scored."""
    skill = state.skill
    r2, half_width, _ = confidence_interval(skill)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.minimum(skill.rows, skill.rows * skill.gain_squared / sampling_variance(skill)[1])
    low, high = r2 - half_width, r2 + half_width
    rows = []
    for scope, name in enumerate((*state.models, "ensemble")):
        for column, horizon in enumerate(horizons):
            for cell, regime in enumerate((*REGIMES, "all")):
                at = (scope, column, cell)
                enough = math.isfinite(half_width[at])
                numbers = [float(value[at]) if enough else None for value in (r2, low, high, effective)]
                kind = "ensemble" if name == "ensemble" else "model"
                rows.append(SkillRow(kind, name, horizon, regime, numbers[0], numbers[1], numbers[2], int(skill.rows[at]), numbers[3]))
    return tuple(rows)


def _residual(sums: Floats) -> Floats:
    """The current block's gain less its expectation at the ratio of the blocks before it, given its power; 0 where nothing was forecast."""
    share = sums[OPEN_POWER] / np.where(sums[POWER] > 0, sums[POWER], 1.0)
    return np.where(sums[OPEN_GAIN] != 0.0, sums[OPEN_GAIN] - (sums[GAIN] - sums[OPEN_GAIN]) * share, 0.0)


def _recent_bound(recent: SkillSums, variance: Floats, low: Floats) -> Floats:
    """(H,) the recent R2; where it is significantly below the bound of the long memory, the signal is dying, and its own lower bound is used.

    `variance` (H,) is that of the recent gains.
    """
    power, gain = recent.power[1, :, 0], recent.gain[1, :, 0]
    known = power > 0
    recent_r2, error = (np.where(known, part, np.inf) / np.where(known, power, 1.0) for part in (gain, Z_ONE_SIDED * np.sqrt(variance)))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known & (recent_r2 + error < low), recent_r2 - error, recent_r2))
