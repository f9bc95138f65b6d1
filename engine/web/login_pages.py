"""The log-in and the way out: forms that only this server's own pages send, and the provider's answers."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from engine.access.accounts import LoginResult
from engine.access.desk import FORM_COOKIE, FrontDesk
from engine.access.logins import COOKIE
from engine.store.errors import StoreError
from engine.web import provider_pages
from engine.web.login_form import (
    CALLBACK,
    LOGIN,
    LOGOUT,
    PROVIDER,
    choose_target,
    find_address,
    set_cookie,
    show_guarded_form,
    show_leaving,
    show_login,
)
from engine.web.problems import describe_failure

MAX_BODY = 8_000  # bytes of a form


async def serve(desk: FrontDesk, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every method of the pages at login_form.PATHS."""
    request = Request(scope, receive)
    pages = {LOGIN: _log_in, LOGOUT: _log_out, PROVIDER: provider_pages.leave, CALLBACK: _return_from_provider}
    try:
        response = await pages[scope["path"]](desk, request)
    except (StoreError, OSError, ValueError) as error:
        response = describe_failure(error, "nobody can log in or out")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"  # else browsers send the form without its origin
    await response(scope, receive, send)


async def _log_in(desk: FrontDesk, request: Request) -> Response:
    if request.method in {"GET", "HEAD"}:
        return show_login(desk, request, choose_target(request.query_params.get("next", "/")))
    sent = await _read_form(desk, request)
    if isinstance(sent, Response):
        return sent
    if not desk.has_passwords:
        return PlainTextResponse("Nobody logs in by a password here: use the provider.\n", 403)
    target, name, address = choose_target(sent.get("next", "/")), sent.get("name", ""), find_address(request)
    result = await to_thread.run_sync(desk.admit, name, sent.get("password", ""), address, limiter=_hashing())
    return _answer_result(desk, request, result, target, name)


async def _return_from_provider(desk: FrontDesk, request: Request) -> Response:
    answer = await provider_pages.take_answer(desk, request)
    response = answer if isinstance(answer, Response) else _answer_result(desk, request, *answer)
    response.delete_cookie(provider_pages.PENDING_COOKIE, path=LOGIN)
    return response


def _answer_result(desk: FrontDesk, request: Request, result: LoginResult, target: str, name: str = "") -> Response:
    """Lead somebody who is logged in to the page, and anybody else back to the form with a line."""
    if result.cookie is None:
        wait = result.wait_seconds
        words = f"Too many failed tries: try again in {wait} s." if wait else "Name or password is wrong."
        code = HTTPStatus.TOO_MANY_REQUESTS if wait else HTTPStatus.UNAUTHORIZED
        response = show_login(desk, request, target, name, words, code)
        if wait:
            response.headers["Retry-After"] = str(wait)
        return response
    response = RedirectResponse(target, 303)
    set_cookie(response, request, COOKIE, result.cookie, round(desk.settings.session_days * 86_400))
    return response


@cache
def _hashing() -> CapacityLimiter:
    """The threads that may hash a password at the same time: 64 MiB each, and none of those that answer who is logged in."""
    return CapacityLimiter(2)


async def _log_out(desk: FrontDesk, request: Request) -> Response:
    if request.method in {"GET", "HEAD"}:
        return show_guarded_form(desk, request, "Log out", LOGOUT, '<p><a href="/">Back to Podium</a></p>', "Log out", "")
    sent = await _read_form(desk, request)
    if isinstance(sent, Response):
        return sent
    is_of_provider = await to_thread.run_sync(desk.dismiss, request.cookies.get(COOKIE))
    url = await provider_pages.find_logout(desk, request) if is_of_provider else None
    response = RedirectResponse(LOGIN, 303) if url is None else show_leaving(url)
    response.delete_cookie(COOKIE)
    return response


async def _read_form(desk: FrontDesk, request: Request) -> dict[str, str] | Response:
    """The fields of a form that this server gave to this browser; else the refusal."""
    if request.method != "POST":
        return PlainTextResponse("Method Not Allowed\n", 405, {"Allow": "GET, POST"})
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return PlainTextResponse("The form is too large.\n", 413)
    try:
        fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return PlainTextResponse("This is no form of Podium.\n", 400)
    sent = {name: values[0] for name, values in fields.items()}
    if not desk.accepts_form(request.cookies.get(FORM_COOKIE), sent.get("form", "")):
        return PlainTextResponse("This form was not sent from Podium's own page, or is too old: go back, reload it, and send it again.\n", 403)
    return sent
