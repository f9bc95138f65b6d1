"""Performance decline: recent against earlier gains of the serving ensemble, by a detector that may be watched at every tick.

The hypothesis of no decline is that, given everything known when a block begins, the block's expected gain is at least its expected power times the
required R2: half of the earlier R2, or its lower confidence bound where that is smaller. An e-process bets against it, block by block; the detector
is the sum of the e-processes that start at every block (the Shiryaev-Roberts e-detector of Shin, Ramdas and Rinaldo 2024). The sum less the number of
blocks is a supermartingale under the hypothesis, so that the mean time to a false signal is at least 1 / ALPHA blocks, however dependent the
horizons are. The required R2 and the scale of a bet are known before the block begins; a block ends before the next one begins, as forecasts whose
targets would reach into the next block are left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.domain.evidence import SkillSums
from engine.domain.evolution import DeclineFigures, DeclineState
from engine.domain.record import Bools, Floats
from engine.evidence.skill import MIN_BLOCK_TICKS, Z_ONE_SIDED, add_scores, empty_skill, sampling_variance

ALPHA = 0.001  # 1 / ALPHA blocks of 12 ticks (or of the shortest horizon with its gap) is the least mean time to a false signal
RETAINED = 0.5  # share of the earlier R2 whose loss is a decline
RECENT_BLOCKS = 24  # that are not part of the earlier R2
MIN_EARLIER = 20  # blocks of the earlier R2
CLIP = 3.0  # standard deviations of a block's gain at which its excess over the required gain is clipped
WAGERS = np.array([0.1, 0.2, 0.4, 0.7, 0.95]) / CLIP  # bets by standard deviation; capital stays above 0 below 1 / CLIP
HIGHEST = 50.0  # log of the detector, which would otherwise grow without bound where nobody restarts it


def empty_decline(horizons: Sequence[int]) -> DeclineState:
    """The detector before any block."""
    count = len(horizons)
    none = np.zeros(count)
    recent = np.full((RECENT_BLOCKS, 2, count), np.nan)
    return DeclineState(np.full((count, len(WAGERS)), -np.inf), none, none, none, recent, empty_skill(1, count, 1))


def find_gapped_blocks(tick: int, horizons: Sequence[int]) -> tuple[Bools, Bools, Bools]:
    """Whether the forecast that comes due with this tick opens, is in and closes a block, (H,) each.

    A block has the forecasts made at MIN_BLOCK_TICKS ticks in a row; the h - 1 that follow are left out, as their targets end in the next block.
    """
    ahead = np.asarray(horizons)
    phase = (tick - ahead) % (MIN_BLOCK_TICKS + ahead - 1)
    return phase == 0, phase < MIN_BLOCK_TICKS, phase == MIN_BLOCK_TICKS - 1


def recent_ticks(horizons: Sequence[int]) -> int:
    """The ticks that the recent blocks span at the longest horizon."""
    return RECENT_BLOCKS * (MIN_BLOCK_TICKS + max(horizons) - 1)


def update_decline(state: DeclineState, gain: Floats, power: Floats, scored: Bools, tick: int, horizons: Sequence[int]) -> DeclineState:
    """Add the gain and power (H,), means over symbols, of the forecasts that come due with this tick where they are `scored` (H,)."""
    opens, inside, closes = find_gapped_blocks(tick, horizons)
    counted = inside & scored
    sums = np.array((state.open_gain, state.open_power, state.open_ticks)) * ~opens
    sums += np.where(counted, np.array((gain, power, counted)), 0.0)
    after = replace(state, open_gain=sums[0], open_power=sums[1], open_ticks=sums[2])
    complete = closes & (sums[2] > 0.0)
    return _close_blocks(after, complete) if complete.any() else after


def decline_figures(state: DeclineState, horizons: Sequence[int]) -> tuple[DeclineFigures, ...]:
    """The figures of each horizon."""
    earlier_r2, required, _ = _reference(state)
    with np.errstate(invalid="ignore", divide="ignore"):
        recent = np.nansum(state.recent, axis=0)
        recent_r2 = recent[0] / recent[1]
    e_values, count = np.exp(_log_e_value(state)), len(horizons)
    return tuple(
        DeclineFigures(
            horizon,
            _number(earlier_r2[place]),
            _number(recent_r2[place]),
            _number(required[place]),
            float(e_values[place]),
            count / ALPHA,
            int(state.earlier.blocks[0, place, 0]),
        )
        for place, horizon in enumerate(horizons)
    )


def declined_horizons(state: DeclineState) -> Bools:
    """(H,) whether a decline is signalled. The H horizons share the error, so that each has to reach H / ALPHA."""
    return np.asarray(_log_e_value(state) >= np.log(len(state.open_gain) / ALPHA))


def has_declined(state: DeclineState) -> bool:
    """Whether a decline is signalled at any horizon."""
    highest = float(state.log_detector.max(initial=-np.inf))  # not below the log of the mean over the wagers
    return highest >= math.log(len(state.open_gain) / ALPHA) - 1.0 and bool(declined_horizons(state).any())


def restart_decline(state: DeclineState, horizons: Bools | None = None) -> DeclineState:
    """Forget the earlier gains and start the detector anew, at the `horizons` (H,) that are true; by default those with a signal."""
    again = declined_horizons(state) if horizons is None else horizons
    return DeclineState(
        np.where(again[:, None], -np.inf, state.log_detector),
        np.where(again, 0.0, state.open_gain),
        np.where(again, 0.0, state.open_power),
        np.where(again, 0.0, state.open_ticks),
        np.where(again, np.nan, state.recent),
        SkillSums(np.where(again[:, None], 0.0, state.earlier.sums)),
    )


def _close_blocks(state: DeclineState, complete: Bools) -> DeclineState:
    """Bet on the excess of the closed block, then let the oldest recent block pass to the earlier ones."""
    _, required, scale = _reference(state)
    bet = complete & np.isfinite(required)
    excess = np.where(bet, state.open_gain - required * state.open_power, 0.0) / np.where(bet, scale, 1.0)
    log_bet = np.log1p(-np.clip(excess, -CLIP, CLIP)[:, None] * WAGERS)
    detector = np.where(bet[:, None], np.minimum(np.logaddexp(0.0, state.log_detector) + log_bet, HIGHEST), state.log_detector)
    oldest = np.where(complete, state.recent[-1], np.nan)
    passes = np.isfinite(oldest[0])
    lagged = np.where(passes, oldest, 0.0)
    sums = np.stack((lagged[0], lagged[0] ** 2, lagged[1], passes * 1.0))[:, None, :, None]
    recent = np.where(complete, np.concatenate((np.stack((state.open_gain, state.open_power))[None], state.recent[:-1])), state.recent)
    return replace(state, log_detector=detector, recent=recent, earlier=add_scores(state.earlier, sums, passes * 1.0))


def _reference(state: DeclineState) -> tuple[Floats, Floats, Floats]:
    """(H,) the earlier R2, the R2 that is required (NaN where there is not enough to lose) and the standard deviation of a block's gain."""
    blocks, variance = (part[0, :, 0] for part in sampling_variance(state.earlier))
    power, gain = state.earlier.power[0, :, 0], state.earlier.gain[0, :, 0]
    enough = (blocks >= MIN_EARLIER) & (power > 0.0)
    r2 = np.where(enough, gain, np.nan) / np.where(enough, power, 1.0)
    required = np.minimum(RETAINED * r2, r2 - Z_ONE_SIDED * np.sqrt(variance) / np.where(enough, power, 1.0))
    scale = np.sqrt(state.earlier.block_squared[0, :, 0] / np.maximum(blocks, 1.0))
    return r2, np.where((required > 0.0) & (scale > 0.0), required, np.nan), scale


def _log_e_value(state: DeclineState) -> Floats:
    """(H,) log of the mean of the detectors over the wagers."""
    return np.asarray(np.logaddexp.reduce(state.log_detector, axis=1) - np.log(state.log_detector.shape[1]))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
