"""Serves the scripts of the live components, compressed, in a folder whose name changes with their content, so that no message carries them."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

HERE = Path(__file__).parent
NAMES = (
    "live_chart.js", "live_chart_time.js", "live_chart_tools.js", "live_clock.js", "live_keys.js", "live_notice.js", "live_palette.js",
    "live_tab.js", "live_table.js", "live_time.js", "live_updates.js", "live_wire.js",
)  # fmt: skip
FOREVER = "public, max-age=31536000, immutable"  # other content has another address


@cache
def script_folder() -> str:
    content = b"".join((HERE / name).read_bytes() for name in NAMES)
    return f"/podium/scripts-{hashlib.blake2b(content, digest_size=10).hexdigest()}/"


@cache
def preload_links() -> bytes:
    """Return the lines of HTML that load the scripts beside Streamlit's own, instead of one after the other when they are first needed."""
    return "".join(f'<link rel="modulepreload" href="{script_folder()}{name}">' for name in NAMES).encode()


def component_script(name: str) -> str:
    """Return the code of a component: it loads its script once and passes on every call, in order."""
    address = f'location.origin + "{script_folder()}{name}"'
    return f"export default (c) => {{\n  import({address}).then((m) => m.default(c));\n}};\n"  # in several lines: else Streamlit takes it for a path


def script_route() -> Route:
    """Return the route of the scripts; an address of another version is a 404."""
    return Route("/podium/{folder}/{name}", _serve_script)


def _serve_script(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in NAMES or request.scope["path"] != script_folder() + name:
        return PlainTextResponse("There is no such script here: reload the page.\n", 404)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_compress_script(name), headers=headers | {"Content-Encoding": "gzip"}, media_type="text/javascript")
    return Response((HERE / name).read_bytes(), headers=headers, media_type="text/javascript")


@cache
def _compress_script(name: str) -> bytes:
    return gzip.compress((HERE / name).read_bytes(), 9, mtime=0)
