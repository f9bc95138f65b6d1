"""Commands of Podium that a page runs in processes of their own: one at a time in each lane, their output at hand for every visitor."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from threading import Lock, Thread  # noqa: TID251 - see JobRunner.start
from typing import IO

from engine.service.clock import WallClock

ROOT = Path(__file__).resolve().parents[2]
MAX_OUTPUT = 64_000_000  # bytes of a result
MAX_LINES = 400  # of notices
MAX_JOBS = 200  # beyond which the oldest ended ones are forgotten
_PROGRESS = re.compile(r"progress (\d{1,15}) (\d{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class JobState:
    """A command that runs or has ended."""

    key: str
    started: int  # ns UTC
    ended: int | None = None  # ns UTC
    code: int | None = None  # exit code; None while it runs, and where it never started
    lines: tuple[str, ...] = ()  # of stderr, without progress
    done: int = 0  # according to its last line of progress
    total: int = 0  # the same; 0 where it is unknown
    output: bytes = b""  # of stdout, once it has ended

    @property
    def is_running(self) -> bool:
        return self.ended is None

    @property
    def last_line(self) -> str:
        """The last line, which is the reason where it failed."""
        return self.lines[-1].removeprefix("podium: ") if self.lines else ""


@dataclass(slots=True)
class JobRunner:
    """The jobs of this process."""

    lock: Lock = field(default_factory=Lock)
    states: dict[str, JobState] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lanes: dict[str, str] = field(default_factory=dict)  # the key of the job that runs in each lane

    def start(self, lane: str, key: str, arguments: list[str], finish: Callable[[JobState], None] | None = None) -> bool:
        """Run `python -m engine` with these arguments; False where the lane is taken. `finish` is called from the job's thread."""
        with self.lock:
            if lane in self.lanes:
                return False
            self.lanes[lane] = key
            self.states.pop(key, None)
            self.states[key] = JobState(key, WallClock().now())
            ended = [name for name, state in self.states.items() if not state.is_running]
            for name in ended[: max(0, len(self.states) - MAX_JOBS)]:
                del self.states[name]
        thread = Thread(  # it waits for its process, ends with it, and must not hold up the end of the server
            target=self._run, args=(lane, key, arguments, finish), name=f"job-{lane}", daemon=True
        )
        thread.start()
        return True

    def read_state(self, key: str) -> JobState | None:
        """The state of the newest job of this key; None without one."""
        with self.lock:
            return self.states.get(key)

    def running_key(self, lane: str) -> str | None:
        """The key of the job that runs in a lane."""
        with self.lock:
            return self.lanes.get(lane)

    def cancel(self, key: str) -> None:
        """End a job; nothing happens where it has ended."""
        with self.lock:
            process = self.processes.get(key)
            if process is not None:
                process.terminate()

    def _run(self, lane: str, key: str, arguments: list[str], finish: Callable[[JobState], None] | None) -> None:
        """Run a process to its end. The thread lives as long: the process ends with the thread that started it."""
        code, output = None, b""
        try:
            with tempfile.TemporaryFile() as out:
                code = self._follow(key, [sys.executable, "-m", "engine", *arguments, "--under", str(os.getpid())], out)
                out.seek(0)
                output = out.read(MAX_OUTPUT)
        except OSError as error:
            self._add_line(key, f"it could not be run: {error.strerror or error}")
        finally:
            with self.lock:
                self.processes.pop(key, None)
                state = replace(self.states[key], ended=WallClock().now(), code=code, output=output)
            try:
                if finish is not None:
                    finish(state)
            finally:
                with self.lock:
                    self.states[key] = state
                    del self.lanes[lane]

    def _follow(self, key: str, argv: list[str], out: IO[bytes]) -> int:
        process = subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, start_new_session=True)
        with self.lock:
            self.processes[key] = process
        with process:
            assert process.stderr is not None
            for line in process.stderr:
                self._add_line(key, line.decode(errors="replace").rstrip())
        return process.returncode

    def _add_line(self, key: str, line: str) -> None:
        match = _PROGRESS.fullmatch(line)
        with self.lock:
            state = self.states[key]
            if match:
                self.states[key] = replace(state, done=int(match[1]), total=int(match[2]))
            elif line.strip():
                self.states[key] = replace(state, lines=tuple(deque([*state.lines, line[:1_000]], MAX_LINES)))


@cache
def get_jobs() -> JobRunner:
    """The jobs of this process, the same for every visitor."""
    return JobRunner()
