"""Workers: another process, opened anew when it was killed, gone with the pool."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest

from engine.shell.workers import Workers


def fail() -> None:
    raise ValueError("cannot be fitted")


def test_work_goes_on_after_a_worker_was_killed_and_none_is_left_behind() -> None:
    workers = Workers()
    pid = workers.submit(os.getpid).result(60)
    assert pid != os.getpid()
    with pytest.raises(BrokenProcessPool):
        workers.submit(os.kill, pid, signal.SIGKILL).result(60)
    with pytest.raises(ValueError, match="cannot be fitted"):
        workers.submit(fail).result(60)
    assert workers.trouble == "ValueError: cannot be fitted"
    other = workers.submit(os.getpid).result(60)
    assert other not in {pid, os.getpid()}
    workers.close()
    assert not psutil.pid_exists(other)
