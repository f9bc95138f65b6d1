"""Slower polling: what the scheduler of a real engine runs, and how often."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.actions.slow_polling import ACTION
from engine.domain.tuning import Pace
from engine.shell.clock import WallClock
from engine.shell.desk import Desk
from engine.shell.jobs import Jobs
from tests.actions.engines import desk
from tests.actions.makers import room


def runs(made: Desk) -> dict[str, int]:
    """How often each job is due in a minute, by the scheduler's own reckoning."""
    jobs = made.levers.jobs
    assert jobs is not None
    found: dict[str, int] = {}
    for job in jobs._scheduler.get_jobs():
        if job.id not in {"probes", "commands", "board", "ticks"}:
            continue
        at = first = job.trigger.start_date
        while (at := job.trigger.get_next_fire_time(at, at)) - first < timedelta(minutes=1):
            found[job.id] = found.get(job.id, 0) + 1
    return found


def test_the_scheduler_runs_less_by_what_is_told_and_the_tick_is_slowed_only_after_all_else(tmp_path: Path) -> None:
    with desk(tmp_path, pace_seconds=5.0) as made:
        at_first = runs(made)
        assert at_first["probes"] > 30
        measured = ACTION.do(room(tmp_path, levers=made.levers))
        slower = runs(made)
        assert slower["ticks"] == at_first["ticks"]
        assert measured.amount == pytest.approx(sum(at_first.values()) - sum(slower.values()), abs=4)
        assert measured.amount > 60
        ticks = ACTION.do(room(tmp_path, levers=made.levers))
        assert ticks.done
        assert made.levers.pace.now().ticks == 10.0
        assert runs(made)["ticks"] <= at_first["ticks"] / 2 + 1
        assert not ACTION.do(room(tmp_path, levers=made.levers)).done  # nothing is left to slow
        assert ACTION.undo is not None
        for _ in range(2):
            assert ACTION.undo(room(tmp_path, levers=made.levers)).done
        assert made.levers.pace.now() == made.levers.pace.usual()
        assert runs(made) == at_first


def test_a_tick_without_a_set_pace_is_never_slowed(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert ACTION.do(room(tmp_path, levers=made.levers)).done
        assert not ACTION.do(room(tmp_path, levers=made.levers)).done
        assert made.levers.pace.now().ticks == 0.0


def test_before_anything_is_scheduled_there_is_no_pace_to_turn(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        made.levers.jobs = None
        with pytest.raises(ValueError, match="nothing is scheduled yet"):
            made.levers.pace.turn(Pace(2.0, 2.0, 30.0, 0.0))
        assert made.levers.pace.now() == made.levers.pace.usual()


def test_a_job_that_is_not_there_cannot_be_paced() -> None:
    with pytest.raises(ValueError, match="no job nobody"):
        Jobs(WallClock()).pace("nobody", 1.0)
