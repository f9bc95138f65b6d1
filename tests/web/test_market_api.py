"""POST /api/v1/market of a server with its engine: decisions in the answer, repeats after a kill, refusals, and the recording of what was posted."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.access.accounts import Accounts
from engine.access.tokens import open_tokens
from engine.service.clock import WallClock
from engine.web import market_api
from tests.access.browsing import PASSWORD, Client, Reply
from tests.e2e.served import SLOW, Served, serving
from tests.store import made
from tests.web.asked import Asked

MINUTE = 60 * 10**9
SYMBOLS = ("A", "B")
PATH = "/api/v1/market"
Row = dict[str, Any]


def bar(symbol: str, opened: int, price: float = 100.0) -> Row:
    return {"symbol": symbol, "ts": opened, "open": price, "high": price + 2.0, "low": price - 1.0, "close": price + 1.0, "volume": 5.0}


def post(served: Served, rows: list[Row], wait: str = "60", token: str = "", path: str = PATH) -> Reply:
    return Client(served.port, token=token).send("POST", f"{path}?wait={wait}", json.dumps({"bars": rows}), **{"Content-Type": "application/json"})


def history(end: int) -> list[Row]:
    """150 bars of each symbol, whose last closes at `end`."""
    return [bar(symbol, end - number * MINUTE, 100.0 + number % 7) for symbol in SYMBOLS for number in range(150, 0, -1)]


def settings_in(folder: Path) -> dict[str, str]:
    return {
        "PODIUM_FEED": "push", "PODIUM_SYMBOLS": "A,B", "PODIUM_INTERVAL": "1m", "PODIUM_LOGIN": "local", "PODIUM_RECORD": str(folder / "recording"),
    }  # fmt: skip


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path, settings_in(tmp_path)) as server:
        accounts = Accounts(f"sqlite:///{server.home}/podium.db")
        accounts.add("ann", "admin", PASSWORD, WallClock().now())
        for role in ("viewer", "operator"):
            accounts.add(role, role, PASSWORD, WallClock().now())
        accounts.close()
        yield server
        assert server.tracebacks() == []


@pytest.fixture
def tokens(served: Served) -> dict[str, str]:
    store, opened = open_tokens(f"sqlite:///{served.home}/podium.db", "ann", "test")
    secrets = {scope: opened.create(scope.replace(":", "-"), [scope], 1.0, ["pause"], WallClock().now()) for scope in ("push", "read", "command")}
    store.close()
    return secrets


def wait_for_engine(served: Served, token: str) -> None:
    """Waits until posts are taken."""
    served.wait(lambda: post(served, [], "0", token).code == 200, "the engine to take posts")


def test_the_decisions_of_a_bar_are_in_the_answer_and_a_repeat_is_answered_alike(served: Served, tokens: dict[str, str]) -> None:
    wait_for_engine(served, tokens["push"])
    end = WallClock().now() // MINUTE * MINUTE - 5 * MINUTE
    reply = post(served, history(end), token=tokens["push"])
    answer = json.loads(reply.text)
    assert (reply.code, answer["rows"], answer["repeated"], answer["bar"], answer["decided"]) == (200, 300, 0, end, True)
    assert [(row["symbol"], row["at"], row["tick"]) for row in answer["decisions"]] == [("A", end, 149), ("B", end, 149)]
    again = post(served, history(end), token=tokens["push"])
    assert json.loads(again.text) == answer | {"repeated": 300}
    polled = Client(served.port, token=tokens["read"]).get(answer["poll"])
    assert json.loads(polled.text)["rows"] == answer["decisions"][::1]
    assert served.ask("SELECT count(*), sum(warm) FROM ticks") == [(150, 150)]
    # killed and started again: it continues from the store and knows what it decided on
    served.process.kill()
    served.process.wait(SLOW)
    restarted = Served(served.home, port=str(served.port), name="again", **settings_in(served.home.parent))
    try:
        restarted.answers(200)
        wait_for_engine(restarted, tokens["push"])
        repeated = post(restarted, [bar(symbol, end - MINUTE, 101.0) for symbol in SYMBOLS], token=tokens["push"])
        assert (repeated.code, json.loads(repeated.text)["repeated"]) == (200, 2)
        assert json.loads(repeated.text)["decisions"] == answer["decisions"]
        revised = post(restarted, [bar("A", end - MINUTE, 777.0)], token=tokens["push"])
        assert (revised.code, revised.headers["content-type"]) == (409, "application/problem+json")
        assert "what is decided on is not revised" in json.loads(revised.text)["detail"]
        now, streams = WallClock().now() // MINUTE * MINUTE, [("A", "candles", "ok"), ("B", "candles", "ok")]
        live = json.loads(post(restarted, [bar(symbol, now - MINUTE) for symbol in SYMBOLS], token=tokens["push"]).text)
        assert (live["bar"], live["decided"], len(live["decisions"])) == (now, True, 2)
        newest = restarted.ask("SELECT warm, no_data, read_at IS NOT NULL FROM ticks WHERE at = " + str(now))
        assert newest == [(0, 0, 1)]
        assert restarted.ask("SELECT DISTINCT session FROM ticks") == [(1,)]
        restarted.wait(lambda: restarted.ask("SELECT symbol, stream, state FROM v_streams ORDER BY symbol") == streams, "the streams to be ok")
        restarted.stop()
        assert restarted.tracebacks() == []
    finally:
        restarted.end()
    env = {"PODIUM_HOME": str(served.home), "PATH": "/usr/bin:/bin", **settings_in(served.home.parent)}
    done = subprocess.run([sys.executable, "-m", "engine", "parity"], capture_output=True, text=True, env=env, check=False, timeout=600)
    assert (done.returncode, done.stdout.split(",")[0]) == (0, "identical"), done.stderr


def test_who_may_post_what_and_how_much(served: Served, tokens: dict[str, str]) -> None:
    wait_for_engine(served, tokens["push"])
    end = WallClock().now() // MINUTE * MINUTE - 5 * MINUTE
    rows = [bar("A", end - MINUTE)]
    people = {role: Client(served.port) for role in ("viewer", "operator")}
    for role, client in people.items():
        assert client.log_in(role).code == 303
    sent = {"Content-Type": "application/json", "Origin": served.url}
    refusals = {
        "nobody": post(served, rows), "viewer": people["viewer"].send("POST", PATH, json.dumps({"bars": rows}), **sent),
        "read": post(served, rows, token=tokens["read"]), "command": post(served, rows, token=tokens["command"]),
    }  # fmt: skip
    assert {who: reply.code for who, reply in refusals.items()} == {"nobody": 401, "viewer": 403, "read": 403, "command": 403}
    assert {reply.headers["content-type"] for reply in refusals.values()} == {"application/problem+json"}
    assert served.ask("SELECT count(*) FROM ticks") == [(0,)]
    assert people["operator"].send("POST", PATH, json.dumps({"bars": rows}), **sent).code == 202  # B's bar is not there
    program = Client(served.port, token=tokens["push"])
    assert program.send("POST", PATH, "x=1").code == 415
    assert post(served, rows, "61", tokens["push"]).code == 400
    assert program.send("POST", PATH, " " * (market_api.MAX_BODY + 1), **{"Content-Type": "application/json"}).code == 413
    unknown = post(served, [bar("C", end - MINUTE)], token=tokens["push"])
    assert (unknown.code, json.loads(unknown.text)["title"]) == (422, "Unprocessable Content")
    assert program.get(PATH).code == 403  # it reads nothing
    codes = [post(served, [], "0", tokens["push"]).code for _ in range(int(market_api.POSTS.burst) + 60)]
    assert set(codes) <= {200, 429}


def test_a_market_is_posted_to_the_engine_of_this_server_alone(tmp_path: Path) -> None:
    nothing = Asked(made.empty(tmp_path)).get(PATH, method="POST", content_type="application/json")
    assert (nothing.code, nothing.json["detail"]) == (503, "no engine runs in this server: wait for it, or see the log of Podium; nothing was taken")
