"""Backtests asked for by command: one at a time, each in a process of its own at low priority; what comes of them is kept as files."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import IO

import orjson

from engine.commands.handlers.backtests import build_backtest_arguments
from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS
from engine.service import process_memory
from engine.service.logging import LOG
from engine.store import backtest_files
from engine.store.backtest_files import StoredBacktest
from engine.store.errors import StoreError

COMMANDS = ("backtest", "cancel_backtest", "delete_backtest")
MAX_WAITING = 10  # that may wait behind the one in hand
NICENESS = 10  # nice: everything else goes first
REPORT_SECONDS = 1.0
DAY = 86_400_000_000_000  # ns
GRACE_SECONDS = 5.0  # to end by itself
ROOT = Path(__file__).resolve().parents[2]
MARKET = frozenset({f"PODIUM_{name}" for name in ("FEED", "FEED_PATH", "SYMBOLS", "INTERVAL", "SEED", "SIM_SIGNAL", "SIM_SYMBOLS")})
PROGRESS = re.compile(r"progress (\d{1,12}) (\d{1,12})", re.ASCII)  # bars done, of how many (0: not known)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)

BacktestResult = dict[str, object]
Report = Callable[[int, float, str], None]  # number of the command, share done 0..1, a word
Finish = Callable[[Command, BacktestResult], None]


class BacktestRunner:
    """The backtests of one engine. `obey` takes a command and returns at once; `work` belongs in a thread of its own."""

    def __init__(self, home: Path, clock: Clock, report: Report, finish: Finish) -> None:
        self._folder = backtest_files.backtest_folder(home)
        self._clock, self._report, self._finish = clock, report, finish
        self._lock = Lock()
        self._waiting: deque[Command] = deque()
        self._running: Command | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._ended: str | None = None  # why the one in hand is to end
        self._stopping = False
        backtest_files.remove_drafts(self._folder, clock.now() - DAY)

    def handle_command(self, command: Command) -> bool:
        """Queues, cancels or deletes; True where there is something for `work` to do. What cannot be done ends the command with its reason."""
        try:
            if command.name == "backtest":
                return self._queue(command)
            args = dict(command.args)
            said = self._cancel(command, args) if command.name == "cancel_backtest" else self._delete(args)
        except (ValueError, OSError) as error:
            self._finish(command, {"error": _line(error)})
            return False
        self._finish(command, {"message": said})
        return False

    def run_waiting(self) -> None:
        """Runs what waits, one after the other; returns at once where another thread is at it."""
        while (command := self._next()) is not None:
            try:
                self._finish(command, self._run(command))
            finally:
                with self._lock:
                    self._running = self._child = None

    @property
    def process_id(self) -> int | None:
        """The id of the process in hand."""
        child = self._child
        return None if child is None else child.pid

    def stop(self) -> None:
        """Ends the one in hand and those that wait; nothing more is taken."""
        with self._lock:
            self._stopping = True
            self._end("the engine stopped before it was done: ask again")

    def _queue(self, command: Command) -> bool:
        build_backtest_arguments(dict(command.args))
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                raise ValueError(f"{MAX_WAITING} backtests wait already: cancel one, or ask again when one is done")
            self._waiting.append(command)
            before = len(self._waiting) - 1 + (self._running is not None)
        if before:
            self._say(command.id, 0.0, f"waits for {before} other{'s' if before > 1 else ''}")
        return True

    def _cancel(self, command: Command, args: dict[str, str]) -> str:
        number = args.get("id", "")
        line = f"cancelled by {command.by}"
        with self._lock:
            if self._running is not None and str(self._running.id) == number:
                self._end(line)
                return f"backtest {number} is ended"
            found = next((one for one in self._waiting if str(one.id) == number), None)
            if found is None:
                raise ValueError(f"no backtest {number[:20]!r} runs or waits: give the number of its command")
            self._waiting.remove(found)
        self._finish(found, {"error": line})
        return f"backtest {number} is taken from the queue"

    def _delete(self, args: dict[str, str]) -> str:
        name = args.get("id", "")
        backtest_files.delete_backtest(self._folder, name)
        return f"backtest {name} is deleted"

    def _next(self) -> Command | None:
        with self._lock:
            if self._running is not None or not self._waiting:
                return None
            self._running = self._waiting.popleft()
            if not self._stopping:
                self._ended = None
            return self._running

    def _end(self, why: str) -> None:
        self._ended = why
        if self._child is not None:
            self._child.terminate()

    def _run(self, command: Command) -> BacktestResult:
        at = self._clock.now()
        name = f"{datetime.fromtimestamp(at / 1e9, UTC):%Y%m%d-%H%M%S}-{command.id}"
        draft = self._folder / f".{name}.out"
        try:
            owned_folders.claim_folder(self._folder, BACKTESTS)
            draft.unlink(missing_ok=True)  # of a run that was killed
            with os.fdopen(private_files.create_private_file(draft), "wb") as out:
                error = self._decide(command, out)
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

    def _decide(self, command: Command, out: IO[bytes]) -> str | None:
        """Runs the backtest and waits for it; why there is no report, None where there is one."""
        words = [sys.executable, "-m", "engine", "backtest", *build_backtest_arguments(dict(command.args)), "--json", "--under", str(os.getpid())]
        with self._lock:
            if self._ended is not None:
                return self._ended
            self._child = child = subprocess.Popen(
                words, cwd=ROOT, env=_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, start_new_session=True
            )
        with child:
            try:
                said = self._listen(command.id, child)
            finally:
                code = _end_of(child)
        return self._why_ended() or (None if code == 0 else said or f"it ended with code {code} and said nothing")

    def _why_ended(self) -> str | None:
        with self._lock:
            return self._ended

    def _listen(self, number: int, child: subprocess.Popen[bytes]) -> str:
        """Passes on how far it has come, until it falls silent; its last line that was no progress."""
        said, begun = "", self._clock.tick()
        told = begun - REPORT_SECONDS
        self._say(number, 0.0, "opens the market")
        assert child.stderr is not None
        for line in child.stderr:
            text = line.decode(errors="replace").strip()
            come = PROGRESS.fullmatch(text)
            if come is None:
                said = text.removeprefix("podium: ")[:300] or said
            elif self._clock.tick() - told >= REPORT_SECONDS:
                told = self._clock.tick()
                self._say(number, *_progress(int(come[1]), int(come[2]), told - begun))
        return said

    def _say(self, number: int, progress: float, note: str) -> None:
        try:
            self._report(number, progress, note)
        except StoreError as error:
            LOG.info("the progress of backtest %s was not kept: %s", number, error)


def report_progress(done: int, total: int | None) -> None:
    """How far it has come, as the engine above reads it."""
    print(f"progress {done} {total or 0}", file=sys.stderr, flush=True)  # noqa: T201 it is what is told


def bind_to_parent(parent: int) -> None:
    """Makes this process one that gives way to all others and does not outlive the engine."""
    process_memory.lower_priority(NICENESS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _end_of(child: subprocess.Popen[bytes]) -> int:
    """Its exit code; what does not end by itself is ended."""
    try:
        return child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _progress(done: int, total: int, seconds: float) -> tuple[float, str]:
    if not total:
        return 0.0, f"{done:,} bars"
    left = seconds / max(done, 1) * (total - done)
    told = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
    return min(1.0, done / total), f"{done:,} of {total:,} bars, about {told} left"


def _environment() -> dict[str, str]:
    """Costs and knobs as the engine's own; the market is what was asked for."""
    return {name: value for name, value in os.environ.items() if name not in MARKET}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
