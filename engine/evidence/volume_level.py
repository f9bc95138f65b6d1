"""Volume against the range prices travel: a busy market has more of both, a change in how volume is counted moves one alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from engine.domain.incidents import VolumeLevel
from engine.domain.record import Bools, Floats
from engine.evidence.trading_calendar import HALF_HOUR, HALF_HOURS_PER_DAY

MEMORY = 1_440  # bars
ENOUGH = 1_000  # bars measured before anything is called a change
LEARNED_BARS = 60  # bars after which a new level is the normal one
IN_A_ROW = 3.0  # bars
LEAST = float(np.log(5.0))  # of the universe's median, up or down
PLAIN, WORTH = float(np.log(10.0)), 1.5  # a bar so far off counts for one and a half: two of them will do
NOISES = 5.0  # deviations of the universe's median
FLOOR = 0.25  # share of the mean range that is added to a range: a bar without one says little


def initial_volume_level(symbols: int) -> VolumeLevel:
    nothing = np.full(symbols, np.nan)
    return VolumeLevel(0, 0, nothing, nothing, np.full(HALF_HOURS_PER_DAY, np.nan), 1.0, 0.0, 0)


def update_volume_level(before: VolumeLevel, opens: int, interval: int, traded: Bools, bar: Floats) -> tuple[VolumeLevel, Floats | None]:
    """The level after a bar (5, S), and, where its last bars show a change of the universe's volume, by how much, log, (S,).

    A bar counts where at least half of the universe traded.
    """
    reach = np.log(bar[1] / bar[2])
    measured = traded & (bar[4] > 0.0) & (reach >= 0.0) & np.isfinite(bar[4] + reach)
    if 2 * np.count_nonzero(measured) < len(measured):
        return before, None
    if not measured.all():
        reach = np.where(measured, reach, np.nan)
    gain = max(1.0 / (before.bars + 1.0), 1.0 / MEMORY)
    usual = np.where(np.isnan(before.mean_range), reach, before.mean_range)
    told = np.log(np.where(measured, bar[4], np.nan) / (reach + FLOOR * usual + 1e-9))
    level = np.where(np.isnan(before.level), told, before.level)
    beside = told - level
    place = opens // HALF_HOUR % HALF_HOURS_PER_DAY
    middle = _middle(beside)
    habit = float(before.profile[place])
    habit = 0.0 if math.isnan(habit) else habit
    far = middle - habit
    if not measured.all():
        beside, reach = np.where(measured, beside, 0.0), np.where(measured, reach, usual)
    seen = before.bars_total + 1
    variance = before.variance + max(1.0 / seen, 1.0 / MEMORY) * (min(far * far, 9.0 * before.variance + 0.01) - before.variance)
    beyond, since = _in_a_row(before, opens, far)
    profile = before.profile
    if not 0.0 < abs(beyond) < 2.0 * IN_A_ROW:
        profile = profile.copy()
        profile[place] = habit + min(0.2, 1.0 - 0.5 ** (interval / HALF_HOUR)) * (middle - habit)
    after = VolumeLevel(before.bars + 1, seen, level + gain * beside, usual + gain * (reach - usual), profile, variance, beyond, since)
    moved = told - before.level - habit
    if abs(beyond) < IN_A_ROW or not _together(moved, far):
        return after, None
    return replace(after, bars=1, level=np.where(measured, told - habit, after.level), bars_beyond=0.0), moved


def _in_a_row(before: VolumeLevel, opens: int, far: float) -> tuple[float, int]:
    """Bars in a row beyond the limit, counted, with their sign, and when they began."""
    if before.bars_total < ENOUGH or before.bars < LEARNED_BARS or abs(far) < max(LEAST, NOISES * before.variance**0.5):
        return 0.0, opens
    counted = math.copysign(WORTH if abs(far) > PLAIN else 1.0, far)
    return (before.bars_beyond + counted, before.since) if before.bars_beyond * counted > 0 else (counted, opens)


def _together(moved: Floats, far: float) -> bool:
    """Whether three in four of the symbols moved at least half as far."""
    known = moved[np.isfinite(moved)]
    return bool(np.count_nonzero(known * np.sign(far) > 0.5 * LEAST) >= 0.75 * len(known))


def _middle(values: Floats) -> float:
    """The median of what is not NaN."""
    ordered = np.sort(values)
    count = int(np.searchsorted(ordered, np.nan))
    half = count // 2
    return float(ordered[half]) if count % 2 else 0.5 * float(ordered[half - 1] + ordered[half])
