"""Twenty seeds of each market whose truth is known, with every setting as it is by default: `make proof` (PODIUM_PROOF_SEEDS for fewer)."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pytest

from tests.controls import Told, oracle, watch

SEEDS = range(101, 101 + int(os.environ.get("PODIUM_PROOF_SEEDS", "20")))
WARM = 3_000  # bars
BARS = 6_000
LAPSE = 3_000  # bars after which nothing is held once a signal has died
FEW = max(1, len(SEEDS) // 20)  # seeds that may fail where one in twenty may


def seen(**market: object) -> list[Told]:
    """What came of every seed, two at a time."""
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(_one, market), SEEDS))


def _one(market: dict[str, object], seed: int) -> Told:
    return watch(seed=seed, **market)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def nothing() -> list[Told]:
    """A martingale that costs nothing to trade."""
    return seen(signal=0.0, bars=BARS, counted_from=WARM, free=True)


def quiet(told: Told) -> bool:
    """Whether a market was left alone, and for want of skill."""
    return told.holds >= 0.99 and told.binding.get("proven skill", 0.0) >= 0.9


def test_where_nothing_can_be_known_nothing_is_traded_although_it_is_free(nothing: list[Told]) -> None:
    for told in nothing:
        print(f"holds {told.holds:.4f}, skill binds {told.binding.get('proven skill', 0.0):.4f}, trades {told.trades}")
    assert sum(told.holds < 0.99 for told in nothing) <= FEW
    assert sum(told.binding.get("proven skill", 0.0) < 0.9 for told in nothing) <= FEW


def test_without_the_skill_gate_the_same_markets_would_be_traded() -> None:
    told = watch(0.0, SEEDS[0], BARS, counted_from=WARM, free=True, believed=True)
    print(f"holds {told.holds:.4f}, trades {told.trades}, net {told.net:+.2%}")
    assert not quiet(told)


def test_a_small_signal_is_found_and_pays_at_default_costs() -> None:
    markets = seen(signal=0.02, bars=BARS, counted_from=WARM)
    with ProcessPoolExecutor(2) as pool:
        best = list(pool.map(oracle, [0.02] * len(SEEDS), SEEDS, [BARS] * len(SEEDS)))
    for told, ceiling in zip(markets, best, strict=True):
        print(f"found at {told.found_at}, net {told.net:+.2%}, the oracle {ceiling:+.2%}, share {told.net / ceiling:.2f}, trades {told.trades}")
    assert sum(told.found_at is None for told in markets) <= FEW
    paid = [told.net > 0 and told.net >= 0.3 * ceiling for told, ceiling in zip(markets, best, strict=True)]
    share = sum(told.net for told in markets) / sum(best)
    print(f"{sum(paid)} of {len(paid)} paid with at least 30 % of the oracle's; all together {share:.2f} of it")
    assert paid.count(False) <= 2 * FEW


def test_a_signal_that_dies_takes_size_to_zero() -> None:
    for told in seen(signal=0.05, bars=BARS + LAPSE + 500, counted_from=WARM, dies_at=BARS):
        after = np.flatnonzero(told.exposure[BARS:] > 1e-6)
        print(f"gross before {told.exposure[BARS - 500 : BARS].mean():.3f}, last held {after[-1] if len(after) else 0} bars after")
        assert told.exposure[BARS - 500 : BARS].mean() > 0.05
        assert told.exposure[BARS + LAPSE :].max() == 0.0
