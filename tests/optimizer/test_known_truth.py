"""The real loop on machines with a known truth, a few runs; 200 of each are in tests/proof."""

from __future__ import annotations

from tests.optimizer.known_truth import chosen_among_three, covers, useless_alone


def test_among_three_actions_the_helpful_one_is_found_and_the_harmful_one_undone_at_once() -> None:
    outcomes = [chosen_among_three(seed) for seed in range(500, 504)]
    assert sum(outcome.helped for outcome in outcomes) >= 3
    assert not any(outcome.useless_helped for outcome in outcomes)
    assert all(
        outcome.undone and outcome.quarantined == "quarantined" and outcome.harmful_windows <= 2 for outcome in outcomes if outcome.harmful_windows
    )
    assert any(outcome.harmful_windows for outcome in outcomes)
    assert all(outcome.open == 0 for outcome in outcomes)


def test_a_useless_action_loses_its_licence_to_run_on_its_own() -> None:
    called, licence, trials = useless_alone(700)
    assert (called, licence, trials) == (False, "recommend", 60)


def test_intervals_hold_the_truth() -> None:
    assert sum(covers(seed, windows=24)[0] for seed in range(12)) >= 10
