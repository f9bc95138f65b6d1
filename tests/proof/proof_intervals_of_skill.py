"""How often a bound on skill, watched for long, is ever wrong: forecasts of any persistence, targets that overlap, and sums that forget."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.domain.trading_config import TradingConfig
from engine.evidence import skill
from tests.evidence import chance

RUNS, TICKS = 1_000, 6_000
LIFE = 100_000  # ticks
COLUMNS = ("1 bar", "3 bars", "12 bars", "silencing")


def at_most(promised: float, runs: int) -> float:
    return promised + 3.0 * math.sqrt(promised * (1.0 - promised) / runs)


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("kind", chance.KINDS)
def test_a_bound_watched_for_six_thousand_ticks(kind: str, noise: float) -> None:
    truth = np.array([-noise * noise] * 3 + [0.0])[:, None]
    found = [chance.watch(chance.scores(kind, noise=noise, runs=250, ticks=TICKS, seed=seed), truth) for seed in range(RUNS // 250)]
    above, outside = (np.concatenate([getattr(part, name) for part in found], axis=1).mean(axis=1) for name in ("above", "outside"))
    told = ", ".join(f"{name} {over:.1%} / {out:.1%}" for name, over, out in zip(COLUMNS, above, outside, strict=True))
    print(f"{kind} {noise}: bound above the truth / interval without it: {told}")
    assert (above <= at_most(chance.ONE_SIDED, RUNS)).all()
    assert (outside <= at_most(skill.DISPLAY_ALPHA, RUNS)).all()


@pytest.mark.parametrize("tail", [4, 0])
def test_a_bound_that_forgets_is_wrong_for_a_thousandth_of_the_time(tail: int) -> None:
    """Gains without worth, block by block; those with heavy tails are correlated with their neighbours."""
    draw = np.random.default_rng(1)
    memory, held, last = 0.5 ** (skill.MIN_BLOCK_TICKS / TradingConfig().skill_halflife), skill.empty_skill(1, 1, RUNS), np.zeros(RUNS)
    ever, wrong, blocks = np.zeros(RUNS, dtype=bool), 0.0, LIFE // skill.MIN_BLOCK_TICKS
    for block in range(blocks):
        gain, last = _next(draw, tail, last)
        sums = np.array((gain, gain * gain, np.full(RUNS, 20.0), np.full(RUNS, 12.0)))[:, None, None]
        held = skill.add_scores(held, sums, np.ones(1), memory=memory)
        ratio, reach, _ = skill.confidence_interval(held, 2.0 * chance.ONE_SIDED)
        above = (ratio - reach > 0.0)[0, 0]
        ever |= above
        wrong += above.mean() / blocks
        if (block + 1) * skill.MIN_BLOCK_TICKS // 20_000 > block * skill.MIN_BLOCK_TICKS // 20_000:
            print(f"tail {tail}, {(block + 1) * skill.MIN_BLOCK_TICKS:,} ticks: ever wrong in {ever.mean():.1%}, {wrong:.3%} of the time")
    assert wrong < 0.001
    assert ever.mean() < 0.04


def _next(draw: np.random.Generator, tail: int, last: Floats) -> tuple[Floats, Floats]:
    shock = draw.standard_t(tail, len(last)) if tail else draw.normal(size=len(last))
    return shock + (0.4 if tail else 0.0) * last, shock
