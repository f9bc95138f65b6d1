"""Threads fitted to the processors that are free: under a real load, on a real engine."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier

import psutil
import pytest

from engine.actions.resize_threads import ACTION, AMPLE, TIGHT, resize
from engine.domain.tuning import Threads
from tests.actions.engines import desk
from tests.actions.load import on_all_processors
from tests.actions.makers import Plain, room


def test_forty_idle_threads_on_few_processors_end_and_are_counted(tmp_path: Path) -> None:
    """Leaked threads: the pool that phases run on holds far more than there are processors."""
    with desk(tmp_path, threads=40) as made:
        pool, together = made._engine.pool, Barrier(40)
        assert pool is not None
        for task in [pool.submit(together.wait) for _ in range(40)]:
            task.result(30)
        before = psutil.Process().num_threads()
        measured = ACTION.do(room(tmp_path, levers=made.levers))
        assert measured.done, measured.detail
        assert measured.amount == pytest.approx(before - psutil.Process().num_threads(), abs=2)
        assert measured.amount >= 35
        assert "threads of this process" in measured.detail
        assert made._step() is not None  # it goes on deciding on what is left
        assert made.levers.threads.now().phases <= made.levers.processors()


def test_under_load_phases_run_one_after_the_other_and_undo_gives_the_threads_back(tmp_path: Path) -> None:
    with desk(tmp_path, threads=2) as made:
        made.levers.threads.turn(Threads(2, 2))
        with on_all_processors():
            looks = 0
            while made.levers.free() >= TIGHT:  # the load is only beginning
                looks += 1
                assert looks < 30
            assert ACTION.do(room(tmp_path, levers=made.levers)).done
            busy = ACTION.do(room(tmp_path, levers=made.levers))
        assert made.levers.threads.now() == Threads(0, 1)
        assert made._engine.pool is None
        assert made.workers.count == 1
        assert not busy.done  # once is enough
        assert made._step() is not None
        assert ACTION.undo is not None
        assert ACTION.undo(room(tmp_path, levers=made.levers)).amount == 3
        assert (made.levers.threads.now(), made.workers.count) == (Threads(2, 2), 2)


@pytest.mark.parametrize(
    ("unused", "phases", "wanted"), [(2.0, 2, Threads(2, 1)), (0.1, 2, Threads(0, 1)), (0.8, 2, Threads(2, 1)), (0.8, 8, Threads(4, 1))]
)
def test_what_fits_follows_the_load(unused: float, phases: int, wanted: Threads, tmp_path: Path) -> None:
    levers = Plain(allowed=4.0 if phases > 2 else 2.0, unused=unused)
    levers.values["threads"] = levers.threads._usual = Threads(phases, 1)
    resize(room(tmp_path, levers=levers))
    assert levers.threads.now() == wanted


def test_with_processors_free_again_it_goes_back_to_how_it_was_set_up(tmp_path: Path) -> None:
    levers = Plain(allowed=8.0, unused=0.0)
    levers.values["threads"] = levers.threads._usual = Threads(3, 1)
    assert resize(room(tmp_path, levers=levers)).done
    levers.unused = TIGHT  # no longer tight, and not ample
    assert not resize(room(tmp_path, levers=levers)).done
    levers.unused = AMPLE
    assert resize(room(tmp_path, levers=levers)).done
    assert levers.threads.now() == Threads(3, 1)
    assert levers.threads.back() == (Threads(3, 1), Threads(0, 1))  # that can be taken back as well


def test_free_processors_are_those_this_process_may_use_and_go_under_load(tmp_path: Path) -> None:
    with desk(tmp_path) as made:
        assert 0.0 <= made.levers.free() <= made.levers.processors() + 0.05
        with on_all_processors():
            looks = 0
            while made.levers.free() >= TIGHT:
                looks += 1
                assert looks < 30
