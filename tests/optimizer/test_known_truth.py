"""The real loop on machines whose truth is known, a few runs; 200 of each are in tests/proof."""

from __future__ import annotations

from tests.optimizer.known_truth import chosen_among_three, covers, useless_alone


def test_among_three_actions_the_helpful_one_is_found_and_the_harmful_one_undone_at_once() -> None:
    found = [chosen_among_three(seed) for seed in range(500, 504)]
    assert sum(one.helped for one in found) >= 3
    assert not any(one.useless_helped for one in found)
    assert all(one.undone and one.quarantined == "quarantined" and one.harmful_windows <= 2 for one in found if one.harmful_windows)
    assert any(one.harmful_windows for one in found)
    assert all(one.open == 0 for one in found)


def test_a_useless_action_loses_its_licence_to_run_by_itself() -> None:
    called, licence, trials = useless_alone(700)
    assert (called, licence, trials) == (False, "recommend", 60)


def test_intervals_hold_the_truth() -> None:
    assert sum(covers(seed, windows=24)[0] for seed in range(12)) >= 10
