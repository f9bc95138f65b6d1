"""Serves Plotly's browser library under a name that changes with its content: the bundle of the traces that are drawn, a quarter of the whole."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

BUNDLE = Path(__file__).parent / "vendor" / "plotly-podium.min.js"  # made by build_plotly.sh beside it
TRACES = ("bar", "candlestick", "heatmap", "scatter")  # in the bundle
FOLDER = "/plotly/"
MISSING = f"{FOLDER}missing.js"  # a 404, after which the chart shows the remedy
FOREVER = "public, max-age=31536000, immutable"  # another version of the library has another name


def library_file() -> Path | None:
    """Return the bundle, or the whole library of the installed package where the bundle is missing; None where that is missing too."""
    if BUNDLE.is_file():
        return BUNDLE
    package = find_spec("plotly")
    path = Path(package.origin).parent / "package_data" / "plotly.min.js" if package is not None and package.origin else None
    return path if path is not None and path.is_file() else None


@cache
def library_address() -> str:
    """Return the library's address on this server."""
    path = library_file()
    return MISSING if path is None else f"{FOLDER}plotly-{hashlib.blake2b(path.read_bytes(), digest_size=10).hexdigest()}.min.js"


def library_route() -> Route:
    """Return the library's route; any other name in its folder is a 404."""
    return Route(f"{FOLDER}{{name}}", _serve)


def _serve(request: Request) -> Response:
    path = library_file()
    if path is None or request.scope["path"] != library_address():
        return PlainTextResponse("There is no such version of Plotly here: reload the page.\n", 404)
    headers = {"Cache-Control": FOREVER, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(_compressed(path), headers=headers | {"Content-Encoding": "gzip"}, media_type="text/javascript")
    return Response(path.read_bytes(), headers=headers, media_type="text/javascript")


@cache
def _compressed(path: Path) -> bytes:
    """Compress the library once per process."""
    return gzip.compress(path.read_bytes(), 9, mtime=0)
