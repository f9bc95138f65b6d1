"""Backtests by command: one at a time, each in a process of its own at low priority; the results are stored as files."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO

import orjson

from engine import units
from engine.commands.handlers.backtests import SIMULATED, RunBacktest
from engine.commands.router import read_arguments
from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.feeds._recording_files import symbol_folders
from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS
from engine.service import process_memory
from engine.service.serial_queue import CommandResult, Finish, Report, ReportProgress, SerialQueue
from engine.store import backtest_files
from engine.store.backtest_files import StoredBacktest

MAX_WAITING = 10  # backtests behind the one that runs
NICENESS = 10  # nice: everything else goes first
REPORT_SECONDS = 1.0
DAY = 86_400_000_000_000  # ns
GRACE_SECONDS = 5.0  # for a process to end after it has closed its output
ROOT = Path(__file__).resolve().parents[2]
MARKET = frozenset({f"PODIUM_{name}" for name in ("FEED", "FEED_PATH", "SYMBOLS", "INTERVAL", "SEED", "SIM_SIGNAL", "SIM_SYMBOLS")})
PROGRESS = re.compile(r"progress (\d{1,12}) (\d{1,12})", re.ASCII)  # bars decided, of how many (0: unknown)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


class BacktestRunner:
    """The backtests of one engine. `enqueue` returns at once; `run_next` runs one and belongs in a thread of its own."""

    def __init__(self, home: Path, clock: Clock, report: Report, finish: Finish) -> None:
        self._folder = backtest_files.backtest_folder(home)
        self._clock, self._finish = clock, finish
        self._queue = SerialQueue(self._run, report, finish, capacity=MAX_WAITING)
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled: tuple[int, str] | None = None  # a command, and why it ends early
        self._stopping = False
        backtest_files.remove_drafts(self._folder, clock.now() - DAY)

    def enqueue(self, command: Command) -> bool:
        """Queue a backtest; True where `run_next` is to be called for it. Raises ValueError for a market that cannot be opened."""
        arguments = _read_backtest(command)
        if arguments.market != SIMULATED:
            try:
                symbol_folders(Path(arguments.market), ())
            except OSError as error:
                raise ValueError(_line(error)) from None
        return self._queue.enqueue(command)

    def run_next(self) -> None:
        """Run the backtest that has waited longest; waits while another runs."""
        self._queue.run_next()

    @property
    def process_id(self) -> int | None:
        """The id of the process that runs one."""
        child = self._child
        return None if child is None else child.pid

    def stop(self) -> None:
        """End the one that runs and those that wait, and accept no more."""
        with self._lock:
            self._stopping = True
            self._terminate()
        self._queue.stop()

    def cancel(self, number: int, by: str) -> str:
        """End the backtest of that command, whether it waits or runs; raises ValueError where there is none."""
        reason = f"cancelled by {by}"
        waiting = self._queue.withdraw(number)
        if waiting is not None:
            self._finish(waiting, {"error": reason})
            return f"backtest {number} is taken from the queue"
        with self._lock:
            if self._queue.running != number:
                raise ValueError(f"no backtest {number} runs or waits: give the number of its command")
            self._cancelled = (number, reason)
            self._terminate()
        return f"backtest {number} is ended"

    def delete(self, name: str) -> str:
        """Delete a stored backtest; raises ValueError where there is none."""
        try:
            backtest_files.delete_backtest(self._folder, name)
        except OSError as error:
            raise ValueError(_line(error)) from None
        return f"backtest {name} is deleted"

    def _terminate(self) -> None:
        if self._child is not None:
            self._child.terminate()

    def _run(self, command: Command, report_progress: ReportProgress) -> CommandResult:
        at = self._clock.now()
        name = f"{datetime.fromtimestamp(at / 1e9, UTC):%Y%m%d-%H%M%S}-{command.id}"
        draft = self._folder / f".{name}.out"
        try:
            owned_folders.claim_folder(self._folder, BACKTESTS)
            draft.unlink(missing_ok=True)  # of a run that was killed
            with os.fdopen(private_files.create_private_file(draft), "wb") as out:
                error = self._decide(command, out, report_progress)
            if error is not None:
                return {"error": error}
            report = orjson.loads(draft.read_bytes())
            backtest_files.save_backtest(
                self._folder, StoredBacktest(name, command.by, command.reason, at, self._clock.now(), dict(command.args), report)
            )
        except (ValueError, OSError) as trouble:
            return {"error": _line(trouble)}
        finally:
            draft.unlink(missing_ok=True)
        return {"message": f"{report['decisions']:,} decisions, kept as {name}", "backtest": name, "digest": report["digest"]}

    def _decide(self, command: Command, out: IO[bytes], report_progress: ReportProgress) -> str | None:
        """Run the backtest and wait for it; the reason where there is no report, None where there is one."""
        argv = [sys.executable, "-m", "engine", "backtest", *_read_backtest(command).command_line(), "--json", "--under", str(os.getpid())]
        with self._lock:
            reason = self._why_ended(command)
            if reason is not None:
                return reason
            self._child = child = subprocess.Popen(
                argv, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, start_new_session=True
            )
        with child:
            try:
                last_line = self._follow(child, report_progress)
            finally:
                code = _end_of(child)
                with self._lock:
                    self._child, reason = None, self._why_ended(command)
        return reason or (None if code == 0 else last_line or f"it ended with code {code} and no message")

    def _why_ended(self, command: Command) -> str | None:
        if self._cancelled is not None and self._cancelled[0] == command.id:
            return self._cancelled[1]
        return "the engine stopped before it was done: ask again" if self._stopping else None

    def _follow(self, child: subprocess.Popen[bytes], report_progress: ReportProgress) -> str:
        """Report the progress until the process falls silent; its last line that was not about progress."""
        last_line, begun = "", self._clock.tick()
        reported = begun - REPORT_SECONDS
        report_progress(0.0, "opens the market")
        assert child.stderr is not None
        for line in child.stderr:
            text = line.decode(errors="replace").strip()
            progress = PROGRESS.fullmatch(text)
            if progress is None:
                last_line = text.removeprefix("podium: ")[:300] or last_line
            elif self._clock.tick() - reported >= REPORT_SECONDS:
                reported = self._clock.tick()
                report_progress(*_progress(int(progress[1]), int(progress[2]), reported - begun))
        return last_line


def report_progress(done: int, total: int | None) -> None:
    """Print the progress as the engine above reads it."""
    print(f"progress {done} {total or 0}", file=sys.stderr, flush=True)  # noqa: T201 the output is the protocol


def bind_to_parent(parent: int) -> None:
    """Lower the priority of this process and end it with the engine."""
    process_memory.lower_priority(NICENESS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _end_of(child: subprocess.Popen[bytes]) -> int:
    """The exit code of a process, which is killed where it does not end."""
    try:
        return child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _progress(done: int, total: int, seconds: float) -> tuple[float, str]:
    if not total:
        return 0.0, f"{done:,} bars"
    left = seconds / max(done, 1) * (total - done)
    return min(1.0, done / total), f"{done:,} of {total:,} bars, about {units.format_age(left)} left"


def _environment() -> dict[str, str]:
    """The environment of the engine without its market, which the command names."""
    return {name: value for name, value in os.environ.items() if name not in MARKET}


def _read_backtest(command: Command) -> RunBacktest:
    arguments = read_arguments(command.name, dict(command.args))
    if not isinstance(arguments, RunBacktest):
        raise ValueError(f"{command.name} asks for no backtest")
    return arguments


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
