"""POST /api/v1/intents of a server with its engine: an intent counts once or its sender learns why not, and the bot stands on Portfolio."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.access.accounts import Accounts
from engine.access.tokens import open_tokens
from engine.service.clock import WallClock
from engine.web import intents_api
from tests.access.browsing import PASSWORD, Client, Reply
from tests.e2e.served import OWN, Served, serving

PATH = "/api/v1/intents"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("intents"), OWN | {"PODIUM_LOGIN": "local"}) as served:
        accounts = Accounts(f"sqlite:///{served.home}/podium.db")
        for role in ("admin", "viewer", "operator"):
            accounts.add(role, role, PASSWORD, WallClock().now())
        accounts.close()
        yield served
        assert served.tracebacks() == []


@pytest.fixture(scope="module")
def tokens(server: Served) -> dict[str, str]:
    store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "admin", "test")
    secrets = {name: opened.create(name, [name.rstrip("2")], 1.0, ["pause"], WallClock().now()) for name in ("push", "push2", "read", "command")}
    store.close()
    return secrets


def send(server: Served, token: str, key: str | None = None, **body: object) -> Reply:
    intent = {"bot": "momentum", "symbol": "ALFA", "target": 0.1} | body
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
    return Client(server.port, token=token).send("POST", PATH, json.dumps(intent), **headers)


def test_an_intent_counts_once_and_its_bot_is_judged(server: Served, tokens: dict[str, str]) -> None:
    server.wait(lambda: server.ask("SELECT count(*) FROM ticks WHERE warm = 0") > [(1,)], "a tick after the warm-up")
    reply = send(server, tokens["push"], "1")
    assert reply.code == 201, reply.text
    receipt = json.loads(reply.text)
    assert (receipt["bot"], receipt["symbol"], receipt["target"], receipt["was_late"]) == ("momentum", "ALFA", 0.1, False)
    assert json.loads(send(server, tokens["push"], "1").text) == receipt
    server.wait(lambda: server.ask("SELECT pairs FROM v_bots") > [(3,)], "some pairs")
    reader = Client(server.port, token=tokens["read"])
    (bot,) = json.loads(reader.get("/api/v1/bots").text)["rows"]
    assert (bot["bot"], bot["sender"], bot["intents"], bot["verdict"]) == ("momentum", "token:push", 1, "running")
    (intent,) = json.loads(reader.get("/api/v1/intents").text)["rows"]
    assert (intent["id"], intent["bar"], intent["at"]) == (receipt["id"], receipt["bar"], receipt["received_at"])
    assert server.ask(f"SELECT at FROM ticks WHERE tick = {intent['tick']}") == [(receipt["bar"],)]
    late = send(server, tokens["push"], "2", bar=receipt["bar"])
    assert (late.code, late.headers["content-type"]) == (409, "application/problem+json")
    assert "the intent is late and does not count" in json.loads(late.text)["detail"]
    moved = send(server, tokens["push"], "2", bar=receipt["bar"], if_late="next")
    assert (moved.code, json.loads(moved.text)["was_late"]) == (201, True)


def test_whoever_may_not_send_learns_it_and_nothing_counts(server: Served, tokens: dict[str, str]) -> None:
    before = server.ask("SELECT count(*) FROM bot_intents")
    codes = {name: send(server, tokens[name], f"by {name}").code for name in ("read", "command")}
    viewer = Client(server.port)
    assert viewer.log_in("viewer").code == 303
    sent = {"Content-Type": "application/json", "Idempotency-Key": "v", "Origin": server.url}
    codes["viewer"] = viewer.send("POST", PATH, '{"bot": "b", "symbol": "ALFA", "target": 0.1}', **sent).code
    codes["nobody"] = send(server, "").code
    assert codes == {"read": 403, "command": 403, "viewer": 403, "nobody": 401}
    assert Client(server.port, token=tokens["push"]).get(PATH).code == 403  # it sends, and does not read
    assert send(server, tokens["push2"], "other").code in {422, 201}  # the bot of another token
    assert server.ask("SELECT count(*) FROM bot_intents") == before


BAD: list[tuple[int, str | None, dict[str, object]]] = [
    (400, None, {}),
    (400, "k" * 101, {}),
    (400, "k", {"more": 1}),
    (400, "k", {"target": "much"}),
    (422, "k", {"symbol": "NONE"}),
    (422, "k", {"target": 5}),
    (422, "k", {"bar": "yesterday"}),
    (422, "k", {"bar": -5}),
    (422, "k", {"bar": 10**30}),
    (422, "k", {"if_late": "maybe"}),
    (422, "k", {"bot": "<script>"}),
]


@pytest.mark.parametrize(("code", "key", "changed"), BAD)
def test_what_is_no_intent_is_a_problem_of_one_line(
    server: Served, tokens: dict[str, str], code: int, key: str | None, changed: dict[str, object]
) -> None:
    reply = send(server, tokens["push"], key, **changed)
    assert reply.code in {code, 400} if changed.get("bar") == 10**30 else reply.code == code, reply.text
    problem = json.loads(reply.text)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert "\n" not in problem["detail"]


def test_a_body_of_another_kind_or_size_is_refused(server: Served, tokens: dict[str, str]) -> None:
    program = Client(server.port, token=tokens["push"])
    assert program.send("POST", PATH, "x=1").code == 415
    assert program.send("POST", PATH, "x" * (intents_api.MAX_BODY + 1), **{"Content-Type": "application/json"}).code == 413


def test_while_the_engine_is_paused_no_intent_counts_and_the_sender_learns_it(server: Served, tokens: dict[str, str]) -> None:
    operator = Client(server.port, token=tokens["command"])
    for name in ("pause", "resume"):
        sent = operator.send("POST", "/api/v1/commands", json.dumps({"name": name, "reason": "a test"}),
                             **{"Content-Type": "application/json", "Idempotency-Key": name})  # fmt: skip
        assert sent.code == 202
        address = json.loads(sent.text)["id"]
        server.wait(lambda number=address: server.ask(f"SELECT status FROM commands WHERE id = {number}") == [("done",)], name)  # type: ignore[misc]
        reply = send(server, tokens["push"], f"while {name}")
        assert reply.code == (409 if name == "pause" else 201), reply.text
