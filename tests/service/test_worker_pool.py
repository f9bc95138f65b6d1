"""Workers: another process, reopened when one was killed, ended with the pool."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from engine.service.worker_pool import WorkerPool, _Work


def fail() -> None:
    raise ValueError("cannot be fitted")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def once(mark: str) -> str:
    """Kills its worker the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        die()
    return "done"


def test_work_goes_on_after_a_worker_was_killed_and_none_is_left_behind() -> None:
    reports: list[str] = []
    workers = WorkerPool(on_failure=reports.append)
    pid = workers.submit(os.getpid).result(300.0)
    assert pid != os.getpid()
    poison, after = workers.submit(die), workers.submit(abs, -3)
    with pytest.raises(BrokenProcessPool):
        poison.result(300.0)
    assert after.result(300.0) == 3  # what only waited behind it is done
    assert reports[0].startswith("a worker process ended")
    with pytest.raises(ValueError, match="cannot be fitted"):
        workers.submit(fail).result(300.0)
    assert workers.last_error == "ValueError: cannot be fitted"
    other = workers.submit(os.getpid).result(300.0)
    assert other not in {pid, os.getpid()}
    workers.close()
    assert not psutil.pid_exists(other)


def test_work_whose_worker_was_killed_is_done_again_by_another(tmp_path: Path) -> None:
    reports: list[str] = []
    workers = WorkerPool(on_failure=lambda _: reports.append("broke"), on_recovery=lambda _: reports.append("mended"))
    assert workers.submit(once, str(tmp_path / "tried")).result(300.0) == "done"
    assert reports == ["broke", "mended"]
    assert workers.last_error is None
    workers.close()
    with pytest.raises(RuntimeError, match="closed"):
        workers.submit(abs, 1)


def test_work_of_a_broken_pool_is_done_again_where_the_pool_tells_of_it_with_its_lock_held() -> None:
    workers = WorkerPool()
    workers.submit(abs, -1).result(300.0)
    work, inner, pool = _Work(partial(abs, -3)), Future[int](), workers._pool
    assert pool is not None
    inner.set_exception(BrokenProcessPool("its worker was killed"))
    with pool._shutdown_lock:
        workers._on_done(work, inner)
        assert not work.future.done()
    assert work.future.result(300.0) == 3
    workers.close()


@pytest.mark.parametrize("replace_pool", [lambda workers: workers.resize(2), WorkerPool.reopen], ids=["resize", "reopen"])
def test_a_process_that_works_on_after_its_pool_was_replaced_ends_with_the_new_pool(replace_pool: Callable[[WorkerPool], object]) -> None:
    workers = WorkerPool()
    old = workers.submit(os.getpid).result(300.0)
    workers.submit(time.sleep, 15.0)
    replace_pool(workers)
    new = workers.submit(os.getpid).result(300.0)
    assert psutil.pid_exists(old), "work under way goes on"
    workers.close()
    assert [pid for pid in (old, new) if psutil.pid_exists(pid)] == []


def test_a_worker_does_not_run_the_page_that_was_drawn_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.py"
    page.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise SystemExit('a page needs its server')\n", encoding="utf-8")
    drawn = ModuleType("__main__")
    drawn.__file__ = str(page)
    monkeypatch.setitem(sys.modules, "__main__", drawn)  # as Streamlit's script runner does
    workers = WorkerPool()
    assert workers.submit(os.getpid).result(300.0) != os.getpid()
    workers.close()
    assert not (tmp_path / "ran").exists()
    assert sys.modules["__main__"] is drawn
