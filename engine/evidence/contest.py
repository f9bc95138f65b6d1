"""Paired contests of arms with the serving ensemble: tests by betting, per horizon, that may be read at every tick.

**Blocks with gaps.** A forecast for h bars made at tick t belongs to a block where t mod (L + h - 1) < L, with L = `block_ticks(h)`; the others are
skipped. The last target of a block is then known when the first forecast of the next block is made, so that a bet on a block depends only on what was
known before its first forecast. Overlapping targets, persistent forecasts, correlated symbols and clustered volatility stay inside a block.

**Bets.** G is a block's gain, P its power (mean squared target), m the margin in R2. Each null hypothesis is one-sided in D = G - m P or G + m P. The
capital against it is multiplied by 1 + w min(D / (c s), 1) for each wager w, with the sign of D for which its alternative is profitable; c is the
clip, s the largest root mean square of the gains before any bet so far, and a block costs at most `LARGEST_LOSS` of the capital. The e-value is the
mean capital over the wagers. Clipping gains only lowers the capital. Losses count in full up to about c s / w, which is more than the clip; a larger
one would cost more than there is. Where one comes up the guarantee needs that gains are as symmetric around their mean as forecast errors are: the
capital then loses more by the clip on gains than it saves by the limit on losses.

**Guarantee.** With mu the mean of D given the time before its block, E[1 + w D / (c s)] = 1 + w mu / (c s) <= exp(w mu / (c s)), so the capital over
exp(w sum of mu / (c s)) is a nonnegative supermartingale (Ville 1939). s never falls, so by Abel's summation this sum is not above 0 while no running
sum of mu has been. The null hypothesis is therefore not that every block has a mean gain of at most the margin, but only that the mean up to each
block has: the weak null of Choe and Ramdas (2024, Comparing sequential forecasters). This is why the wagers are fixed. Betting on bounded means:
Waudby-Smith and Ramdas (2024). Each horizon is a martingale in the filtration of its own blocks only, so horizons are combined by the union bound and
not by averaging e-values (Choe and Ramdas 2024, Combining evidence across filtrations).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.domain.evolution import BETTER, EQUIVALENT, HYPOTHESES, INCONCLUSIVE, RUNNING, WAGERS, WORSE, Arm, ContestPoint, Contests
from engine.domain.record import Bools, Floats, Ints, field_names
from engine.evidence import skill

SHORTEST_BLOCK = 2  # ticks; longer blocks need more ticks for a verdict, shorter ones have heavier tails
BURN_IN = 5  # blocks of a contest on which nothing is bet: they give the first scale
LARGEST_LOSS = 0.99  # share of the capital that one block can cost
SIGNS = np.array([1.0, -1.0, 1.0, -1.0])[:, None]  # of D, by hypothesis
MARGINS = np.array([1.0, -1.0, -1.0, 1.0])[:, None]  # the gain at which each of HYPOTHESES ends, in margins
FRACTIONS = np.array(WAGERS)
NOT_BETTER, NOT_WORSE, WORSE_THAN_MARGIN, BETTER_THAN_MARGIN = range(len(HYPOTHESES))


def contest_alpha_of(number: int, alpha: float) -> float:
    """Error of the contest with this number, from 1: alpha / (k (k + 1)), which adds up to alpha over all contests that are ever begun."""
    return alpha / (number * (number + 1))


def block_ticks(horizon: int) -> int:
    """Ticks of a block L for a horizon in bars; the L + h - 1 ticks from one block to the next include the gap."""
    return max(SHORTEST_BLOCK, horizon)


def place_in_cycle(made: int, horizon: int) -> int:
    """Place of a forecast made at this tick in the cycle of block and gap; it belongs to a block where this is below `block_ticks`."""
    return made % (block_ticks(horizon) + horizon - 1)


def empty_contests(arms: int, horizons: int) -> Contests:
    """Contests before their first block."""
    shape = (arms, horizons)
    zeros = {name: np.zeros(shape) for name in field_names(Contests)[1:-1]}
    return Contests(log_wealth=np.zeros((arms, len(HYPOTHESES), horizons, len(WAGERS))), **zeros, ticks=np.zeros(arms, dtype=np.int64))


def add_arms(contests: Contests, count: int) -> Contests:
    """The contests with new ones at the end."""
    fresh = empty_contests(count, contests.blocks.shape[1])
    return Contests(*(np.concatenate((getattr(contests, name), getattr(fresh, name))) for name in field_names(Contests)))


def remove_arms(contests: Contests, keep: Bools) -> Contests:
    """The contests of the arms where `keep` (A,) is True."""
    return Contests(*(getattr(contests, name)[keep] for name in field_names(Contests)))


def update_contests(
    contests: Contests, gain: Floats, power: Floats, scored: Bools, tick: int, horizons: tuple[int, ...], clip: float, margin: float
) -> Contests:
    """Add the forecasts that come due at this tick, each made its horizon earlier, and bet on the blocks that end with them.

    gain (A, H): NaN where the arm has no forecast. power (H,) or (A, H). scored (H,): some target is known. Call it once per tick, also without any.
    """
    if not len(contests.ticks):
        return contests
    lengths = [block_ticks(horizon) for horizon in horizons]
    places = [place_in_cycle(tick - horizon, horizon) for horizon in horizons]
    inside = np.array([place < length for place, length in zip(places, lengths, strict=True)])
    known = (scored & inside) & np.isfinite(gain)
    open_gain = contests.open_gain + np.where(known, gain, 0.0)
    open_power = contests.open_power + np.where(known, power, 0.0)
    open_ticks, ticks = contests.open_ticks + known, contests.ticks + 1
    ends = [place >= length - 1 for place, length in zip(places, lengths, strict=True)]
    if not any(ends):
        return replace(contests, open_gain=open_gain, open_power=open_power, open_ticks=open_ticks, ticks=ticks)
    return _close_blocks(contests, open_gain, open_power, open_ticks, ticks, np.array(ends) & (open_ticks > 0.0), clip, margin)


def _close_blocks(
    contests: Contests, open_gain: Floats, open_power: Floats, open_ticks: Floats, since: Ints, closes: Bools, clip: float, margin: float
) -> Contests:
    """Bet on the blocks that end now, where `closes` (A, H), and add them to the sums; the scale is that of the blocks before them."""
    ticks = np.maximum(open_ticks, 1.0)
    gain, power = np.where(closes, open_gain / ticks, 0.0), np.where(closes, open_power / ticks, 0.0)
    bets = closes & (contests.blocks >= BURN_IN)
    before = np.maximum(contests.blocks, 1.0)
    largest = np.maximum(np.sqrt(contests.squared / before), margin / clip * contests.power / before)
    scale = np.where(bets, np.maximum(contests.scale, largest), contests.scale)
    unit = np.where(bets & (scale > 0.0), clip * scale, np.inf)
    excess = np.minimum(SIGNS * (gain[:, None] - MARGINS * (margin * power)[:, None]) / unit[:, None], 1.0)
    beyond = gain - np.minimum(np.maximum(gain, -unit), unit)
    still_open = ~closes
    return Contests(
        log_wealth=contests.log_wealth + np.log1p(np.maximum(excess[..., None] * FRACTIONS, -LARGEST_LOSS)),
        open_gain=open_gain * still_open,
        open_power=open_power * still_open,
        open_ticks=open_ticks * still_open,
        blocks=contests.blocks + closes,
        gain=contests.gain + gain,
        power=contests.power + power,
        squared=contests.squared + gain * gain,
        scale=scale,
        clipped=contests.clipped + (beyond != 0.0),
        clipped_gain=contests.clipped_gain + beyond,
        ticks=since,
    )


def e_values(contests: Contests) -> Floats:
    """(A, 4, H) log of the e-value against each of HYPOTHESES: of the mean capital over the wagers."""
    highest = contests.log_wealth.max(axis=3)
    capital = np.exp(contests.log_wealth - highest[..., None])
    return np.asarray(highest + np.log(np.add.reduce(capital, axis=3) / capital.shape[3]))


def judge_contests(contests: Contests, alpha: Floats, budget: int) -> Ints:
    """(A,) verdicts. The error of each of an arm's verdicts is at most its `alpha` (A,), over all ticks at which it may be read.

    "Not better" and "not worse" are rejected at a horizon by an e-value of H / alpha, so that the first rejection at any horizon has the error alpha.
    Better: "not better" is rejected at a horizon, "not worse" at none. Worse: the reverse. Where both are, horizons contradict each other: the arm
    neither replaces nor is retired, and runs on to its budget. Equivalent: both margin hypotheses are rejected at every horizon, each by 1 / alpha;
    all have to be, so there is nothing to share (intersection-union test, Berger 1982).
    """
    evidence = e_values(contests)
    reached = evidence >= np.log(evidence.shape[2] / alpha)[:, None, None]
    better, worse = reached[:, NOT_BETTER].any(axis=1), reached[:, NOT_WORSE].any(axis=1)
    equivalent = (evidence[:, WORSE_THAN_MARGIN:] >= -np.log(alpha)[:, None, None]).all(axis=(1, 2))
    late = contests.ticks >= budget
    if not (better.any() or worse.any() or equivalent.any() or late.any()):
        return np.full(len(late), RUNNING, dtype=np.int64)
    conditions = [better & ~worse, worse & ~better, equivalent & ~better & ~worse, late]
    return np.select(conditions, [BETTER, WORSE, EQUIVALENT, INCONCLUSIVE], RUNNING).astype(np.int64)


def survives_clipping(contests: Contests) -> Bools:
    """(A, H) whether the mean gain has the same sign with the gains beyond the clip and without them."""
    return np.asarray(np.sign(contests.gain) == np.sign(contests.gain - contests.clipped_gain))


def gain_interval(contests: Contests, alpha: float) -> tuple[Floats, Floats, Floats]:
    """(A, H) the R2 that each arm adds and its confidence sequence of two-sided error `alpha`; NaN before the end of the burn-in.

    For display only: it is valid asymptotically (see evidence.skill), unlike the e-values, which verdicts rest on and which cannot give it, because
    they test two thresholds only.
    """
    blocks = np.maximum(contests.blocks, 1.0)
    variance = np.maximum(contests.squared - contests.gain * contests.gain / blocks, 0.0) * (1.0 + skill.EXTRA_BLOCKS / blocks)
    power = np.where((contests.blocks >= BURN_IN) & (contests.power > 0.0), contests.power, np.nan)
    mean, radius = contests.gain / power, skill.confidence_radius(variance, blocks, alpha / 2.0) / power
    return mean, mean - radius, mean + radius


def contest_points(
    contests: Contests, arms: tuple[Arm, ...], horizons: tuple[int, ...], differing: Ints, differing_bps: Floats
) -> tuple[ContestPoint, ...]:
    """The figures of every arm at every horizon.

    differing (A, H): forecasts of another direction than the serving ensemble's. differing_bps (A, H): NaN without any.
    """
    evidence = e_values(contests)
    return tuple(
        ContestPoint(
            number=arm.number,
            horizon=horizon,
            r2_gain=float(contests.gain[row, column] / contests.power[row, column]) if contests.power[row, column] > 0.0 else None,
            log_e=_as_four(evidence[row, :, column]),
            log_threshold=math.log(len(horizons) / arm.alpha),
            blocks=int(contests.blocks[row, column]),
            clipped=int(contests.clipped[row, column]),
            differing=int(differing[row, column]),
            differing_bps=float(differing_bps[row, column]) if np.isfinite(differing_bps[row, column]) else None,
        )
        for row, arm in enumerate(arms)
        for column, horizon in enumerate(horizons)
    )


def _as_four(values: Floats) -> tuple[float, float, float, float]:
    first, second, third, fourth = values.tolist()
    return first, second, third, fourth
