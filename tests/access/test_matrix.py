"""Every route, page and method that exists, by nobody, each role, tokens of each scope, and what is worth nothing any more: no wrong answer."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.access.accounts import Accounts
from engine.access.tokens import open_tokens
from engine.domain.access import ROLES
from engine.service.clock import WallClock
from engine.store.read.audit import verify_trail
from engine.store.read.reader import Reader
from pages.ui.navigation import PAGES
from tests.access.browsing import PASSWORD, Client
from tests.access.mock_provider import log_in_at_provider, providing, write_settings
from tests.e2e.served import Served, serving

ROOT = Path(__file__).parents[2]
SETTINGS = {"PODIUM_WARMUP_BARS": "20", "PODIUM_TICK_INTERVAL_SECONDS": "1", "PODIUM_SIM_SYMBOLS": "2"}
STRANGERS = (
    "nobody",
    "forged",
    "expired",
    "idle",
    "logged out",
    "removed",
    "another password",
    "revoked token",
    "expired token",
    "false token",
    "without a role",
    "removed at the provider",
)
TOKENS = {"token to read": "read", "token for commands": "command", "token for pause": "command:pause", "token to push": "push"}
PEOPLE = {f"{role} of the provider": role for role in ROLES} | {role: role for role in ROLES}  # who is logged in, and as what
DAY = 86_400 * 10**9
CHANGING = {"PUT", "POST", "PATCH", "DELETE"}
LIST_ROUTES = """
import app, json
routes = app.app._build_starlette_app().routes
print(json.dumps([(route.path, sorted(getattr(route, "methods", None) or ["WEBSOCKET"])) for route in routes if route.path]))
"""
PARTS = {
    "path:path": "x.js",
    "rest:path": "x",
    "file_id:path": "x",
    "file_id": "x",
    "session_id": "x",
    "name": "x",
    "folder": "x",
    "digest": "x",
    "title": "Overview",
    "number": "1",
}


def list_routes(home: Path) -> list[tuple[str, str]]:
    """Every method of every route of the app as it is built, with the pages; the WebSocket is a method of its own."""
    env = {"PODIUM_HOME": str(home), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", LIST_ROUTES], cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=600)
    routes = json.loads(done.stdout.splitlines()[-1])
    served = [(re.sub(r"\{([^}]*)\}", lambda match: PARTS[match[1]], path), method) for path, methods in routes for method in methods]
    pages = [(f"/{address or ''}", method) for _, _, address, _ in PAGES for method in ("GET", "POST")]
    return sorted({*served, *pages, ("/static/index.html", "GET"), ("/no/such/page", "GET"), ("/favicon.ico", "GET"), ("/login/x", "GET")})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("matrix")
    with providing() as provider, serving(folder, SETTINGS | write_settings(folder / "here", provider), root=str(folder / "here")) as served:
        provider.set_claims("s-admin", email="root@example.com", email_verified=True)
        provider.set_claims("s-operator", groups=["desk"])
        provider.set_claims("s-viewer", department="risk")
        provider.set_claims("s-gone", groups=["desk"])
        provider.set_claims("s-nobody", groups=["other"])
        accounts, now = Accounts(f"sqlite:///{served.home}/podium.db"), WallClock().now()
        for role in ROLES:
            accounts.add(role, role, PASSWORD, now)
        accounts.add("locked", "operator", PASSWORD, now)
        accounts.close()
        yield served
        assert served.tracebacks() == []


@pytest.fixture(scope="module")
def clients(server: Served) -> dict[str, Client]:
    """Somebody of each kind."""
    known: dict[str, Client] = {role: Client(server.port) for role in ROLES}
    for role, client in known.items():
        assert client.log_in(role).code == 303
    for role in ROLES:
        client = known[f"{role} of the provider"] = Client(server.port)
        assert log_in_at_provider(client, f"s-{role}").code == 303
    accounts, now = Accounts(f"sqlite:///{server.home}/podium.db"), WallClock().now()
    strangers = {name: Client(server.port) for name in STRANGERS}
    assert log_in_at_provider(strangers["without a role"], "s-nobody").code == 403
    assert log_in_at_provider(strangers["removed at the provider"], "s-gone").code == 303
    for place, name in enumerate(("expired", "idle", "logged out", "removed", "another password")):
        accounts.add(f"ann{place}", "admin", PASSWORD, now)
        assert strangers[name].log_in(f"ann{place}").code == 303
        assert strangers[name].get("/api/v1/status").code == 200
    with closing(sqlite3.connect(server.home / "podium.db", timeout=60)) as store, store:
        store.execute("UPDATE logins SET began_at = began_at - ? WHERE account = 'ann0'", (8 * DAY,))
        store.execute("UPDATE logins SET seen_at = seen_at - ? WHERE account = 'ann1'", (DAY,))
    kept = dict(strangers["logged out"].cookies)
    assert strangers["logged out"].post_form("/logout").code == 303
    strangers["logged out"].cookies = kept  # as somebody who copied the cookie
    accounts.remove("ann3", now)
    accounts.remove("s-gone@127.0.0.1", now)
    accounts.change_password("ann4", "another password", now)
    accounts.close()
    token_store, opened = open_tokens(f"sqlite:///{server.home}/podium.db", "root", "command line")
    programs = {who: Client(server.port, token=opened.create(scope.replace(":", "-"), [scope], 1.0, ["pause"], now)) for who, scope in TOKENS.items()}
    strangers["revoked token"].token = opened.create("gone", ["read", "command", "push"], 1.0, (), now)
    opened.revoke("gone", now)
    strangers["expired token"].token = opened.create("old", ["read", "command", "push"], 1.0, (), now - 2 * DAY)
    strangers["false token"].token = "podium_" + "x" * 43
    strangers["false token"].cookies = dict(known["admin"].cookies)  # a wrong token is not made good by a cookie
    token_store.close()
    token, _, signature = known["admin"].cookies["podium_login"].rpartition(".")
    strangers["forged"].cookies = {"podium_login": f"{token}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"}
    return known | programs | strangers


def is_open(who: str, method: str, path: str) -> bool:
    """Whether somebody may have an answer there: every role everywhere, but no file from a viewer; tokens by scope, strangers liveness only."""
    if PEOPLE.get(who) == "viewer" and method in CHANGING and path.startswith("/_stcore/"):
        return False
    if path in {"/api/v1/market", "/api/v1/intents"} and method == "POST":
        return PEOPLE.get(who) in {"operator", "admin"} or who == "token to push"
    if who in PEOPLE or path == "/healthz":
        return True
    sent_to = (
        path in {"/api/v1/commands", "/api/v1/market"} and method in CHANGING
    )  # what is sent is judged by its name; the command of another is only read
    return who in TOKENS and (sent_to or (TOKENS[who] == "read" and path.startswith(("/api/", "/metrics"))))


def test_every_route_is_closed_to_strangers_and_open_to_every_role(server: Served, clients: dict[str, Client], tmp_path: Path) -> None:
    routes, wrong = list_routes(tmp_path), []
    assert len(routes) > 70
    for path, method in routes:
        for who, client in clients.items():
            if method == "WEBSOCKET":
                code = client.shake_hands()
                right = code == (101 if who in PEOPLE or who == "false token" else 403)
            else:
                reply = client.send(method, path)
                code = reply.code
                is_ours = reply.headers.get("content-type") == "application/problem+json"  # Streamlit answers some of its own routes with 403
                is_refused = code == 401 or (code == 403 and is_ours) or (code == 303 and reply.headers["location"].startswith("/login"))
                right = is_open(who, method, path) != is_refused and code < 500
            if not right:
                wrong.append((who, method, path, code))
    assert wrong == []


def test_strangers_learn_whether_it_lives_and_nothing_else(clients: dict[str, Client]) -> None:
    for name in STRANGERS:
        assert set(json.loads(clients[name].get("/healthz").text)) == {"state"}
        assert json.loads(clients[name].get("/metrics").text)["detail"] == "log in first"
    assert "components" in json.loads(clients["viewer"].get("/healthz").text)


def test_whom_the_guard_refuses_is_in_the_trail(server: Served, clients: dict[str, Client]) -> None:
    """A program without a log-in, one with a wrong token, and somebody who may not do it; not what a page repeats after its log-in has ended."""
    reader = Reader(f"sqlite:///{server.home}/podium.db")

    def list_refusals() -> set[tuple[str, str]]:
        frame = reader.view("audit")
        refused = frame[(frame["kind"] == "refusal") & (frame["subject"] == "request")]
        return {(str(row.who), str(json.loads(str(row.after))["request"])) for row in refused.itertuples()}

    wanted = {("nobody", "'GET /metrics'"), ("false token", "'GET /metrics'"), ("viewer", "'PUT /_stcore/upload_file/x/y'")}
    server.wait(lambda: _ask_and_look(clients, wanted, list_refusals), "the refusals in the trail")  # a minute that is full has room for no more
    assert not {request for who, request in list_refusals() if who == "nobody" and "/podium/" in request}


def _ask_and_look(clients: dict[str, Client], wanted: set[tuple[str, str]], look: Callable[[], set[tuple[str, str]]]) -> bool:
    assert clients["nobody"].get("/podium/updates/Overview.json").code == 401
    assert (clients["nobody"].get("/metrics").code, clients["false token"].get("/metrics").code) == (401, 401)
    assert clients["viewer"].send("PUT", "/_stcore/upload_file/x/y").code == 403
    return wanted <= look()


def test_a_page_leads_to_the_form_and_the_form_back_to_the_page(server: Served) -> None:
    client = Client(server.port)
    reply = client.get("/decisions?symbol=ALFA&q=a%20b")
    assert (reply.code, reply.headers["location"]) == (303, "/login?next=%2Fdecisions%3Fsymbol%3DALFA%26q%3Da%2520b")
    reply = client.log_in("viewer", path=reply.headers["location"])
    assert (reply.code, reply.headers["location"]) == (303, "/decisions?symbol=ALFA&q=a%20b")


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/login", "/a\r\nX: y"]
)
def test_the_form_leads_nowhere_else(server: Served, wanted: str) -> None:
    client = Client(server.port)
    reply = client.post_form("/login", name="viewer", password=PASSWORD, next=wanted)
    assert (reply.code, reply.headers["location"]) == (303, "/")
    assert "x" not in reply.headers


def test_a_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Served) -> None:
    cookie = Client(server.port).log_in("viewer").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # it would not be sent back over plain HTTP on this machine


def test_a_form_of_another_site_is_refused(server: Served) -> None:
    client = Client(server.port)
    form = re.search(r'name="form" value="([^"]*)"', client.get("/login").text)
    assert form is not None
    body = f"name=viewer&password={PASSWORD.replace(' ', '+')}&form={form[1]}"
    own = f"http://127.0.0.1:{server.port}"
    assert client.send("POST", "/login", body, Origin="https://evil.example").code == 403
    assert client.send("POST", "/login", body.rpartition("&")[0], Origin=own).code == 403
    assert Client(server.port).send("POST", "/login", body, Origin=own).code == 403  # a browser that has not seen the form
    assert client.send("POST", "/login", "x" * 9_000, Origin=own).code == 413
    assert client.send("POST", "/login", "&".join("a=1" for _ in range(50)), Origin=own).code == 400
    assert client.send("PUT", "/login").code == 405
    assert client.send("POST", "/login", body, Origin=own).code == 303
    assert client.send("POST", "/logout", "", Origin=own).code == 403
    assert client.get("/api/v1/status").code == 200


def test_without_a_proxy_nobody_is_believed_on_an_address(server: Served) -> None:
    client = Client(server.port, extra={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"})
    assert client.log_in("nobody else").code == 401
    assert server.ask("SELECT count(*) FROM audit WHERE origin = '203.0.113.7'") == [(0,)]


def test_a_wrong_password_says_so_and_names_nothing(server: Served) -> None:
    client = Client(server.port)
    known, unknown = client.log_in("locked", "a wrong password"), client.log_in("<b>nobody</b>", "a wrong password")
    assert (known.code, unknown.code) == (401, 401)
    assert "Name or password is wrong." in known.text
    assert "<b>nobody" not in unknown.text
    assert "a wrong password" not in known.text
    while (reply := client.log_in("locked", "a wrong password")).code == 401:
        continue
    assert reply.code == 429
    assert int(reply.headers["retry-after"]) >= 1


def test_everything_that_was_done_is_in_a_sound_audit_trail(server: Served, clients: dict[str, Client]) -> None:
    reader = Reader(f"sqlite:///{server.home}/podium.db")
    assert verify_trail(reader).fault is None
    frame = reader.view("audit")
    assert {"began", "ended", "failed"} <= set(frame[frame["kind"] == "log-in"]["subject"])
    assert PASSWORD not in frame.to_csv()
