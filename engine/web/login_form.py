"""What the pages of log-in and log-out look like, without a script: they work before anything else of the dashboard is loaded."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from engine.access.desk import FORM_COOKIE, FrontDesk

LOGIN, LOGOUT, PROVIDER, CALLBACK = "/login", "/logout", "/login/provider", "/login/callback"
PATHS = (LOGIN, LOGOUT, PROVIDER, CALLBACK)
_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - Podium</title><link rel="icon" href="data:,">
<style>:root{{color-scheme:light dark;--ink:#1b2027;--soft:#5a6370;--line:#c3cad3;--paper:#fff;--act:#0072B2;--on:#fff;--bad:#b0003a}}
@media(prefers-color-scheme:dark){{:root{{--ink:#e4e8ed;--soft:#9aa4af;--line:#3d4853;--paper:#10151b;--act:#4ba3d9;--on:#10151b;--bad:#ff7fa0}}}}
body{{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:21rem;margin:14vh auto;padding:0 1.2rem}}
h1{{font-size:1.4rem;margin:0 0 1rem}}label{{display:block;margin:.9rem 0 .2rem;color:var(--soft)}}
input{{font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:6px;padding:.5rem}}
input{{width:100%;box-sizing:border-box}}
button,.way{{font:inherit;color:var(--on);background:var(--act);border:0;border-radius:6px;padding:.55rem 1.1rem;margin-top:1.3rem;cursor:pointer}}
.way{{display:inline-block;text-decoration:none}}.or{{color:var(--soft);margin:1.4rem 0 -.4rem}}
:focus-visible{{outline:3px solid var(--act);outline-offset:2px}}.bad{{color:var(--bad);margin:.6rem 0}}a{{color:var(--act)}}</style></head>
<body><main><h1>{title}</h1>{content}</main></body></html>"""
_FORM = """<form method="post" action="{action}"><input type="hidden" name="form" value="{form}">{fields}
<button type="submit">{button}</button></form>"""
_FIELDS = """<input type="hidden" name="next" value="{next}">
<label for="name">Name</label><input id="name" name="name" autocomplete="username" required maxlength="64" autofocus value="{name}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1000">"""


def choose_target(wanted: str) -> str:
    """The page to open after the log-in: one of this server, by default the first."""
    is_local = wanted.startswith("/") and not wanted.startswith(("//", "/\\", *PATHS)) and len(wanted) <= 2_000
    return wanted if is_local and wanted.isascii() and wanted.isprintable() and "\\" not in wanted else "/"


def show_login(desk: FrontDesk, request: Request, target: str, name: str = "", words: str = "", code: int = 200) -> Response:
    """The page with every way in; `words` is one line about what was wrong."""
    parts = [f'<p class="bad" role="alert">{escape(words)}</p>'] if words else []
    provider = desk.settings.provider
    if provider is not None:
        address = PROVIDER if target == "/" else f"{PROVIDER}?next={quote(target, safe='')}"
        parts.append(f'<p><a class="way" href="{escape(address)}">Log in with {escape(provider.label or provider.host)}</a></p>')
    if not desk.has_passwords:
        return _answer_page(request, None, "Log in to Podium", "".join(parts), code)
    if provider is not None:
        parts.append('<p class="or">or with a password</p>')
    fields = _FIELDS.format(next=escape(target), name=escape(name[:64]))
    return show_guarded_form(desk, request, "Log in to Podium", LOGIN, fields, "Log in", "".join(parts), code)


def show_guarded_form(desk: FrontDesk, request: Request, title: str, action: str, fields: str, button: str, before: str, code: int = 200) -> Response:
    """A page with one form, which only this browser can send."""
    token, signed = desk.issue_form(request.cookies.get(FORM_COOKIE))
    form = _FORM.format(action=action, form=escape(signed), fields=fields, button=button)
    return _answer_page(request, token, title, before + form, code)


def show_leaving(url: str) -> Response:
    """A page that goes on to the provider, whose log-in is to end too. A redirect of the form would be another origin's, which browsers refuse."""
    address = escape(url)
    content = f'<p>You are logged out of Podium. <a href="{address}">Log out at the provider too</a></p>'
    page = _HTML.format(title="Logged out", content=content).replace("<title>", f'<meta http-equiv="refresh" content="0; url={address}"><title>', 1)
    return HTMLResponse(page)


def set_cookie(response: Response, request: Request, name: str, value: str, seconds: int | None, *, strict: bool = False, path: str = "/") -> None:
    """Give a browser a cookie that no script reads; of a server with encryption, only ever encrypted."""
    response.set_cookie(
        name, value, max_age=seconds, path=path, httponly=True, secure=request.url.scheme == "https", samesite="strict" if strict else "lax"
    )


def find_address(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client is not None else "unknown address"


def _answer_page(request: Request, token: str | None, title: str, content: str, code: int) -> Response:
    response = HTMLResponse(_HTML.format(title=title, content=content), code)
    if token is not None:
        set_cookie(response, request, FORM_COOKIE, token, None, strict=True)
    return response
