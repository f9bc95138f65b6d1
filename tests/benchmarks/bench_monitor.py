"""What it costs to watch the machine: every reading once a second and stored, beside Glances asked every 2 s, over the same minute.

Glances is installed into an environment of its own in a temporary folder (GLANCES=python that has it saves that). Both are processes of their own,
both are warm before the minute begins, and what counts is the processor time the system charged them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import suppress
from pathlib import Path
from threading import Event

import psutil

from engine.probes.engine import EngineProbe
from engine.probes.probes import Probes
from engine.service.clock import WallClock
from engine.service.monitor import Monitor
from engine.service.scheduler import JobScheduler
from engine.service.service import PROBES_SECONDS
from engine.store import database
from engine.store.read.reader import Reader
from engine.store.write.writer import Writer

SECONDS = float(os.environ.get("BENCH_SECONDS", "90"))
WARM = 15.0  # s before it counts
POLL = 2.0  # s between two calls of Glances' API, as its own page makes them
SHARE = 0.2  # of Glances' time is the most ours may take
SHORT = 1.0


class Nobody:
    """Is told how the jobs go."""

    def on_failure(self, component: str, job: str, error: str) -> None:
        print(f"{job} failed: {error}", file=sys.stderr)

    def on_success(self, component: str, job: str) -> None: ...


def watch(home: Path) -> None:
    """The whole monitor by itself until it is ended: scheduler, sources, store; a tick every 2 s with all its phases is told to it."""
    url = f"sqlite:///{home / 'podium.db'}"
    database.prepare(url)
    clock, work, writer, jobs = WallClock(), EngineProbe(home / "podium.db"), Writer(url), JobScheduler(WallClock())
    monitor = Monitor(Probes(home, clock, work), writer, clock, work, lambda: 0)
    phases = tuple((f"phase_{place}", 0.4) for place in range(10))
    jobs.start()
    jobs.run_every(PROBES_SECONDS, "probes", "probes", monitor.sample, Nobody())
    while True:
        work.record_tick(4.0, 8, 0, clock.now(), save_ms=1.0, phases=phases)
        Event().wait(2.0)


def glances_in(folder: Path) -> str:
    """A Python that has Glances."""
    if "GLANCES" in os.environ:
        return os.environ["GLANCES"]
    subprocess.run([sys.executable, "-m", "venv", str(folder / "glances")], check=True)
    python = str(folder / "glances" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "-q", "--disable-pip-version-check", "install", "glances[web]"], check=True)
    return python


def seconds(process: psutil.Process) -> float:
    """Processor time of a process and of those it started."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            total += times.user + times.system
    return total


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            python = glances_in(Path(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"Glances could not be installed ({error}): only our own time is measured")
            python = ""
        compare(Path(folder), python)


def compare(folder: Path, python: str) -> None:
    home = folder / "home"
    home.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    started = [subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bench_monitor", str(home)])]
    if python:
        asked = [python, "-m", "glances", "-w", "-B", "127.0.0.1", "-p", str(port), "--disable-webui", "--disable-check-update"]
        started.append(subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    try:
        measure(home, [psutil.Process(one.pid) for one in started], port)
    finally:
        for one in started:
            one.kill()
            one.wait()


def measure(home: Path, watched: list[psutil.Process], port: int) -> None:
    clock, pause = WallClock(), Event()
    poll(port, WARM, clock, pause)
    begun, before = clock.tick(), [seconds(one) for one in watched]
    answered = poll(port, SECONDS, clock, pause)
    spent, gone = [seconds(one) - earlier for one, earlier in zip(watched, before, strict=True)], clock.tick() - begun
    kept = int(Reader(f"sqlite:///{home / 'podium.db'}").frame("SELECT count(*) AS n FROM readings_raw")["n"].iloc[0])
    print(f"monitor: {spent[0]:.2f} s of processor time in {gone:.0f} s = {spent[0] / gone:.2%} of a core, {kept:,} readings stored")
    if len(spent) < 2 or not answered:
        print("  Glances did not answer: nothing to compare with")
        return
    share = spent[0] / spent[1]
    print(f"  Glances, asked {answered} times: {spent[1]:.2f} s = {spent[1] / gone:.2%} of a core")
    print(f"  ours is {share:.2f} of it (at most {SHARE:g}: {'held' if share <= SHARE else 'MISSED'})")


def poll(port: int, long: float, clock: WallClock, pause: Event) -> int:
    """Asks Glances for everything every 2 s; how often it answered."""
    begun, answered = clock.tick(), 0
    while (left := long - (clock.tick() - begun)) > 0:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/4/all", timeout=SHORT) as told:
            answered += bool(told.read())
        pause.wait(min(POLL, left))
    return answered


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
