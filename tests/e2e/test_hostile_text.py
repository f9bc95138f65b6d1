"""Hostile text and hostile sites in a real browser: nothing stored is loaded, linked or styled, and no other site frames or drives Podium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from playwright.sync_api import Browser, expect

from engine.service.clock import WallClock
from tests.e2e.served import Served
from tests.e2e.visitor import MS, TITLES, Visitor
from tests.pages.hostile import hostile_store
from tests.pages.stores import SECOND, beat

pytestmark = pytest.mark.browser
STYLED = """() => [...document.querySelectorAll(`
  [data-testid="stMain"] :is(strong, em, code, h2, h3, h4, img, iframe, script, .katex, sup),
  [data-testid="stMain"] a:not([href^="/"], [href^="#"], [href^="?"]),
  .podium-chart :is(a, [style*="super"])`)].map((node) => node.outerHTML.slice(0, 200))"""
ATTACK = """
async (address) => {
  const opened = new Promise((tell) => {
    const socket = new WebSocket(`ws://${address}/_stcore/stream`, ["streamlit"]);
    socket.onopen = () => tell("opened");
    socket.onerror = () => tell("refused");
  });
  const read = fetch(`http://${address}/api/v1/status`).then(() => "read", () => "refused");
  const frame = document.createElement("iframe");
  frame.src = `http://${address}/control`;
  const framed = new Promise((tell) => { frame.onload = tell; });
  document.body.append(frame);
  await framed;
  return [await opened, await read];
}
"""


class Listener:
    """Another site on this machine; it keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>elsewhere</title><body></body>")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = Thread(target=listener.server.serve_forever, daemon=True)
    thread.start()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    thread.join()


@contextmanager
def showing(folder: Path, **settings: str) -> Iterator[Served]:
    """A server whose engine never starts, so that it shows the store as it is."""
    (folder / "nothing").mkdir()
    served = Served(folder, PODIUM_FEED="recorded", PODIUM_FEED_PATH=str(folder / "nothing"), **settings)
    try:
        served.answers(503)
        yield served
    finally:
        served.end()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, browser: Browser, listener: Listener) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("hostile") / "home"
    folder.mkdir()
    hostile_store(folder, listener.url)
    beat(folder, WallClock().now() - 600 * SECOND)
    with showing(folder) as served:
        yield served


def test_nothing_in_the_store_is_loaded_linked_or_styled(hostile: Served, listener: Listener, visit: Callable[..., Visitor]) -> None:
    visitor = visit(hostile.url)
    visitor.go("/")
    for title in [*list(TITLES.values())[1:], "Overview"]:
        visitor.to(title)
        if title not in {"Backtests", "Resources"}:
            expect(visitor.page.get_by_text("**bold**").first).to_be_attached(timeout=MS)
        expect(visitor.page.locator('[data-testid="stSpinner"]')).to_have_count(0)
        assert visitor.page.evaluate(STYLED) == [], title
    assert listener.asked == []


def test_another_site_can_neither_frame_nor_read_nor_drive_podium(hostile: Served, listener: Listener, browser: Browser) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(MS)
        page = context.new_page()
        page.goto(listener.url)
        assert page.evaluate(ATTACK, hostile.url.removeprefix("http://")) == ["refused", "refused"]
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
