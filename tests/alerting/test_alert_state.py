"""An alert is raised and resolved only by lasting states: flapping, missing checks and clock jumps do neither."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.alerting.alert_state import MAX_GAP_SECONDS, RAISE, RENEW, RESOLVE, advance_alert
from engine.domain.alerting import AlertRule, AlertRuleState, RuleObservation

RULE = AlertRule("r", "warning", "g", "do it", fire_after=10.0, resolve_after=20.0)
STEP = 5.0


def played(looks: Sequence[bool | None], step: float = STEP) -> list[str | None]:
    """What comes of looks one step apart."""
    standing, done = AlertRuleState(), []
    for place, wrong in enumerate(looks):
        standing, change = advance_alert(RULE, standing, RuleObservation("r", wrong), place * step)
        done.append(change)
    return done


def test_it_is_raised_once_it_has_lasted_and_resolved_once_it_is_well_for_long() -> None:
    done = played([True] * 4 + [False] * 6)
    assert done[:4] == [None, None, RAISE, RENEW]
    assert done[4:] == [None] * 4 + [RESOLVE, None]


def test_a_rule_without_a_duration_is_raised_and_resolved_at_once() -> None:
    at_once = AlertRule("r", "warning", "g", "do it", fire_after=0.0, resolve_after=0.0)
    raised, change = advance_alert(at_once, AlertRuleState(), RuleObservation("r", True), 1.0)
    assert change == RAISE
    assert advance_alert(at_once, raised, RuleObservation("r", False), 2.0)[1] == RESOLVE


def test_flapping_neither_raises_nor_resolves() -> None:
    assert set(played([place % 2 == 0 for place in range(40)])) == {None}
    standing = [True] * 3 + [place % 4 == 0 for place in range(40)]  # never well for long
    assert played(standing).count(RAISE) == 1
    assert RESOLVE not in played(standing)


@settings(max_examples=60)
@given(st.lists(st.sampled_from([True, False, None]), max_size=80))
def test_raised_and_resolved_take_turns_and_each_had_its_time(looks: list[bool | None]) -> None:
    done = played(looks)
    changes = [change for change in done if change in {RAISE, RESOLVE}]
    assert changes == [RAISE, RESOLVE] * (len(changes) // 2) + [RAISE] * (len(changes) % 2)
    for place, change in enumerate(done):
        if change in {RAISE, RESOLVE}:
            needed = RULE.fire_after if change == RAISE else RULE.resolve_after
            known = [(at, wrong) for at, wrong in enumerate(looks[: place + 1]) if wrong is not None]
            run = []
            for at, wrong in reversed(known):
                if wrong is not (change == RAISE):
                    break
                run.append(at)
            assert (place - run[-1]) * STEP >= needed


def test_a_look_that_cannot_tell_changes_nothing() -> None:
    assert played([True, None, True])[2] == RAISE
    assert played([None] * 10) == [None] * 10


def test_after_a_long_silence_durations_begin_anew() -> None:
    standing, _ = advance_alert(RULE, AlertRuleState(), RuleObservation("r", True), 0.0)
    late, change = advance_alert(RULE, standing, RuleObservation("r", True), MAX_GAP_SECONDS + 5.0)
    assert change is None
    assert advance_alert(RULE, late, RuleObservation("r", True), MAX_GAP_SECONDS + 15.0)[1] == RAISE


def test_a_clock_that_goes_back_fires_nothing() -> None:
    standing, _ = advance_alert(RULE, AlertRuleState(), RuleObservation("r", True), 1_000.0)
    assert advance_alert(RULE, standing, RuleObservation("r", True), 1.0)[1] is None
