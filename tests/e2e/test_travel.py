"""A person who goes back in time: by the slider, by address and by reload; nothing refreshes there, and now goes on without a replay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
STILL_MS = 6_000  # three refreshes of a page that shows now
WATCH = """
() => {
  window.seenTicks = [];
  const note = () => {
    const text = document.querySelector(".pd-head b")?.textContent;
    if (text && window.seenTicks.at(-1) !== text) window.seenTicks.push(text);
  };
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
}
"""


LATEST = "tick => Math.max(...[...document.querySelectorAll('tr[data-id]')].map((row) => Number.parseInt(row.dataset.id, 10) || 0)) === tick"


def test_a_page_is_seen_as_it_stood_and_goes_on_from_now(common_server: Served, visit: Visit) -> None:
    visitor = visit(common_server.url)
    page, frames = visitor.page, []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda _: frames.append(1)))
    visitor.go("/")
    drawn = visitor.tick()  # by the script; what comes then comes as updates
    common_server.wait(lambda: visitor.tick() > drawn, "an update")
    page.get_by_role("button", name="Travel to the past").click()
    visitor.sees("as of tick")
    begun = int(visitor.query()["travel"])

    slider = page.get_by_role("slider", name="Tick")
    slider.focus()
    slider.press("Home")
    expect(page.locator(".pd-statebar")).to_contain_text("as of tick 0,", timeout=MS)
    assert visitor.query()["travel"] == "0"
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=MS)
    slider.press("ArrowRight")
    expect(page.locator(".pd-statebar")).to_contain_text("as of tick 1,", timeout=MS)

    field = page.get_by_role("textbox", name="Travel to tick or time")
    field.fill(str(drawn))
    field.press("Enter")
    expect(page.locator(".pd-statebar")).to_contain_text(f"as of tick {drawn:,},", timeout=MS)
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=MS)
    page.wait_for_function(LATEST, arg=drawn)
    assert page.locator("[data-part]").count() == 0, "what is named is updated"
    field.fill("100")
    field.press("Enter")
    expect(page.locator(".pd-statebar")).to_contain_text("as of tick 100,", timeout=MS)
    expect(page.get_by_role("button", name="Pause")).to_be_disabled()
    visitor.chart("Skill as known then")
    expect(page.locator('[data-test-script-state="running"]')).to_have_count(0, timeout=MS)
    page.wait_for_timeout(1_000)
    frames.clear()
    page.wait_for_timeout(STILL_MS)
    assert not frames
    assert visitor.tick() == 100

    page.reload()
    expect(page.locator(".pd-statebar")).to_contain_text("as of tick 100,", timeout=MS)
    visitor.to("Decision")
    visitor.sees("outcomes not known then")
    visitor.press("Previous")
    visitor.sees("tick 99")
    assert (visitor.query()["tick"], visitor.query()["travel"]) == ("99", "100")
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_enabled(timeout=MS)
    visitor.to("Portfolio")
    expect(page.locator(".pd-statebar")).to_contain_text("as of tick 100,", timeout=MS)
    assert visitor.query()["travel"] == "100"
    page.get_by_text("As known now", exact=True).click()
    visitor.sees("judged by what is known now")
    assert visitor.query()["known"] == "now"

    page.evaluate(WATCH)
    newest = common_server.tick()
    page.get_by_role("button", name="Back to now").click()
    page.wait_for_function(f"() => window.seenTicks.some((tick) => Number(tick.replace(/,/g, '')) > {newest})")
    seen = [int(tick.replace(",", "")) for tick in page.evaluate("() => window.seenTicks")]
    assert all(tick == 100 or tick >= newest for tick in seen), seen
    assert set(visitor.query()) & {"travel", "known"} == set()
    assert begun <= newest
