"""The clients that the README shows, run as they stand against a server on loopback: bars, then an intent, in Python and curl."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from engine.access.accounts import Accounts
from engine.access.tokens import open_tokens
from engine.service.clock import WallClock
from tests.access.browsing import PASSWORD, Client
from tests.e2e.served import Served, serving
from tests.test_readme import README
from tests.web.test_market_api import MINUTE, SYMBOLS, bar, wait_for_engine

SETTINGS = {"PODIUM_FEED": "push", "PODIUM_SYMBOLS": "A,B", "PODIUM_INTERVAL": "1m", "PODIUM_LOGIN": "local"}
LONGEST = 600.0  # s, never waited for when all is well


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("clients"), SETTINGS) as served:
        yield served
        assert served.tracebacks() == []


@pytest.fixture(scope="module")
def token(server: Served) -> str:
    accounts = Accounts(f"sqlite:///{server.home}/podium.db")
    accounts.add("ann", "admin", PASSWORD, WallClock().now())
    accounts.close()
    store, tokens = open_tokens(f"sqlite:///{server.home}/podium.db", "ann", "test")
    secret = tokens.create("clients", ["push"], 1.0, (), WallClock().now())
    store.close()
    return secret


def run_client(name: str, folder: Path, server: Served, token: str, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a client of the README."""
    (code,) = re.findall(rf"```python\n(# {name}\n.*?)```", README, re.DOTALL)
    file = folder / name
    file.write_text(code, encoding="utf-8")
    env = {"PATH": "/usr/bin:/bin", "BASE_URL": server.url, "TOKEN": token}
    return subprocess.run([sys.executable, str(file), *words], input=text, capture_output=True, text=True, env=env, timeout=LONGEST, check=False)


def send_curl(path: str, server: Served, token: str) -> dict[str, object]:
    """Send what the README's curl sends, by curl where this machine has it, and return the answer."""
    (shown,) = (block for block in re.findall(r"```sh\n(curl .*?)```", README, re.DOTALL) if path in block)
    line = shown.replace("http://127.0.0.1:8501", server.url).replace("$TOKEN", token).replace("$(uuidgen)", str(uuid4())).replace("\\\n", " ")
    words = shlex.split(line)
    if shutil.which("curl") is not None:
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=True)
        return dict(json.loads(done.stdout))
    assert words[:2] == ["curl", "-s"]
    headers = dict(value.split(": ", 1) for flag, value in pairwise(words) if flag == "-H")
    (body,) = (value for flag, value in pairwise(words) if flag == "-d")
    return dict(json.loads(Client(server.port).send("POST", words[2].removeprefix(server.url), body, **headers).text))


def test_the_clients_shown_post_bars_and_an_intent_and_say_what_became_of_them(server: Served, token: str, tmp_path: Path) -> None:
    wait_for_engine(server, token)
    answer = send_curl("/api/v1/market", server, token)
    assert (answer["rows"], answer["decided"]) == (2, True), answer
    now = WallClock().now() // MINUTE * MINUTE
    posts = [json.dumps([bar(symbol, now - number * MINUTE, 100.0 + number) for symbol in SYMBOLS]) for number in range(5, 0, -1)]
    done = run_client("push_bars.py", tmp_path, server, token, text="\n".join(posts))
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[1:3] for line in lines] == [[symbol, "hold"] for _ in range(5) for symbol in SYMBOLS]
    assert run_client("push_bars.py", tmp_path, server, token, text="\n".join(posts)).stdout == done.stdout
    server.wait(lambda: server.ask("SELECT count(*) FROM ticks WHERE warm = 0") > [(0,)], "the first live tick")

    done = run_client("post_intent.py", tmp_path, server, token, "momentum", "A", "0.1")
    assert (done.returncode, done.stdout[:34]) == (0, "counts for the bar that closes at "), done.stderr
    assert server.ask("SELECT bot, symbol, target FROM v_intents") == [("momentum", "A", 0.1)]
    answer = send_curl("/api/v1/intents", server, token)
    assert (answer["bot"], answer["was_late"]) == ("momentum", False), answer


def test_a_client_whose_post_is_refused_says_why(server: Served, token: str, tmp_path: Path) -> None:
    done = run_client("push_bars.py", tmp_path, server, token, text=json.dumps([bar("NONE", 0)]))
    assert (done.returncode, done.stderr) == (1, "bars: there is no symbol 'NONE': there are A, B\n")
    done = run_client("post_intent.py", tmp_path, server, token, "momentum", "A", "7")
    assert done.returncode == 1
    assert re.match(r"does not count: (the target is 7|the engine has not begun)", done.stderr)
    done = run_client("post_intent.py", tmp_path, server, "podium_wrong", "momentum", "A", "0.1")
    assert (done.returncode, done.stderr) == (1, "does not count: log in first\n")


def test_a_client_is_about_twenty_lines() -> None:
    for name in ("push_bars.py", "post_intent.py"):
        (code,) = re.findall(rf"```python\n# {name}\n(.*?)```", README, re.DOTALL)
        assert len([line for line in code.splitlines() if line.strip()]) <= 25
