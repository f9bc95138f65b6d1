"""Only this machine is answered, by its own names and on Podium's own pages, and every answer says how little a browser may do with it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from engine.web.guard import HEADERS, Guard, internal_error
from pages.ui.base_url import BaseUrlMiddleware
from tests.makers import awaited
from tests.web.asked import Asked

Server = tuple[str, int | None] | None
PAGE = b"<html><head><script>window.a = 1</script><script src='./b.js'></script></head></html>"


async def answered(kind: str = "http", server: Server = ("127.0.0.1", 8501), /, **headers: str) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "reached"})

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": kind, "server": server, "method": "GET", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    await Guard(inner, ("podium.home",))(scope, receive, send)
    return sent


def is_answered(kind: str = "http", /, **headers: str) -> bool:
    sent = awaited(answered(kind, **headers))
    if sent == [{"type": "reached"}]:
        return True
    assert sent[0] == {"type": "websocket.close", "code": 1008} if kind == "websocket" else sent[0]["status"] == 403
    return False


@pytest.mark.parametrize("server", [("127.0.0.1", 8501), ("::1", 8501), ("testserver", 80), ("/run/podium.sock", None), None])
def test_this_machine_is_answered(server: Server) -> None:
    assert awaited(answered("http", server)) == [{"type": "reached"}]


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.1", "2001:db8::1"])
def test_others_are_not(address: str) -> None:
    assert awaited(answered("http", (address, 8501)))[0]["status"] == 403
    assert awaited(answered("websocket", (address, 8501))) == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", ["127.0.0.1:8501", "localhost", "LOCALHOST.:8501", "127.0.0.2:1", "[::1]:8501", "podium.home:8501"])
def test_its_own_names_are_answered_at_any_port_of_a_tunnel(kind: str, host: str) -> None:
    assert is_answered(kind, host=host)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "host",
    ["rebound.example:8501", "127.0.0.1.example", "localhost.example", "0.0.0.0:8501", "192.168.1.7", "", "a@localhost", "localhost/a", "localhost:x",
     "localhost#a", "[::1", "podium.home.example"],
)  # fmt: skip
def test_a_name_that_only_points_here_is_refused(kind: str, host: str) -> None:
    assert not is_answered(kind, host=host)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_pages_of_other_origins_are_refused_though_they_are_on_this_machine(kind: str) -> None:
    for origin in ("http://127.0.0.1:8501", "https://127.0.0.1:8501", "HTTP://127.0.0.1:8501"):
        assert is_answered(kind, host="127.0.0.1:8501", origin=origin)
    for origin in (
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "http://localhost:8501",
        "null",
        "",
        "file://",
        "http://evil.example",
        "ftp://127.0.0.1:8501",
    ):
        assert not is_answered(kind, host="127.0.0.1:8501", origin=origin)
    assert not is_answered(kind, origin="http://127.0.0.1:8501")


def fail(request: Request) -> PlainTextResponse:
    raise RuntimeError("broken")


@pytest.fixture(scope="module")
def server() -> Asked:
    routes = [Route("/", lambda request: HTMLResponse(PAGE)), Route("/data", lambda request: PlainTextResponse("a")), Route("/fails", fail)]
    middleware = [Middleware(Guard), Middleware(BaseUrlMiddleware)]
    return Asked.of(Starlette(routes=routes, middleware=middleware, exception_handlers={500: internal_error}))


@pytest.mark.parametrize(("path", "head", "code"), [("/data", {}, 200), ("/nothing", {}, 404), ("/data", {"host": "evil.example"}, 403)])
def test_every_answer_says_what_a_browser_may_do_with_it(server: Asked, path: str, head: dict[str, str], code: int) -> None:
    answer = server.get(path, **head)
    assert answer.code == code
    assert HEADERS.items() <= answer.head.items()


def test_an_answer_that_failed_says_so_too() -> None:
    answer = internal_error(Request({"type": "http"}), RuntimeError())
    assert answer.status_code == 500
    assert HEADERS.items() <= dict(answer.headers).items()


def test_a_page_may_run_its_own_scripts_and_nothing_from_elsewhere(server: Asked) -> None:
    answer = server.get("/")
    policy = dict(part.split(" ", 1) for part in answer.head["content-security-policy"].split("; "))
    scripts = policy["script-src"].split()
    assert scripts[:2] == ["'self'", "blob:"]
    assert len(scripts) == 4  # the page's own inline script, and the line that tells where the server is
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", script) for script in scripts[2:])
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"https?:|\*|unsafe-eval", answer.head["content-security-policy"])
    assert "unsafe-inline" not in policy["script-src"]
    assert answer.head["x-frame-options"] == "DENY"
