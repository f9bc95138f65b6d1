"""make soak: the real server under memory, processor and disk load by turns, with the optimizer at work; ends with 1 and names what failed."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import tomllib
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from threading import Event

import psutil

from engine.service.clock import WallClock
from tests.soak import findings
from tests.soak.stress import LOAD_SECONDS, QUIET_SECONDS, LeftOvers, Stress

ROOT = Path(__file__).parent.parent.parent
UP_SECONDS, STOP_SECONDS = 180.0, 90.0
WARM_UP = int(tomllib.loads((Path(__file__).parent / "soak.toml").read_text(encoding="utf-8"))["warmup_bars"])  # ticks
SIGNS = ("podium_up ", "podium_store_readable ", "podium_heartbeat_age_seconds ", "podium_last_tick_age_seconds ")
ASKED_EVERY, LEFT_EVERY, TOLD_EVERY = 10.0, 4.0, 60.0  # s


class Server:
    """The server with the engine inside, as `make run` starts it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.store = folder / "home", folder / "home" / "podium.db"
        (folder / ".streamlit").symlink_to(ROOT / ".streamlit")
        shutil.copyfile(Path(__file__).parent / "soak.toml", folder / "podium.toml")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        env = plain | {"PYTHONPATH": str(ROOT), "PODIUM_HOME": str(self.home), "PODIUM_PORT": str(self.port)}
        self.log = folder / "server.out"
        with self.log.open("w", encoding="utf-8") as out:
            self.process = psutil.Popen([sys.executable, "-m", "engine", "serve"], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return int(self.process.wait(STOP_SECONDS))
        except psutil.TimeoutExpired:
            self.process.kill()
            return -9


class Samples:
    """What the process holds, once a second."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.at: list[float] = []
        self.series: dict[str, list[float]] = {name: [] for name in findings.UNITS}

    def take(self, at: float) -> None:
        process = self._server.process
        with process.oneshot():
            rss, threads, files = process.memory_info().rss, process.num_threads(), process.num_fds()
        workers = 0
        for child in process.children(recursive=True):
            try:
                workers += child.memory_info().rss
            except psutil.Error:
                continue
        store = sum(path.stat().st_size for path in (self._server.store, Path(f"{self._server.store}-wal")) if path.exists())
        self.at.append(at)
        for name, value in zip(findings.UNITS, (rss, rss + workers, threads, files, store), strict=True):
            self.series[name].append(float(value))


class Soak:
    """One run."""

    def __init__(self, minutes: float, folder: Path) -> None:
        self.seconds = minutes * 60.0
        self.server = Server(folder)
        self.samples = Samples(self.server)
        load = min(1.0, self.seconds / (6 * (LOAD_SECONDS + QUIET_SECONDS)))  # two rounds of every turn at least
        (folder / "stress").mkdir()
        self.stress = Stress(folder / "stress", LOAD_SECONDS * load, QUIET_SECONDS * load)
        self.left = LeftOvers(self.server.home)
        self.answers: Counter[str] = Counter()
        self.scrapes: list[float] = []  # s
        self.odd: list[str] = []  # scrapes that did not say that the engine is up
        self.before = (0, 0)  # ticks, and those in which a phase fell back, before it began
        self._clock, self._pause = WallClock(), Event()

    def wait_until_warm(self) -> None:
        """Until ticks are live; raises RuntimeError where they never are."""
        begun = self._clock.tick()
        while not _is_warm(*self.server.get("/healthz")):
            if self.server.process.poll() is not None or self._clock.tick() - begun > UP_SECONDS:
                raise RuntimeError(f"the server did not come up: {self.server.log.read_text(encoding='utf-8')[-400:]}")
            self._pause.wait(0.5)

    def run(self) -> None:
        """Loads, leaves things behind, asks and samples until the time is over."""
        self.before = findings.counted(self.server.store)
        begun, done = self._clock.tick(), dict.fromkeys(("left", "asked", "told"), -math.inf)
        while (at := self._clock.tick() - begun) < self.seconds:
            if self.server.process.poll() is not None:
                raise RuntimeError("the server ended by itself")
            self.samples.take(at)
            self.stress.step(at)
            for name, every, what in (("left", LEFT_EVERY, self._leave), ("asked", ASKED_EVERY, self._ask), ("told", TOLD_EVERY, self._tell)):
                if at - done[name] >= every:
                    done[name] = at
                    what(at)
            self._pause.wait(max(0.0, 1.0 - (self._clock.tick() - begun - at)))

    def _leave(self, at: float) -> None:
        self.left.step(self._clock.now() / 1e9)

    def _ask(self, at: float) -> None:
        begun = self._clock.tick()
        code, text = self.server.get("/metrics")
        self.scrapes.append(self._clock.tick() - begun)
        self.answers[f"/metrics {code}"] += 1
        if "\npodium_up 1.0\n" not in text:
            lines = [line for line in text.splitlines() if line.startswith(SIGNS)]
            self.odd.append(f"at {at:.0f} s, {self.stress.now}: {', '.join(lines) or 'no answer'}")
        self.answers[f"/api/v1/decisions {self.server.get('/api/v1/decisions?limit=50')[0]}"] += 1

    def _tell(self, at: float) -> None:
        held = ", ".join(f"{name} {values[-1] / findings.UNITS[name][0]:,.0f}" for name, values in self.samples.series.items())
        print(f"{at / 60:5.1f} min, {self.stress.now}: {held}", flush=True)


def _is_warm(code: int, text: str) -> bool:
    answer = json.loads(text) if code == 200 else {}
    return answer.get("state") == "healthy" and (answer.get("last_tick") or 0) > WARM_UP


def main() -> int:
    if shutil.which("stress-ng") is None:
        print("the soak needs stress-ng: install it (Debian: apt-get install stress-ng)", file=sys.stderr)
        return 1
    minutes = float(os.environ.get("PODIUM_SOAK_MINUTES", "30"))
    folder = Path(tempfile.mkdtemp(prefix="podium-soak-"))
    print(f"{minutes:g} minutes under load, in {folder}", flush=True)
    soak = Soak(minutes, folder)
    wrong: list[str] = []
    try:
        soak.wait_until_warm()
        soak.run()
    except (RuntimeError, psutil.Error) as error:
        wrong.append(str(error))
    finally:
        soak.stress.stop()
        code = soak.server.stop()
    wrong += _report(soak, minutes, code)
    if wrong:
        print("FAILED: " + "; ".join(wrong) + f" (everything is left in {folder})")
        return 1
    print("passed")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _report(soak: Soak, minutes: float, code: int) -> list[str]:
    """Prints what was found; what is wrong."""
    log = soak.server.home / "logs" / "podium.log"
    traces = log.read_text(encoding="utf-8").count("Traceback") if log.exists() else 0
    print(f"load: {', '.join(f'{turn} {n} times' for turn, n in Counter(soak.stress.turns).items())}")
    print(f"answers: {', '.join(f'{what} {n} times' for what, n in sorted(soak.answers.items()))}")
    if soak.scrapes:
        print(f"a scrape of /metrics took {statistics.median(soak.scrapes) * 1e3:.0f} ms in the middle and {max(soak.scrapes) * 1e3:.0f} ms at most")
    print(f"the server ended with {code}; {traces} tracebacks in its log")
    wrong = list(soak.stress.failed)
    if code not in {0, -signal.SIGTERM, 128 + signal.SIGTERM}:
        wrong.append(f"the server ended with {code}")
    if any(" 200" not in what for what in soak.answers):
        wrong.append("an answer over HTTP failed")
    if soak.odd:
        print("\n".join(f"  not up: {note}" for note in soak.odd[:10]))
        wrong.append(f"{len(soak.odd)} scrapes did not say that the engine is up")
    if not soak.server.store.exists() or not soak.samples.at:
        return [*wrong, "there is nothing to judge"]
    outcome, grown = findings.read(soak.server.store, soak.before), findings.slopes(soak.samples.at, soak.samples.series)
    print("\n".join(findings.summarize(outcome, grown)))
    return wrong + findings.failures(outcome, grown, minutes)


if __name__ == "__main__":
    sys.exit(main())
