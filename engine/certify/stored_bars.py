"""One check of a running session: the future after one of its stored ticks is replaced, and its bars are decided again by worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from engine.certify.certificate import BARS_AFTER, Certificate, RunTraces, call_in_fresh_processes, certify_recording
from engine.certify.trial import Schedule, Trace, trace_run
from engine.domain.ports import FeedInfo
from engine.live.recorder import ParquetRecorder
from engine.service.clock import WallClock
from engine.service.plugin_files import NO_QUARANTINE, Quarantine, digest_files, list_plugin_files
from engine.settings import LIVE_FEEDS, Settings
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory

MAX_BYTES = 200_000_000  # of a recording that is read whole; a larger one is checked on the stored bars
SCHEDULE = Schedule()


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """A check to make. Its tick and its futures depend on these and on what is stored, and on nothing else."""

    settings: Settings  # their home is a temporary folder of the check
    info: FeedInfo
    session: int
    number: int  # of the check in its session
    quarantine: Quarantine = NO_QUARANTINE
    schedule: Schedule = SCHEDULE
    code: str | None = None  # digest of the files that the engine runs (digest_files); None: not compared


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A certificate of one tick, and the processor time that it took."""

    certificate: Certificate
    source: str  # what was replaced
    cpu_seconds: float


def check_session(check: SessionCheck, run_traces: RunTraces | None = None) -> CheckResult:
    """Check one tick, in a worker; each copy is decided by a process of its own unless `run_traces` is given.

    Raises NotStored and ValueError, in one line, where too few bars are stored, and ValueError where a file is not as the engine runs it: the
    copies would try another content than the result is stored for.
    """
    _compare_files(check.code)
    folder, source = choose_recording(check)
    settings = replace(check.settings, feed="recorded", feed_path=str(folder), seed=derive_seed(check))
    if folder.parent == Path(check.settings.home):
        settings = replace(settings, symbols=(), interval=None)
    certificate = certify_recording(
        settings,
        1,
        clock=WallClock(),
        report_progress=_report_nothing,
        run_traces=run_traces or partial(_run_one_by_one, check.quarantine),
        schedule=check.schedule,
    )
    _compare_files(check.code)
    times = os.times()
    return CheckResult(certificate, source, time.process_time() + times.children_user + times.children_system)


def derive_seed(check: SessionCheck) -> int:
    """The seed of a check, another for each number and never beyond 31 bits: libraries that models use refuse a larger one."""
    return (check.settings.seed + 1_000_003 * (check.number + 1)) % 2**31


def _compare_files(code: str | None) -> None:
    if code is not None and digest_files(list_plugin_files(reread=True)) != code:
        raise ValueError("a file has changed since the engine started: restart it")


def choose_recording(check: SessionCheck) -> tuple[Path, str]:
    """The recording to alter: that of a recorded feed, or of a live one that is recorded, else stored bars of the session written as one."""
    settings = check.settings
    if settings.feed == "recorded" and settings.feed_path is not None and _count_bytes(Path(settings.feed_path)) <= MAX_BYTES:
        return Path(settings.feed_path), "the recording that is decided on"
    if settings.feed in LIVE_FEEDS and settings.record is not None and _count_bytes(Path(settings.record)) <= MAX_BYTES:
        return Path(settings.record), "the recording of the live market"
    return write_stored_bars(check), "bars and closing books that this session stored"


def write_stored_bars(check: SessionCheck) -> Path:
    """Write the stored bars around a random tick of the session as a recording. Raises NotStored where they are too few."""
    history = TickHistory(check.settings.database_url)
    try:
        held, before = history.tick_range(check.session), check.schedule.last_tick
        count = 0 if held is None else held[1] - held[0] + 1
        if held is None or count < before + 2:
            raise NotStored(f"{before + 2:,} stored bars are needed, there are {count:,}")
        tick = int(np.random.default_rng((check.settings.seed, check.number)).integers(held[0] + before, held[1]))
        snapshots = history.snapshots(check.session, tick - before, min(held[1], tick + BARS_AFTER))
    finally:
        history.close()
    folder = Path(check.settings.home) / "stored"
    recorder = ParquetRecorder(folder, check.info, flush_seconds=None)
    for snapshot in snapshots:
        recorder.add_snapshot(snapshot, snapshot.at)
    recorder.close()
    if recorder.problem is not None:
        raise ValueError(recorder.problem)
    return folder


def _count_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _run_one_by_one(quarantine: Quarantine, jobs: Sequence[tuple[Settings, str, int]]) -> Iterator[Trace]:
    for job in jobs:
        yield from call_in_fresh_processes(trace_run, [(*job, quarantine)])


def _report_nothing(done: int, total: int | None) -> None:
    """A check reports its result only."""
