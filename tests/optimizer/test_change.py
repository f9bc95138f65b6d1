"""The change-point test: false alarms as seldom as promised, and found soon where something changed."""

from __future__ import annotations

from statistics import median

import pytest

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
