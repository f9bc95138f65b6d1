"""Windows judged together: the wager, the verdicts, the intervals, harm at once, and the licence that remains."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.optimization import WindowOutcome
from engine.optimizer.harm import MIN_WINDOWS, is_far_worse
from engine.optimizer.licences import FUTILITY_WINDOWS, next_licence, parse_licence
from engine.optimizer.pooled_test import judge_pooled, standardised_gain
from engine.optimizer.randomisation_test import HARMED, HELPED, NO_EFFECT, NOT_ENOUGH_DATA
from engine.optimizer.wager import wealth


def pool(effect: float, windows: int, *, seed: int = 1, latency: float = 0.0, clean: float = 0.0, tails: float | None = None) -> list[WindowOutcome]:
    """Windows as the planner makes them: a change of -2 by itself, and the effects where treated."""
    chance = np.random.default_rng([seed, 9])
    made: list[WindowOutcome] = []
    for _ in range(windows):
        share = 0.5 if sum(not outcome.treated for outcome in made) < 8 else 0.8
        treated = bool(chance.random() < share)
        noise = float(chance.standard_normal() if tails is None else chance.standard_t(tails))
        other = float(chance.standard_normal())
        made.append(WindowOutcome(treated, share, -2.0 + noise + effect * treated, 0.1 * other + latency * treated, clean * treated))
    return made


@pytest.mark.parametrize("tails", [None, 2.0])
def test_a_useless_action_that_is_looked_at_after_every_window_is_called_helpful_in_two_of_a_hundred_at_most(tails: float | None) -> None:
    reached = 0
    for seed in range(200):
        made = pool(0.0, 60, seed=seed, tails=tails)
        columns = (
            np.array([outcome.treated for outcome in made]),
            np.array([outcome.probability for outcome in made]),
            np.array([outcome.change for outcome in made]),
        )
        reached += bool(wealth(*columns, rising=False).max() >= 50.0)
    assert reached <= 8  # more than 8 of 200 has a chance of 2 % at a rate of 2 %


def test_the_wager_is_fair_over_the_coin_whatever_the_changes_are() -> None:
    """All that is random is the coin: averaged over every way it can fall, the wealth is 1, for changes that trend."""
    change, share = np.array([1.0, 1.5, 2.5, 2.0, 4.0, 3.0, 6.0, 5.0]), np.array([0.5, 0.5, 0.5, 0.8, 0.8, 0.5, 0.8, 0.8])
    mean = 0.0
    for fall in range(2**8):
        treated = np.array([fall >> place & 1 for place in range(8)], dtype=np.bool_)
        mean += float(np.prod(np.where(treated, share, 1.0 - share)) * wealth(treated, share, change, rising=True)[-1])
    assert mean == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("effect", "better"), [(-3.0, -1), (3.0, 1)])
def test_what_helps_is_found_on_either_side(effect: float, better: int) -> None:
    judgement = judge_pooled(pool(effect, 40), better)
    assert judgement.verdict == HELPED
    assert judgement.effect.low is not None
    assert judgement.effect.high is not None
    assert judgement.effect.low < effect < judgement.effect.high
    assert judge_pooled(pool(effect, 40), -better).verdict == HARMED


def test_what_does_nothing_has_no_measurable_effect_and_an_interval_that_says_so() -> None:
    judgement = judge_pooled(pool(0.0, 60), -1)
    assert judgement.verdict == NO_EFFECT
    assert (judgement.effect.low or 0.0) < 0.0 < (judgement.effect.high or 0.0)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 5])
def test_what_was_found_to_help_has_an_interval_without_zero_also_when_it_has_done_little_since(seed: int) -> None:
    judgement = judge_pooled(pool(-2.0, 30, seed=seed) + pool(-0.1, 40, seed=seed + 100), -1)
    assert judgement.verdict == HELPED
    assert judgement.effect.high is not None
    assert judgement.effect.high < 0.0


@pytest.mark.parametrize("odd", [60.0, 2_000.0])
def test_an_effect_that_odd_windows_pull_out_of_its_interval_is_the_one_refused_least(odd: float) -> None:
    made = pool(-3.0, 40)
    at = next(place for place, outcome in enumerate(made) if outcome.treated and place > 30)
    judgement = judge_pooled([replace(outcome, change=odd) if place == at else outcome for place, outcome in enumerate(made)], -1).effect
    assert judgement.low is not None
    assert judgement.high is not None
    assert judgement.low <= judgement.effect <= judgement.high
    assert judgement.low <= -3.0 <= judgement.high


def test_below_eight_of_either_there_is_no_verdict_and_both_counts_are_reported() -> None:
    judgement = judge_pooled(pool(-50.0, 12), -1)
    assert min(judgement.treated, judgement.placebos) < 8
    assert (judgement.verdict, judgement.effect.low) == (NOT_ENOUGH_DATA, None)
    assert f"{judgement.treated} treated windows and {judgement.placebos} controls" in judgement.why
    empty = judge_pooled([], -1)
    assert (empty.verdict, empty.treated, empty.placebos) == (NOT_ENOUGH_DATA, 0, 0)


def test_harm_to_latency_or_the_clean_rate_outweighs_help() -> None:
    slow = judge_pooled(pool(-3.0, 40, latency=2.0), -1)
    assert slow.verdict == HARMED
    assert "ticks take longer" in slow.why
    degraded = judge_pooled(pool(-3.0, 40, clean=-20.0), -1)
    assert degraded.verdict == HARMED
    assert "fewer ticks are clean" in degraded.why


def test_what_was_not_measured_counts_for_nothing() -> None:
    made = pool(-3.0, 40)
    blind = [WindowOutcome(outcome.treated, outcome.probability, outcome.change, math.nan, math.nan) for outcome in made] + [
        WindowOutcome(True, 0.5, math.nan, 1.0, 0.0)
    ] * 5
    judgement = judge_pooled(blind, -1)
    assert (judgement.verdict, judgement.treated + judgement.placebos) == (HELPED, 40)
    assert math.isnan(judgement.latency.effect)


def test_a_metric_that_only_the_action_moves_is_judged_too() -> None:
    made = [WindowOutcome(outcome.treated, outcome.probability, -5e6 if outcome.treated else 0.0, math.nan, math.nan) for outcome in pool(0.0, 30)]
    judgement = judge_pooled(made, -1)
    assert (judgement.verdict, judgement.effect.effect) == (HELPED, -5e6)


def test_gains_are_in_scales_of_the_change_and_two_windows_prove_little() -> None:
    gain, scale, treated, placebos = standardised_gain(pool(-3.0, 60), -1)
    assert gain == pytest.approx(3.0, abs=1.0)
    assert scale == pytest.approx(1.0, abs=0.3)
    assert treated + placebos == 60
    two = [WindowOutcome(True, 0.5, -9.0, 0.0, 0.0), WindowOutcome(False, 0.5, 0.0, 0.0, 0.0)]
    assert abs(standardised_gain(two, -1)[0]) < 2.0
    assert standardised_gain([], -1)[0] == 0.0


def test_harm_at_once_needs_enough_windows_to_compare_with_and_a_change_far_outside_them() -> None:
    usual = np.random.default_rng(3).standard_normal(60)
    assert is_far_worse(9.0, usual, 1, 0.0)
    assert not is_far_worse(-9.0, usual, 1, 0.0)
    assert is_far_worse(-9.0, usual, -1, 0.0)
    assert not is_far_worse(3.5, usual, 1, 0.0)  # the worst of them, but not far
    assert not is_far_worse(9.0, usual[: MIN_WINDOWS - 1], 1, 0.0)
    assert not is_far_worse(9.0, usual, 1, 2.0)  # less than what is believed
    assert not is_far_worse(math.nan, usual, 1, 0.0)


def test_the_licence_that_is_left() -> None:
    harmed, useless, few = (
        judge_pooled(pool(3.0, 40), -1),
        judge_pooled(pool(0.0, FUTILITY_WINDOWS), -1),
        judge_pooled(pool(0.0, FUTILITY_WINDOWS - 20), -1),
    )
    assert (next_licence("auto", harmed) or ("",))[0] == "quarantined"
    assert (next_licence("recommend", harmed) or ("",))[0] == "quarantined"
    assert (next_licence("auto", useless) or ("",))[0] == "recommend"
    assert next_licence("auto", few) is None
    assert next_licence("quarantined", harmed) is None
    assert next_licence("auto", judge_pooled(pool(-3.0, 40), -1)) is None
    with pytest.raises(ValueError, match="licence is 'free': give auto, recommend, quarantined"):
        parse_licence("free")


def test_a_gain_worked_by_hand() -> None:
    """With: -5, -3, -4; without: 1, 0, 2. Medians -4 and 1; each lies 0, 1 or 1 from its own, so the scale is 1.4826."""
    made = [WindowOutcome(place < 3, 0.5, change, 0.0, 0.0) for place, change in enumerate((-5.0, -3.0, -4.0, 1.0, 0.0, 2.0))]
    np.testing.assert_allclose(standardised_gain(made, -1), (5.0 / 1.4826, 1.4826, 3, 3))
    np.testing.assert_allclose(standardised_gain(made, 1), (-5.0 / 1.4826, 1.4826, 3, 3))
    four = made[:2] + made[3:5]  # fewer than six: the scale is round one middle, that of -5, -3, 1, 0, which is -1.5
    np.testing.assert_allclose(standardised_gain(four, -1), (4.5 / (1.4826 * 2.0), 1.4826 * 2.0, 2, 2))
    still = [WindowOutcome(place < 3, 0.5, -4.0 if place < 3 else 1.0, 0.0, 0.0) for place in range(6)]
    np.testing.assert_allclose(standardised_gain(still, -1), (20.0, 0.25, 3, 3))  # a scale below 5 % of the difference is not believed
    np.testing.assert_allclose(standardised_gain(made[:3], -1), (0.0, 1.4826, 3, 0))
    assert standardised_gain([*made, WindowOutcome(True, 0.5, math.nan, 0.0, 0.0)], -1) == standardised_gain(made, -1)


def bet(treated: list[bool], chance: list[float], change: list[float], *, rising: bool) -> list[float]:
    """The wager, window after window, as its docstring says it."""
    money = [[1.0] for _ in range(6)]
    for place in range(len(change)):
        before = range(place)
        up, down = ([change[other] for other in before if treated[other] is kind] for kind in (True, False))
        stakes = [history[-1] for history in money]
        if up and down and place >= 3:
            middles = {True: float(np.median(up)), False: float(np.median(down))}
            apart = [abs(change[other] - middles[treated[other]]) for other in before]
            scale = 1.4826 * float(np.median(apart)) * math.sqrt(place / max(place - 2, 1)) * (1 + 1 / place)
            scale = max(scale, 0.05 * abs(middles[True] - middles[False]))
            sign = 1.0 if rising else -1.0
            seen = max(sign * (middles[True] - middles[False]), 0.0)
            for stake, size in enumerate((seen, 0.5 * seen, *(factor * scale for factor in (0.7, 1.5, 3.0, 6.0)))):
                if size <= 0.0 or scale <= 0.0:
                    continue
                shift = sign * size
                centre = (len(up) * (middles[True] - shift) + len(down) * middles[False]) / place
                odds = 1.0
                for at, power in ((centre + shift, -2.5), (centre, 2.5)):  # Student's density with 4 degrees
                    odds *= (1.0 + ((change[place] - at) / scale) ** 2 / 4.0) ** power
                chance_up = chance[place] * odds / (chance[place] * odds + 1.0 - chance[place])
                stakes[stake] *= chance_up / chance[place] if treated[place] else (1.0 - chance_up) / (1.0 - chance[place])
        for stake, history in enumerate(money):
            history.append(stakes[stake])
    return [sum(history[place + 1] for history in money) / 6 for place in range(len(change))]


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("effect", [-3.0, 0.0, 2.0])
def test_the_wager_is_worth_what_its_bets_come_to(effect: float, rising: bool) -> None:
    made = pool(effect, 25, seed=4)
    parts = [outcome.treated for outcome in made], [outcome.probability for outcome in made], [outcome.change for outcome in made]
    ours = wealth(*(np.array(part) for part in parts), rising=rising)
    np.testing.assert_allclose(ours, bet(*parts, rising=rising), rtol=1e-9)


def test_the_estimate_is_a_difference_of_means_weighted_by_the_chances() -> None:
    made = [
        WindowOutcome(True, 0.5, 4.0, 1.0, 0.0),
        WindowOutcome(True, 0.8, 1.0, 2.0, 0.0),
        WindowOutcome(False, 0.5, 0.0, 0.0, 0.0),
        WindowOutcome(False, 0.8, 3.0, 4.0, 0.0),
    ]
    judgement = judge_pooled(made, -1)
    assert judgement.effect.effect == pytest.approx((4 / 0.5 + 1 / 0.8) / (1 / 0.5 + 1 / 0.8) - (0 / 0.5 + 3 / 0.2) / (1 / 0.5 + 1 / 0.2))
    assert judgement.latency.effect == pytest.approx((1 / 0.5 + 2 / 0.8) / (1 / 0.5 + 1 / 0.8) - (0 / 0.5 + 4 / 0.2) / (1 / 0.5 + 1 / 0.2))
    assert (judgement.treated, judgement.placebos, judgement.effect.low, judgement.effect.high) == (2, 2, None, None)


@pytest.mark.parametrize(("change", "worse", "far"), [(7.1, 1, True), (6.9, 1, False), (-7.1, -1, True), (-7.1, 1, False), (math.nan, 1, False)])
def test_a_change_is_far_worse_beyond_six_scales_of_the_usual(change: float, worse: int, far: bool) -> None:
    """Of 1 to 20 less their middle the median distance is 5: a scale of 7.413; one of 20 usual ones lies 9.5 out."""
    usual = np.arange(1.0, 21.0) - 10.5
    assert is_far_worse(change * 7.413 * 6.0 / 7.0, usual, worse, 0.0) is far
    assert not is_far_worse(change * 7.413 * 6.0 / 7.0, usual[1:], worse, 0.0)
    assert not is_far_worse(change * 7.413 * 6.0 / 7.0, usual, worse, 8.7)  # a scale that is smaller than this is not believed


def test_harm_is_worse_than_every_usual_change() -> None:
    usual = np.append(np.zeros(19), 10.0)
    assert is_far_worse(10.1, usual, 1, 0.1)
    assert not is_far_worse(10.0, usual, 1, 0.1)
