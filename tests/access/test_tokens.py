"""Tokens: named, scoped, expiring, revoked at once; and commands over HTTP, accepted once."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from engine.__main__ import main
from engine.access.accounts import Accounts
from engine.access.desk import FrontDesk
from engine.access.tokens import DAY, Tokens, open_tokens
from engine.commands.router import list_commands
from engine.domain.access import ADMINISTER, OPERATE, PUSH, VIEW, Visitor, judge_access
from engine.domain.trading_config import Command
from engine.service.clock import WallClock
from engine.service.settings_loader import load_settings
from engine.store.inbox import Inbox
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from engine.web.access_guard import AccessGuard
from tests.access.browsing import PASSWORD, Client, Reply
from tests.e2e.served import Served, serving
from tests.store import made
from tests.web.asked import Asked

NOW, COMMANDS = made.WALL, tuple(list_commands())
SETTINGS = {"PODIUM_WARMUP_BARS": "20", "PODIUM_TICK_INTERVAL_SECONDS": "1", "PODIUM_SIM_SYMBOLS": "2", "PODIUM_LOGIN": "local"}
PATH = "/api/v1/commands"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return made.empty(tmp_path)


@pytest.fixture
def tokens(url: str) -> Iterator[Tokens]:
    store, opened = open_tokens(url, "root", "command line")
    yield opened
    store.close()


def test_a_scope_allows_what_it_names_and_nothing_else() -> None:
    def may(scopes: tuple[str, ...], right: str, command: str = "") -> bool:
        return judge_access(Visitor("token:bot", "", scopes=scopes), right, command) is None

    for scopes, (right, command) in itertools.product(
        (("read",), ("command",), ("command:configure",), ("push",), ()),
        ((VIEW, ""), (OPERATE, "pause"), (ADMINISTER, "configure"), (OPERATE, ""), (ADMINISTER, ""), (PUSH, "")),
    ):
        wanted = (scopes, right, command) in {
            (("read",), VIEW, ""), (("command",), OPERATE, "pause"), (("command:configure",), ADMINISTER, "configure"),
            (("push",), PUSH, ""),
        }  # fmt: skip
        assert may(scopes, right, command) == wanted, (scopes, right, command)


def test_a_token_is_worth_its_scopes_until_it_ends(tokens: Tokens) -> None:
    secret = tokens.create("bot", ["read", "command:pause", "read"], 2.0, COMMANDS, NOW)
    assert tokens.find_visitor(secret, NOW + DAY) == Visitor("token:bot", "", scopes=("read", "command:pause"))
    assert tokens.find_visitor(secret, NOW + 2 * DAY) is None
    assert tokens.list()[0].describe_state(NOW + 2 * DAY) == "expired"
    tokens.revoke("bot", NOW)
    assert tokens.find_visitor(secret, NOW) is None
    assert tokens.list()[0].describe_state(NOW) == "revoked"
    for wrong in ("", "podium_", secret[:-1], f"{secret}x", secret.removeprefix("podium_"), "x" * 5_000):
        assert tokens.find_visitor(wrong, NOW) is None


def test_the_store_holds_nothing_that_opens_a_door(tokens: Tokens, url: str) -> None:
    secret = tokens.create("bot", ["read"], 2.0, COMMANDS, NOW)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store:
        assert secret not in "\n".join(store.iterdump())
        (digest,) = store.execute("SELECT digest FROM tokens").fetchone()
    assert tokens.find_visitor(digest, NOW) is None
    assert tokens.find_visitor(f"podium_{digest}", NOW) is None


def test_the_last_use_is_known_to_the_minute(tokens: Tokens) -> None:
    secret = tokens.create("bot", ["read"], 2.0, COMMANDS, NOW)
    assert tokens.list()[0].used_at is None
    for seconds in (0, 30, 61):
        tokens.find_visitor(secret, NOW + seconds * 10**9)
    assert tokens.list()[0].used_at == NOW + 61 * 10**9


@pytest.mark.parametrize(
    ("name", "scopes", "days", "words"),
    [
        ("a b", ["read"], 1.0, "not a name for a token"), ("bot", [], 1.0, "a token needs a scope"),
        ("bot", ["write"], 1.0, "'write' is not a scope"),
        ("bot", ["read:pause"], 1.0, "is not a scope"), ("bot", ["command:pase"], 1.0, "did you mean pause?"), ("bot", ["read"], 0.0, "days is 0"),
        ("bot", ["read"], 9_999.0, "days is 9999"),
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_in_a_line(tokens: Tokens, name: str, scopes: list[str], days: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tokens.create(name, scopes, days, COMMANDS, NOW)
    assert tokens.list() == ()


def test_a_name_is_used_once_so_that_the_trail_tells_tokens_apart(tokens: Tokens, url: str) -> None:
    tokens.create("bot", ["read"], 1.0, COMMANDS, NOW)
    tokens.revoke("bot", NOW)
    with pytest.raises(ValueError, match="there is a token bot already"):
        tokens.create("bot", ["read"], 1.0, COMMANDS, NOW)
    with pytest.raises(ValueError, match="there is no token 'bot' that is not revoked"):
        tokens.revoke("bot", NOW)
    frame = Reader(url).view("audit")
    assert list(zip(frame["kind"], frame["subject"], frame["who"], strict=True)) == [("token", "bot", "root")] * 2


def test_the_command_line_prints_a_token_once(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    assert main(["token", "create", "bot", "--scope", "read", "--scope", "command:pause", "--days", "3"]) == 0
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("podium_")
    assert main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert "valid" in listed
    assert secret not in listed
    assert main(["token", "revoke", "bot"]) == 0
    assert main(["token", "revoke", "bot"]) == 64
    assert main(["token", "create", "bot2", "--scope", "everything"]) == 64
    assert "is not a scope" in capsys.readouterr().err


def test_a_token_that_was_revoked_after_it_sent_a_command_has_it_refused(tokens: Tokens, url: str) -> None:
    inbox = Inbox(url)
    tokens.create("bot", ["command:pause"], 1.0, COMMANDS, NOW)
    for name in ("pause", "resume"):
        inbox.submit(name, {}, "token:bot", "", NOW, account="token:bot")
    assert inbox.find_refusal(Command(1, "pause", (), "", ""), NOW) is None
    assert "may not do this: it takes command:resume or command" in str(inbox.find_refusal(Command(2, "resume", (), "", ""), NOW))
    assert inbox.find_refusal(Command(1, "pause", (), "", ""), NOW + DAY) is not None  # it has expired
    tokens.revoke("bot", NOW)
    assert inbox.find_refusal(Command(1, "pause", (), "", ""), NOW) is not None


@pytest.mark.parametrize(("kind", "code"), [("valid", 200), ("revoked", 401), ("false", 401), ("none", 200), ("basic", 200)])
def test_without_log_in_a_wrong_token_is_refused_too(tokens: Tokens, url: str, tmp_path: Path, kind: str, code: int) -> None:
    """A program learns that its token ended, and not only on the day when log-in is turned on."""
    secret = tokens.create("bot", ["read"], 1.0, COMMANDS, WallClock().now())
    if kind == "revoked":
        tokens.revoke("bot", NOW)
    sent = {"valid": f"Bearer {secret}", "revoked": f"Bearer {secret}", "false": "Bearer podium_x", "none": "", "basic": "Basic x"}[kind]
    desk = FrontDesk(load_settings({"HOME": str(tmp_path), "PODIUM_HOME": str(tmp_path)}, tmp_path), WallClock())
    inner = Starlette(routes=[Route("/api/v1/status", lambda request: PlainTextResponse("passed"))])
    asked = Asked.of(AccessGuard(inner, lambda: desk, lambda: False))
    assert asked.get("/api/v1/status", **({"authorization": sent} if sent else {})).code == code
    assert Path(url.removeprefix("sqlite:///")).parent == tmp_path


@pytest.mark.parametrize("path", ["/login", "/", "/api/v1/status"])
@pytest.mark.parametrize("lost", ["key", "store"])
def test_what_cannot_be_used_is_answered_without_the_files_of_this_machine(path: str, lost: str, tmp_path: Path) -> None:
    (tmp_path / "login.key").write_bytes(b"short" if lost == "key" else b"k" * 32)
    (tmp_path / "podium.db").write_bytes(b"no database at all" * 100)
    desk = FrontDesk(load_settings({"HOME": str(tmp_path), "PODIUM_HOME": str(tmp_path)}, tmp_path), WallClock())
    asked = Asked.of(AccessGuard(Starlette(), lambda: desk))
    answer = asked.get(path, cookie="podium_login=x.y")
    assert answer.code == (200 if path == "/login" and lost == "store" else 503)
    assert str(tmp_path) not in answer.body.decode()


# ------------------------------------------------------------------ over HTTP


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("tokens"), SETTINGS) as served:
        accounts = Accounts(f"sqlite:///{served.home}/podium.db")
        for role in ("viewer", "operator"):
            accounts.add(role, role, PASSWORD, WallClock().now())
        accounts.close()
        yield served
        assert served.tracebacks() == []


@pytest.fixture(scope="module")
def secrets_of(server: Served) -> dict[str, str]:
    """Tokens by what they are for; the last two are worth nothing any more."""
    store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "root", "command line")
    now = WallClock().now()
    scopes = {"read": ["read"], "command": ["command"], "pause": ["command:pause"], "push": ["push"], "all": ["read", "command", "command:configure"]}
    made_secrets = {name: opened.create(name, chosen, 1.0, COMMANDS, now) for name, chosen in scopes.items()}
    made_secrets["expired"] = opened.create("expired", ["read", "command"], 1.0, COMMANDS, now - 2 * DAY)
    made_secrets["revoked"] = opened.create("revoked", ["read", "command"], 1.0, COMMANDS, now)
    opened.revoke("revoked", now)
    store.close()
    return made_secrets


def ask(server: Served, secret: str, method: str, path: str, body: object = None, key: str | None = "k1", **headers: str) -> Reply:
    sent = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json", **({} if key is None else {"Idempotency-Key": key}), **headers}
    return Client(server.port).send(method, path, body if body is None or isinstance(body, str) else json.dumps(body), **sent)


@pytest.mark.parametrize(
    "path", ["/api/v1/status", "/api/v1/decisions", "/metrics", "/no/such/page", "/", "/_stcore/health", "/static/index.html", PATH + "/99999"]
)
def test_a_token_reads_the_api_and_metrics_by_its_scope_and_opens_no_page(server: Served, secrets_of: dict[str, str], path: str) -> None:
    for name, secret in secrets_of.items():
        code = ask(server, secret, "GET", path).code
        if not path.startswith(("/api/", "/metrics")):
            assert code in {401, 303}, (name, path)
        elif name in {"expired", "revoked"}:
            assert code == 401, (name, path)
        else:
            assert code == (403 if name not in {"read", "all"} else 404 if path.endswith("/99999") else 200), (name, path)


def test_a_wrong_token_is_not_made_good_by_a_cookie(server: Served) -> None:
    client = Client(server.port)
    assert client.log_in("viewer").code == 303
    assert client.get("/api/v1/status").code == 200
    assert client.send("GET", "/api/v1/status", Authorization="Bearer podium_wrong").code == 401


def test_every_command_is_taken_from_whoever_may_send_it(server: Served, secrets_of: dict[str, str]) -> None:
    known = {"annotate": {"id": "1"}}
    for name, command in list_commands().items():
        if name not in {"pause", "resume", "drill"}:  # those that need no arguments
            continue
        for who, secret in secrets_of.items():
            reply = ask(server, secret, "POST", PATH, {"name": name, "args": known.get(name, {}), "reason": "a test"}, f"{who} {name}")
            may = who in {"command", "all"} or (who == "pause" and name == "pause")
            assert reply.code == (401 if who in {"expired", "revoked"} else 202 if may else 403), (who, name, command.right, reply.text)
            if reply.code == 403:
                assert reply.headers["content-type"] == "application/problem+json"
                assert "it takes command:" in json.loads(reply.text)["detail"]
    body = {"name": "configure", "args": {"parameter": "edge_margin", "value": 1.5}, "reason": "a test"}
    assert ask(server, secrets_of["command"], "POST", PATH, body, "c1").code == 403
    assert ask(server, secrets_of["all"], "POST", PATH, body, "c1").code == 202


def test_the_same_request_is_accepted_once_and_its_result_is_polled(server: Served, secrets_of: dict[str, str]) -> None:
    body = {"name": "pause", "reason": "once"}
    first, again = (ask(server, secrets_of["pause"], "POST", PATH, body, "same") for _ in range(2))
    assert (first.code, again.code, first.headers["location"]) == (202, 202, again.headers["location"])
    other = ask(server, secrets_of["pause"], "POST", PATH, {"name": "pause", "reason": "twice"}, "same")
    assert (other.code, "belongs to command" in json.loads(other.text)["detail"]) == (422, True)
    assert ask(server, secrets_of["command"], "POST", PATH, body, "same").headers["location"] != first.headers["location"]

    def poll() -> dict[str, object]:
        reply: dict[str, object] = json.loads(ask(server, secrets_of["pause"], "GET", first.headers["location"]).text)
        return reply

    server.wait(lambda: poll()["status"] == "done", "the command to be carried out")
    done = poll()
    assert (done["name"], done["by"], done["reason"]) == ("pause", "token:pause", "once")
    assert ask(server, secrets_of["push"], "GET", first.headers["location"]).code == 403


@pytest.mark.parametrize(
    ("body", "key", "headers", "code", "words"),
    [
        ({"name": "pause"}, None, {}, 400, "give an Idempotency-Key"), ({"name": "pause"}, "x" * 101, {}, 400, "give an Idempotency-Key"),
        ({"name": "pase"}, "a", {}, 422, "did you mean pause?"), ({"name": "pause", "args": {"x": 1}}, "a", {}, 422, "has no argument"),
        ({"name": "set", "args": {"signal": 9}}, "a", {}, 422, "signal is"), ({"name": "pause", "why": "x"}, "a", {}, 400, "this is no command"),
        ("{", "a", {}, 400, "this is no command"), ("[1]", "a", {}, 400, "this is no command"), ("\x00", "a", {}, 400, "this is no command"),
        ({"name": "pause", "reason": "a\nb"}, "a", {}, 422, "give texts of one line"), ({"name": "pause", "reason": "x" * 501}, "a", {}, 422, "501"),
        ({"name": "pause", "reason": "x" * 20_000}, "a", {}, 413, "larger"), ({"name": "pause"}, "a", {"Content-Type": "text/plain"}, 415, "json"),
        ("[" * 9_000, "a", {}, 400, "this is no command"), ({"name": "set", "args": {"signal": {"a": 1}}}, "a", {}, 400, "this is no command"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_a_problem_in_a_line(
    server: Served, secrets_of: dict[str, str], body: object, key: str | None, headers: dict[str, str], code: int, words: str
) -> None:
    reply = ask(server, secrets_of["all"], "POST", PATH, body, key, **headers)
    content = json.loads(reply.text)
    assert (reply.code, content["status"], reply.headers["content-type"]) == (code, code, "application/problem+json")
    assert words in content["detail"]
    assert "\n" not in content["detail"]


def test_people_send_commands_by_their_role_too(server: Served) -> None:
    for role, code in (("viewer", 403), ("operator", 202)):
        client = Client(server.port)
        client.log_in(role)
        body, headers = json.dumps({"name": "resume", "reason": "a test"}), {"Content-Type": "application/json", "Idempotency-Key": "k"}
        assert client.send("POST", PATH, body, **headers).code == code
        assert client.send("POST", PATH, body, **headers, Origin="https://evil.example").code == 403


def test_too_many_commands_at_once_are_put_off_and_enter_one_refusal_a_minute(server: Served) -> None:
    store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "root", "command line")
    secrets = [opened.create(name, ["push"], 1.0, COMMANDS, WallClock().now()) for name in ("flood", "calm")]
    store.close()
    for number in range(2_000):
        reply = ask(server, secrets[0], "POST", PATH, {"name": "pause"}, f"k{number}")
        if reply.code == 429:
            break
        assert reply.code == 403
    assert (reply.code, int(reply.headers["retry-after"]) >= 1) == (429, True)
    assert ask(server, secrets[1], "POST", PATH, {"name": "pause"}, "k").code == 403
    ((rows, minutes),) = server.ask("SELECT count(*), count(DISTINCT at / 60000000000) FROM audit WHERE who = 'token:flood' AND kind = 'refusal'")
    assert rows == minutes


def test_a_path_that_only_begins_like_one_for_tokens_is_none(server: Served, secrets_of: dict[str, str]) -> None:
    for path in ("/metricsx", "/healthzx", "/metrics/x"):
        assert ask(server, secrets_of["read"], "GET", path).code in {401, 303}, path
    assert ask(server, secrets_of["push"], "GET", PATH + "x").code == 403


def test_refusals_and_commands_are_in_a_sound_audit_trail(server: Served, secrets_of: dict[str, str]) -> None:
    ask(server, secrets_of["push"], "POST", PATH, {"name": "pause"}, "refused")
    reader = Reader(f"sqlite:///{server.home}/podium.db")
    frame = reader.view("audit")
    refused = frame[(frame["kind"] == "refusal") & (frame["who"] == "token:push") & (frame["subject"] == "pause")].iloc[-1]
    assert (refused["who"], refused["subject"], refused["origin"]) == ("token:push", "pause", "API, 127.0.0.1")
    assert verify_trail(reader).fault is None
    assert not any(secret in frame.to_csv() for secret in secrets_of.values())
