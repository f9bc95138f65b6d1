"""The chart library is the bundle of what the pages draw, under a name that changes with its content, kept and compressed."""

from __future__ import annotations

import ast
import gzip
import hashlib
from pathlib import Path

import pytest
from starlette.applications import Starlette

from pages.ui import plotly_library
from tests.web.asked import Asked

BUNDLE = plotly_library.BUNDLE.read_bytes()
PAGES = Path(plotly_library.__file__).parents[1]


@pytest.fixture(scope="module")
def server() -> Asked:
    return Asked.of(Starlette(routes=[plotly_library.library_route()]))


def test_the_library_is_the_bundle(server: Asked) -> None:
    answer = server.get(plotly_library.library_address())
    assert (answer.code, answer.head["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.body == BUNDLE


def test_the_library_travels_compressed_and_is_kept_by_the_browser(server: Asked) -> None:
    answer = server.get(plotly_library.library_address(), accept_encoding="gzip, deflate, br, zstd")
    assert gzip.decompress(answer.body) == BUNDLE
    assert len(answer.body) < 0.36 * len(BUNDLE)
    assert answer.head["content-encoding"] == "gzip"
    assert answer.head["vary"] == "Accept-Encoding"
    assert answer.head["cache-control"] == "public, max-age=31536000, immutable"


def test_the_bundle_is_the_one_that_was_built_with_its_licence() -> None:
    digest, name = (plotly_library.BUNDLE.parent / "plotly-podium.sha256").read_text(encoding="utf-8").split()
    assert (hashlib.sha256(BUNDLE).hexdigest(), plotly_library.BUNDLE.name) == (digest, name)
    assert "MIT License" in (plotly_library.BUNDLE.parent / "LICENSE-plotly.txt").read_text(encoding="utf-8")
    assert all(f" {kind}" in BUNDLE[:200].decode() for kind in plotly_library.TRACES)


def test_the_bundle_has_every_kind_of_trace_that_a_page_draws() -> None:
    calls = [
        node
        for path in PAGES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_trace"
    ]
    kinds = {argument.value for call in calls for argument in call.args[:1] if isinstance(argument, ast.Constant)}
    assert len(calls) >= 20
    assert all(call.args and isinstance(call.args[0], ast.Constant) for call in calls), "a kind that is not written out cannot be checked"
    assert kinds == set(plotly_library.TRACES), "build the bundle again: pages/ui/vendor/build_plotly.sh"


@pytest.mark.parametrize("name", ["plotly-00000000000000000000.min.js", "missing.js", "..%2Fapp.py"])
def test_another_version_is_not_there_and_says_what_to_do(server: Asked, name: str) -> None:
    answer = server.get(f"/plotly/{name}")
    assert answer.code == 404
    assert b"reload the page" in answer.body
    assert "cache-control" not in answer.head
