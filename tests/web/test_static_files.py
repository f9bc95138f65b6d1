"""Streamlit's own files travel small: scripts compressed once, icons those that are shown, and everything else as it was."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.ui import scripts, static_files
from tests.coroutines import run_coroutine
from tests.web.asked import Asked

STREAMLIT = Path(streamlit.__file__).parent
PAGES = Path(static_files.__file__).parents[1]
ICON = re.compile(r":material/([a-z0-9_]+):")
NO_GLYPH = {"access_time", "star_filled"}  # another name of schedule, and a name that Streamlit's font does not have
CODE = b"const answer = 42;\n" * 400


@pytest.fixture
def server() -> Asked:
    served: list[str] = []

    def serve(request: Request) -> Response:
        name = request.path_params["name"]
        served.append(name)
        kept = "no-cache" if name == "index.js" else "public, immutable, max-age=31536000"
        code = 404 if name == "missing.js" else 200
        return Response(CODE, code, {"Cache-Control": kept, "ETag": '"1"', "X-Served": str(len(served))}, "text/javascript")

    app = Starlette(routes=[Route("/static/{name:path}", serve)], middleware=[Middleware(static_files.StaticFilesMiddleware)])
    return Asked.of(app)


def test_a_script_is_compressed_once_and_cached_by_the_browser(server: Asked) -> None:
    first, second = (server.get("/static/js/a.js", accept_encoding="gzip, br") for _ in range(2))
    assert gzip.decompress(first.body) == CODE
    assert (first.head["content-encoding"], first.head["content-length"]) == ("gzip", str(len(first.body)))
    assert "immutable" in first.head["cache-control"]
    assert "Accept-Encoding" in first.head["vary"]
    assert "etag" not in first.head
    assert (first.head["x-served"], second.head["x-served"]) == ("1", "1")
    assert second.body == first.body


def test_a_file_whose_browser_left_meanwhile_is_whole_for_the_next() -> None:
    """Starlette sends no more of a file once its browser has left; what was sent until then must not be what all others get."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        size = str(len(CODE)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public, immutable"), (b"content-length", size)]})
        if (await receive())["type"] == "http.disconnect":
            return
        await send({"type": "http.response.body", "body": CODE[:99], "more_body": True})
        if (await receive())["type"] == "http.request":
            await send({"type": "http.response.body", "body": CODE[99:]})

    async def visit(app: ASGIApp, *received: str) -> list[Message]:
        sent: list[Message] = []
        arriving = iter(received)

        async def receive() -> Message:
            return {"type": next(arriving)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/static/js/a.js", "headers": [(b"accept-encoding", b"gzip")]}
        await app(scope, receive, send)
        return sent

    app = static_files.StaticFilesMiddleware(serve)
    run_coroutine(visit(app, "http.disconnect"))
    run_coroutine(visit(app, "http.request", "http.disconnect"))
    whole = run_coroutine(visit(app, "http.request", "http.request"))
    assert gzip.decompress(whole[1]["body"]) == CODE


@pytest.mark.parametrize(("path", "asked"), [
    ("/static/js/a.js", {}), ("/static/media/a.woff2", {"accept_encoding": "gzip"}), ("/static/index.js", {"accept_encoding": "gzip"}),
    ("/static/missing.js", {"accept_encoding": "gzip"}), ("/static/js/a.js", {"accept_encoding": "gzip", "range": "bytes=0-9"}),
])  # fmt: skip
def test_everything_else_passes_as_it_is(server: Asked, path: str, asked: dict[str, str]) -> None:
    answer = server.get(path, **asked)
    assert (answer.body, answer.head["etag"]) == (CODE, '"1"')
    assert "content-encoding" not in answer.head


def test_the_icons_are_those_that_are_shown(server: Asked) -> None:
    source, *names = static_files.ICON_NAMES.read_text(encoding="utf-8").split()
    answer = server.get(f"/static/media/{source}")
    assert (answer.body[:4], answer.head["content-type"]) == (b"wOF2", "font/woff2")
    assert len(answer.body) < 60_000
    assert server.get("/static/media/MaterialSymbols-Rounded.other.woff2").body == CODE, "the font of another version is served whole"
    assert "Apache License" in (static_files.ICONS.parent / "LICENSE-material-symbols.txt").read_text(encoding="utf-8")
    shown = {name for path in PAGES.rglob("*.py") for name in ICON.findall(path.read_text(encoding="utf-8"))}
    if (STREAMLIT / "static" / "static" / "media" / source).is_file():  # else the whole font is served
        files = (STREAMLIT / "static" / "static" / "js").glob("*.js")
        shown |= {name for path in files for name in ICON.findall(path.read_text(encoding="utf-8"))}
    glyphs = {name.removeprefix("_") for name in names}
    assert shown - glyphs <= NO_GLYPH, "build the icons again: pages/ui/vendor/build_icons.sh"


def test_the_scripts_of_components_are_files_under_an_address_of_their_content() -> None:
    app = Asked.of(Starlette(routes=[scripts.script_route()]))
    for name in scripts.NAMES:
        answer = app.get(scripts.script_folder() + name, accept_encoding="gzip")
        code = gzip.decompress(answer.body).decode()
        assert (answer.code, answer.head["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in answer.head["cache-control"]
        assert set(re.findall(r'from "\./([^"]+)"', code)) <= set(scripts.NAMES)
        assert app.get(scripts.script_folder() + name).body.decode() == code
    for path in ("/podium/scripts-00/live_chart.js", f"{scripts.script_folder()}charts.py", f"{scripts.script_folder()}..%2Flive.py"):
        assert app.get(path).code == 404
    assert len(scripts.component_script("live_chart.js")) < 200
