"""The log-in form and the way out, without a script: two pages that work before anything else of the dashboard is loaded."""

from __future__ import annotations

from functools import cache
from html import escape
from http import HTTPStatus
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from engine.access.desk import FORM_COOKIE, FrontDesk
from engine.access.logins import COOKIE
from engine.store.errors import StoreError
from engine.web.problems import describe_failure

PATHS = ("/login", "/logout")
MAX_BODY = 8_000  # bytes of a form
_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - Podium</title><link rel="icon" href="data:,">
<style>:root{{color-scheme:light dark;--ink:#1b2027;--soft:#5a6370;--line:#c3cad3;--paper:#fff;--act:#0072B2;--on:#fff;--bad:#b0003a}}
@media(prefers-color-scheme:dark){{:root{{--ink:#e4e8ed;--soft:#9aa4af;--line:#3d4853;--paper:#10151b;--act:#4ba3d9;--on:#10151b;--bad:#ff7fa0}}}}
body{{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:21rem;margin:14vh auto;padding:0 1.2rem}}
h1{{font-size:1.4rem;margin:0 0 1rem}}label{{display:block;margin:.9rem 0 .2rem;color:var(--soft)}}
input{{font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:6px;padding:.5rem}}
input{{width:100%;box-sizing:border-box}}
button{{font:inherit;color:var(--on);background:var(--act);border:0;border-radius:6px;padding:.55rem 1.1rem;margin-top:1.3rem;cursor:pointer}}
:focus-visible{{outline:3px solid var(--act);outline-offset:2px}}.bad{{color:var(--bad);margin:.6rem 0}}a{{color:var(--act)}}</style></head>
<body><main><h1>{title}</h1>{notice}<form method="post" action="{action}"><input type="hidden" name="form" value="{form}">{fields}
<button type="submit">{button}</button></form></main></body></html>"""
_FIELDS = """<input type="hidden" name="next" value="{next}">
<label for="name">Name</label><input id="name" name="name" autocomplete="username" required maxlength="64" autofocus value="{name}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1000">"""


async def serve(desk: FrontDesk, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET and POST of both pages."""
    request = Request(scope, receive)
    try:
        response = await (_log_in if scope["path"] == "/login" else _log_out)(desk, request)
    except (StoreError, OSError, ValueError) as error:
        response = describe_failure(error, "nobody can log in or out")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"  # else browsers send the form without its origin
    await response(scope, receive, send)


def choose_target(wanted: str) -> str:
    """The page to open after the log-in: one of this server, by default the first."""
    is_local = wanted.startswith("/") and not wanted.startswith(("//", "/\\", *PATHS)) and len(wanted) <= 2_000
    return wanted if is_local and wanted.isascii() and wanted.isprintable() and "\\" not in wanted else "/"


async def _log_in(desk: FrontDesk, request: Request) -> Response:
    if request.method in {"GET", "HEAD"}:
        return _show_login(desk, request, choose_target(request.query_params.get("next", "/")))
    sent = await _read_form(desk, request)
    if isinstance(sent, Response):
        return sent
    target, name, address = choose_target(sent.get("next", "/")), sent.get("name", ""), _find_address(request)
    result = await to_thread.run_sync(desk.admit, name, sent.get("password", ""), address, limiter=_hashing())
    if result.cookie is None:
        wait = result.wait_seconds
        words = f"Too many failed tries: try again in {wait} s." if wait else "Name or password is wrong."
        code = HTTPStatus.TOO_MANY_REQUESTS if wait else HTTPStatus.UNAUTHORIZED
        response = _show_login(desk, request, target, name, words, code)
        if wait:
            response.headers["Retry-After"] = str(wait)
        return response
    response = RedirectResponse(target, 303)
    _set_cookie(response, request, COOKIE, result.cookie, "lax", round(desk.settings.session_days * 86_400))
    return response


@cache
def _hashing() -> CapacityLimiter:
    """The threads that may hash a password at the same time: 64 MiB each, and none of those that answer who is logged in."""
    return CapacityLimiter(2)


async def _log_out(desk: FrontDesk, request: Request) -> Response:
    if request.method in {"GET", "HEAD"}:
        return _show_form(desk, request, "Log out", "/logout", "", "Log out", '<p><a href="/">Back to Podium</a></p>')
    sent = await _read_form(desk, request)
    if isinstance(sent, Response):
        return sent
    await to_thread.run_sync(desk.dismiss, request.cookies.get(COOKIE))
    response = RedirectResponse("/login", 303)
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


def _show_login(desk: FrontDesk, request: Request, target: str, name: str = "", words: str = "", code: int = 200) -> Response:
    notice = f'<p class="bad" role="alert">{escape(words)}</p>' if words else ""
    fields = _FIELDS.format(next=escape(target), name=escape(name[:64]))
    return _show_form(desk, request, "Log in to Podium", "/login", fields, "Log in", notice, code)


def _show_form(desk: FrontDesk, request: Request, title: str, action: str, fields: str, button: str, notice: str, code: int = 200) -> Response:
    token, signed = desk.issue_form(request.cookies.get(FORM_COOKIE))
    html = _HTML.format(title=title, action=action, form=escape(signed), fields=fields, button=button, notice=notice)
    response = HTMLResponse(html, code)
    _set_cookie(response, request, FORM_COOKIE, token, "strict", None)
    return response


def _set_cookie(response: Response, request: Request, name: str, value: str, same_site: str, seconds: int | None) -> None:
    strict: bool = same_site == "strict"
    response.set_cookie(
        name, value, max_age=seconds, path="/", httponly=True, secure=request.url.scheme == "https", samesite="strict" if strict else "lax"
    )


def _find_address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown address"
