"""Health: judged from what stands in the store, and every fault is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.health import BEAT_SECONDS, SECOND, ComponentState, Vitals, judge

NOW = 1_000 * SECOND
WELL = Vitals(
    now=NOW, beat=NOW - SECOND, started=NOW - 500 * SECOND, pace_seconds=2.0, tick=9, decided=NOW - 2 * SECOND,
    components=(ComponentState("feed", "ok", 0, "an old error"),), ticks_counted=10, ticks_honest=9, open_alerts=0,
)  # fmt: skip


def test_ticks_and_heartbeat_on_time_are_healthy() -> None:
    assert judge(WELL).state == "healthy"
    assert judge(WELL).reasons == ()
    assert WELL.honest_rate == 0.9


def test_without_a_tick_there_is_no_honest_rate() -> None:
    assert replace(WELL, ticks_counted=0, ticks_honest=0).honest_rate is None


def test_no_lease_or_an_old_heartbeat_is_down() -> None:
    assert judge(replace(WELL, beat=None)).reasons[0] == "no engine runs on this store"
    health = judge(replace(WELL, beat=NOW - int((BEAT_SECONDS + 1) * SECOND)))
    assert (health.state, health.alive) == ("down", False)
    assert "16 s ago" in health.reasons[0]


def test_a_full_disk_is_named_where_no_engine_runs() -> None:
    assert judge(replace(WELL, beat=None, is_full=True)).reasons[1] == "the disk of the store is full: the engine goes on when there is room"
    assert judge(replace(WELL, is_full=True)).state == "healthy"  # while it writes, the alert of the disk tells


def test_a_stalled_engine_is_down_although_it_beats() -> None:
    health = judge(replace(WELL, decided=NOW - 31 * SECOND))
    assert (health.state, health.alive) == ("down", False)
    assert judge(replace(WELL, decided=NOW - 31 * SECOND, pace_seconds=60.0)).alive


def test_a_feed_that_has_ended_is_degraded_and_not_stalled() -> None:
    ended = replace(WELL, decided=NOW - 400 * SECOND, components=(ComponentState("feed", "degraded", 0, "the recording has ended"),))
    assert judge(ended).state == "degraded"
    assert judge(ended).reasons == ("feed is degraded: the recording has ended",)


def test_before_its_first_tick_an_engine_is_starting_for_two_minutes() -> None:
    fresh = replace(WELL, started=NOW - 60 * SECOND, decided=None, tick=None)
    assert (judge(fresh).state, judge(fresh).alive) == ("starting", True)
    again = replace(WELL, started=NOW - 60 * SECOND, decided=NOW - 600 * SECOND)
    assert judge(again).state == "starting"
    assert judge(replace(fresh, started=NOW - 121 * SECOND)).state == "down"


def test_a_critical_alert_that_is_open_is_degraded_with_its_message() -> None:
    full = replace(WELL, open_alerts=2, critical_alerts=(("disk full", "the disk of PODIUM_HOME is more than 97 % full"),))
    assert (judge(full).state, judge(full).alive) == ("degraded", True)
    assert judge(full).reasons == ("disk full: the disk of PODIUM_HOME is more than 97 % full",)
    assert judge(replace(full, beat=None)).state == "down"


def test_an_alert_that_repeats_a_component_is_named_once() -> None:
    failing = ComponentState("store", "degraded", 0, "it is full")
    named = replace(WELL, components=(failing,), critical_alerts=(("store failing", "store: it is full"), ("drill failed", "kill switch")))
    assert judge(named).reasons == ("store is degraded: it is full", "drill failed: kill switch")


@pytest.mark.parametrize(
    ("changed", "state", "reason"),
    [
        ({"beat": NOW - 15 * SECOND}, "healthy", None),
        ({"beat": NOW - 15 * SECOND - 1}, "down", "the engine's last heartbeat was 15 s ago"),
        ({"decided": NOW - 30 * SECOND}, "healthy", None),
        ({"decided": NOW - 30 * SECOND - 1}, "down", "the last tick was decided 30 s ago"),
        ({"decided": NOW - 50 * SECOND, "pace_seconds": 10.0}, "healthy", None),
        ({"decided": NOW - 51 * SECOND, "pace_seconds": 10.0}, "down", "the last tick was decided 51 s ago"),
        ({"decided": NOW - 45 * SECOND, "started": None}, "down", "the last tick was decided 45 s ago"),
        ({"decided": NOW, "started": NOW}, "healthy", None),
        ({"decided": None, "started": None}, "starting", "waiting for the first tick since the start"),
        ({"decided": NOW - 121 * SECOND, "started": NOW - 120 * SECOND}, "starting", "waiting for the first tick since the start"),
        ({"decided": NOW - 122 * SECOND, "started": NOW - 121 * SECOND}, "down", "no tick since the start 121 s ago"),
        ({"decided": None, "started": NOW - 300 * SECOND, "pace_seconds": 60.0}, "starting", "waiting for the first tick since the start"),
        ({"decided": None, "started": NOW - 301 * SECOND, "pace_seconds": 60.0}, "down", "no tick since the start 301 s ago"),
    ],
)
def test_a_limit_is_kept_to_the_nanosecond(changed: dict[str, Any], state: str, reason: str | None) -> None:
    health = judge(replace(WELL, **changed))
    assert (health.state, health.alive) == (state, state != "down")
    assert health.reasons == (() if reason is None else (reason,))


@pytest.mark.parametrize(
    ("component", "state", "verdict"),
    [("feed", "down", "degraded"), ("feed", "starting", "down"), ("feed", "ok", "down"), ("store", "down", "down"), ("store", "degraded", "down")],
)
def test_only_a_feed_that_gives_nothing_excuses_a_tick_that_does_not_come(component: str, state: str, verdict: str) -> None:
    late = replace(WELL, decided=NOW - 400 * SECOND, components=(ComponentState(component, state, 0, None),))
    assert judge(late).state == verdict
    assert judge(replace(late, beat=None)).state == "down"


def test_every_component_that_is_not_well_is_named_with_its_error() -> None:
    parts = (
        ComponentState("feed", "degraded", 0, "silent"), ComponentState("store", "ok", 0, "old"), ComponentState("trainer", "down", 0, None),
        ComponentState("probes", "starting", 0, None),
    )  # fmt: skip
    health = judge(replace(WELL, components=parts))
    assert (health.state, health.alive) == ("degraded", True)
    assert health.reasons == ("feed is degraded: silent", "trainer is down: no reason given")
