"""One Chromium for the tests of a file, and windows in it that notice what nobody should see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.visitor import Visitor

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")  # fmt: skip
NAMES = (os.environ.get("CHROMIUM") or "chromium", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    assert found, "the browser tests need Chromium: install it (Debian: apt-get install chromium) or give its path in CHROMIUM"
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens windows of people who have not been here before; at the end nothing may have gone wrong in any of them."""
    opened: list[Visitor] = []

    def open_window(url: str, *, width: int = 1440, height: int = 900, **context: Any) -> Visitor:
        visitor = Visitor(browser.new_context(viewport={"width": width, "height": height}, **context), url)
        opened.append(visitor)
        return visitor

    yield open_window
    for one in opened:
        one.context.close()
    assert [complaint for one in opened for complaint in one.complaints] == []
