"""The server: it owns the engine, tells its health, answers this machine only, and stops cleanly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from threading import Event

import psutil
import pytest

from engine.service.clock import WallClock
from pages.ui import plotly_library

ROOT = Path(__file__).parent.parent.parent
UP_SECONDS = 300.0  # s, never waited for when all is well


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server under test, started as a person would."""

    def __init__(self, home: Path, words: list[str], port: int, **env: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        self.log = home.with_suffix(".out")
        with self.log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *words], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
                env=plain | {"PODIUM_HOME": str(home), "PODIUM_WARMUP_BARS": "20", **env},
            )  # fmt: skip

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, method=method, headers=headers), timeout=UP_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def shake_hands(self, **headers: str) -> int:
        """The code that a WebSocket of the pages is answered with; 101 where it opens."""
        address = self.url.removeprefix("http://")
        ours = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        with closing(HTTPConnection(address, timeout=UP_SECONDS)) as connection:
            connection.request("GET", "/_stcore/stream", headers={"Host": address, **ours, **headers})
            return connection.getresponse().status

    def wait_for(self, path: str, code: int) -> str:
        pause, clock = Event(), WallClock()
        begun = clock.tick()
        while True:
            status, text = self.get(path)
            if status == code:
                return text
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            assert clock.tick() - begun < UP_SECONDS, f"{path} answered {status}: {text}"
            pause.wait(0.1)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(UP_SECONDS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    port = free_port()
    old_name = {"PODIUM_WARMUP_BARS": "", "PODIUM_WARM_UP": "20"}
    server = Server(tmp_path_factory.mktemp("server") / "home", ["engine", "serve"], port, PODIUM_PORT=str(port), **old_name)
    try:
        server.wait_for("/healthz", 200)
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(UP_SECONDS)


def test_health_is_told_from_the_heartbeat(server: Server) -> None:
    pause = Event()
    health = json.loads(server.wait_for("/healthz", 200))
    while health["last_tick"] is None:
        pause.wait(0.1)
        health = json.loads(server.wait_for("/healthz", 200))
    assert health["state"] in {"starting", "healthy", "degraded"}
    age = health["heartbeat_age_seconds"]
    assert 0 <= age < UP_SECONDS
    ages = [age]
    while all(later >= earlier for earlier, later in pairwise(ages)):  # until another heartbeat has come
        assert len(ages) < 3_000
        pause.wait(0.1)
        ages.append(json.loads(server.wait_for("/healthz", 200))["heartbeat_age_seconds"])
    assert {"engine", "feed", "store", "trainer", "probes", "optimizer", "alerts"} == set(health["components"])


def test_an_old_name_of_a_setting_is_mentioned_once(server: Server) -> None:
    server.wait_for("/healthz", 200)
    assert server.log.read_text(encoding="utf-8").count("PODIUM_WARM_UP is now called PODIUM_WARMUP_BARS") == 1


def test_all_threads_of_the_server_share_one_heap(server: Server) -> None:
    server.wait_for("/healthz", 200)
    assert psutil.Process(server.process.pid).environ()["MALLOC_ARENA_MAX"] == "1"


def test_the_same_port_tells_prometheus_and_other_programs(server: Server) -> None:
    server.wait_for("/healthz", 200)
    code, text = server.get("/metrics")
    assert code == 200
    assert "podium_up 1.0" in text.splitlines()
    code, text = server.get("/api/v1/status")
    assert (code, json.loads(text)["state"] in {"starting", "healthy", "degraded"}) == (200, True)
    code, text = server.get("/api/v1/decisions?limit=3")
    assert (code, len(json.loads(text)["rows"])) == (200, 3)
    code, text = server.get("/api/v1/decisions?limit=many")
    assert code == 400
    assert json.loads(text)["detail"] == "limit='many' is not a whole number from 1 to 1000: give one, or leave it out for 100"


def test_what_is_not_there_says_so(server: Server) -> None:
    for path in ("/api/v1/nonsense", "/api/v1/decisions/1", "/api/v2/decisions"):
        code, text = server.get(path)
        assert (code, json.loads(text)["detail"]) == (404, f"there is nothing at {path}")
    code, text = server.get("/api/v1/decisions", "POST")
    assert (code, json.loads(text)["detail"]) == (405, "/api/v1/decisions takes GET, HEAD and not POST")


def test_the_page_is_served(server: Server) -> None:
    assert server.get("/")[0] == 200
    code, script = server.get(plotly_library.library_address())
    assert code == 200
    assert "plotly" in script[:300]


@pytest.mark.parametrize("path", ["/", "/market", "/healthz", "/api/v1/status", "/api/v1/nonsense", "/static/index.html", "/_stcore/health", "//x"])
def test_every_answer_keeps_other_sites_out(server: Server, path: str) -> None:
    try:
        with urllib.request.urlopen(server.url + path, timeout=UP_SECONDS) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        with error:
            headers = error.headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["x-content-type-options"], headers["referrer-policy"]) == ("DENY", "nosniff", "no-referrer")


