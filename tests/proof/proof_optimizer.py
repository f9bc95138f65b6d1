"""The optimizer on machines whose truth is known, 200 runs: what helps is found, what is useless is not called helpful, what harms is undone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.optimizer.alarms import alarms_of
from tests.optimizer.known_truth import chosen_among_three, covers, useless_alone

RUNS = 200


@pytest.mark.slow
def test_among_three_actions_the_helpful_one_is_found_and_the_harmful_one_undone() -> None:
    found = [chosen_among_three(seed) for seed in range(RUNS)]
    helped = [one for one in found if one.helped]
    tried = [one for one in found if one.harmful_windows]
    print(f"\nhelpful (-6, {6 / np.mean([one.scale for one in found]):.1f} scales of a placebo window) found in {len(helped)} of {RUNS}")
    print(f"after {np.median([one.after for one in helped]):.0f} of its own windows, treated and placebo (median)")
    undone = [one for one in tried if one.undone and one.quarantined == "quarantined"]
    print(f"harmful run in {len(tried)}, undone and quarantined in {len(undone)}, after {max(one.harmful_windows for one in tried)} windows at most")
    print(f"useless called helpful beside them in {sum(one.useless_helped for one in found)}")
    print(f"helpful or useless wrongly quarantined in {sum(bool(one.wrongly) for one in found)}")
    assert len(helped) >= 0.8 * RUNS
    assert len(undone) == len(tried) > 0.9 * RUNS
    assert max(one.harmful_windows for one in tried) <= 2
    assert sum(one.open for one in found) == 0


@pytest.mark.slow
def test_a_useless_action_that_is_looked_at_after_every_trial_is_seldom_called_helpful() -> None:
    told = [useless_alone(1_000 + seed) for seed in range(RUNS)]
    helpful, lost = sum(called for called, _, _ in told), sum(licence == "recommend" for _, licence, _ in told)
    print(f"\nuseless called helpful in {helpful} of {RUNS} (nominal 2 %), lost auto in {lost}")
    print(f"quarantined in {sum(licence == 'quarantined' for _, licence, _ in told)}; trials {np.median([n for _, _, n in told]):.0f} (median)")
    assert helpful <= 10
    assert lost >= 0.9 * RUNS


@pytest.mark.slow
def test_intervals_hold_the_truth() -> None:
    told = [covers(seed) for seed in range(RUNS)]
    wide = [width for _, width in told if np.isfinite(width)]
    print(
        f"\nintervals of 40 windows hold the truth in {sum(held for held, _ in told)} of {RUNS} (nominal 95 %), width {np.median(wide):.1f} (median)"
    )
    assert sum(held for held, _ in told) >= 0.93 * RUNS


@pytest.mark.slow
def test_a_performance_rule_raises_false_alarms_as_seldom_as_it_says() -> None:
    for memory in (0.0, 0.3, 0.6):
        blocks, alarms = alarms_of(every=500.0, runs=60, blocks=1_500, memory=memory)
        said = f"one in {blocks / alarms:,.0f}" if alarms else "none"
        print(
            f"\nblocks that remember {memory:g} of the last: {alarms} false alarms in {blocks:,} blocks, {said} (promised: one in 500 at most for 0)"
        )
        if memory == 0.0:
            assert alarms <= blocks / 500
