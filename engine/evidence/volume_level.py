"""Volume relative to the range of prices: a busy market has more of both, a change in the unit of volume affects volume alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.domain.incidents import VolumeLevel
from engine.domain.record import Bools, Floats
from engine.evidence.trading_calendar import HALF_HOUR, HALF_HOURS_PER_DAY

MEMORY = 1_440  # bars
MIN_MEASURED = 1_000  # measured bars before a change is detected
LEARNED_BARS = 60  # bars after which a new level counts as normal
MIN_BARS = 3.0  # in a row
MIN_CHANGE = float(np.log(5.0))  # log change of the universe's median, up or down
LARGE_CHANGE, LARGE_WEIGHT = float(np.log(10.0)), 1.5  # a bar with so large a change counts for one and a half, so that two suffice
MIN_DEVIATIONS = 5.0  # deviations of the universe's median
FLOOR = 0.25  # share of the mean range added to a range, so that bars with a tiny range carry little weight


def initial_volume_level(symbols: int) -> VolumeLevel:
    """The state before the first bar."""
    nothing = np.full(symbols, np.nan)
    return VolumeLevel(0, 0, nothing, nothing, np.full(HALF_HOURS_PER_DAY, np.nan), 1.0, 0.0, 0)


def update_volume_level(before: VolumeLevel, opens: int, interval: int, traded: Bools, bar: Floats) -> tuple[VolumeLevel, Floats | None]:
    """Update the level with a bar (5, S); also returns the log change (S,) where the last bars show a change of the universe's volume.

    A bar counts where at least half of the universe traded.
    """
    log_range = np.log(bar[1] / bar[2])
    measured = traded & (bar[4] > 0.0) & (log_range >= 0.0) & np.isfinite(bar[4] + log_range)
    if 2 * np.count_nonzero(measured) < len(measured):
        return before, None
    if not measured.all():
        log_range = np.where(measured, log_range, np.nan)
    gain = max(1.0 / (before.bars + 1.0), 1.0 / MEMORY)
    mean_range = np.where(np.isnan(before.mean_range), log_range, before.mean_range)
    log_ratio = np.log(np.where(measured, bar[4], np.nan) / (log_range + FLOOR * mean_range + 1e-9))
    level = np.where(np.isnan(before.level), log_ratio, before.level)
    relative = log_ratio - level
    place = opens // HALF_HOUR % HALF_HOURS_PER_DAY
    median = _nan_median(relative)
    seasonal = float(before.profile[place])
    seasonal = 0.0 if math.isnan(seasonal) else seasonal
    deviation = median - seasonal
    if not measured.all():
        relative, log_range = np.where(measured, relative, 0.0), np.where(measured, log_range, mean_range)
    seen = before.bars_total + 1
    variance = before.variance + max(1.0 / seen, 1.0 / MEMORY) * (min(deviation * deviation, 9.0 * before.variance + 0.01) - before.variance)
    beyond, since = _count_deviations(before, opens, deviation)
    profile = before.profile
    if not 0.0 < abs(beyond) < 2.0 * MIN_BARS:
        profile = profile.copy()
        profile[place] = seasonal + min(0.2, 1.0 - 0.5 ** (interval / HALF_HOUR)) * (median - seasonal)
    after = VolumeLevel(
        before.bars + 1, seen, level + gain * relative, mean_range + gain * (log_range - mean_range), profile, variance, beyond, since
    )
    moved = log_ratio - before.level - seasonal
    if abs(beyond) < MIN_BARS or not _is_shared(moved, deviation):
        return after, None
    return replace(after, bars=1, level=np.where(measured, log_ratio - seasonal, after.level), bars_beyond=0.0), moved


def _count_deviations(before: VolumeLevel, opens: int, deviation: float) -> tuple[float, int]:
    """The weighted number of successive bars beyond the limit, with their sign, and the open of the first."""
    if before.bars_total < MIN_MEASURED or before.bars < LEARNED_BARS or abs(deviation) < max(MIN_CHANGE, MIN_DEVIATIONS * before.variance**0.5):
        return 0.0, opens
    counted = math.copysign(LARGE_WEIGHT if abs(deviation) > LARGE_CHANGE else 1.0, deviation)
    return (before.bars_beyond + counted, before.since) if before.bars_beyond * counted > 0 else (counted, opens)


def _is_shared(moved: Floats, deviation: float) -> bool:
    """Whether three in four of the symbols changed at least half as much as the median."""
    known = moved[np.isfinite(moved)]
    return bool(np.count_nonzero(known * np.sign(deviation) > 0.5 * MIN_CHANGE) >= 0.75 * len(known))


def _nan_median(values: Floats) -> float:
    """The median of the values that are not NaN."""
    ordered = np.sort(values)
    count = int(np.searchsorted(ordered, np.nan))
    half = count // 2
    return float(ordered[half]) if count % 2 else 0.5 * float(ordered[half - 1] + ordered[half])
