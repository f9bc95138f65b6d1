"""Tells the browser where the server is, so that a deep link does not look for it under the page's own address first."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BASE_URL_SCRIPT = b"<head><script>window.__streamlit={BACKEND_BASE_URL:location.origin+'/'}</script>"
CONTENT_SECURITY_POLICY = "content-security-policy"
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def content_security_policy(*inline_scripts: bytes) -> str:
    """What a page may load: this server's own files, and these scripts that stand in the page itself.

    Streamlit imports the code of components from blobs and styles elements in place; it needs neither eval nor another origin.
    """
    hashes = [f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'" for script in inline_scripts]
    return "; ".join((
        "default-src 'self'", " ".join(("script-src 'self' blob:", *hashes)), "style-src 'self' 'unsafe-inline'", "img-src 'self' data:",
        "font-src 'self' data:", "frame-src 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ))  # fmt: skip


class BaseUrlMiddleware:
    """Middleware that adds one line to the app's HTML, and a policy that lets its own scripts run; everything else passes through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _may_be_page(scope["path"]):
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]  # to be read, it must not come compressed
        held: list[Message] = []

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_html(message):
                held.append(message)
            elif held and message["type"] == "http.response.body":
                held.append(message)
                if not message.get("more_body"):
                    await _send_changed(held, send)
                    held.clear()
            else:
                await send(message)

        await self._app({**scope, "headers": plain}, receive, tell)


def _may_be_page(path: str) -> bool:
    return "." not in path.rsplit("/", 1)[-1] and not path.startswith(("/_stcore", "/api"))


def _is_html(message: Message) -> bool:
    headers = dict(message["headers"])
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


async def _send_changed(held: list[Message], send: Send) -> None:
    body = b"".join(message.get("body", b"") for message in held[1:]).replace(b"<head>", BASE_URL_SCRIPT, 1)
    headers = [(name, value) for name, value in held[0]["headers"] if name not in {b"content-length", b"etag", b"last-modified"}]
    policy = content_security_policy(*INLINE_SCRIPT.findall(body))
    ours = ((b"content-length", str(len(body)).encode()), (CONTENT_SECURITY_POLICY.encode(), policy.encode()))
    await send({**held[0], "headers": [*headers, *ours]})
    await send({"type": "http.response.body", "body": body})
