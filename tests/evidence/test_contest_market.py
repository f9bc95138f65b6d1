"""Contests on simulated markets, read after every tick: how often they err and what they find. `make proof` has more runs and all horizons."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from engine.domain.evolution import BETTER, EQUIVALENT, WORSE
from engine.evidence import contest
from tests.evidence.contest_market import MARGIN, count_false, first_verdicts, race, simulate

RUNS, ALPHA = 250, 0.1
MOST = int(binom.ppf(0.999, RUNS, ALPHA))  # errors at most, where each run errs with the probability ALPHA


@pytest.mark.parametrize(("horizon", "ticks"), [(1, 700), (12, 1_400)])
def test_mirrored_noise_is_seldom_found_better_or_worse(horizon: int, ticks: int) -> None:
    gain, power, _ = simulate("mirrored", horizon, runs=RUNS, ticks=ticks, seed=1)
    for signed in (gain, -gain):
        verdicts, _ = first_verdicts(signed, power, horizon, ALPHA, margin=0.0)
        assert (verdicts == BETTER).sum() <= MOST


def test_other_noise_is_seldom_found_better_unless_it_was_so_far() -> None:
    gain, power, expected = simulate("noise", 3, runs=RUNS, ticks=900, seed=2)
    verdicts, when = first_verdicts(gain, power, 3, ALPHA)
    assert count_false(verdicts, when, expected, MARGIN) <= MOST


def test_a_session_of_50_contests_on_noise_errs_as_often_as_its_alpha_allows() -> None:
    """50 contests on one market each, with errors that share alpha; all of them at once, so that they depend on each other."""
    sessions, contests = 60, 50
    draw = np.random.default_rng(3)
    target = draw.standard_t(4, (300, sessions, 1)) / np.sqrt(2.0)
    forecast = 0.2 * draw.normal(size=(300, sessions, contests))
    gain = (4.0 * forecast * target).reshape(300, -1, 1)
    shares = np.array([contest.contest_alpha_of(number, 0.2) for number in range(1, contests + 1)])
    verdicts, _ = first_verdicts(gain, np.ones((300, 1, 1)), 1, np.tile(shares, sessions), margin=0.0)
    false = (verdicts == BETTER).reshape(sessions, contests).any(axis=1)
    assert false.sum() <= binom.ppf(0.999, sessions, 0.2)


def test_a_challenger_that_adds_skill_is_found_better() -> None:
    gain, power, _ = simulate("adds", 1, runs=60, ticks=1_500, seed=4, r2=0.03)
    verdicts, when = first_verdicts(gain, power, 1, 0.025 / 3)
    assert (verdicts == BETTER).mean() > 0.9
    assert np.median(when) < 600


def test_a_flipped_forecast_is_found_worse_and_its_predecessor_better() -> None:
    gain, power, _ = simulate("flipped", 1, runs=60, ticks=500, seed=5)
    for signed, verdict in ((gain, WORSE), (-gain, BETTER)):
        verdicts, when = first_verdicts(signed, power, 1, 0.025 / 3)
        assert (verdicts == verdict).mean() > 0.95
        assert np.median(when) < 200


def test_a_close_twin_is_found_equivalent() -> None:
    gain, power, _ = simulate("twin", 1, runs=40, ticks=1_500, seed=6, alike=0.9999)
    verdicts, _ = first_verdicts(gain, power, 1, 0.025)
    assert (verdicts == EQUIVALENT).mean() > 0.8
    assert not (verdicts == WORSE).any()


def test_clipping_turns_no_winner() -> None:
    """Of runs with a verdict, the mean gain has the verdict's sign without the gains beyond the clip as well."""
    gain, power, _ = simulate("flipped", 1, runs=40, ticks=400, seed=7)
    *_, contests = race(gain, power, 1)
    decided = contest.judge_contests(contests, np.full(40, 0.025), 10**9) == WORSE
    assert decided.sum() > 30
    assert contest.survives_clipping(contests)[decided].all()
