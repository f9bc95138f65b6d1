"""One Chromium and the servers of the browser tests, and windows that notice what nobody should see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.served import OWN, WARM_UP, WATCHED, Served, serving
from tests.e2e.visitor import MS, Visitor

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
NAMES = (os.environ.get("CHROMIUM") or "chromium", "chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=MS)  # no expectation depends on how fast a machine is
SETTLED = 4  # ticks after the warm-up until every page has heard that it is over


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    browser_path = next((path for path in map(shutil.which, NAMES) if path), None)
    if browser_path is None:  # with CI=true a failure
        pytest.skip("the browser tests need Chromium: install it (Debian: apt-get install chromium) or give its path in CHROMIUM")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def young(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """The engine that is watched, its server just come up in the first test of it; the last test of test_watching_pages.py stops it."""
    with serving(tmp_path_factory.mktemp("watching"), WATCHED) as served:
        yield served


@pytest.fixture
def watched(young: Served) -> Served:
    """The same when it has models and goes a bar at a time, and no page says any more that it is warming up."""
    young.wait(lambda: young.tick() > WARM_UP + SETTLED, "the warm-up to be over")
    return young


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An engine of the file's own, its warm-up over."""
    with serving(tmp_path_factory.mktemp("own"), OWN) as served:
        served.wait(lambda: served.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        yield served


@pytest.fixture(scope="session")
def common_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The engine of all files that change nothing in it for good, its warm-up over."""
    with serving(tmp_path_factory.mktemp("common"), OWN) as served:
        served.wait(lambda: served.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        yield served
        assert served.tracebacks() == []


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens windows of people who have not been here before; at the end nothing may have gone wrong in any of them."""
    opened: list[Visitor] = []

    def open_window(url: str, *, width: int = 1440, height: int = 900, **context: Any) -> Visitor:
        visitor = Visitor(browser.new_context(viewport={"width": width, "height": height}, **context), url)
        opened.append(visitor)
        return visitor

    yield open_window
    for visitor_ in opened:
        visitor_.context.close()
    assert [complaint for visitor_ in opened for complaint in visitor_.complaints] == []
