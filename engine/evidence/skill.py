"""Out-of-sample skill with a bound that stays valid however often it is looked at.

R2 = 1 - sum (y - f)^2 / sum y^2 = sum gain / sum y^2 with gain = y^2 - (y - f)^2. Gains are summed over all symbols and over blocks of `horizon`
ticks, so that correlated symbols and overlapping targets make one sample. The bound is Robbins' normal mixture (Howard, Ramdas, McAuliffe and
Sekhon 2021, section 3.2) with the empirical variance of the blocks, valid asymptotically (Waudby-Smith et al. 2024) at every tick at once.
"""

from __future__ import annotations

import math

import numpy as np

from engine.domain.control import Knobs
from engine.domain.decision import REGIMES
from engine.domain.record import Floats
from engine.domain.skill import BLOCK_SQUARED, BLOCKS, GAIN, OPEN_GAIN, Skill
from engine.domain.state import State
from engine.domain.tick import SkillRow

FEWEST = 30  # blocks before any bound is given
TUNED_FOR = 300.0  # blocks at which the mixture is tightest
SURELY = 1.645  # standard errors: one-sided 5 %
SHOWN_ALPHA = 0.05  # two-sided error of the intervals on screen


def empty(scopes: int, horizons: int, cells: int) -> Skill:
    """Sums before anything is scored."""
    return Skill(np.zeros((7, scopes, horizons, cells)))


def add(skill: Skill, sums: Floats, closes: Floats, *, memory: Floats | float = 1.0) -> Skill:
    """One tick's gain, squared gain, power and rows (4, scopes, H, cells) on top of those before, which `memory` discounts.

    `closes` (H,) is 1 where a block ends with this tick, else 0. A block in which nothing was forecast is none: it tells nothing of how gains vary.
    """
    open_gain, ends = skill.open_gain + sums[GAIN], closes[:, None]
    after = skill.sums * memory
    after[:BLOCKS] += sums
    after[BLOCKS] += ends * (open_gain != 0.0)
    after[BLOCK_SQUARED] = skill.block_squared * (memory * memory) + ends * open_gain * open_gain
    after[OPEN_GAIN] = open_gain * (1.0 - ends)
    return Skill(after)


def sampled(skill: Skill) -> tuple[Floats, Floats]:
    """Blocks and the sum of their squared gains, the running block among them: its gain is in the sum of gains already."""
    return skill.blocks + (skill.open_gain != 0.0), skill.block_squared + skill.open_gain * skill.open_gain


def radius(variance: Floats, blocks: Floats, alpha: float) -> Floats:
    """Half-width of the confidence sequence on the sum of block gains: sqrt((V + r) log((V + r) / (r alpha^2))), r tuned for 300 blocks."""
    share = TUNED_FOR / (2.0 * math.log(1.0 / alpha) + math.log(1.0 + 2.0 * math.log(1.0 / alpha)))
    spread = variance / np.maximum(blocks, 1.0) * share
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, np.sqrt((variance + spread) * np.log((variance + spread) / (spread * alpha * alpha))), np.inf)


def bound(recent: Skill, knobs: Knobs) -> tuple[Floats, Floats]:
    """(H,) lower bound of the ensemble's R2 at the knobs' error, shared by the horizons looked at, and (H,) the R2; NaN with fewer than 30 blocks.

    The bound is never above what the second scope, of a short memory, says of late, so that a signal that dies is noticed in hours, not in weeks.
    """
    power, gain = recent.power[0, :, 0], recent.gain[0, :, 0]
    blocks, variance = (part[0, :, 0] for part in sampled(recent))
    enough = (blocks >= FEWEST) & (power > 0) & (variance > 0)
    whole = np.where(power > 0, power, 1.0)
    reach = radius(variance, blocks, 2.0 * knobs.skill_alpha / len(blocks))
    low = np.where(enough, (gain - np.where(enough, reach, 0.0)) / whole, np.nan)
    return np.minimum(low, _lately(recent, low)), np.where(enough, gain / whole, np.nan)


def _lately(recent: Skill, low: Floats) -> Floats:
    """(H,) the R2 of late; where it is surely below the bound of the whole, a signal is dying, and only its own lower bound is believed."""
    power, gain = recent.power[1, :, 0], recent.gain[1, :, 0]
    known = power > 0
    worth, error = (np.where(known, part, np.inf) / np.where(known, power, 1.0) for part in (gain, SURELY * np.sqrt(sampled(recent)[1][1, :, 0])))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known & (worth + error < low), worth - error, worth))


def table(state: State, horizons: tuple[int, ...]) -> tuple[SkillRow, ...]:
    """Every figure of skill with its 95 % interval, n and effective n; None where fewer than 30 blocks were scored."""
    skill = state.skill
    blocks, squared = sampled(skill)
    reach = radius(squared, blocks, SHOWN_ALPHA)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2, width = skill.gain / skill.power, reach / skill.power
        effective = np.minimum(skill.rows, skill.rows * skill.gain_squared / squared)
        low, high = r2 - width, r2 + width
    rows = []
    for scope, name in enumerate((*state.models, "ensemble")):
        for column, horizon in enumerate(horizons):
            for cell, regime in enumerate((*REGIMES, "all")):
                at = (scope, column, cell)
                enough = blocks[at] >= FEWEST and math.isfinite(width[at])
                numbers = [float(value[at]) if enough else None for value in (r2, low, high, effective)]
                kind = "ensemble" if name == "ensemble" else "model"
                rows.append(SkillRow(kind, name, horizon, regime, numbers[0], numbers[1], numbers[2], int(skill.rows[at]), numbers[3]))
    return tuple(rows)
