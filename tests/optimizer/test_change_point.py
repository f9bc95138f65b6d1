"""The change-point test: false alarms as seldom as promised, and changes detected soon."""

from __future__ import annotations

import math
from statistics import median

import pytest

from engine.optimizer.change_point import (
    MIN_BASELINE,
    NO_EVIDENCE,
    ChangePointState,
    baseline_quartile,
    conformal_p_value,
    median_or_nan,
    update_evidence,
)
from tests.optimizer.alarms import alarms_of, blocks_until_alarm


def test_false_alarms_are_no_more_often_than_promised() -> None:
    watched, alarms = alarms_of(every=100.0, runs=12, blocks=1_000)
    assert alarms <= watched / 100


@pytest.mark.parametrize(("shift", "blocks"), [(3.0, 8.0), (2.0, 12.0)])
def test_a_change_is_found_in_some_blocks(shift: float, blocks: float) -> None:
    waits = [blocks_until_alarm(shift, every=10_080.0, before=120, seed=seed) for seed in range(20)]
    assert all(wait is not None and wait > 0 for wait in waits)
    assert median(wait for wait in waits if wait is not None) <= blocks


def test_a_change_for_the_better_is_no_alarm() -> None:
    assert blocks_until_alarm(-3.0, every=1_000.0, before=120, seed=1) is None


USUAL = tuple(float(value) for value in range(MIN_BASELINE))  # 0 to 19


@pytest.mark.parametrize(
    ("value", "above", "as_bad"),
    [(25.0, True, 1), (19.0, True, 2), (18.5, True, 2), (9.5, True, 11), (-1.0, True, 21), (-1.0, False, 1), (0.0, False, 2), (25.0, False, 21)],
)
def test_a_rank_counts_the_blocks_that_are_as_bad_or_worse_and_the_new_one(value: float, above: bool, as_bad: int) -> None:
    assert conformal_p_value(USUAL, value, above=above) == as_bad / 21


def test_the_evidence_after_a_block_worked_by_hand() -> None:
    """The worst of 21 has p = 1/21; the mean of e p^(e - 1) over the four bets; nothing was known, so money is 1 + 0 times that."""
    bet = (0.15 * 21**0.85 + 0.3 * 21**0.7 + 0.5 * 21**0.5 + 0.75 * 21**0.25) / 4
    first = update_evidence(ChangePointState(USUAL), 25.0, above=True, most=100)
    assert first.evidence == pytest.approx(bet, rel=1e-12)
    assert first.baseline == (*USUAL, 25.0)
    second = update_evidence(first, 30.0, above=True, most=100)
    again = (0.15 * 22**0.85 + 0.3 * 22**0.7 + 0.5 * 22**0.5 + 0.75 * 22**0.25) / 4
    assert second.evidence == pytest.approx((1 + bet) * again, rel=1e-12)
    least = update_evidence(ChangePointState(USUAL, 3.0), -1.0, above=True, most=100)
    assert least.evidence == pytest.approx(4.0 * (0.15 + 0.3 + 0.5 + 0.75) / 4)  # p = 1


def test_before_twenty_blocks_there_is_no_evidence_and_the_baseline_is_bounded() -> None:
    change = NO_EVIDENCE
    for place in range(MIN_BASELINE):
        change = update_evidence(change, 10.0**place, above=True, most=100)
        assert change.evidence == 0.0
    assert update_evidence(change, 1e30, above=True, most=100).evidence > 0.0
    assert len(update_evidence(ChangePointState(USUAL), 1.0, above=True, most=21).baseline) == 21
    assert update_evidence(ChangePointState(USUAL), 1.0, above=True, most=20).baseline == (*USUAL[10:], 1.0)  # the older half is let go


def test_the_usual_ends_at_the_quartile_on_the_bad_side() -> None:
    assert (baseline_quartile(USUAL, above=True), baseline_quartile(USUAL, above=False)) == (14.25, 4.75)
    assert median_or_nan(USUAL) == 9.5
    assert math.isnan(median_or_nan(()))
