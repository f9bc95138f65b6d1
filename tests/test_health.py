"""Health: judged from the store, with every fault named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.cli.status import format_status
from engine.health import HEARTBEAT_SECONDS, SECOND, ClockStep, ComponentState, HealthInputs, judge_health
from engine.service.health_inputs import format_health
from engine.web import families

NOW = 1_000_000 * SECOND
HOUR = 3_600 * SECOND
WELL = HealthInputs(
    now=NOW, heartbeat_at=NOW - SECOND, started_at=NOW - 500 * SECOND, tick_interval_seconds=2.0, tick=9, decided_at=NOW - 2 * SECOND,
    components=(ComponentState("feed", "ok", 0, "an old error"),), ticks_counted=10, ticks_clean=9, open_alerts=0,
)  # fmt: skip


def test_ticks_and_heartbeat_on_time_are_healthy() -> None:
    assert judge_health(WELL).state == "healthy"
    assert judge_health(WELL).reasons == ()
    assert WELL.clean_rate == 0.9


def test_without_a_tick_there_is_no_honest_rate() -> None:
    assert replace(WELL, ticks_counted=0, ticks_clean=0).clean_rate is None


def test_no_lease_or_an_old_heartbeat_is_down() -> None:
    assert judge_health(replace(WELL, heartbeat_at=None)).reasons[0] == "no engine runs on this store"
    health = judge_health(replace(WELL, heartbeat_at=NOW - int((HEARTBEAT_SECONDS + 1) * SECOND)))
    assert (health.state, health.alive) == ("down", False)
    assert "16 s ago" in health.reasons[0]


def test_a_full_disk_is_named_where_no_engine_runs() -> None:
    assert (
        judge_health(replace(WELL, heartbeat_at=None, is_full=True)).reasons[1]
        == "the disk of the store is full: the engine continues when there is space"
    )
    assert judge_health(replace(WELL, is_full=True)).state == "healthy"  # while it writes, the alert of the disk tells


def test_a_stalled_engine_is_down_although_it_beats() -> None:
    health = judge_health(replace(WELL, decided_at=NOW - 31 * SECOND))
    assert (health.state, health.alive) == ("down", False)
    assert judge_health(replace(WELL, decided_at=NOW - 31 * SECOND, tick_interval_seconds=60.0)).alive


def test_a_feed_that_has_ended_is_degraded_and_not_stalled() -> None:
    ended = replace(WELL, decided_at=NOW - 400 * SECOND, components=(ComponentState("feed", "degraded", 0, "the recording has ended"),))
    assert judge_health(ended).state == "degraded"
    assert judge_health(ended).reasons == ("feed is degraded: the recording has ended",)


def test_before_its_first_tick_an_engine_is_starting_for_two_minutes() -> None:
    fresh = replace(WELL, started_at=NOW - 60 * SECOND, decided_at=None, tick=None)
    assert (judge_health(fresh).state, judge_health(fresh).alive) == ("starting", True)
    again = replace(WELL, started_at=NOW - 60 * SECOND, decided_at=NOW - 600 * SECOND)
    assert judge_health(again).state == "starting"
    assert judge_health(replace(fresh, started_at=NOW - 121 * SECOND)).state == "down"


def test_a_critical_alert_that_is_open_is_degraded_with_its_message() -> None:
    full = replace(WELL, open_alerts=2, critical_alerts=(("disk full", "the disk of PODIUM_HOME is more than 97 % full"),))
    assert (judge_health(full).state, judge_health(full).alive) == ("degraded", True)
    assert judge_health(full).reasons == ("disk full: the disk of PODIUM_HOME is more than 97 % full",)
    assert judge_health(replace(full, heartbeat_at=None)).state == "down"


def test_an_alert_that_repeats_a_component_is_named_once() -> None:
    failing = ComponentState("store", "degraded", 0, "it is full")
    named = replace(WELL, components=(failing,), critical_alerts=(("store failing", "store: it is full"), ("drill failed", "kill switch")))
    assert judge_health(named).reasons == ("store is degraded: it is full", "drill failed: kill switch")


@pytest.mark.parametrize(
    ("changed", "state", "reason"),
    [
        ({"heartbeat_at": NOW - 15 * SECOND}, "healthy", None),
        ({"heartbeat_at": NOW - 15 * SECOND - 1}, "down", "the engine's last heartbeat was 15 s ago"),
        ({"decided_at": NOW - 30 * SECOND}, "healthy", None),
        ({"decided_at": NOW - 30 * SECOND - 1}, "down", "the last tick was decided 30 s ago"),
        ({"decided_at": NOW - 50 * SECOND, "tick_interval_seconds": 10.0}, "healthy", None),
        ({"decided_at": NOW - 51 * SECOND, "tick_interval_seconds": 10.0}, "down", "the last tick was decided 51 s ago"),
        ({"decided_at": NOW - 45 * SECOND, "started_at": None}, "down", "the last tick was decided 45 s ago"),
        ({"decided_at": NOW, "started_at": NOW}, "healthy", None),
        ({"decided_at": None, "started_at": None}, "starting", "waiting for the first tick since the start"),
        ({"decided_at": NOW - 121 * SECOND, "started_at": NOW - 120 * SECOND}, "starting", "waiting for the first tick since the start"),
        ({"decided_at": NOW - 122 * SECOND, "started_at": NOW - 121 * SECOND}, "down", "no tick since the start 2 min ago"),
        (
            {"decided_at": None, "started_at": NOW - 300 * SECOND, "tick_interval_seconds": 60.0},
            "starting",
            "waiting for the first tick since the start",
        ),
        ({"decided_at": None, "started_at": NOW - 301 * SECOND, "tick_interval_seconds": 60.0}, "down", "no tick since the start 5 min ago"),
    ],
)
def test_a_limit_is_kept_to_the_nanosecond(changed: dict[str, Any], state: str, reason: str | None) -> None:
    health = judge_health(replace(WELL, **changed))
    assert (health.state, health.alive) == (state, state != "down")
    assert health.reasons == (() if reason is None else (reason,))


@pytest.mark.parametrize(
    ("component", "state", "verdict"),
    [("feed", "down", "degraded"), ("feed", "starting", "down"), ("feed", "ok", "down"), ("store", "down", "down"), ("store", "degraded", "down")],
)
def test_only_a_feed_that_gives_nothing_excuses_a_tick_that_does_not_come(component: str, state: str, verdict: str) -> None:
    late = replace(WELL, decided_at=NOW - 400 * SECOND, components=(ComponentState(component, state, 0, None),))
    assert judge_health(late).state == verdict
    assert judge_health(replace(late, heartbeat_at=None)).state == "down"


def test_every_component_that_is_not_well_is_named_with_its_error() -> None:
    parts = (
        ComponentState("feed", "degraded", 0, "silent"), ComponentState("store", "ok", 0, "old"), ComponentState("trainer", "down", 0, None),
        ComponentState("probes", "starting", 0, None),
    )  # fmt: skip
    health = judge_health(replace(WELL, components=parts))
    assert (health.state, health.alive) == ("degraded", True)
    assert health.reasons == ("feed is degraded: silent", "trainer is down: no reason given")


def test_a_heartbeat_from_the_future_counts_as_none_and_the_reason_says_so() -> None:
    health = judge_health(replace(WELL, heartbeat_at=NOW + 4 * HOUR))
    assert (health.state, health.alive) == ("down", False)
    assert health.reasons[0].startswith("the engine's last heartbeat is dated 4.0 h in the future and counts as missing")
    assert judge_health(replace(WELL, heartbeat_at=NOW + 5 * SECOND, decided_at=NOW + 5 * SECOND)).state == "healthy", (
        "clocks of two processes may differ a little"
    )


def test_a_tick_from_the_future_counts_as_none() -> None:
    ahead = replace(WELL, started_at=NOW + HOUR, decided_at=NOW + 2 * HOUR, clock_step=ClockStep(NOW - 10 * SECOND, -7_200.0))
    health = judge_health(ahead)
    assert (health.state, health.alive) == ("starting", True)
    assert health.reasons[0].startswith("waiting for the next tick: the last is dated 2.0 h in the future and counts as missing")
    stalled = judge_health(replace(ahead, clock_step=ClockStep(NOW - 121 * SECOND, -7_200.0)))
    assert (stalled.state, stalled.reasons) == ("down", ("no tick for 2 min, since the wall clock went back by 2.0 h",))


def test_an_engine_that_went_on_after_the_clock_was_set_back_is_healthy_and_can_still_stall() -> None:
    going = replace(WELL, started_at=NOW + 4 * HOUR, clock_step=ClockStep(NOW - 60 * SECOND, -14_400.0))
    assert judge_health(going).state == "healthy"
    assert judge_health(replace(going, decided_at=NOW - 31 * SECOND)).reasons == ("the last tick was decided 31 s ago",)


def test_a_machine_that_slept_has_the_time_of_a_tick_to_decide_again() -> None:
    awake = replace(WELL, started_at=NOW - 9 * HOUR, decided_at=NOW - 8 * HOUR, clock_step=ClockStep(NOW - 10 * SECOND, 8 * 3_600.0))
    assert judge_health(awake).state == "healthy"
    stalled = judge_health(replace(awake, clock_step=ClockStep(NOW - 31 * SECOND, 8 * 3_600.0)))
    assert stalled.reasons == ("no tick for 31 s, since the wall clock went forward by 8.0 h: it was set, or the machine slept",)


@pytest.mark.parametrize("changed", [{"is_warmup": True}, {"tick_interval_seconds": 0.0}])
def test_a_tick_that_may_wait_for_a_training_has_two_minutes(changed: dict[str, Any]) -> None:
    assert judge_health(replace(WELL, decided_at=NOW - 119 * SECOND, **changed)).state == "healthy"
    assert judge_health(replace(WELL, decided_at=NOW - 121 * SECOND, **changed)).state == "down"


def test_ages_are_none_for_what_is_in_the_future_and_never_below_zero() -> None:
    vitals = replace(WELL, heartbeat_at=NOW + HOUR, decided_at=NOW + SECOND, clock_step=ClockStep(NOW, -3_600.0))
    formatted = format_health(vitals, judge_health(vitals))
    assert (formatted["heartbeat_age_seconds"], formatted["last_tick_age_seconds"]) == (None, 0.0)
    assert formatted["clock_step"] == {"at": NOW, "seconds": -3_600.0}
    samples = {family.name: [sample.value for sample in family.samples] for family in families.collect_engine_health(vitals, judge_health(vitals))}
    assert (samples["podium_up"], samples["podium_heartbeat_age_seconds"], samples["podium_last_tick_age_seconds"]) == ([0.0], [], [0.0])
    assert samples["podium_clock_step_seconds"] == [-3_600.0]


def test_the_status_in_words_names_a_step_of_the_clock_and_no_age_below_zero() -> None:
    vitals = replace(WELL, decided_at=NOW + HOUR, clock_step=ClockStep(NOW - SECOND, -3_600.0))
    words = format_status(vitals, judge_health(vitals))
    assert "in the future by this machine's clock" in words
    assert "clock        the wall clock went back by 60.0 min" in words
    assert "-3" not in words
