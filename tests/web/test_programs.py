"""The clients of docs/programs.md, run as they stand there against a running Podium; and what its webhooks do when the engine is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event

import pytest
from standardwebhooks import Webhook as Signer

from engine.access.tokens import open_tokens
from engine.service.clock import WallClock
from tests.alerting.test_webhooks import SECRET, Receiver, listening
from tests.e2e.served import ROOT, Served, free_port, serving

SETTINGS = {"PODIUM_WARMUP_BARS": "20", "PODIUM_TICK_INTERVAL_SECONDS": "0.5", "PODIUM_SIM_SYMBOLS": "2"}
PAGE = (ROOT / "docs" / "programs.md").read_text(encoding="utf-8")
PATIENCE = 180.0  # s, never waited for when all is well


def read_code(language: str, word: str) -> str:
    """The block of the page that has the word."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return next(code for code in blocks if word in code)


@contextmanager
def running(code: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={"PATH": os.environ["PATH"], **environ})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("programs"), SETTINGS | {"PODIUM_LOGIN": "local"}) as served:
        served.wait(lambda: served.ask("SELECT count(*) FROM events")[0][0] > 0, "a live tick")
        yield served


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "root", "command line")
    secret = opened.create("bot", ["read"], 1.0, (), WallClock().now())
    store.close()
    return secret


def test_the_client_in_python_follows_decisions(server: Served, token: str) -> None:
    with running(read_code("python", "api/v1/stream"), URL=server.url, TOKEN=token) as client:
        assert client.stdout is not None
        lines = [client.stdout.readline().split() for _ in range(6)]
    assert [line[0] for line in lines[::2]] == [line[0] for line in lines[1::2]]
    numbers = [int(line[0]) for line in lines[::2]]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    assert {line[2] for line in lines} <= {"open", "add", "cut", "close", "hold"}


def test_the_client_in_python_says_why_it_gets_nothing(server: Served) -> None:
    with running(read_code("python", "api/v1/stream"), URL=server.url, TOKEN="podium_wrong") as client:
        assert client.stdout is not None
        assert "401" in client.stdout.readline()


@pytest.mark.parametrize("line", read_code("sh", "curl").splitlines())
def test_each_line_of_curl_is_answered(server: Served, token: str, line: str) -> None:
    if shutil.which("curl") is None:
        assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0
        return
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, text=True, env={**os.environ, "URL": server.url, "TOKEN": token}) as client:
        assert client.stdout is not None
        if "stream" in line:
            assert client.stdout.readline() == "retry: 2000\n"
            while not (text := client.stdout.readline()).startswith("data: "):
                assert text
            assert json.loads(text.removeprefix("data: "))["kind"] == "decisions"
            client.kill()
        else:
            answer = json.loads(client.stdout.read())
            assert "detail" not in answer
            assert answer.get("count") == 5 or answer["openapi"] == "3.1.0"


# ------------------------------------------------------------------ webhooks of a running engine


def start_engine(folder: Path, port: int) -> subprocess.Popen[bytes]:
    (folder / "podium.toml").write_text(
        f'[[webhook]]\nname = "bot"\nurl = "http://127.0.0.1:{port}/in?key=hidden-token"\nsecret_env = "BOT_SECRET"\n'
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    environ = {**plain, **SETTINGS, "PODIUM_HOME": str(folder / "home"), "BOT_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    with (folder / "engine.out").open("a") as out:
        return subprocess.Popen([sys.executable, "-m", "engine", "run"], cwd=folder, env=environ, stdout=out, stderr=subprocess.STDOUT)


def wait_for(condition: Callable[[], object], what: str) -> None:
    pause, clock = Event(), WallClock()
    begun = clock.tick()
    while not condition():
        assert clock.tick() - begun < PATIENCE, f"waited for {what}"
        pause.wait(0.05)


def test_an_engine_that_is_killed_while_it_sends_sends_again_with_the_same_id(tmp_path: Path) -> None:
    held = Event()
    with listening(Receiver(hang=held)) as receiver:
        engine = start_engine(tmp_path, receiver.port)
        wait_for(lambda: receiver.posts, "the first post")
        engine.send_signal(signal.SIGKILL)
        engine.wait(PATIENCE)
        first = receiver.ids[0]
        held.set()
        receiver.hang = None
        engine = start_engine(tmp_path, receiver.port)
        try:
            wait_for(lambda: receiver.ids.count(first) > 1 and len(set(receiver.ids)) > 3, "the post again, and newer ones")
        finally:
            engine.terminate()
            engine.wait(PATIENCE)
    same = [body for headers, body in receiver.posts if headers["webhook-id"] == first]
    assert len(set(same)) == 1
    ticks = {Signer(SECRET).verify(body, headers)["data"]["tick"] for headers, body in receiver.posts if b"decisions" in body}
    assert ticks == set(range(min(ticks), max(ticks) + 1))
    for path in (tmp_path / "home").rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in (SECRET.removeprefix("whsec_").encode(), b"hidden-token")), path
    printed = (tmp_path / "engine.out").read_text()
    assert not any(word in printed for word in ("Traceback", "hidden-token", SECRET))


def test_a_webhook_that_refuses_is_not_sent_alerts_about_itself(tmp_path: Path) -> None:
    with listening(Receiver(answer=500)) as receiver:
        engine = start_engine(tmp_path, receiver.port)
        try:
            wait_for(lambda: receiver.types.count("decisions.decided") >= 8, "refused decisions")
        finally:
            engine.terminate()
            engine.wait(PATIENCE)
    with closing(sqlite3.connect(tmp_path / "home" / "podium.db")) as store:
        assert store.execute("SELECT count(*) FROM alerts WHERE rule = 'alerts failing'").fetchone()[0] <= 1
        ((kind, count),) = store.execute("SELECT kind, count(*) FROM events GROUP BY kind HAVING kind = 'decisions'").fetchall()
    assert (kind, count >= 8) == ("decisions", True)


def test_the_receiver_of_the_page_prints_what_it_can_trust(tmp_path: Path) -> None:
    port = free_port()
    with running(read_code("python", "standardwebhooks"), BOT_SECRET=SECRET, PORT=str(port)) as receiver:
        engine = start_engine(tmp_path, port)
        try:
            assert receiver.stdout is not None
            lines = [receiver.stdout.readline() for _ in range(3)]
        finally:
            engine.terminate()
            engine.wait(PATIENCE)
    assert all(line.startswith(("decisions.decided {", "alerts.")) for line in lines)
