"""Markets with a known truth, one seed of each; the long proof plays twenty (`make proof`)."""

from __future__ import annotations

from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
import pytest

from tests.controls import Told, watch

BARS, WARM = 2_000, 1_400
DIES, LAPSE = 1_800, 3_000  # bar at which the signal ends, bars after which nothing is held


@pytest.fixture(scope="module")
def markets() -> dict[str, Future[Told]]:
    with ProcessPoolExecutor(2) as pool:
        return {
            "nothing": pool.submit(watch, 0.0, 101, BARS, counted_from=WARM, free=True),
            "believed": pool.submit(watch, 0.0, 101, WARM + 200, counted_from=WARM, free=True, believed=True),
            "dying": pool.submit(watch, 0.05, 101, DIES + LAPSE + 100, counted_from=WARM, dies_at=DIES),
        }


def quiet(told: Told) -> bool:
    """Whether a market was left alone, and for want of skill."""
    return told.holds >= 0.99 and told.binding.get("proven skill", 0.0) >= 0.9


def test_where_nothing_can_be_known_nothing_is_traded_although_it_is_free(markets: dict[str, Future[Told]]) -> None:
    assert quiet(markets["nothing"].result())


def test_without_the_skill_gate_the_same_market_would_be_traded(markets: dict[str, Future[Told]]) -> None:
    told = markets["believed"].result()
    assert told.trades > 0
    assert not quiet(told)


def test_a_signal_is_found_and_pays_and_when_it_dies_size_goes_to_zero(markets: dict[str, Future[Told]]) -> None:
    told = markets["dying"].result()
    assert told.found_at is not None
    assert told.found_at < DIES
    assert told.net > 0
    assert np.mean(told.exposure[DIES - 300 : DIES]) > 0.05
    assert np.max(told.exposure[DIES + LAPSE :]) == 0.0
