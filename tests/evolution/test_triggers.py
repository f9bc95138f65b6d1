"""When models are trained again and when others are searched for."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.evolution import BETTER, SEARCHES, STRATEGIES, TRIGGERS, ColumnDrift, DriftReport, TriggerSums
from engine.domain.trading_config import Event
from engine.evidence import drift
from engine.evolution import events, signals, strategy_choice, triggers
from engine.evolution.events import build_event
from engine.evolution.progress import Progress, begin_search
from tests.evolution.making import HORIZONS, catalog, make_arm, prove, racing, situation, state, tick, version

CALM = tick().outcome.market_state
CHANGED = replace(CALM, regime_change=np.full(4, 0.6))
RETRAIN = Event("command", "retrain", "{}")


def pull(progress: Progress | None = None, at: int = 600, *events: Event, market: object = CALM, **changed: object) -> Progress:
    settings = {"max_challengers": 2, **changed}
    return triggers.pull_triggers(progress or Progress(state()), market, situation(at, *events, **settings), catalog())  # type: ignore[arg-type]


def kinds(progress: Progress) -> list[tuple[str, str]]:
    return [(instruction.kind, progress.rows[-1].trigger) for instruction in progress.instructions]


@pytest.mark.parametrize("evolution", ["off", "refresh", "full"])
def test_the_first_training_is_always_and_by_hand_too_and_the_schedule_is_unless_off(evolution: str) -> None:
    new = Progress(replace(state(), last_training=-1, decided=599))
    assert pull(new, evolution=evolution, first_training=600).instructions == ()
    first = pull(replace(new, state=replace(new.state, decided=600)), evolution=evolution, first_training=600)
    assert kinds(first) == [("retrain", "first training")]
    assert (first.state.last_training, first.state.training_requests) == (600, 1)
    assert kinds(pull(None, 600, RETRAIN, evolution=evolution)) == [("retrain", "by hand")]
    assert pull(None, 400 + 287, evolution=evolution, first_training=600).instructions == ()
    assert kinds(pull(None, 400 + 288, evolution=evolution, first_training=600)) == ([] if evolution == "off" else [("retrain", "schedule")])


def test_a_change_of_regime_starts_a_search_only_where_evolution_is_full() -> None:
    for evolution in ("off", "refresh"):
        assert pull(market=CHANGED, evolution=evolution, first_training=600).instructions == ()
    found = pull(market=CHANGED, first_training=600)
    assert kinds(found) == [("search", "regime change")]
    (search,) = found.evolution.searches
    assert (search.trigger, search.began, search.number) == ("regime change", 600, 1)
    assert "60 %" in search.detail or "60%" in search.detail
    assert pull(market=replace(CALM, regime_change=np.full(4, 0.5)), first_training=600).instructions == ()


def test_a_drift_of_the_target_starts_a_search_with_its_figures() -> None:
    row = ColumnDrift("target.3", 0.31, 1e-6, 1e-5, True, 90.0, 40.0, 5, 0.1)
    report = DriftReport((0, 300), (301, 600), (), (row,), ())
    found = pull(None, 600, Event("drift", "target", drift.drift_to_json(report)), first_training=600)
    assert kinds(found) == [("search", "target drift")]
    assert found.evolution.searches[0].detail == "target.3 (KS 0.31, q 1e-05)"


def test_new_data_and_the_schedule_count_bars_decided_and_not_ticks() -> None:
    """A session need not begin with tick 0."""
    early = Progress(replace(state(), decided=700, last_training=9_900))
    assert pull(early, 10_000, first_training=600).instructions == ()
    later = Progress(replace(state(), decided=888, last_training=9_900))
    assert kinds(pull(later, 10_000, first_training=600)) == [("search", "schedule")]
    twice = Progress(replace(state(), decided=1_200, last_training=9_900))
    assert "new data" in [search.trigger for search in pull(twice, 10_000, first_training=600).evolution.searches]
    fired = strategy_choice.record_start(twice.evolution.triggers, "new data", "tuning", 9_700)  # 900 bars had been decided
    fired = strategy_choice.record_promotion(strategy_choice.record_start(fired, "schedule", "tuning", 9_990), "new data", "tuning")
    before = Progress(replace(twice.state, decided=1_799)).evolve(triggers=fired)
    assert pull(before, 10_599, first_training=600, retrain_every=10_000).instructions == ()
    after = Progress(replace(twice.state, decided=1_800)).evolve(triggers=fired)
    assert [search.trigger for search in pull(after, 10_600, first_training=600, retrain_every=10_000).evolution.searches] == ["new data"]


def test_no_search_begins_beyond_the_limit_and_the_last_one_is_for_what_is_urgent() -> None:
    """The figures of a change of regime and the schedule are not urgent."""
    quick = {"market": CHANGED, "first_training": 100}
    for most, begun in ((0, 0), (1, 1), (2, 1), (3, 2)):  # the only one is not held free: nothing else would ever be searched
        assert len(pull(max_challengers=most, **quick).evolution.searches) == begun  # type: ignore[arg-type]
    row = ColumnDrift("target.3", 0.31, 1e-6, 1e-5, True, 90.0, 40.0, 5, 0.1)
    urgent = Event("drift", "target", drift.drift_to_json(DriftReport((0, 300), (301, 600), (), (row,), ())))
    assert "target drift" in triggers.URGENT
    for most in (1, 2, 3):
        searches = pull(None, 600, urgent, max_challengers=most, **quick).evolution.searches
        assert searches[0].trigger == "target drift"
        assert len(searches) <= most
    full = racing(make_arm(7), make_arm(8, places=(1,)))
    assert pull(full, 600, urgent, **quick).instructions == ()


def test_a_strategy_whose_challenger_races_is_not_searched_again() -> None:
    """Whether it works is not known yet."""
    quick = {"market": CHANGED, "first_training": 10_000, "max_challengers": 8}
    usual = pull(**quick).evolution.searches[0].strategy  # type: ignore[arg-type]
    for strategy in SEARCHES:
        for begun in range(4):
            (search,) = pull(racing(make_arm(7, strategy=strategy), begun=begun), **quick).evolution.searches  # type: ignore[arg-type]
            assert search.strategy != strategy
    blend = racing(make_arm(7, "blend", (), strategy=usual), begun=0)
    assert pull(blend, **quick).evolution.searches[0].strategy == usual  # type: ignore[arg-type]


def test_a_decline_ends_the_contests_of_challengers_that_were_found_before_it() -> None:
    """Unless they are half-way to a promotion; a place that they leave is free for the search that the decline starts."""
    now = racing(make_arm(7), make_arm(8, places=(1,), strategy="column selection"))  # found at tick 450
    for share, arm in zip((0.49, 0.51), now.evolution.arms, strict=True):
        now = prove(now, arm.number, BETTER, log_wealth=share * math.log(len(HORIZONS) / arm.alpha))
    calm = {"first_training": 10_000, "retrain_every": 10_000, "max_challengers": 2}
    declined = replace(now.evolution.decline, log_detector=np.full_like(now.evolution.decline.log_detector, 20.0))
    after = pull(now.evolve(decline=declined), 900, **calm)
    assert [arm.number for arm in after.evolution.arms] == [8]
    assert [(row.number, row.state, row.verdict) for row in after.rows if row.number == 7] == [(7, "retired", "running")]
    assert after.rows[0].detail.endswith("it was found before a performance decline")
    assert [search.trigger for search in after.evolution.searches] == ["performance decline"]
    assert after.evolution.contests_begun == now.evolution.contests_begun, "the error of a contest without a verdict stays spent"
    soon = pull(now.evolve(decline=declined), 700, **calm)
    assert [arm.number for arm in soon.evolution.arms] == [7, 8], "found while the decline was under way"
    assert soon.evolution.searches == ()
    assert [arm.number for arm in pull(now, 900, **calm).evolution.arms] == [7, 8]


def test_a_decline_that_goes_on_ends_no_contest() -> None:
    """What was searched since a decline was first answered is of the present market; it may be the cure."""
    calm = {"first_training": 10_000, "retrain_every": 10_000, "max_challengers": 4}
    now = racing(make_arm(7, trigger="schedule"))
    declined = replace(now.evolution.decline, log_detector=np.full_like(now.evolution.decline.log_detector, 20.0))
    answered = strategy_choice.record_start(now.evolution.triggers, "performance decline", "shorter window", 800)
    goes_on = now.evolve(decline=declined, triggers=answered)
    assert [arm.number for arm in pull(goes_on, 800 + 2 * 288, **calm).evolution.arms] == [7]
    assert pull(goes_on, 800 + 288, **calm).evolution.searches, "the decline is answered again"
    assert [arm.number for arm in pull(goes_on, 800 + 2 * 288 + 1, **calm).evolution.arms] == [], "another decline"
    cured = strategy_choice.record_promotion(answered, "schedule", "tuning")
    assert [arm.number for arm in pull(goes_on.evolve(triggers=cured), 1_100, **calm).evolution.arms] == []


def test_the_answer_to_a_decline_is_not_ended_by_it_however_long_its_contest_takes() -> None:
    """With no other place free, nothing else is searched, and the decline last fired when this search began."""
    alone = {"first_training": 10_000, "retrain_every": 10_000, "max_challengers": 1}
    now = racing(make_arm(7, trigger="performance decline"))
    declined = replace(now.evolution.decline, log_detector=np.full_like(now.evolution.decline.log_detector, 20.0))
    answered = strategy_choice.record_start(now.evolution.triggers, "performance decline", "structure search", 450)
    for at in (450 + 577, 450 + 2_000):
        assert [arm.number for arm in pull(now.evolve(decline=declined, triggers=answered), at, **alone).evolution.arms] == [7]


@pytest.mark.parametrize(("since", "again"), [(288, True), (576, True), (577, False)])
def test_a_trigger_fires_again_within_twice_its_pause(since: int, again: bool) -> None:
    """After one search in vain the pause of a decline is 2 x 144 ticks."""
    sums = strategy_choice.empty_trigger_sums()
    assert not strategy_choice.fires_again(sums, "performance decline", since)
    sums = strategy_choice.record_start(sums, "performance decline", "tuning", 0)
    assert strategy_choice.fires_again(sums, "performance decline", since) is again
    assert not strategy_choice.fires_again(strategy_choice.record_promotion(sums, "schedule", "tuning"), "performance decline", since)


def test_a_pause_doubles_with_each_search_without_success() -> None:
    sums = strategy_choice.empty_trigger_sums()
    assert strategy_choice.may_start(sums, "target drift", 0)
    for fruitless in range(1, 9):
        sums = strategy_choice.record_start(sums, "target drift", "tuning", 1_000)
        pause = 288 * 2 ** min(fruitless, 6)
        assert not strategy_choice.may_start(sums, "target drift", 1_000 + pause - 1)
        assert strategy_choice.may_start(sums, "target drift", 1_000 + pause)
    assert strategy_choice.may_start(sums, "input drift", 1_000)
    sums = strategy_choice.record_promotion(sums, "target drift", "tuning")
    assert strategy_choice.may_start(sums, "target drift", 1_000 + 288)
    assert not strategy_choice.may_start(sums, "target drift", 1_000 + 287)


def test_the_choice_depends_on_the_number_only() -> None:
    sums = strategy_choice.empty_trigger_sums()
    for number in range(30):
        chosen = strategy_choice.choose_strategy(sums, "schedule", number)
        assert chosen == strategy_choice.choose_strategy(sums, "schedule", number)
        assert chosen != strategy_choice.choose_strategy(sums, "schedule", number, {str(chosen)})
    assert strategy_choice.choose_strategy(sums, "schedule", 1, SEARCHES) is None
    assert {strategy_choice.choose_strategy(sums, "schedule", number) for number in range(200)} == set(SEARCHES)


def test_the_usual_cures_of_a_trigger_take_turns_while_they_are_tried_in_vain() -> None:
    cures, trigger = set(strategy_choice.USUAL_CURES["performance decline"]), "performance decline"
    sums = strategy_choice.empty_trigger_sums()
    assert {strategy_choice.choose_strategy(sums, trigger, number) for number in range(60)} >= cures
    sums = strategy_choice.record_start(sums, trigger, "shorter window", 100)
    drawn = Counter(strategy_choice.choose_strategy(sums, trigger, number) for number in range(100))
    assert drawn["shorter window"] == 0
    assert drawn["structure search"] > 50
    assert strategy_choice.choose_strategy(sums, trigger, 1, set(SEARCHES) - {"shorter window"}) == "shorter window", "the only one that is open"
    other = strategy_choice.record_start(sums, "target drift", "shorter window", 100)  # what another trigger tries has no turn
    both = strategy_choice.record_start(other, trigger, "structure search", 200)
    assert {strategy_choice.choose_strategy(both, trigger, number) for number in range(60)} >= cures
    promoted = strategy_choice.record_promotion(sums, trigger, "shorter window")
    assert Counter(strategy_choice.choose_strategy(promoted, trigger, number) for number in range(100))["shorter window"] > 50


def test_what_succeeds_is_chosen_most_of_the_time_and_what_fails_seldom() -> None:
    sums: TriggerSums = strategy_choice.empty_trigger_sums()
    chosen: list[str] = []
    for number in range(150):
        strategy = strategy_choice.choose_strategy(sums, "regime change", number)
        assert strategy is not None
        chosen.append(strategy)
        sums = strategy_choice.record_start(sums, "regime change", strategy, number)
        if strategy == "column selection":  # which is not its usual cure
            sums = strategy_choice.record_promotion(sums, "regime change", strategy)
    assert Counter(chosen[75:])["column selection"] > 60
    place = TRIGGERS.index("regime change"), STRATEGIES.index("column selection")
    assert sums.promoted[place] == sums.tried[place] == Counter(chosen)["column selection"]


def test_places_are_chosen_by_use() -> None:
    now = Progress(state())  # ridge is of more use
    assert triggers.choose_place(now, "tuning", catalog()) == "ridge"
    assert triggers.choose_place(now, "structure search", catalog()) == "lightgbm"
    assert triggers.choose_place(now, "longer window", catalog()) == "all"
    assert triggers.choose_place(racing(make_arm(7)), "tuning", catalog()) == "lightgbm"
    assert triggers.choose_place(racing(make_arm(7), make_arm(8, places=(1,))), "tuning", catalog()) is None
    assert triggers.choose_place(racing(make_arm(7)), "longer window", catalog()) == "all"
    searched = begin_search(now, "ridge", "tuning", "schedule", "", 600)
    assert triggers.choose_place(searched, "tuning", catalog()) == "lightgbm"
    assert triggers.choose_place(begin_search(now, "all", "refresh", "schedule", "", 600), "tuning", catalog()) == "ridge"


def test_events_that_a_tick_with_a_failed_phase_did_not_follow_are_followed_later() -> None:
    entered = build_event("challenger_entered", "ridge", number=1, places=[0], versions=["ridge-x"], digests=["d"], recipes=["r"])
    kept = events.unfollowed_events((Event("version_agreement", "ensemble", ""), entered, Event("training_late", "5", "")))
    assert kept == [entered]
    searching = begin_search(Progress(state()), "ridge", "tuning", "schedule", "", 590)
    now = events.follow_events(searching, situation(600, *kept), catalog(version("ridge", "d")))
    assert [(arm.number, arm.digests) for arm in now.evolution.arms] == [(1, ("d",))]
    assert now.evolution.searches == ()
    assert events.follow_events(now, situation(601, *kept), catalog()).evolution.arms == now.evolution.arms


def test_signals_that_wait_for_nothing_stay_and_others_move_on_until_nothing_waits() -> None:
    blank = Progress(state())
    assert signals.age_signals(blank) is blank
    loss, biases = blank.evolution.expected_loss, blank.evolution.findings
    code, hour, waiting = biases.waiting_code.copy(), biases.waiting_hour.copy(), loss.waiting.copy()
    code[0], hour[0], waiting[0] = 2, 5, 0.5
    for progress in (
        blank.evolve(findings=replace(biases, waiting_code=code)),
        blank.evolve(findings=replace(biases, waiting_hour=hour)),
        blank.evolve(expected_loss=replace(loss, waiting=waiting)),
    ):
        aged = progress
        for _ in range(max(HORIZONS)):
            before, aged = aged, signals.age_signals(aged)
            assert aged.state.digest() != before.state.digest()
        assert aged.state.digest() == blank.state.digest()
        assert signals.age_signals(aged) is aged
