"""Adds to the app's HTML the server's address, so that a deep link finds the server at once, the scripts to load, and a content security policy."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui import scripts

BASE_URL_SCRIPT = b"<head><script>window.__streamlit={BACKEND_BASE_URL:location.origin+'/'}</script>"
CONTENT_SECURITY_POLICY = "content-security-policy"
INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


def content_security_policy(*inline_scripts: bytes) -> str:
    """Return the policy of a page: it may load this server's files and run these inline scripts.

    Streamlit imports the code of components from blobs and sets inline styles; it needs neither eval nor another origin.
    """
    hashes = [f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'" for script in inline_scripts]
    return "; ".join((
        "default-src 'self'", " ".join(("script-src 'self' blob:", *hashes)), "style-src 'self' 'unsafe-inline'", "img-src 'self' data:",
        "font-src 'self' data:", "frame-src 'none'", "object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'",
    ))  # fmt: skip


class BaseUrlMiddleware:
    """Middleware that adds to the app's HTML, and a policy that allows its own scripts; everything else passes unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _may_be_page(scope["path"]):
            await self._app(scope, receive, send)
            return
        plain = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]  # uncompressed, to be edited
        messages: list[Message] = []

        async def edit(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_html(message):
                messages.append(message)
            elif messages and message["type"] == "http.response.body":
                messages.append(message)
                if not message.get("more_body"):
                    await _send_edited(messages, send)
                    messages.clear()
            else:
                await send(message)

        await self._app({**scope, "headers": plain}, receive, edit)


def _may_be_page(path: str) -> bool:
    return "." not in path.rsplit("/", 1)[-1] and not path.startswith(("/_stcore", "/api"))


def _is_html(message: Message) -> bool:
    headers = dict(message["headers"])
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


async def _send_edited(messages: list[Message], send: Send) -> None:
    body = b"".join(message.get("body", b"") for message in messages[1:]).replace(b"<head>", BASE_URL_SCRIPT + scripts.preload_links(), 1)
    headers = [(name, value) for name, value in messages[0]["headers"] if name not in {b"content-length", b"etag", b"last-modified"}]
    policy = content_security_policy(*INLINE_SCRIPT.findall(body))
    added = ((b"content-length", str(len(body)).encode()), (CONTENT_SECURITY_POLICY.encode(), policy.encode()))
    await send({**messages[0], "headers": [*headers, *added]})
    await send({"type": "http.response.body", "body": body})
