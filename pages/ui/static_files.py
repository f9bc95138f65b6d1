"""Serves Streamlit's own files smaller than it does: scripts and styles compressed, and of its 4,000 icons those that are shown.

Each file is compressed once per process, since its name changes with its content.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "/static/"
ICONS = Path(__file__).parent / "vendor" / "material-symbols-podium.woff2"  # made by build_icons.py beside it
ICON_NAMES = ICONS.with_suffix(".txt")  # the file that the icons were taken from, then their names
KINDS = (".js", ".css")
FOREVER = "public, max-age=31536000, immutable"
DROPPED = ("etag", "last-modified", "accept-ranges")  # of the file as it is on disk


class StaticFilesMiddleware:
    """Middleware for the scripts, the styles and the font of icons of the page; everything else passes unchanged.

    An icon font of another version of Streamlit has another name and is served whole: its pages may show other icons.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compressed: dict[str, tuple[Message, Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == icon_font_path():
            await Response(_read_icons(), headers={"Cache-Control": FOREVER}, media_type="font/woff2")(scope, receive, send)
            return
        if not _may_be_compressed(scope):
            await self._app(scope, receive, send)
            return
        if scope["path"] not in self._compressed:
            messages: list[Message] = []

            async def collect(message: Message) -> None:
                messages.append(message)

            plain = [(name, value) for name, value in scope["headers"] if name not in {b"if-none-match", b"if-modified-since"}]
            await self._app({**scope, "headers": plain}, receive, collect)
            body = b"".join(message.get("body", b"") for message in messages[1:])
            if not messages or not _is_immutable(messages[0]) or not _is_whole(messages[0], body):
                for message in messages:
                    await send(message)
                return
            self._compressed[scope["path"]] = await to_thread.run_sync(_compress_response, messages[0], body)
        for message in self._compressed[scope["path"]]:
            await send(message)


@cache
def icon_font_path() -> str | None:
    """Return the address of the font that the icons were taken from; None where ours is missing."""
    return f"{FOLDER}media/{ICON_NAMES.read_text(encoding='utf-8').split()[0]}" if ICONS.is_file() and ICON_NAMES.is_file() else None


@cache
def _read_icons() -> bytes:
    return ICONS.read_bytes()


def _may_be_compressed(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(FOLDER) or not scope["path"].endswith(KINDS):
        return False
    headers = Headers(scope=scope)
    return "gzip" in headers.get("accept-encoding", "") and "range" not in headers


def _is_immutable(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and "immutable" in headers.get("cache-control", "") and "content-encoding" not in headers


def _is_whole(start: Message, body: bytes) -> bool:
    """Whether the body is as long as the answer says: where the browser has left meanwhile, a part or nothing may have been sent."""
    return Headers(raw=start["headers"]).get("content-length") == str(len(body))


def _compress_response(start: Message, body: bytes) -> tuple[Message, Message]:
    compressed = gzip.compress(body, 9, mtime=0)
    headers = MutableHeaders(raw=[(name, value) for name, value in start["headers"] if name.decode() not in DROPPED])
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(compressed))
    headers.add_vary_header("Accept-Encoding")
    return {**start, "headers": headers.raw}, {"type": "http.response.body", "body": compressed}
