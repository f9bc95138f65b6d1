"""Compresses Streamlit's own scripts and styles, which it serves as they are; each file once per process, since its name changes with its content."""

from __future__ import annotations

import gzip

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "/static/"
KINDS = (".js", ".css")
DROPPED = ("etag", "last-modified", "accept-ranges")  # of the file as it is on disk


class StaticCompressionMiddleware:
    """Middleware that serves the scripts and styles of the page compressed to browsers that accept gzip; everything else passes unchanged."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed: dict[str, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _may_be_compressed(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"] not in self._compressed:
            messages: list[Message] = []

            async def collect(message: Message) -> None:
                messages.append(message)

            plain = [(name, value) for name, value in scope["headers"] if name not in {b"if-none-match", b"if-modified-since"}]
            await self._app({**scope, "headers": plain}, receive, collect)
            if not _is_immutable(messages[0]):
                for message in messages:
                    await send(message)
                return
            body = b"".join(message.get("body", b"") for message in messages[1:])
            self._compressed[scope["path"]] = await to_thread.run_sync(_compress_response, messages[0], body)
        for message in self._compressed[scope["path"]]:
            await send(message)


def _may_be_compressed(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(FOLDER) or not scope["path"].endswith(KINDS):
        return False
    headers = Headers(scope=scope)
    return "gzip" in headers.get("accept-encoding", "") and "range" not in headers


def _is_immutable(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and "immutable" in headers.get("cache-control", "") and "content-encoding" not in headers


def _compress_response(start: Message, body: bytes) -> tuple[Message, Message]:
    compressed = gzip.compress(body, 9, mtime=0)
    headers = MutableHeaders(raw=[(name, value) for name, value in start["headers"] if name.decode() not in DROPPED])
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(compressed))
    headers.add_vary_header("Accept-Encoding")
    return {**start, "headers": headers.raw}, {"type": "http.response.body", "body": compressed}
