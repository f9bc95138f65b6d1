"""Keys, palette, local time, notifications and print in a real browser, in one visit by keyboard; and one on a phone by touch."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
STUB = """
window.asked = 0; window.notices = []; window.answer = 'default';
window.Notification = class { constructor(title, more) { window.notices.push(`${title}: ${more.body}`); } };
Object.defineProperty(window.Notification, 'permission', { get: () => window.answer });
window.Notification.requestPermission = async () => { window.asked += 1; window.answer = 'granted'; return window.answer; };
"""
ZONE = "Asia/Kolkata"  # UTC+5:30 all year
HIDDEN = """
() => [...document.querySelectorAll('[data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stMain"] :is(button, input)')]
  .every((node) => !node.checkVisibility())
"""
FITS = """
() => [...document.querySelectorAll('[data-testid="stMain"] :is(.podium-chart .main-svg, table, .pd-tile, .pd-notice)')]
  .every((node) => !node.checkVisibility() || node.getBoundingClientRect().right <= window.innerWidth + 1)
"""
LENGTHEN = """
() => document.querySelector('.st-key-reserved_now')
  .append(Object.assign(document.createElement('div'), { className: 'made-long', style: 'min-height: 900px' }))
"""
IS_REACHED = """
() => [...document.querySelectorAll('.st-key-reserved_now')].every((area) => (area.scrollHeight > area.clientHeight + 1) === (area.tabIndex === 0))
"""
CRITICAL = "INSERT INTO alerts (at, rule, severity, state, message) VALUES (1, 'made', 'critical', 'open', 'made for the test')"


def go(page: Page, letter: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press(letter)


def close(page: Page) -> None:
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def find(page: Page, typed: str) -> None:
    """Opens the palette, types, and takes the first option."""
    page.keyboard.press("Control+k")
    expect(page.locator('dialog input[role="combobox"]')).to_be_focused()
    page.keyboard.type(typed)
    page.keyboard.press("Enter")


def moves_by_keys(visitor: Visitor) -> None:
    page = visitor.page
    go(page, "d")
    visitor.is_on("Decisions")
    search = page.get_by_label("Search", exact=True)
    expect(search).to_be_visible(timeout=MS)
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("gd?t/")  # a field takes every key
    expect(search).to_have_value("gd?t/")
    page.keyboard.press("Control+k")
    expect(page.locator("dialog")).to_have_count(0)
    page.go_back()
    visitor.is_on("Overview")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("Search this page")
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.querySelector('dialog').contains(document.activeElement)")
    go(page, "m")  # the page below rests
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    visitor.is_on("Overview")
    page.keyboard.press("t")
    expect(page.get_by_role("listbox", name="Terms on this page")).to_contain_text("The loss from the highest equity so far.")
    close(page)


def finds_by_palette(visitor: Visitor, symbol: str) -> None:
    page = visitor.page
    find(page, symbol[1:4].lower())
    visitor.is_on("Market")
    assert visitor.query() == {"symbol": symbol}
    find(page, f"140 {symbol[:3].lower()}")
    visitor.is_on("Decision")
    assert visitor.query() == {"tick": "140", "symbol": symbol}
    visitor.sees("tick 140", ".stMainBlockContainer")
    for key, tick in (("ArrowLeft", "139"), ("ArrowRight", "140")):
        expect(page.locator(".st-key-steps button").first).to_be_enabled(timeout=MS)
        page.evaluate("() => document.activeElement.blur()")
        page.keyboard.press(key)
        page.wait_for_function(f"() => new URLSearchParams(location.search).get('tick') === '{tick}'")
        visitor.sees(f"tick {tick}", ".stMainBlockContainer")
    page.keyboard.press("Control+k")
    page.keyboard.type("nothing of this name")
    expect(page.locator("dialog")).to_contain_text("Nothing matches.")
    close(page)
    find(page, "2026-11-30 14:02")
    visitor.is_on("Decisions")
    page.wait_for_function("() => !location.search.includes('goto')")


def acts_by_palette(visitor: Visitor, server: Served) -> None:
    page = visitor.page
    find(page, "optimize collect")
    visitor.is_on("Optimizer")
    expect(page.get_by_label(re.compile("^Reason"))).to_be_focused(timeout=MS)
    expect(page.locator("tr.mark")).to_contain_text("collect garbage", timeout=MS)
    page.keyboard.press("Escape")
    page.evaluate("() => document.activeElement.blur()")
    find(page, "flatten")
    expect(page.locator(".st-key-bar_cancel button")).to_be_focused(timeout=MS)
    assert server.ask("SELECT count(*) FROM commands") == [(0,)]
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-bar_panel")).to_have_count(0, timeout=MS)
    page.evaluate("() => document.activeElement.blur()")
    find(page, "pause")
    server.wait(lambda: server.ask("SELECT name, by FROM commands") == [("pause", "dashboard")], "the command in the inbox")
    expect(page.locator(".pd-bar-state")).to_contain_text("paused", timeout=MS)


def reads_local_time(visitor: Visitor) -> None:
    page = visitor.page
    head = page.locator(".pd-head").first
    go(page, "d")
    visitor.is_on("Decisions")
    cell = visitor.fresh('.podium-rows tbody tr td[data-label="Market time"]').last
    visitor.sees("UTC", ".pd-head")
    utc = cell.inner_text()
    find(page, "local time")
    expect(head).to_contain_text("UTC+5:30")
    expect(cell).not_to_have_text(utc)
    page.reload()
    visitor.is_on("Decisions")
    expect(head).to_contain_text("UTC+5:30", timeout=MS)  # the browser remembers
    name = page.locator(".podium-rows tbody tr").first.get_attribute("data-id")
    row = page.locator(f'.podium-rows tbody tr[data-id="{name}"]')
    expect(row.locator('td[title$="(UTC)"]')).to_have_count(1, timeout=MS)
    mark = visitor.keep(row)
    expect(page.locator(".podium-rows tbody tr").first).not_to_have_attribute(
        "data-id", str(name), timeout=MS
    )  # an update leaves an old row as it is
    assert visitor.is_kept(row, mark)
    assert "your local time" in page.locator(".stMainBlockContainer").inner_text()
    assert (page.locator('.podium-rows td[title$="(UTC)"]').first.get_attribute("title") or "").startswith("2")
    page.get_by_label("Times in local time").uncheck()
    expect(head).to_contain_text(re.compile(r"market [\d-]+ [\d:]+ UTC$"))
    assert page.locator('[title$="(UTC)"]').count() == 0


def is_notified_once(visitor: Visitor, server: Served) -> None:
    page = visitor.page
    go(page, "a")
    visitor.is_on("Alerts")
    box = page.get_by_role("switch", name="Notify me in this browser")
    expect(box).not_to_be_checked(timeout=MS)
    assert page.evaluate("() => window.asked") == 0
    box.check()
    expect(page.locator(".podium-notice")).to_contain_text("On in this browser", timeout=MS)
    with closing(sqlite3.connect(server.home / "podium.db", timeout=20)) as store, store:
        store.execute(CRITICAL)
    page.wait_for_function("() => window.notices.length > 0")
    go(page, "o")
    visitor.is_on("Overview")
    go(page, "a")
    expect(box).to_be_checked(timeout=MS)
    page.wait_for_timeout(2_500)  # another update
    assert page.evaluate("() => [window.asked, window.notices]") == [1, ["Podium: critical alert, made: made for the test"]]


def prints(visitor: Visitor) -> None:
    page = visitor.page
    go(page, "o")
    visitor.is_on("Overview")
    visitor.chart("Equity")
    page.set_viewport_size({"width": 703, "height": 994})  # an A4 sheet within its margins
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(HIDDEN)
    page.wait_for_function(FITS)
    assert page.locator(".podium-chart .main-svg").first.is_visible()
    assert page.evaluate("() => getComputedStyle(document.querySelector('.pd-head')).color") == "rgb(17, 17, 17)"
    sheet = page.pdf(prefer_css_page_size=True)
    assert re.search(rb"/MediaBox \[0 0 59[45](\.\d+)? 84[12](\.\d+)?\]", sheet)
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")


def reaches_long_areas(page: Page) -> None:
    """An area of fixed height is focusable while its contents are longer than it, and only then."""
    area = page.locator(".st-key-reserved_now")
    expect(area).to_be_visible(timeout=MS)
    page.evaluate(LENGTHEN)
    expect(area).to_have_attribute("tabindex", "0", timeout=MS)
    page.evaluate("() => document.querySelector('.st-key-reserved_now .made-long').remove()")
    page.wait_for_function(IS_REACHED, timeout=MS)


def test_a_visit_by_keyboard(server: Served, visit: Visit) -> None:
    visitor = visit(server.url, timezone_id=ZONE)
    visitor.page.add_init_script(STUB)
    visitor.go("/")
    expect(visitor.page.locator(".podium-keys button").first).to_be_visible(timeout=MS)
    symbol = server.ask("SELECT max(symbol) FROM decisions")[0][0]
    moves_by_keys(visitor)
    finds_by_palette(visitor, symbol)
    acts_by_palette(visitor, server)
    reads_local_time(visitor)
    is_notified_once(visitor, server)
    prints(visitor)
    assert visitor.boxes() == []


def test_a_phone_has_palette_and_tooltips_by_touch(server: Served, visit: Visit) -> None:
    visitor = visit(server.url, width=390, height=844, has_touch=True)
    visitor.go("/")
    page = visitor.page
    expect(page.locator('.pd-tile [title^="The loss"]').first).to_be_visible(timeout=MS)
    page.locator('.pd-tile [title^="The loss"]').first.tap()
    expect(page.locator(".podium-tip")).to_have_text("The loss from the highest equity so far.")
    page.get_by_test_id("stExpandSidebarButton").tap()
    page.get_by_role("button", name="Commands").tap()
    box = page.locator("dialog").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.get_by_role("option", name="Decisions page").tap()
    visitor.is_on("Decisions")
    visitor.fits()
    visitor.go("/optimizer")
    reaches_long_areas(page)
