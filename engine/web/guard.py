"""Refuses requests of other machines, other sites or foreign host names, and restricts what a browser does with an answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui.base_url import CONTENT_SECURITY_POLICY, content_security_policy

HEADERS = {  # of every answer; an answer's own policy takes precedence
    CONTENT_SECURITY_POLICY: content_security_policy(),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


OWN_POLICIES = frozenset({CONTENT_SECURITY_POLICY, "referrer-policy"})  # where an answer has one


class Guard:
    """Middleware that answers this machine, and others with a log-in, under a loopback name or one of `hosts`, and in browsers its own pages only.

    Without a log-in, only the origin of a request keeps others out. A foreign site reaches a server on this machine in two ways: a host name of its
    own that points here (so Host is checked), and a request across origins from its page (so Origin is checked).
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] = (), has_login: Callable[[], bool] = lambda: False,
        has_proxy: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """With a log-in, other machines are answered too, over an encrypted connection; behind a proxy, nobody is answered over another one."""
        self._app, self._has_login, self._has_proxy = app, has_login, has_proxy
        self._hosts = frozenset(host.strip().lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(raw=list(message["headers"]))
                for name, value in HEADERS.items():
                    if name not in OWN_POLICIES or name not in headers:
                        headers[name] = value
                message = {**message, "headers": headers.raw}
            await send(message)

        why = _refusal(scope, self._hosts, has_login=self._has_login(), has_proxy=self._has_proxy())
        if why is None:
            await self._app(scope, receive, send_protected)
        elif scope["type"] == "http":
            await PlainTextResponse(f"{why}\n", 403)(scope, receive, send_protected)
        else:
            await send({"type": "websocket.close", "code": 1008})


def internal_error(request: Request, error: Exception) -> PlainTextResponse:  # noqa: ARG001 - as Starlette calls it
    """Answer for a route that failed, which no middleware sees; the server logs the error."""
    return PlainTextResponse("Internal Server Error\n", 500, HEADERS)


def _refusal(scope: Scope, hosts: Collection[str], *, has_login: bool, has_proxy: bool) -> str | None:
    """The reason why a request is refused, in one line; None where it is not."""
    headers = Headers(scope=scope)
    host, origins = headers.getlist("host"), headers.getlist("origin")
    is_local = _is_loopback(scope.get("server"))
    if not is_local and not has_login:
        return "Podium has no login yet and answers this machine only."
    if has_login and not (is_local and not has_proxy and _is_loopback(scope.get("client"))) and scope.get("scheme") not in {"https", "wss"}:
        return "Podium answers other machines over HTTPS only: open it by https://, or through the proxy."
    if not is_local:
        hosts = {*hosts, str(scope["server"][0])}
    if len(host) > 1 or not all(_is_own_name(value, hosts) for value in host):
        return "Podium answers to 127.0.0.1, localhost and the names in server.allowedHosts of .streamlit/config.toml: open it by one of these."
    if any(not host or not _is_same_origin(value, host[0]) for value in origins):
        return "Podium answers its own pages only, and this request comes from a page of another origin."
    return None


def _is_loopback(end: Sequence[Any] | None) -> bool:
    """Whether an end of a connection, as address and port, is at a loopback address (a name or a socket file is no address)."""
    try:
        return ipaddress.ip_address((end or ("", None))[0]).is_loopback
    except ValueError:
        return True


def _is_own_name(host: str, hosts: Collection[str]) -> bool:
    parts = _split(f"//{host}")
    if parts is None or parts.netloc != host or "@" in host or not parts.hostname:
        return False
    name = parts.hostname.rstrip(".")
    if name == "localhost" or name in hosts:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(origin: str, host: str) -> bool:
    parts = _split(origin)
    return parts is not None and parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None where it is malformed."""
    try:
        parts = urlsplit(address)
        _ = parts.port  # a number in range
    except ValueError:
        return None
    return parts
