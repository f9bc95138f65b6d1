"""How often contests err on noise and how soon they find what is there, at 1, 3 and 12 bars, read after every tick: `make proof`."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from engine.domain.evolution import BETTER, EQUIVALENT, WORSE
from engine.domain.record import Ints
from engine.evidence import contest
from tests.evidence.contest_market import MARGIN, count_false, first_verdicts, race, simulate

RUNS = 1_000
TICKS = {1: 3_000, 3: 3_000, 12: 6_000}
ALPHA = 0.05
BUDGET = 6_000
FIRST, SECOND = contest.contest_alpha_of(1, ALPHA) / 3, contest.contest_alpha_of(2, ALPHA) / 3  # at each of three horizons


def describe(verdicts: Ints, when: Ints, wanted: int) -> str:
    """Share of runs with the wanted verdict, and the ticks that half and nine in ten of all runs took."""
    ticks = np.where(verdicts == wanted, when, np.inf)
    half, most = (f"{value:,.0f}" if np.isfinite(value) else "-" for value in np.quantile(ticks, [0.5, 0.9], method="higher"))
    return f"{(verdicts == wanted).mean():.1%} in {half} / {most} ticks"


@pytest.mark.parametrize("horizon", TICKS)
@pytest.mark.parametrize(("kind", "margin"), [("mirrored", 0.0), ("noise", MARGIN)])
def test_noise_is_found_better_as_seldom_as_alpha_says(kind: str, margin: float, horizon: int) -> None:
    gain, power, expected = simulate(kind, horizon, runs=RUNS, ticks=TICKS[horizon], seed=11, symbols=4)
    for sign in (1.0, -1.0):
        verdicts, when = first_verdicts(sign * gain, power, horizon, ALPHA, margin)
        false = count_false(verdicts, when, sign * expected, margin)
        print(f"{kind}, {horizon} bars: better in {(verdicts == BETTER).mean():.2%}, falsely in {false / RUNS:.2%} of {RUNS} runs")
        assert false <= binom.ppf(0.999, RUNS, ALPHA)


def test_sessions_of_50_contests_err_as_seldom_as_alpha_says() -> None:
    """50 contests on one market each, all at once; the forecasts of each are noise, mirrored."""
    sessions, contests, ticks = 400, 50, 600
    draw = np.random.default_rng(12)
    shares = np.tile([contest.contest_alpha_of(number, ALPHA) for number in range(1, contests + 1)], 50)
    false = 0
    for _ in range(sessions // 50):
        target = draw.standard_t(4, (ticks, 50, 1)) / np.sqrt(2.0)
        gain = (0.8 * draw.normal(size=(ticks, 50, contests)) * target).reshape(ticks, -1, 1)
        verdicts, _ = first_verdicts(gain, np.ones((ticks, 1, 1)), 1, shares, margin=0.0)
        false += int((verdicts == BETTER).reshape(50, contests).any(axis=1).sum())
    print(f"sessions with a false verdict: {false} of {sessions}")
    assert false <= binom.ppf(0.999, sessions, ALPHA)


@pytest.mark.parametrize("horizon", TICKS)
@pytest.mark.parametrize("r2", [0.01, 0.03, 0.05])
def test_a_challenger_that_adds_skill_is_found(horizon: int, r2: float) -> None:
    gain, power, _ = simulate("adds", horizon, runs=RUNS // 4, ticks=BUDGET, seed=13, r2=r2)
    for number, alpha in ((1, FIRST), (2, SECOND)):
        verdicts, when = first_verdicts(gain, power, horizon, alpha)
        print(f"adds {r2}, {horizon} bars, contest {number}: {describe(verdicts, when, BETTER)}")
        assert (verdicts == WORSE).mean() <= 0.02


@pytest.mark.parametrize("horizon", TICKS)
def test_a_flipped_forecast_is_found(horizon: int) -> None:
    gain, power, _ = simulate("flipped", horizon, runs=RUNS // 4, ticks=BUDGET, seed=14)
    verdicts, when = first_verdicts(gain, power, horizon, FIRST)
    print(f"flipped, {horizon} bars: {describe(verdicts, when, WORSE)}")
    assert (verdicts == WORSE).mean() > 0.95


@pytest.mark.parametrize("horizon", TICKS)
def test_a_twin_is_found_equivalent(horizon: int) -> None:
    for alike, margin in ((0.9999, MARGIN), (0.999, MARGIN), (0.999, 0.002), (0.99, 0.002)):
        gain, power, _ = simulate("twin", horizon, runs=RUNS // 10, ticks=BUDGET, seed=15, alike=alike)
        verdicts, when = first_verdicts(gain, power, horizon, contest.contest_alpha_of(1, ALPHA), margin)
        print(f"twin {alike}, margin {margin}, {horizon} bars: {describe(verdicts, when, EQUIVALENT)}; worse {(verdicts == WORSE).mean():.1%}")


@pytest.mark.parametrize("horizon", TICKS)
def test_clipping_turns_few_signs(horizon: int) -> None:
    gain, power, _ = simulate("adds", horizon, runs=RUNS // 4, ticks=BUDGET, seed=16, r2=0.03)
    *_, contests = race(gain, power, horizon)
    clipped, survives = contests.clipped.sum() / contests.blocks.sum(), contest.survives_clipping(contests).mean()
    print(f"{horizon} bars: {clipped:.2%} of blocks clipped; the sign survives in {survives:.1%} of runs")
    assert survives > 0.95
