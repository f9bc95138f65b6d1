"""The chart library comes out of the installed package, under a name that changes with its content, kept and compressed."""

from __future__ import annotations

import gzip
from importlib.resources import files

import pytest
from starlette.applications import Starlette

from pages.ui import plotly_library
from tests.web.asked import Asked

INSTALLED = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()


@pytest.fixture(scope="module")
def server() -> Asked:
    return Asked.of(Starlette(routes=[plotly_library.library_route()]))


def test_the_library_is_the_one_that_is_installed(server: Asked) -> None:
    answer = server.get(plotly_library.library_address())
    assert (answer.code, answer.head["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.body == INSTALLED


def test_the_library_travels_compressed_and_is_kept_by_the_browser(server: Asked) -> None:
    answer = server.get(plotly_library.library_address(), accept_encoding="gzip, deflate, br, zstd")
    assert gzip.decompress(answer.body) == INSTALLED
    assert len(answer.body) < 0.35 * len(INSTALLED)
    assert answer.head["content-encoding"] == "gzip"
    assert answer.head["vary"] == "Accept-Encoding"
    assert answer.head["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ["plotly-00000000000000000000.min.js", "missing.js", "..%2Fapp.py"])
def test_another_version_is_not_there_and_says_what_to_do(server: Asked, name: str) -> None:
    answer = server.get(f"/plotly/{name}")
    assert answer.code == 404
    assert b"reload the page" in answer.body
    assert "cache-control" not in answer.head
