"""The state bar, the tab and the browser's memory in a real browser: one visit, in which the server goes and comes back."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import expect

from engine.service.clock import WallClock
from tests.e2e.served import OWN, SLOW, Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
ICON = "() => decodeURIComponent(document.querySelector('link[rel~=\"icon\"]').href)"
STUCK = """
() => {
  const main = document.querySelector('[data-testid="stMain"]'), bar = document.querySelector('.st-key-state_bar').getBoundingClientRect();
  const head = document.querySelector('[data-testid="stHeader"]'), low = getComputedStyle(head).backdropFilter !== 'none';
  main.scrollTo(0, 500);
  return main.scrollTop > 200 && Math.abs(bar.top - (low ? head.getBoundingClientRect().bottom : 0)) < 12 && bar.height < 80;
}
"""
BADGE = "() => getComputedStyle(document.querySelector('[data-testid=\"stSidebarNav\"] a[href$=\"/alerts\"]'), '::after').content"
HELD = """
CREATE TRIGGER held AFTER INSERT ON decisions BEGIN
    UPDATE decisions SET units = 2.0 WHERE tick = NEW.tick AND symbol = NEW.symbol AND NEW.symbol = (SELECT min(symbol) FROM decisions);
END"""


def change_store(server: Served, sql: str) -> None:
    with closing(sqlite3.connect(server.home / "podium.db", timeout=SLOW)) as store, store:
        store.execute(sql)


def open_alerts(server: Served) -> int:
    """How many there are; a busy machine raises some of its own."""
    return int(server.ask("SELECT count(*) FROM alerts WHERE state = 'open'")[0][0])


def remember(visitor: Visitor, **visit: object) -> None:
    """Writes the browser's memory as an earlier visit would have, in the moment in which the page goes."""
    script = f"window.addEventListener('pagehide', () => localStorage.setItem('podium.visit', {json.dumps(json.dumps(visit))}))"
    visitor.page.evaluate(script)
    visitor.page.reload()
    visitor.is_on("Overview")


def scrolls_under_the_bar(visitor: Visitor, width: int) -> None:
    visitor.page.set_viewport_size({"width": width, "height": 844})
    visitor.until(STUCK)
    visitor.fits()


def test_a_visit_with_the_bar_the_tab_and_the_memory_of_the_browser(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/")
    page, bar = visitor.page, visitor.page.locator(".pd-statebar")
    news = page.locator(".pd-now > div", has_text="Since you last looked")

    # a newcomer: the tour, a step at a time, skipped, and not shown again
    expect(visitor.banner("First look, 1 of 4.")).to_be_visible(timeout=MS)
    expect(news).to_contain_text("this is your first visit in this browser", timeout=MS)
    visitor.press("Next")
    expect(visitor.banner("First look, 2 of 4.")).to_contain_text(": hold at tick", timeout=MS)
    visitor.press("Skip the tour")
    expect(visitor.banner("First look")).to_have_count(0, timeout=MS)
    visitor.until("() => JSON.parse(localStorage.getItem('podium.visit')).toured === true")

    # later: what changed since, as far as the store reaches
    now = WallClock().now() // 10**6
    remember(visitor, toured=True, last=now, since=now - 3_000)
    expect(news).to_contain_text(re.compile(r"\d\d-\d\d \d\d:\d\d UTC: \d+ decisions, 0 trades, equity 0\.00 %, \d+ alerts?"), timeout=MS)
    remember(visitor, toured=True, last=now - 86_400_000)
    expect(news).to_contain_text("the store does not reach back that far", timeout=MS)
    expect(visitor.banner("First look")).to_have_count(0)

    # the tab and the menu
    expect(page).to_have_title(re.compile(r"^ok · \d+ s · Overview · Podium$"), timeout=MS)
    assert "circle" in page.evaluate(ICON)
    change_store(server, "INSERT INTO alerts (at, rule, severity, state, message) VALUES (1, 'made', 'warning', 'open', 'made for the test')")
    server.wait(lambda: page.evaluate(BADGE).startswith(f'"{open_alerts(server)}"'), "the alert in the menu")
    visitor.to("Alerts")
    server.wait(lambda: f"{open_alerts(server)} open alert" in bar.inner_text(), "the alert in the bar")

    # pause and resume from here, with the reason added later
    visitor.press("Pause")
    panel = page.locator(".st-key-bar_panel")
    expect(panel).to_contain_text("paused: nothing is opened or closed until resume", timeout=MS)
    expect(page).to_have_title(re.compile(r"^paused · "), timeout=MS)
    page.get_by_label("Why, for the record").fill("lunch <b>now</b>")
    visitor.press("Add reason")
    expect(panel).to_contain_text("Reason added.", timeout=MS)
    visitor.press("Close")
    page.keyboard.press("Tab")  # every button is reached by the keyboard
    visitor.press("Resume")
    expect(panel).to_contain_text("deciding again from the next tick", timeout=MS)
    visitor.press("Close")
    expect(page).to_have_title(re.compile(r"^(ok|degraded) · "), timeout=MS)

    # flatten: the second press names what it closes
    change_store(server, HELD)
    server.wait(lambda: bool(server.ask("SELECT 1 FROM decisions WHERE units = 2.0")), "a position")
    visitor.press("Flatten")
    expect(panel).to_contain_text(
        re.compile(r"Closes 1 position at market at the next bar, .*: \w+ long 2 \(.*Estimated cost [\d.,]+ \(.* bps\)"), timeout=MS
    )
    visitor.press("Cancel")
    expect(panel).to_have_count(0, timeout=MS)
    assert server.ask("SELECT count(*) FROM commands WHERE name = 'flatten'") == [(0,)]
    change_store(server, "DROP TRIGGER held")
    visitor.to("Control")
    expect(visitor.fresh('table[aria-label="Commands sent"]')).to_contain_text("added later: lunch <b>now</b> (dashboard)", timeout=MS)
    for width in (1440, 390):
        visitor.to("Overview") if width == 1440 else None
        scrolls_under_the_bar(visitor, width)
    assert visitor.boxes() == []

    # the server goes, and comes back
    server.stop()
    expect(page).to_have_title(re.compile(r"^no contact · "), timeout=MS)
    assert "path" in page.evaluate(ICON)
    again = Served(server.home, name="again", **OWN, PODIUM_PORT=str(server.port), STREAMLIT_SERVER_PORT=str(server.port))
    try:
        expect(page).to_have_title(re.compile(r"^ok · \d+ s · Overview · Podium$"), timeout=MS)
        assert "circle" in page.evaluate(ICON)
        visitor.complaints.clear()  # a browser complains of a server that is gone
        page.close()
    finally:
        again.end()
