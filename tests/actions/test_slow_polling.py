"""Slower polling: the jobs that the scheduler of a real engine runs, and their number."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.actions.slow_polling import ACTION
from engine.domain.optimization import PollingIntervals
from engine.service.clock import WallClock
from engine.service.scheduler import JobScheduler
from engine.service.service import EngineService
from tests.actions.engines import desk
from tests.actions.makers import make_context


def runs(made: EngineService) -> dict[str, int]:
    """How often each job is due in a minute, by the scheduler's own reckoning."""
    jobs = made.actuators.jobs
    assert jobs is not None
    runs: dict[str, int] = {}
    for job in jobs._scheduler.get_jobs():
        if job.id not in {"probes", "commands", "heartbeats", "ticks"}:
            continue
        at = first = job.trigger.start_date
        while (at := job.trigger.get_next_fire_time(at, at)) - first < timedelta(minutes=1):
            runs[job.id] = runs.get(job.id, 0) + 1
    return runs


def test_the_scheduler_runs_less_by_the_reported_amount_and_the_tick_is_slowed_last(tmp_path: Path) -> None:
    with desk(tmp_path, tick_interval_seconds=5.0) as made:
        at_first = runs(made)
        assert at_first["probes"] > 30
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        slower = runs(made)
        assert slower["ticks"] == at_first["ticks"]
        assert measured.amount == pytest.approx(sum(at_first.values()) - sum(slower.values()), abs=4)
        assert measured.amount > 60
        ticks = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert ticks.done
        assert made.actuators.polling.current().ticks == 10.0
        assert runs(made)["ticks"] <= at_first["ticks"] / 2 + 1
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done  # nothing is left to slow
        assert ACTION.undo is not None
        for _ in range(2):
            assert ACTION.undo(make_context(tmp_path, actuators=made.actuators)).done
        assert made.actuators.polling.current() == made.actuators.polling.default()
        assert runs(made) == at_first


def test_a_tick_without_a_set_pace_is_never_slowed(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
        assert made.actuators.polling.current().ticks == 0.0


def test_before_anything_is_scheduled_there_is_no_pace_to_turn(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        made.actuators.jobs = None
        with pytest.raises(ValueError, match="nothing is scheduled yet"):
            made.actuators.polling.apply(PollingIntervals(2.0, 2.0, 30.0, 0.0))
        assert made.actuators.polling.current() == made.actuators.polling.default()


def test_a_job_that_is_not_there_cannot_be_paced() -> None:
    with pytest.raises(ValueError, match="no job nobody"):
        JobScheduler(WallClock()).reschedule("nobody", 1.0)
