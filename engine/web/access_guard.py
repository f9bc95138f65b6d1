"""One guard in front of everything that is served: pages, WebSocket, API, metrics and files. Only the log-in form and liveness are open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import quote

import orjson
from anyio import to_thread
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.access.desk import FrontDesk
from engine.access.logins import COOKIE
from engine.domain.access import LOCAL_VISITOR, OPERATE, VIEW, Visitor, judge_access
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.web import login_form, login_pages
from engine.web.credentials import Credential
from engine.web.problems import describe_failure, problem

LIVENESS = "/healthz"
VISITOR = "podium.visitor"  # of a scope: who asks; None for nobody
CREDENTIAL = "podium.credential"  # of a scope: by what, so that a long answer can end with it
RECHECK_SECONDS = 1.0  # between two looks whether the log-in of an open WebSocket still holds
SENT_TO = ("/api/v1/commands", "/api/v1/market")  # what is sent there is judged by its name
INTENTS = "/api/v1/intents"  # sent with POST, and read as a view
COMMAND = "/api/v1/commands/"  # the command that a program sent is read there
PROTOCOLS = b"sec-websocket-protocol"  # where Streamlit's pages send which session they had
UPLOADS = "/_stcore/"  # where Streamlit takes files
CHANGING = frozenset({"PUT", "POST", "PATCH", "DELETE"})
USE = "/podium/use"  # where a page reports that a person has used it
OF_PAGES = ("/podium/", "/_stcore/", "/app/static/", "/static/", "/component/", "/media/")
PROGRAMS = ("/api/", "/metrics", *OF_PAGES)  # not opened by people


def find_scope_visitor(scope: Scope) -> Visitor | None:
    """Who asks, as the guard found out; without log-in whoever reaches the server."""
    visitor: Visitor | None = scope.get(VISITOR, LOCAL_VISITOR)
    return visitor


def resume_nothing(session: str, cookie: str | None) -> bool:  # noqa: ARG001 - as the guard asks
    """Let every connection begin a session of its own."""
    return False


class AccessGuard:
    """Middleware that lets nobody in without a log-in that still holds. Without log-in it lets everybody in but wrong tokens, as on loopback."""

    def __init__(
        self, app: ASGIApp, desk: Callable[[], FrontDesk], has_login: Callable[[], bool] = lambda: True,
        may_resume: Callable[[str, str | None], bool] = resume_nothing,
    ) -> None:  # fmt: skip
        """`may_resume` says whether a browser with this cookie may go on with a session of Streamlit, which holds what somebody typed."""
        self._app, self._desk, self._has_login, self._may_resume = app, desk, has_login, may_resume

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or not (self._has_login() or _sends_token(scope)):
            await self._app(scope, receive, send)
            return
        desk = self._desk()
        if self._has_login() and scope["type"] == "http" and scope["path"] in login_form.PATHS:
            await login_pages.serve(desk, scope, receive, send)
            return
        cookie = HTTPConnection(scope).cookies.get(COOKIE)
        visitor: Visitor | None = None
        refusal: Response | None
        try:
            visitor = await to_thread.run_sync(lambda: _identify(desk, scope, cookie, is_use=_is_use(scope)))
            refusal = _refuse(scope, _judge_request(visitor, scope), is_known=visitor is not None)
        except (StoreError, OSError, ValueError) as error:
            refusal = describe_failure(error, "nobody can be let in")
        is_alive_asked = scope["type"] == "http" and scope["path"] == LIVENESS
        if refusal is not None and not is_alive_asked:
            await _enter_refusal(desk, scope, visitor, refusal)
            await _answer(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            scope, receive = self._leave_others_sessions(scope, cookie), _watch(desk, cookie, receive)
        await self._app({**scope, VISITOR: visitor, CREDENTIAL: _build_credential(desk, scope, cookie)}, receive, send)

    def _leave_others_sessions(self, scope: Scope, cookie: str | None) -> Scope:
        """The handshake without the session that a browser wants to go on with, the third word of its header, where that is somebody else's."""
        headers = []
        for name, value in scope["headers"]:
            words = value.decode("latin-1").split(",") if name == PROTOCOLS else []
            is_resuming = len(words) > 2 and words[2].strip() != ""
            if is_resuming and not self._may_resume(words[2].strip(), cookie):
                headers.append((name, ",".join(words[:2]).encode("latin-1")))
            else:
                headers.append((name, value))
        return {**scope, "headers": headers}


def _identify(desk: FrontDesk, scope: Scope, cookie: str | None, *, is_use: bool) -> Visitor | None:
    """Who asks: by a token where the path is a program's and one is sent, else by the cookie. A wrong token is not made good by a cookie."""
    if scope["type"] == "http" and _read_token(scope) is not None:
        return desk.find_program(_read_token(scope) or "") if _is_for_tokens(scope["path"]) else None
    return desk.find_visitor(cookie, is_use=is_use)


def _is_use(scope: Scope) -> bool:
    """Whether a person or a program does something: opens a page, asks the API, or has pressed a key or a button, which the page then reports.

    What a page sends by itself is no use, nor is its WebSocket, whose messages do not show who caused them.
    """
    return scope["type"] == "http" and (scope["path"] == USE or not scope["path"].startswith((*OF_PAGES, LIVENESS)))


def _build_credential(desk: FrontDesk, scope: Scope, cookie: str | None) -> Credential:
    return Credential(f"{_read_token(scope)} {cookie}", lambda: _identify(desk, scope, cookie, is_use=False))


def _read_token(scope: Scope) -> str | None:
    scheme, _, secret = HTTPConnection(scope).headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _sends_token(scope: Scope) -> bool:
    return scope["type"] == "http" and _is_for_tokens(scope["path"]) and _read_token(scope) is not None


def _is_for_tokens(path: str) -> bool:
    """Whether programs ask there; a token opens no page."""
    return path.startswith("/api/") or path in {"/metrics", LIVENESS}


def _judge_request(visitor: Visitor | None, scope: Scope) -> str | None:
    """The reason for a refusal. Commands and market data are judged where they are read, by their names; files are taken from who may import them."""
    path, is_http = scope["path"], scope["type"] == "http"
    is_sent = is_http and (
        (path in SENT_TO and scope["method"] in CHANGING) or path.startswith(COMMAND) or (path == INTENTS and scope["method"] == "POST")
    )
    if visitor is not None and visitor.scopes is not None and is_sent:
        return None
    return judge_access(visitor, OPERATE if is_http and scope["method"] in CHANGING and path.startswith(UPLOADS) else VIEW)


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


async def _enter_refusal(desk: FrontDesk, scope: Scope, visitor: Visitor | None, refusal: Response) -> None:
    """Enter in the audit trail that a program or a known visitor was refused. Not what a page asks for by itself after its log-in has ended."""
    is_of_page = visitor is None and not _sends_token(scope) and scope["path"].startswith(OF_PAGES)
    if refusal.status_code not in {401, 403} or scope["type"] != "http" or is_of_page:
        return
    request, connection = f"{scope['method']} {scope['path']}", HTTPConnection(scope)
    address = connection.client.host if connection.client is not None else "unknown address"
    reason = str(orjson.loads(refusal.body)["detail"])
    enter = partial(desk.refusals.enter, visitor, sent_token=_read_token(scope) is not None, address=address, request=request, reason=reason)
    try:
        await to_thread.run_sync(partial(enter, now=desk.clock.now()))
    except StoreError as error:
        LOG.warning("a refusal was not entered in the audit trail: %s", error)


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)
