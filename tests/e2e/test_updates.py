"""Updates of a live page in a real browser: patches that give the picture of a fresh load, and the whole where one was missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from engine.domain.trading_config import TradingConfig
from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
STRIP = "Binding gate of each"
UPDATES = 10
MAX_UPDATE = 28_000  # bytes of an update before compression; whole figures alone were 190,000
# The picture of each digest that was drawn, as Plotly holds it.
RECORD = """
node => {
  window.pictures = {};
  const keep = () => { window.pictures[node.podiumFigure] = JSON.stringify([node.data, node.layout.xaxis.title, node.layout.yaxis.type]); };
  node.on("plotly_afterplot", keep);
  keep();
}
"""
DRAWN = "wanted => Object.keys(window.pictures).length > wanted"
PICTURES = "() => window.pictures"
FORGET = "() => window.podiumValues.clear()"
SOON = 30_000  # ms, less than the minute for which a page that is left is waited for
# Goes to Control as in the first moment of a visit, in which the page's clock has not begun.
LEAVE_EARLY = """
() => {
  const clock = window.podiumClock;
  window.podiumClock = undefined;
  document.querySelector('[data-testid="stSidebarNavLink"][href$="/control"]').click();
  window.podiumClock = clock;
}
"""
RANGE = "node => node._fullLayout.xaxis.range.map(Number)"
# Lets a test close the WebSocket of the page, and keep it from being opened again.
SOCKETS = """
(() => {
  const sockets = [], Whole = window.WebSocket;
  let isCut = false;
  window.WebSocket = class extends Whole {
    constructor(address, ...rest) { super(isCut ? "ws://127.0.0.1:1/" : address, ...rest); sockets.push(this); }
  };
  window.cut = (on) => { isCut = on; if (on) for (const socket of sockets) socket.close(); };
})()
"""


# Presses a button in the moment after or before a part of the page asks for its run, which no hand could meet.
PRESS = """
async ([where, name, order]) => {
  const steps = [
    () => document.querySelector(".podium-frame").podiumRun(),
    () => [...document.querySelectorAll(`${where} button`)].findLast((node) => node.innerText.trim().endsWith(name)).click(),
  ];
  for (const step of order === "after" ? steps : steps.reverse()) { step(); await Promise.resolve(); }
}
"""
# Keeps the answer of an update back until the next page is wanted; then it says that everything on this page has changed.
HOLD = """
(() => {
  const whole = window.fetch, held = [];
  let isHeld = false;
  window.fetch = (address, ...rest) => {
    if (isHeld && String(address).includes("/podium/updates/")) return new Promise((answer) => held.push(answer));
    return whole(address, ...rest);
  };
  window.hold = () => { isHeld = true; };
  window.countHeld = () => held.length;
  window.leave = async (address) => {
    document.querySelector(".podium-frame").podiumRun();  // a moment before
    await Promise.resolve();
    document.querySelector(`[data-testid="stSidebarNavLink"][href$="${address}"]`).click();
    isHeld = false;
    for (const answer of held) answer(Response.json({ clock: null, frames: { header: "other", page: "other" }, parts: {} }));
  };
})()
"""
DUE = "() => [...document.querySelectorAll('.podium-frame:not([data-name])')].map((node) => node.podiumDue)"


class Wire:
    """What one window receives: bytes of frames and updates, and the addresses of whole values."""

    def __init__(self, visitor: Visitor) -> None:
        self.frames = 0
        self.updates = 0
        self.answers = 0
        self.wholes: list[str] = []
        self._asked: set[str] = set()
        session = visitor.page.context.new_cdp_session(visitor.page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameReceived", self._on_frame)
        session.on("Network.responseReceived", self._on_answer)
        session.on("Network.dataReceived", self._on_data)
        visitor.page.on("request", lambda request: self.wholes.append(request.url) if "/podium/live/" in request.url else None)

    def _on_frame(self, event: Any) -> None:
        self.frames += len(event["response"]["payloadData"]) * 3 // 4  # base64

    def _on_answer(self, event: Any) -> None:
        if "/podium/updates/" in event["response"]["url"]:
            self._asked.add(event["requestId"])
            self.answers += 1

    def _on_data(self, event: Any) -> None:
        self.updates += event["dataLength"] if event["requestId"] in self._asked else 0


def test_updates_are_patches_that_give_the_picture_of_a_fresh_load_and_a_missed_one_is_fetched_whole(common_server: Served, visit: Visit) -> None:
    common_server.wait(lambda: is_far_from_a_training(common_server.tick()), "no training to change the page")
    visitor = visit(common_server.url)
    visitor.go("/")
    strip = visitor.chart(STRIP)
    strip.evaluate(RECORD)
    visitor.is_idle()
    visitor.until(DRAWN, arg=2)  # every part of the page has had its first value
    wire = Wire(visitor)
    visitor.until(DRAWN, arg=UPDATES + 2)
    assert wire.wholes == [], "nothing whole is sent after the first picture"
    print(f"{wire.updates / wire.answers:,.0f} bytes of an update before compression, {wire.frames:,} bytes of frames in all")
    assert 0 < wire.updates < MAX_UPDATE * wire.answers
    assert wire.frames < MAX_UPDATE, "no script runs for an update"

    visitor.drag(strip, 0.3, 0.6)
    zoomed = strip.evaluate(RANGE)
    missed, answers = len(visitor.page.evaluate(PICTURES)), wire.answers
    visitor.page.evaluate(FORGET)
    visitor.until(DRAWN, arg=missed + 1)
    digests = list(visitor.page.evaluate(PICTURES))[missed:]
    fetched = {url.rsplit("/", 1)[1].removesuffix(".json") for url in wire.wholes}
    assert fetched & set(digests), "a patch against what is not there leads to the whole"
    _fetch_no_more(visitor, wire)
    assert len(wire.wholes) <= 6 * (wire.answers - answers), "each chart and table at most once an update"
    assert strip.evaluate(RANGE) == zoomed

    fresh = visit(common_server.url)
    fresh.page.add_init_script(SOCKETS)
    assert _find_same_picture(visitor, fresh)

    before = len(fresh.complaints)
    fresh.page.evaluate("() => window.cut(true)")
    bar = fresh.page.locator(".podium-lost-bar")
    expect(bar).to_contain_text("the connection of this page has been cut", timeout=MS)
    tick = fresh.tick()
    common_server.wait(lambda: fresh.tick() > tick, "an update, which needs no connection")
    fresh.page.evaluate("() => window.cut(false)")
    expect(bar).to_have_count(0, timeout=MS)
    del fresh.complaints[before:]  # on the connection


def is_far_from_a_training(tick: int) -> bool:
    """Whether the versions that serve stay the same for two minutes: they change after bar 600 and every 288 bars after it."""
    config = TradingConfig()
    return 30 <= (tick - config.first_training) % config.retrain_every < config.retrain_every - 120


def _fetch_no_more(visitor: Visitor, wire: Wire) -> None:
    """What was missed is fetched while updates under way miss it too; then patches fit again."""
    for _ in range(6):
        fetched, drawn = len(wire.wholes), len(visitor.page.evaluate(PICTURES))
        visitor.until(DRAWN, arg=drawn)
        if len(wire.wholes) == fetched:
            return
    pytest.fail("values are fetched whole again and again")


def _find_same_picture(watching: Visitor, fresh: Visitor) -> bool:
    """Load the page afresh until it shows a tick that the other window shows too, and compare the pictures."""
    for place in range(60):
        fresh.page.wait_for_timeout(place % 5 * 400)  # ms: in step with the other window, which skips ticks, each load could meet a skipped one
        fresh.go("/")
        digest, picture = fresh.chart(STRIP).evaluate(f"node => {{ ({RECORD})(node); return Object.entries(window.pictures)[0]; }}")
        watching.until(DRAWN, arg=len(watching.page.evaluate(PICTURES)))
        pictures = watching.page.evaluate(PICTURES)
        if digest in pictures:
            assert pictures[digest] == picture
            return True
    return False


def test_a_click_is_answered_though_a_part_asks_for_its_run_a_moment_before_or_after(common_server: Served, visit: Visit) -> None:
    visitor = visit(common_server.url)
    visitor.go("/control")
    visitor.page.get_by_label("Reason").fill("only a look at the question")
    visitor.page.keyboard.press("Tab")
    visitor.is_idle()
    dialog = visitor.page.get_by_role("dialog")
    visitor.page.evaluate(PRESS, ['[data-testid="stMain"]', "Flatten", "after"])
    expect(dialog).to_contain_text("Close every position?", timeout=MS)
    visitor.is_idle()
    visitor.page.evaluate(PRESS, ['[role="dialog"]', "Cancel", "before"])
    expect(dialog).to_have_count(0, timeout=MS)
    assert visitor.boxes() == []


def test_a_page_that_is_left_as_soon_as_it_is_opened_makes_no_button_of_the_next_one_dead(common_server: Served, visit: Visit) -> None:
    visitor = visit(common_server.url)
    visitor.go("/")
    visitor.is_idle()
    visitor.page.evaluate(LEAVE_EARLY)
    visitor.is_on("Control")
    visitor.page.get_by_label("Reason").fill("only a look at the question")
    visitor.press("Flatten")
    dialog = visitor.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Close every position?", timeout=MS)
    visitor.press("Cancel")
    expect(dialog).to_have_count(0, timeout=SOON)
    visitor.until("() => window.podiumCanAsk()", timeout=SOON)


def test_a_page_that_is_left_asks_for_no_run_which_would_take_the_next_one_away(common_server: Served, visit: Visit) -> None:
    visitor = visit(common_server.url)
    visitor.page.add_init_script(HOLD)
    visitor.go("/")
    expect(visitor.page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=MS)
    visitor.page.evaluate("() => window.hold()")
    visitor.page.wait_for_function("() => window.countHeld() > 0")
    visitor.page.evaluate("() => window.leave('/alerts')")
    visitor.is_on("Alerts")
    heading = visitor.page.get_by_role("heading", name="History")
    expect(heading).to_be_visible(timeout=MS)
    visitor.is_idle()
    due = visitor.page.evaluate(DUE)
    assert len(due) >= 3
    visitor.until(f"before => ({DUE})().every((due, place) => due > before[place])", due)  # and each of its parts has asked for its run
    visitor.is_idle()
    expect(heading).to_be_visible()
    assert visitor.boxes() == []

    visitor.page.evaluate("() => document.querySelector('[data-testid=\"stApp\"]').remove()")
    visitor.sees("History")  # a page that is blank is loaded again
