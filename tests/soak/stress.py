"""Loads the machine by turns, and makes the conditions that optimizations are there for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil

from engine.files import owned_folders
from engine.files.owned_folders import TEMPORARY

LOAD_SECONDS, QUIET_SECONDS = 60.0, 30.0
OLD = 7_200.0  # s: how old a left-over is made
TEMP_BYTES, TEMP_MOST = 8_000_000, 80_000_000
LOG_BYTES, LOG_MOST = 2_000_000, 4
TURNS = ("memory", "cpu", "io")


def words(turn: str, folder: Path, seconds: float) -> list[str]:
    """The command line of one turn; it ends by itself."""
    cores = psutil.cpu_count() or 1
    memory = min(4_000_000_000, psutil.virtual_memory().available // 4)
    what = {
        "memory": ["--vm", "1", "--vm-bytes", str(memory), "--vm-keep"],
        "cpu": ["--cpu", str(cores)],
        "io": ["--hdd", "1", "--hdd-bytes", "256m", "--iomix", "1", "--iomix-bytes", "128m"],
    }[turn]
    return ["stress-ng", "--quiet", "--timeout", f"{seconds:.0f}s", "--temp-path", str(folder), *what]


class Stress:
    """One turn after the other, with a pause between; `step` is called about once a second."""

    def __init__(self, folder: Path, load: float = LOAD_SECONDS, quiet: float = QUIET_SECONDS) -> None:
        self._folder, self._load, self._quiet = folder, load, quiet
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self.turns: list[str] = []  # those that were begun
        self.failed: list[str] = []

    @property
    def now(self) -> str:
        return self.turns[-1] if self._process is not None else "quiet"

    def step(self, at: float) -> None:
        """at: seconds since the soak began."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            if code:
                self.failed.append(f"{self.turns[-1]}: stress-ng ended with {code}")
            self._process, self._next = None, at + self._quiet
        elif at >= self._next:
            turn = TURNS[len(self.turns) % len(TURNS)]
            self.turns.append(turn)
            self._process = subprocess.Popen(words(turn, self._folder, self._load), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)


class LeftOvers:
    """Leaves old temporary files and logs that were put away in Podium's folders, as crashes and busy days do; never more than a bound."""

    def __init__(self, home: Path) -> None:
        self._temp, self._logs = home / TEMPORARY.name, home / "logs"
        self._count = 0

    def step(self, now: float) -> None:
        """now: s UTC. At most one file each."""
        self._count += 1
        owned_folders.claim_folder(self._temp, TEMPORARY)
        if sum(path.stat().st_size for path in self._temp.iterdir() if path.is_file()) < TEMP_MOST:
            _leave(self._temp / f"rows-{self._count:016x}", os.urandom(TEMP_BYTES), now)
        if self._logs.is_dir() and len(list(self._logs.glob("podium.log.[0-9]*"))) < LOG_MOST:
            line = f"2026-01-01 00:00:00 INFO a line of an old log, number {self._count}\n".encode()
            _leave(self._logs / f"podium.log.{90 + self._count % 10}", line * (LOG_BYTES // len(line)), now)


def _leave(path: Path, data: bytes, now: float) -> None:
    """Whole at once and old at once: what looks at the folder meanwhile never sees a young part of it."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    os.utime(draft, (now - OLD, now - OLD))
    draft.replace(path)
