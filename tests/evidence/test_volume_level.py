"""The level of volume relative to range, worked by hand: what a bar adds, which changes are detected, and when they are forgotten."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.incidents import VolumeLevel
from engine.domain.record import Floats
from engine.evidence import volume_level
from engine.evidence.trading_calendar import HALF_HOUR

MINUTE = HALF_HOUR // 30
RANGE = 0.02  # log range of every bar
PLAIN = math.log(1_000.0 / (1.25 * RANGE + 1e-9))  # of a volume of 1,000
FOUR = np.ones(4, dtype=bool)


def bar(*volumes: float, log_range: float = RANGE) -> Floats:
    """(5, S) open, high, low, close and volume."""
    ones = np.ones(len(volumes))
    return np.array((100.0 * ones, 100.0 * math.exp(log_range) * ones, 100.0 * ones, 100.0 * ones, volumes))


def settled(symbols: int = 4, variance: float = 0.01) -> VolumeLevel:
    """A level of 1,000 that has been measured for long enough."""
    return replace(
        volume_level.initial_volume_level(symbols),
        bars=60,
        bars_total=1_000,
        level=np.full(symbols, PLAIN),
        mean_range=np.full(symbols, RANGE),
        variance=variance,
    )


def follow(before: VolumeLevel, *factors: float) -> tuple[VolumeLevel, list[Floats | None]]:
    """Bars a minute apart in which every symbol trades 1,000 times the factor."""
    found = []
    for number, factor in enumerate(factors):
        before, moved = volume_level.update_volume_level(before, number * MINUTE, MINUTE, FOUR, bar(*[1_000.0 * factor] * 4))
        found.append(moved)
    return before, found


def test_the_first_bar_is_the_level_and_the_second_moves_it_by_half() -> None:
    blank = volume_level.initial_volume_level(2)
    first, moved = volume_level.update_volume_level(blank, 3 * HALF_HOUR, MINUTE, np.ones(2, dtype=bool), bar(1_000.0, 2_000.0))
    assert moved is None
    np.testing.assert_allclose(first.level, [PLAIN, PLAIN + math.log(2.0)])
    np.testing.assert_allclose(first.mean_range, RANGE)
    assert (first.bars, first.bars_total, first.variance, first.bars_beyond) == (1, 1, 0.0, 0.0)
    second, _ = volume_level.update_volume_level(first, 3 * HALF_HOUR + MINUTE, MINUTE, np.ones(2, dtype=bool), bar(3_000.0, 10_000.0))
    relative = np.array([math.log(3.0), math.log(5.0)])
    np.testing.assert_allclose(second.level, first.level + 0.5 * relative)
    assert second.variance == pytest.approx(0.5 * 0.01)  # a deviation counts for no more than 9 times the variance and 0.01
    assert second.profile[3] == pytest.approx((1.0 - 0.5 ** (1.0 / 30.0)) * relative.mean())
    assert np.isnan(np.delete(second.profile, 3)).all()
    hourly, _ = volume_level.update_volume_level(first, 3 * HALF_HOUR, 2 * HALF_HOUR, np.ones(2, dtype=bool), bar(3_000.0, 10_000.0))
    assert hourly.profile[3] == pytest.approx(0.2 * relative.mean())


def test_a_range_that_widens_is_divided_by_and_the_means_move_slowly_later_on() -> None:
    before = replace(settled(), bars=5_000, bars_total=5_000)
    after, _ = volume_level.update_volume_level(before, 0, MINUTE, FOUR, bar(*[1_000.0] * 4, log_range=2.0 * RANGE))
    relative = math.log(1_000.0 / (2.25 * RANGE + 1e-9)) - PLAIN
    np.testing.assert_allclose(after.level, PLAIN + relative / 1_440.0)
    np.testing.assert_allclose(after.mean_range, RANGE + RANGE / 1_440.0)
    assert after.variance == pytest.approx(0.01 + (min(relative**2, 0.1) - 0.01) / 1_440.0)
    assert (after.bars, after.bars_total) == (5_001, 5_001)


def test_a_symbol_without_a_trade_keeps_its_level_and_half_of_them_are_needed() -> None:
    before = settled()
    traded = np.array([True, True, False, True])
    volumes = (2_000.0, 2_000.0, 7_000.0, 0.0)  # the third is marked as not traded, the fourth has no volume
    after, moved = volume_level.update_volume_level(before, 0, MINUTE, traded, bar(*volumes))
    assert moved is None
    assert (after.level[2:] == PLAIN).all()
    np.testing.assert_allclose(after.level[:2], PLAIN + math.log(2.0) / 61.0)
    same, _ = volume_level.update_volume_level(before, 0, MINUTE, np.array([True, False, False, True]), bar(*volumes))
    assert same is before


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("factor", "bars"), [(4.9, None), (5.4, 3), (9.9, 3), (10.6, 2), (40.0, 2)])
def test_five_times_the_volume_is_a_change_after_three_bars_and_ten_times_after_two(factor: float, bars: int | None, sign: float) -> None:
    after, found = follow(settled(), *[factor**sign] * 3)
    detected = [number for number, moved in enumerate(found, 1) if moved is not None]
    assert detected[:1] == ([] if bars is None else [bars])
    if bars is None:
        assert (after.bars, after.bars_beyond) == (63, 0.0)
        return
    moved = found[bars - 1]
    assert moved is not None
    np.testing.assert_allclose(moved, sign * math.log(factor), rtol=0.05)  # the level has followed by a sixtieth a bar
    changed, _ = follow(settled(), *[factor**sign] * bars)
    assert (changed.bars, changed.bars_total, changed.bars_beyond) == (1, 1_000 + bars, 0.0)
    np.testing.assert_allclose(changed.level, PLAIN + sign * math.log(factor))


def test_a_change_counts_from_five_deviations_once_enough_is_known_and_only_in_a_row() -> None:
    assert follow(settled(variance=0.25), *[10.6] * 3)[0].bars_beyond == 0.0  # 2.4 is less than five times 0.5
    assert follow(replace(settled(), bars_total=999), 6.0)[0].bars_beyond == 0.0
    assert follow(replace(settled(), bars=59), 6.0)[0].bars_beyond == 0.0
    once, _ = follow(settled(), 6.0)
    assert (once.bars_beyond, once.since) == (1.0, 0)
    twice, _ = follow(settled(), 1.0, 6.0, 12.0)
    assert (twice.bars_beyond, twice.since) == (2.5, MINUTE)
    turned, _ = follow(settled(), 6.0, 1.0 / 6.0)
    assert (turned.bars_beyond, turned.since) == (-1.0, MINUTE)
    over, _ = follow(settled(), 6.0, 1.0)
    assert (over.bars_beyond, over.since) == (0.0, MINUTE)


def test_a_change_is_of_the_universe_where_three_in_four_share_it() -> None:
    deviation = math.log(6.0)
    alike, half, still = deviation, 0.51 * math.log(5.0), 0.0
    assert volume_level._is_shared(np.array([alike, half, half, still]), deviation)
    assert not volume_level._is_shared(np.array([alike, alike, still, still]), deviation)
    assert volume_level._is_shared(np.array([alike, half, half, np.nan]), deviation)
    assert not volume_level._is_shared(np.array([alike, alike, alike, 0.49 * math.log(5.0), still]), deviation)
    assert volume_level._is_shared(-np.array([alike, half, half, still]), -deviation)
    assert not volume_level._is_shared(np.array([alike, half, half, still]), -deviation)


@pytest.mark.parametrize(
    ("values", "median"), [([3.0, 1.0, np.nan, 2.0], 2.0), ([4.0, np.nan, 1.0, 2.0, 3.5], 2.75), ([7.0], 7.0), ([7.0, 1.0], 4.0)]
)
def test_the_median_leaves_out_what_is_unknown(values: list[float], median: float) -> None:
    assert volume_level._nan_median(np.array(values)) == median