def test_a_foreign_name_or_page_reads_nothing_and_drives_nothing(server: Server) -> None:
    address = server.url.removeprefix("http://")
    own, foreign = f"http://{address}", "http://127.0.0.1:3000"
    assert server.get("/api/v1/status", Host="rebound.example")[0] == 403
    assert server.get("/api/v1/status", Origin=foreign)[0] == 403
    assert server.get("/api/v1/status", Origin=own)[0] == 200
    assert server.shake_hands(Origin=own) == 101
    assert server.shake_hands(Origin=foreign) == 403
    assert server.shake_hands(Origin="http://rebound.example", Host="rebound.example") == 403


def test_a_second_server_on_the_store_shows_it_and_starts_no_engine(server: Server, tmp_path: Path) -> None:
    port = free_port()
    home = server.log.with_suffix("")
    words = ["uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    other = Server(tmp_path / "other", words, port, PODIUM_HOME=str(home))
    try:
        other.wait_for("/healthz", 200)
        log = home / "logs" / "podium.log"
        pause = Event()
        for _ in range(100):
            if "no engine runs here" in log.read_text(encoding="utf-8"):
                break
            pause.wait(0.1)
        assert log.read_text(encoding="utf-8").count("the engine runs:") == 1
    finally:
        assert other.stop() is not None


def test_it_stops_cleanly_and_leaves_the_store_free(server: Server) -> None:
    server.stop()
    finished = subprocess.run(
        [sys.executable, "-m", "engine", "status", "--json"], cwd=ROOT, env={**os.environ, "PODIUM_HOME": str(server.log.with_suffix(""))},
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert json.loads(finished.stdout)["reasons"][0] == "no engine runs on this store"
    assert "Traceback" not in server.log.read_text(encoding="utf-8")
    assert "Traceback" not in (server.log.with_suffix("") / "logs" / "podium.log").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "env", "message"),
    [
        (["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "1"], {}, "no login yet"),
        (["streamlit", "run", "app.py", "--server.address", "0.0.0.0", "--server.headless", "true"], {}, "no login yet"),
        (
            ["streamlit", "run", "app.py", "--server.address", "127.0.0.1", "--server.headless", "true"],
            {"PODIUM_LOGIN": "local"},
            "FORWARDED_ALLOW_IPS=''",
        ),
        (["engine", "serve"], {"PODIUM_FEED": "push"}, "the push feed needs symbols"),
        (["engine", "serve"], {"PODIUM_PROT": "1"}, "did you mean PODIUM_PORT?"),
    ],
)
def test_a_server_that_may_not_start_says_why_in_one_line(tmp_path: Path, words: list[str], env: dict[str, str], message: str) -> None:
    server = Server(tmp_path / "home", words, 1, **env)
    assert server.process.wait(UP_SECONDS) != 0
    out = server.log.read_text(encoding="utf-8")
    assert message in out
    assert "Traceback" not in out
