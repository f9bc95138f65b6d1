"""The response to a firing: which action, with or without approval, and whether now."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.optimization import Action, ActionResult, WindowOutcome
from engine.optimizer.planner import (
    Candidate,
    EngineActivity,
    ResponsePlan,
    default_mode,
    effective_mode,
    make_generator,
    plan_response,
    sample_gain,
    summarise_outcomes,
    treatment_probability,
)
from engine.optimizer.pooled_test import standardised_gain

QUIET = EngineActivity(warming_up=False, training=False, orders=0, since_tick=0.2, running_action=None, rest_seconds=0.0)


def windows(effect: float, count: int, seed: int = 1) -> tuple[WindowOutcome, ...]:
    chance = np.random.default_rng([seed, 5])
    return tuple(WindowOutcome(place % 2 == 0, 0.5, float(chance.standard_normal()) + effect * (place % 2 == 0), 0.0, 0.0) for place in range(count))


def able(action: str, *, mode: str = "auto", licence: str = "auto", costly: bool = False, effect: float = 0.0, count: int = 0) -> Candidate:
    return Candidate(action, mode, licence, costly, windows(effect, count), -1)


def answer(*candidates: Candidate, slot: EngineActivity = QUIET, seed: int = 1) -> ResponsePlan:
    return plan_response(candidates, slot, np.random.default_rng([seed, 6]))


def test_a_gain_is_sampled_from_the_posterior_of_the_windows() -> None:
    """Before any window N(0, 1); t windows with the action and p without tell it with a variance of 1 / t + 1 / p."""
    prior = sample_gain(able("one"), np.random.default_rng(4))
    assert prior == np.random.default_rng(4).normal(0.0, 1.0)
    candidate = able("one", effect=-2.0, count=30)
    gain, precision = standardised_gain(candidate.outcomes, -1)[0], 1 / (1 / 15 + 1 / 15)
    assert sample_gain(candidate, np.random.default_rng(4)) == pytest.approx(np.random.default_rng(4).normal(gain * 7.5 / 8.5, 8.5**-0.5), rel=1e-12)
    assert precision == 7.5
    only = tuple(outcome for outcome in candidate.outcomes if outcome.treated)
    assert sample_gain(replace(candidate, outcomes=only), np.random.default_rng(4)) == prior  # nothing to compare with


@pytest.mark.parametrize(
    ("mode", "licence", "comes_to"),
    [
        ("auto", "auto", "auto"), ("ask", "auto", "ask"), ("auto", "recommend", "recommend"), ("ask", "recommend", "recommend"),
        ("observe", "recommend", "observe"), ("auto", "quarantined", "off"), ("recommend", "quarantined", "off"), ("off", "auto", "off"),
    ],
)  # fmt: skip
def test_a_licence_bounds_what_a_mode_allows(mode: str, licence: str, comes_to: str) -> None:
    assert effective_mode(mode, licence) == comes_to


def test_what_can_change_decisions_is_only_recommended_unless_it_is_set_otherwise() -> None:
    action = Action("a", "cpu", "host.cpu_percent", -1, "none", "Does.", lambda room: ActionResult(0.0, "", ""))
    assert default_mode(action) == "auto"
    assert default_mode(replace(action, changes_decisions=True)) == "recommend"


def test_automatic_actions_go_before_those_to_approve_and_those_before_recommended_ones() -> None:
    every = (able("asked", mode="ask"), able("told", mode="recommend"), able("seen", mode="observe"), able("done"))
    assert (answer(*every).mode, answer(*every).actions) == ("auto", ("done",))
    assert (answer(*every[:3]).mode, answer(*every[:3]).actions) == ("ask", ("asked",))
    assert (answer(*every[1:3]).mode, answer(*every[2:3]).mode) == ("recommend", "observe")


def test_an_action_that_is_off_or_quarantined_is_never_chosen_and_the_answer_gives_the_reason() -> None:
    response = answer(able("one", mode="off"), able("two", licence="quarantined"))
    assert (response.mode, response.actions, response.why) == ("none", (), "one is off, two is quarantined")
    assert answer().why == "no action responds to this rule"


def test_the_answer_says_what_each_candidate_did_before() -> None:
    changes = [(True, -2.0), (True, -1.0), (True, 3.0), (False, -1.0), (False, 0.0), (True, float("nan"))]  # a fall is a cure here
    outcomes = tuple(WindowOutcome(treated, 0.5, change, 0.0, 0.0) for treated, change in changes)
    assert summarise_outcomes(replace(able("a"), outcomes=outcomes)) == "better in 2 of 3 windows, 1 of 2 controls"
    assert summarise_outcomes(replace(able("a"), outcomes=outcomes[:2])) == "better in 2 of 2 windows"
    assert summarise_outcomes(replace(able("a", mode="ask"), outcomes=outcomes[3:])) == "not tried yet"
    why = answer(able("new"), able("left", mode="off"), replace(able("old"), outcomes=outcomes)).why
    assert re.search(r"new [+\N{MINUS SIGN}]?\d\.\d\d \(not tried yet\)", why)
    assert re.search(r"old [+\N{MINUS SIGN}]?\d\.\d\d \(better in 2 of 3 windows, 1 of 2 controls\)", why)
    assert "left" not in why


def test_what_helped_before_is_chosen_nearly_always_and_what_was_never_tried_now_and_then() -> None:
    proven, useless, unknown = able("proven", effect=-2.0, count=40), able("useless", effect=0.0, count=40), able("unknown")
    first = [answer(proven, useless, unknown, seed=seed).actions[0] for seed in range(300)]
    assert first.count("proven") > 255
    assert first.count("useless") < 3
    assert 1 <= first.count("unknown") < 45


def test_without_evidence_everything_has_its_turn_and_the_same_chance_gives_the_same_answer() -> None:
    first = [answer(able("one"), able("two"), able("three"), seed=seed).actions[0] for seed in range(300)]
    assert all(70 < first.count(name) < 130 for name in ("one", "two", "three"))
    assert answer(able("one"), able("two"), seed=4).why == answer(able("one"), able("two"), seed=4).why
    assert "one +" in answer(able("one")).why or "one -" in answer(able("one")).why  # the draw is told


@pytest.mark.parametrize(
    ("slot", "why"),
    [
        (replace(QUIET, running_action="a run"), "a run is under way: one at a time"),
        (replace(QUIET, rest_seconds=12.0), "rests for 12 s more"),
    ],
)
def test_one_at_a_time_and_rest_between(slot: EngineActivity, why: str) -> None:
    response = answer(able("one"), slot=slot)
    assert response.mode == "wait"
    assert response.why.startswith(why)


@pytest.mark.parametrize(
    ("slot", "why"),
    [
        (replace(QUIET, warming_up=True), "the engine is warming up"),
        (replace(QUIET, training=True), "a training is under way"),
        (replace(QUIET, orders=2), "2 orders are not filled yet"),
        (replace(QUIET, since_tick=1.5), "the next tick may be near"),
        (replace(QUIET, since_tick=None), "the next tick may be near"),
    ],
)
def test_a_costly_action_waits_for_a_quiet_slot_and_a_cheap_one_does_not(slot: EngineActivity, why: str) -> None:
    waits = answer(able("costly", costly=True), slot=slot)
    assert (waits.mode, why in waits.why) == ("wait", True)
    assert answer(able("costly", costly=True), able("cheap"), slot=slot).actions == ("cheap",)
    assert answer(able("costly", costly=True)).actions == ("costly",)


def test_every_second_answer_is_to_do_nothing_until_there_are_enough_of_them() -> None:
    assert treatment_probability(()) == 0.5
    assert treatment_probability(windows(0.0, 14)) == 0.5
    assert treatment_probability(windows(0.0, 16)) == 0.8


def test_rules_that_fire_in_the_same_moment_have_coins_of_their_own_and_each_can_be_thrown_again() -> None:
    throws = [make_generator(7, f"rule_{number}", 1_700_000_000, 1).random() < 0.5 for number in range(200)]
    assert 70 < sum(throws) < 130
    assert make_generator(7, "a", 5, 1).random() == make_generator(7, "a", 5, 1).random()
    assert (
        len(
            {
                make_generator(7, "a", 5, 1).random(),
                make_generator(7, "a", 5, 0).random(),
                make_generator(7, "a", 6, 1).random(),
                make_generator(8, "a", 5, 1).random(),
            }
        )
        == 4
    )
