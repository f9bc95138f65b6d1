"""One engine per store: a row with a heartbeat, acquired by compare-and-set, and a fence that every write of the engine passes."""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import psutil
from sqlalchemy import Connection

from engine.domain.ports import Clock
from engine.domain.record import Record
from engine.health import CLOCK_STEP_KEY
from engine.service.logging import LOG
from engine.store import backup, database, inbox
from engine.store.connection import Store
from engine.store.errors import LeaseLost

LEASE_NS = 15 * 10**9  # ns without a beat
CONFIRM_SECONDS = 5.0  # of a monotonic clock, within which a living holder beats, whatever the wall clock shows
_SAME_START = 2.0  # s, within which two process start times are the same

_TAKE = "INSERT OR REPLACE INTO lease (id, holder, pid, process_started, host, namespace, started_at, beat) VALUES (1, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class LeaseHolder(Record):
    """The process that holds the store."""

    id: str
    pid: int
    process_started: float  # s since the epoch: the pid alone may belong to another process by now
    host: str
    namespace: str  # of the pids: each container on a host has its own
    started_at: int  # ns UTC
    beat: int  # ns UTC

    def is_dead(self) -> bool:
        """Whether its process is dead, where that can be seen from here."""
        return (self.host, self.namespace) == _place() and not _is_alive(self.pid, self.process_started)

    def is_silent(self, now: int) -> bool:
        """Whether it has not beaten for 15 s by the wall clock, which may have been set; a beat in the future counts as none."""
        return abs(now - self.beat) > LEASE_NS


class Lease:
    """This process's claim on a store. `holder` is passed to the Writer and the Inbox of the engine."""

    def __init__(self, url: str) -> None:
        self.holder_id = uuid.uuid4().hex
        database.prepare(url)
        self._store = Store(url, None)
        self._watched: tuple[str, int, float] | None = (
            None  # the silent holder, its last beat, and s of the monotonic clock at which that was first seen
        )

    def acquire(self, now: int, tick: float, former: str | None = None) -> bool:
        """Acquire the store; True where it is ours now. Commands that a dead engine left running are marked as failed.

        A holder whose process may be alive counts as dead only when no beat is seen for 5 s of the monotonic clock (`tick`): where the wall
        clock was set, or the machine slept, every holder looks silent until its next beat. `is_in_doubt` then suggests another attempt.
        `former` is an earlier claim of this process, on a file that has been restored since.
        """
        with self._store.write(fenced=False) as connection:
            current = _read(connection)
            if current is not None and current.id not in {self.holder_id, former} and not self._is_dead(current, now, tick):
                return False
            host, namespace = _place()
            started = psutil.Process().create_time()
            connection.exec_driver_sql(_TAKE, (self.holder_id, os.getpid(), started, host, namespace, now, now))
            if current is None or current.id != self.holder_id:
                inbox.fail_running_commands(connection, now)
            return True

    def acquire_or_watch(self, clock: Clock, stop: Event, former: str | None = None) -> bool:
        """As `acquire`, but watch a silent holder that may be alive first, for 5 s or until `stop` is set."""
        if self.acquire(clock.now(), clock.tick(), former):
            return True
        if not self.is_in_doubt:
            return False
        LOG.info("the engine that holds the store is silent: it is watched for %.0f s before the store is acquired", CONFIRM_SECONDS)
        stop.wait(CONFIRM_SECONDS + 0.1)
        return self.acquire(clock.now(), clock.tick(), former)

    @property
    def is_in_doubt(self) -> bool:
        """Whether the holder seen last is silent and not yet known to be dead."""
        return self._watched is not None

    def _is_dead(self, current: LeaseHolder, now: int, tick: float) -> bool:
        if current.is_dead():
            return True
        if not current.is_silent(now):
            self._watched = None
            return False
        if self._watched is None or self._watched[:2] != (current.id, current.beat):
            self._watched = (current.id, current.beat, tick)
        return tick - self._watched[2] >= CONFIRM_SECONDS

    def renew(self, now: int, step: float = 0.0) -> None:
        """Renew the lease every few seconds; raises LeaseLost where another engine has the store. `step`: s by which the wall clock was set."""
        with self._store.write(fenced=False) as connection:
            if step:
                connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (CLOCK_STEP_KEY, json.dumps({"at": now, "seconds": step})))
            if connection.exec_driver_sql("UPDATE lease SET beat = ? WHERE id = 1 AND holder = ?", (now, self.holder_id)).rowcount != 1:
                raise LeaseLost(f"another engine has taken the store {self._store.path}: this one stops")

    def release(self) -> None:
        """Give the store up, if it is ours; may be called twice."""
        with self._store.write(fenced=False) as connection:
            connection.exec_driver_sql("DELETE FROM lease WHERE id = 1 AND holder = ?", (self.holder_id,))

    def rescue_store(self, now: int) -> str:
        """Save the contents of a store whose file has vanished, and describe where; raises StoreError where that is impossible now."""
        return backup.rescue_store(self._store, f"{datetime.fromtimestamp(now / 1e9, UTC):%Y%m%d-%H%M%S}")

    def read_holder(self) -> LeaseHolder | None:
        """The holder of the store, alive or not."""
        with self._store.read() as connection:
            return _read(connection)

    def close(self) -> None:
        self._store.close()


def _read(connection: Connection) -> LeaseHolder | None:
    row = connection.exec_driver_sql("SELECT holder, pid, process_started, host, namespace, started_at, beat FROM lease WHERE id = 1").first()
    return None if row is None else LeaseHolder(*row)


def _place() -> tuple[str, str]:
    """The scope of a pid: the host and, on Linux, the pid namespace."""
    mark = Path("/proc/self/ns/pid")
    return socket.gethostname(), os.readlink(mark) if mark.is_symlink() else ""  # noqa: PTH115 - "pid:[4026531836]" is no path


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started) < _SAME_START
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
