"""A server under test, started as a person would start it, and what its store says."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from engine.service.clock import WallClock

ROOT = Path(__file__).parent.parent.parent
SLOW = 180.0  # s that anything may take on a busy machine
SERVE = "engine serve"  # what make run starts
WARM_UP = 1_000  # ticks of the engine that is watched: models are trained at 600, and on so strong a signal skill is proven and trades are made
WATCHED = {"PODIUM_WARMUP_BARS": str(WARM_UP), "PODIUM_TICK_INTERVAL_SECONDS": "1", "PODIUM_SIM_SIGNAL": "0.3"}
OWN = {"PODIUM_WARMUP_BARS": "130", "PODIUM_TICK_INTERVAL_SECONDS": "1", "PODIUM_SIM_SYMBOLS": "3"}  # of an engine of a file's own
PATIENT = "[knobs]\nphase_deadline_ms = 600000\n"  # no phase falls back because the machine is busy


class Served:
    """The dashboard with the engine inside, on a port of its own."""

    def __init__(self, home: Path, *, name: str = "server", words: str = SERVE, root: str = str(ROOT), port: str = "", **settings: str) -> None:
        self.home = home
        self.port = int(port or free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home.with_name(f"{home.name}-{name}.out")
        plain = {key: value for key, value in os.environ.items() if not key.startswith("PODIUM_")}
        variables = {"PODIUM_HOME": str(home), "PODIUM_PORT": str(self.port), "STREAMLIT_SERVER_PORT": str(self.port), **settings}
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "podium.toml").write_text(PATIENT)
        with self.log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words.split()], cwd=root, stdout=out, stderr=subprocess.STDOUT, env=plain | variables
            )

    def health(self) -> tuple[int, str]:
        """The code and the JSON text of /healthz; 0 where nothing answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=SLOW) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def answers(self, code: int) -> str:
        """Waits until /healthz answers with the code; gives its text."""
        variables: list[str] = []

        def come() -> bool:
            status, text = self.health()
            variables.append(text)
            return status == code

        self.wait(come, f"/healthz to answer {code}")
        return variables[-1]

    def ask(self, sql: str) -> list[Any]:
        """Rows of the store."""
        with closing(sqlite3.connect(f"file:{self.home}/podium.db?mode=ro", uri=True, timeout=SLOW)) as store:
            return store.execute(sql).fetchall()

    def tick(self) -> int:
        """The newest tick in the store, -1 before the first."""
        return int(self.ask("SELECT coalesce(max(tick), -1) FROM ticks")[0][0])

    def wait(self, come: Callable[[], bool], what: str, seconds: float = SLOW) -> None:
        """Looks again and again until it has come."""
        pause, clock = Event(), WallClock()
        begun = clock.tick()
        while not come():
            assert self.process.poll() is None, f"the server has ended: {self.log.read_text(encoding='utf-8')[-2000:]}"
            assert clock.tick() - begun < seconds, f"waited {seconds:g} s for {what}; /healthz says {self.health()}"
            pause.wait(0.1)

    def stop(self) -> None:
        """Ends it as a terminal or a service would, and waits until it has gone by itself."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(SLOW)  # uvicorn ends by the signal, once it has cleaned up
        assert code in {0, -signal.SIGTERM}, self.log.read_text(encoding="utf-8")[-2000:]

    def end(self) -> None:
        """Leaves nothing behind, whatever the test came to."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SLOW)

    def tracebacks(self) -> list[str]:
        """What nobody should ever find in the logs."""
        logs = [self.log, *(self.home / "logs").glob("*.log")]
        return [text[at : at + 2000] for text in (log.read_text(encoding="utf-8") for log in logs) if (at := text.find("Traceback")) >= 0]


@contextmanager
def serving(folder: Path, settings: Mapping[str, str], *, words: str = SERVE, root: str = str(ROOT)) -> Iterator[Served]:
    """A server that answers, gone at the end whatever the tests came to."""
    served = Served(folder / "home", words=words, root=root, **settings)
    try:
        served.answers(200)
        yield served
    finally:
        served.end()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
