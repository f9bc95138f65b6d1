"""One guard in front of everything that is served: pages, WebSocket, API, metrics and files. Only the log-in form and liveness are open."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.access.desk import FrontDesk
from engine.access.logins import COOKIE
from engine.domain.access import LOCAL_VISITOR, VIEW, Visitor, judge_access
from engine.store.errors import StoreError
from engine.web import login_pages
from engine.web.problems import problem

LIVENESS = "/healthz"
VISITOR = "podium.visitor"  # of a scope: who asks; None for nobody
RECHECK_SECONDS = 1.0  # between two looks whether the log-in of an open WebSocket still holds
FOR_TOKENS = ("/api/", "/metrics", LIVENESS)  # a token opens no page
SENT_TO = ("/api/v1/commands", "/api/v1/market")
PROGRAMS = ("/api/", "/metrics", "/podium/", "/_stcore/", "/app/static/", "/static/", "/component/", "/media/")  # not opened by people


def find_scope_visitor(scope: Scope) -> Visitor | None:
    """Who asks, as the guard found out; without log-in whoever reaches the server."""
    visitor: Visitor | None = scope.get(VISITOR, LOCAL_VISITOR)
    return visitor


class AccessGuard:
    """Middleware that lets nobody in without a log-in that still holds; without a front desk it lets everybody in, as on loopback."""

    def __init__(self, app: ASGIApp, desk: Callable[[], FrontDesk | None]) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        desk = self._desk() if scope["type"] in {"http", "websocket"} else None
        if desk is None:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in login_pages.PATHS:
            await login_pages.serve(desk, scope, receive, send)
            return
        cookie = HTTPConnection(scope).cookies.get(COOKIE)
        visitor: Visitor | None = None
        refusal: Response | None
        try:
            visitor = await to_thread.run_sync(_identify, desk, scope, cookie)
            refusal = _refuse(scope, _judge_request(visitor, scope), is_known=visitor is not None)
        except (StoreError, OSError, ValueError) as error:
            refusal = _describe_failure(error)
        is_alive_asked = scope["type"] == "http" and scope["path"] == LIVENESS
        if refusal is not None and not is_alive_asked:
            await _answer(refusal, scope, receive, send)
            return
        watched = _watch(desk, cookie, receive) if scope["type"] == "websocket" else receive
        await self._app({**scope, VISITOR: visitor}, watched, send)


def _identify(desk: FrontDesk, scope: Scope, cookie: str | None) -> Visitor | None:
    """Who asks: by a token where the path is a program's and one is sent, else by the cookie. A wrong token is not made good by a cookie."""
    scheme, _, secret = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
    if scope["type"] == "http" and scheme.lower() == "bearer":
        return desk.find_program(secret.strip()) if scope["path"].startswith(FOR_TOKENS) else None
    return desk.find_visitor(cookie)


def _judge_request(visitor: Visitor | None, scope: Scope) -> str | None:
    """The reason for a refusal. Commands and market data are judged where they are read, by their names."""
    if visitor is not None and visitor.scopes is not None and scope["type"] == "http" and scope["path"].startswith(SENT_TO):
        return None
    return judge_access(visitor, VIEW)


def _watch(desk: FrontDesk, cookie: str | None, receive: Receive) -> Receive:
    """What a WebSocket receives, which ends with the log-in: after a log-out, a removed account, or its time."""
    checked = desk.clock.tick()

    async def receive_while_logged_in() -> Message:
        nonlocal checked
        message = await receive()
        if message["type"] != "websocket.receive" or 0.0 <= desk.clock.tick() - checked < RECHECK_SECONDS:
            return message
        checked = desk.clock.tick()
        try:
            visitor = await to_thread.run_sync(desk.find_visitor, cookie)
        except StoreError:  # whether it still holds is unknown
            visitor = None
        return message if judge_access(visitor, VIEW) is None else {"type": "websocket.disconnect", "code": 1008}

    return receive_while_logged_in


def _refuse(scope: Scope, reason: str | None, *, is_known: bool = False) -> Response | None:
    """The answer to somebody who may not see this: a person is led to the form, a program gets 401, or 403 where it is known."""
    if reason is None:
        return None
    if is_known:
        return problem(403, "Forbidden", reason)
    is_file = scope["path"].startswith(PROGRAMS) or "." in scope["path"].rsplit("/", 1)[-1]
    is_page = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and not is_file
    if is_page:
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(wanted, safe='')}" if wanted != "/" else "/login", 303)
    return problem(401, "Unauthorized", reason, {"WWW-Authenticate": "Bearer"})


def _describe_failure(error: Exception) -> Response:
    return PlainTextResponse(f"Nobody can be let in: {error}\n", 503, {"Retry-After": "2"})


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)
