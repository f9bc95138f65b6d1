"""Programs follow decisions as they are stored: in order, without loss or duplicate over a reconnect and a restart, and no longer than they may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine.access.accounts import Accounts
from engine.access.tokens import Tokens, open_tokens
from engine.service.clock import WallClock
from tests.access.browsing import PASSWORD, Client
from tests.e2e.served import Served
from tests.web.following import Received, following

SETTINGS = {"PODIUM_WARMUP_BARS": "20", "PODIUM_TICK_INTERVAL_SECONDS": "0.5", "PODIUM_SIM_SYMBOLS": "2", "PODIUM_LOGIN": "local"}
CLIENTS = 50


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stream") / "home"


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Served]:
    served = Served(home, **SETTINGS)
    try:
        served.answers(200)
        served.wait(lambda: served.ask("SELECT count(*) FROM ticks WHERE warm = 0")[0][0] > 0, "a live tick")
        yield served
        assert served.tracebacks() == []
    finally:
        served.end()


@pytest.fixture(scope="module")
def tokens(server: Served) -> Iterator[Tokens]:
    store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "root", "command line")
    yield opened
    store.close()


def create(tokens: Tokens, name: str, scope: str = "read") -> str:
    return tokens.create(name, [scope], 1.0, (), WallClock().now())


def list_ticks(events: list[Received]) -> list[int]:
    return [event.data["data"]["tick"] for event in events]


def require_contiguous(events: list[Received]) -> None:
    numbers, ticks = [event.id for event in events], list_ticks(events)
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    assert numbers == sorted({number for number in numbers if number is not None})


def test_decisions_come_in_order_as_the_views_have_them(server: Served, tokens: Tokens) -> None:
    token = create(tokens, "order")
    with following(server.port, "?types=decisions", token=token) as follower:
        assert follower.answer.status == 200
        assert follower.answer.getheader("content-type", "").startswith("text/event-stream")
        assert follower.answer.getheader("content-encoding") is None
        events = follower.take(4)
    require_contiguous(events)
    assert {event.name for event in events} == {"decisions"}
    client = Client(server.port, token=token)
    for event in events:
        contents = event.data["data"]
        rows = json.loads(client.get(f"/api/v1/decisions?tick={contents['tick']}").text)["rows"]
        gates = json.loads(client.get(f"/api/v1/gates?tick={contents['tick']}").text)["rows"]
        for row, decision in zip(rows, contents["decisions"], strict=True):
            assert {**row, **decision} == {**row, "gates": decision["gates"]}
        sent = [(decision["symbol"], gate["gate"], gate["passed"]) for decision in contents["decisions"] for gate in decision["gates"]]
        assert sent == [(row["symbol"], row["gate"], row["passed"]) for row in gates]
        assert {"intent", "target", "binding_gate"} <= set(contents["decisions"][0])


def test_a_client_that_comes_back_misses_nothing_and_gets_nothing_twice(server: Served, tokens: Tokens) -> None:
    token = create(tokens, "back")
    with following(server.port, "?types=decisions", token=token) as follower:
        events = follower.take(3)
    seen = server.tick()
    server.wait(lambda: server.tick() > seen + 3, "ticks that the client does not see")
    for _ in range(3):
        with following(server.port, "?types=decisions", token=token, last=events[-1].id) as follower:
            events += follower.take(3)
    require_contiguous(events)
    assert len(events) == 12


def test_fifty_clients_get_the_same(server: Served, tokens: Tokens) -> None:
    token = create(tokens, "many")
    with ExitStack() as stack:
        followers = [stack.enter_context(following(server.port, "?types=decisions", token=token)) for _ in range(CLIENTS)]
        assert {follower.answer.status for follower in followers} == {200}
        firsts = [follower.take(1)[0] for follower in followers]
        last = max(event.data["data"]["tick"] for event in firsts) + 2
        for follower, first in zip(followers, firsts, strict=True):
            events = [first, *follower.take(last - first.data["data"]["tick"])]
            require_contiguous(events)
            assert list_ticks(events)[-1] == last


def test_a_revoked_token_ends_its_streams_and_no_others(server: Served, tokens: Tokens) -> None:
    secret, other = create(tokens, "revoked"), create(tokens, "other")
    with ExitStack() as stack:
        ending = [stack.enter_context(following(server.port, token=secret)) for _ in range(3)]
        staying = stack.enter_context(following(server.port, "?types=decisions", token=other))
        assert all(len(follower.take(1)) == 1 for follower in ending)
        staying.take(1)
        tokens.revoke("revoked", WallClock().now())
        revoked_at = server.tick()
        for follower in ending:
            events = follower.read_to_end()
            assert (events[-1].name, events[-1].data) == ("end", {"reason": "log in first"})
            sent = [event.data["data"]["tick"] for event in events if event.name == "decisions"]
            assert all(tick <= revoked_at for tick in sent)
        assert len(staying.take(3)) == 3
    with following(server.port, token=secret) as follower:
        assert follower.answer.status == 401


@pytest.mark.parametrize("how", ["removed", "logged out"])
def test_a_log_in_that_ends_ends_its_stream(server: Served, how: str) -> None:
    accounts = Accounts(f"sqlite:///{server.home}/podium.db")
    name = how.replace(" ", "-")
    accounts.add(name, "viewer", PASSWORD, WallClock().now())
    client = Client(server.port)
    assert client.log_in(name).code == 303
    cookie = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
    with following(server.port, cookie=cookie) as follower:
        assert len(follower.take(1)) == 1
        if how == "removed":
            accounts.remove(name, WallClock().now())
        else:
            assert client.post_form("/logout").code == 303
        assert follower.read_to_end()[-1].name == "end"
    accounts.close()


def test_the_stream_takes_the_right_to_read(server: Served, tokens: Tokens) -> None:
    for scope in ("push", "command"):
        with following(server.port, token=create(tokens, f"no-{scope}", scope)) as follower:
            assert (follower.answer.status, follower.answer.getheader("content-type")) == (403, "application/problem+json")
    with following(server.port) as follower:
        assert follower.answer.status == 401


@pytest.mark.parametrize(
    ("query", "last", "words"),
    [("?types=decision", "", "give some of decisions, alerts, trials"), ("?types=", "", "there is no type ''"),
     ("?type=alerts", "", "did you mean types?"),
     ("", "x", "Last-Event-ID is 'x'"), ("", "-1", "Last-Event-ID"), ("", "9" * 40, "Last-Event-ID")],
)  # fmt: skip
def test_what_cannot_be_followed_is_a_problem_in_a_line(server: Served, tokens: Tokens, query: str, last: str, words: str) -> None:
    listed = {token.name for token in tokens.list()}
    secret = create(tokens, f"wrong-{len(listed)}")
    headers = {"Last-Event-ID": last} if last else {}
    reply = Client(server.port, token=secret).send("GET", f"/api/v1/stream{query}", **headers)
    assert (reply.code, reply.headers["content-type"]) == (400, "application/problem+json")
    assert words in json.loads(reply.text)["detail"]


def test_a_server_with_clients_stops_and_they_go_on_with_the_next_engine(server: Served, tokens: Tokens, home: Path) -> None:
    token = create(tokens, "restart")
    with following(server.port, "?types=decisions", token=token) as follower:
        events = follower.take(3)
        server.stop()
        rest = follower.read_to_end()
    assert (rest[-1].name, rest[-1].id) == ("end", None)
    events += rest[:-1]
    again = Served(home, name="again", **SETTINGS)
    try:
        again.answers(200)
        with following(again.port, "?types=decisions", token=token, last=events[-1].id) as follower:
            events += follower.take(4)
        require_contiguous(events)
        assert again.tracebacks() == []
    finally:
        again.end()
