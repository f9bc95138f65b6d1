"""Threads fitted to the free processors: under a real load, on a real engine."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier

import psutil
import pytest

from engine.actions.resize_threads import ACTION, AMPLE_FREE, MIN_FREE, resize_threads
from engine.domain.optimization import ThreadCounts
from tests.actions.engines import desk
from tests.actions.load import on_all_processors
from tests.actions.makers import Plain, make_context


def test_forty_idle_threads_on_few_processors_end_and_are_counted(tmp_path: Path) -> None:
    """Leaked threads: the pool that phases run on holds far more than there are processors."""
    with desk(tmp_path, threads=40) as made:
        pool, together = made._engine.phase_pool, Barrier(40)
        assert pool is not None
        for task in [pool.submit(together.wait) for _ in range(40)]:
            task.result(300.0)
        before = psutil.Process().num_threads()
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.done, measured.detail
        assert measured.amount == pytest.approx(before - psutil.Process().num_threads(), abs=2)
        assert measured.amount >= 35
        assert "threads of this process" in measured.detail
        assert made._step() is not None  # it goes on deciding on what is left
        assert made.actuators.threads.current().phases <= made.actuators.processors()


def test_under_load_phases_run_one_after_the_other_and_undo_gives_the_threads_back(tmp_path: Path) -> None:
    with desk(tmp_path, threads=2) as made:
        made.actuators.threads.apply(ThreadCounts(2, 2))
        with on_all_processors():
            looks = 0
            while made.actuators.free_processors() >= MIN_FREE:  # the load is only beginning
                looks += 1
                assert looks < 30
            assert ACTION.run(make_context(tmp_path, actuators=made.actuators)).done
            busy = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert made.actuators.threads.current() == ThreadCounts(0, 1)
        assert made._engine.phase_pool is None
        assert made.workers.count == 1
        assert not busy.done  # once is enough
        assert made._step() is not None
        assert ACTION.undo is not None
        assert ACTION.undo(make_context(tmp_path, actuators=made.actuators)).amount == 3
        assert (made.actuators.threads.current(), made.workers.count) == (ThreadCounts(2, 2), 2)


@pytest.mark.parametrize(
    ("unused", "phases", "wanted"),
    [(2.0, 2, ThreadCounts(2, 1)), (0.1, 2, ThreadCounts(0, 1)), (0.8, 2, ThreadCounts(2, 1)), (0.8, 8, ThreadCounts(4, 1))],
)
def test_what_fits_follows_the_load(unused: float, phases: int, wanted: ThreadCounts, tmp_path: Path) -> None:
    actuators = Plain(allowed=4.0 if phases > 2 else 2.0, unused=unused)
    actuators.values["threads"] = actuators.threads._default = ThreadCounts(phases, 1)
    resize_threads(make_context(tmp_path, actuators=actuators))
    assert actuators.threads.current() == wanted


def test_with_processors_free_again_it_goes_back_to_how_it_was_set_up(tmp_path: Path) -> None:
    actuators = Plain(allowed=8.0, unused=0.0)
    actuators.values["threads"] = actuators.threads._default = ThreadCounts(3, 1)
    assert resize_threads(make_context(tmp_path, actuators=actuators)).done
    actuators.unused = MIN_FREE  # no longer tight, and not ample
    assert not resize_threads(make_context(tmp_path, actuators=actuators)).done
    actuators.unused = AMPLE_FREE
    assert resize_threads(make_context(tmp_path, actuators=actuators)).done
    assert actuators.threads.current() == ThreadCounts(3, 1)
    assert actuators.threads.revert() == (ThreadCounts(3, 1), ThreadCounts(0, 1))  # that can be taken back as well


def test_free_processors_are_those_this_process_may_use_and_go_under_load(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert 0.0 <= made.actuators.free_processors() <= made.actuators.processors() + 0.05
        with on_all_processors():
            looks = 0
            while made.actuators.free_processors() >= MIN_FREE:
                looks += 1
                assert looks < 30
