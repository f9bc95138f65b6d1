"""Other pages in a real browser: market, machine and money, each whole in light and dark; positions are closed, and the server stops cleanly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from engine.service.clock import WallClock
from engine.store.inbox import Inbox
from tests.e2e.served import Served
from tests.e2e.visitor import MS, TITLES, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
ROWS = "tr[data-link]"
MACHINE = "Readings of the last"
TIMES = "node => node._fullLayout.xaxis.range.map(String)"
BARS = """
(node, shares) => new Promise((resolve) => window.addEventListener("podium-drawn", () => {  // at once after a tick, which may scale the prices anew
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect(), bars = node.data.find((one) => one.type === "candlestick");
  const [from, to] = xaxis.range.map((one) => xaxis.r2l(one)), all = [...bars.x.keys()];
  const there = all.filter((i) => bars.x[i] > from && bars.x[i] < to && bars.close[i] !== null);
  resolve(shares.map((share) => there[Math.floor(there.length * share)]).map((i) => {
    const y = (Number(bars.open[i]) + Number(bars.close[i])) / 2;
    return { x: box.left + xaxis._offset + xaxis.d2p(bars.x[i]), y: box.top + yaxis._offset + yaxis.d2p(y) };
  }));
}, { once: true }))
"""
NO_TABLE_SCROLLS = """() => ![...document.querySelectorAll('[data-testid="stMarkdown"] .pd-scroll')].some(
  (node) => node.scrollWidth > node.clientWidth + 1)"""  # whoever has no mouse could not reach what lies outside
FRAMES = """
() => new Promise((resolve) => {  // frames in which the price is of one tick and the chart of another, until four ticks have been drawn
  const seen = new Set(), apart = [];
  const look = () => {
    const price = document.querySelector('.pd-tile .s').innerText.match(/tick ([0-9,]+)/)[1].replaceAll(',', '');
    const bars = document.querySelector('.podium-chart[aria-label^="Bars of"]').data.find((one) => one.type === "candlestick");
    const chart = bars.customdata.at(-1).split(" ")[0];
    if (price !== chart) apart.push(`${price} and ${chart}`);
    seen.add(chart);
    if (seen.size < 4) requestAnimationFrame(look); else resolve(apart);
  };
  look();
})
"""
WATCH_CLICKS = """
node => node.on("plotly_click", ({ points: [{ customdata, x, xaxis }], event }) => {
  const from = node.getBoundingClientRect().left + xaxis._offset;
  window.podiumClicked = { told: String(customdata), away: Math.abs(event.clientX - from - xaxis.d2p(x)) };
})
"""
SETTLED = """
() => {
  const height = document.querySelector('[data-testid="stMainBlockContainer"]').scrollHeight;
  const isBusy = document.querySelector('[data-testid="stSpinner"], [data-testid="stSkeleton"]');  // scripts run every other second
  if (height !== window.seenHeight || isBusy) [window.seenHeight, window.seenAt] = [height, performance.now()];
  return performance.now() - window.seenAt > 3000;
}
"""
WATCH_SHIFTS = """
() => {
  window.shifts = [];
  const block = document.querySelector('[data-testid="stMainBlockContainer"]'), height = block.scrollHeight;
  new ResizeObserver(() => {
    if (block.scrollHeight !== height) window.shifts.push(`the page is ${block.scrollHeight} px high, was ${height}`);
  }).observe(block);
  new PerformanceObserver((list) => {
    for (const { node, previousRect: from, currentRect: to } of list.getEntries().flatMap((entry) => entry.sources)) {
      const element = node && (node.nodeType === 1 ? node : node.parentElement), gone = !to.height || !from.height;
      if (!element || gone || element.closest(".podium-rows, .pd-head, .pd-tile") || to.y === from.y) continue;
      window.shifts.push(`${element.innerText.slice(0, 60)}: from ${from.y} to ${to.y} px`);
    }
  }).observe({ type: "layout-shift" });
}
"""


@pytest.mark.parametrize("paths", [tuple(TITLES)[place::3] for place in range(3)], ids=" ".join)
def test_nothing_on_a_page_moves_while_it_is_live(watched: Served, visit: Visit, paths: tuple[str, ...]) -> None:
    visitors = {path: visit(watched.url) for path in paths}
    for path, visitor in visitors.items():
        visitor.go(path)
    for visitor in visitors.values():
        visitor.is_idle()
        visitor.until(SETTLED)
        visitor.page.evaluate(WATCH_SHIFTS)
    inbox = Inbox(f"sqlite:///{watched.home}/podium.db")
    for command in ("pause", "resume"):
        inbox.submit(command, {}, "test", "to see whether a banner moves the page", WallClock().now())
        for visitor in visitors.values():
            expect(visitor.banner("Paused.")).to_have_count(int(command == "pause"), timeout=MS)
    assert {path: visitor.page.evaluate("window.shifts") for path, visitor in visitors.items()} == {path: [] for path in paths}


def test_resources_show_the_machine_and_keep_the_zoom(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/resources")
    chart = visitor.chart(MACHINE)
    mark = visitor.keep(chart)
    for text in ("Memory limit", "Processor limit", "GPU", "Open files", "CPU, this process"):
        visitor.sees(text)
    visitor.drag(chart, 0.2, 0.7)
    zoomed = chart.evaluate(TIMES)
    visitor.await_figures(MACHINE, 2)
    assert chart.evaluate(TIMES) == zoomed
    assert visitor.is_kept(chart, mark)
    visitor.page.get_by_text("1 h", exact=True).click()
    expect(visitor.page.locator(f'.podium-chart[aria-label="{MACHINE} 1 h"]')).to_be_visible(timeout=MS)
    visitor.has_query(range="1 h")
    assert visitor.boxes() == []


def test_the_market_of_a_symbol_keeps_its_zoom_and_a_click_opens_a_decision(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/market?symbol=NOSUCH")
    visitor.sees("NOSUCH in the address is not one of the symbols")
    visitor.choose("Symbol", "DELTA")
    chart = visitor.chart("Bars of DELTA")
    visitor.has_query(symbol="DELTA")
    for panel in ("Spread", "Depth", "Signed volume", "Order-flow imbalance", "Regime"):
        expect(chart).to_contain_text(panel)
    expect(visitor.page.locator('table[aria-label^="Order book"] tr')).to_have_count(1 + 5 + 1 + 5, timeout=MS)
    visitor.sees("inside the 90 % interval")
    assert visitor.page.evaluate(FRAMES) == []
    mark = visitor.keep(chart)
    visitor.drag(chart, 0.3, 0.8)
    zoomed = chart.evaluate(TIMES)
    visitor.await_figures("Bars of DELTA", 2)
    assert chart.evaluate(TIMES) == zoomed
    assert visitor.is_kept(chart, mark)
    chart.evaluate("node => node.scrollIntoView({ block: 'start' })")  # it is taller than the window
    chart.evaluate(WATCH_CLICKS)
    other, bar = chart.evaluate(BARS, [0.1, 0.6])
    assert 0 < bar["y"] < 900
    visitor.page.mouse.move(other["x"], other["y"])
    visitor.page.mouse.click(bar["x"], bar["y"])  # at once: a quick hand opens what it clicked, not what it was over
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    clicked = visitor.page.evaluate("window.podiumClicked")
    assert clicked["told"] == f"{visitor.query()['tick']} DELTA" == f"{visitor.query()['tick']} {visitor.query()['symbol']}"
    assert clicked["away"] <= 20.0 + 11.0 / 2.0, clicked  # pixels: as far as a chart reaches for the edge of the nearest mark
    assert visitor.boxes() == []


def test_components_tell_the_time_of_every_phase_and_that_all_is_well(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/components")
    phases = visitor.page.locator('table[aria-label="Time of every phase"] tbody tr')
    expect(phases).to_have_count(11, timeout=MS)
    parts = visitor.page.locator('table[aria-label^="Components of the engine"] tbody tr')
    expect(parts).to_have_count(watched.ask("SELECT count(*) FROM components")[0][0], timeout=MS)
    expect(parts.filter(has_text="feed")).to_contain_text("ok", timeout=MS)
    visitor.chart("Duration of ticks")
    for text in ("Clean decisions", "Data age", "no phase has fallen back", "Newest checkpoint", "Heartbeat"):
        visitor.sees(text)
    assert visitor.boxes() == []


def test_the_portfolio_shows_fills_with_every_cost(watched: Served, visit: Visit) -> None:
    id_, tick, symbol, paid = watched.ask("SELECT id, tick, symbol, fee_bps FROM fills WHERE price IS NOT NULL ORDER BY id DESC LIMIT 1")[0]
    visitor = visit(watched.url)
    visitor.go("/portfolio")
    heads = visitor.page.locator('table[aria-label="Fills"] th')
    expect(heads.first).to_be_visible(timeout=MS)
    assert {"Price", "Mid", "Fee, bps", "Spread, bps", "Impact, bps", "Total cost, bps"} <= set(heads.all_inner_texts())
    fill = visitor.page.locator(f'tr[data-id="{id_}|{tick - 1} {symbol}"]')
    expect(fill).to_have_count(1)
    costs = [cell.replace("\N{MINUS SIGN}", "-") for cell in fill.locator("td").all_inner_texts()[6:10]]  # what rested earns half the spread
    fee, spread, impact, in_all = map(float, costs)
    assert fee == pytest.approx(paid, abs=0.05)
    assert in_all == pytest.approx(fee + spread + impact, abs=0.2)
    fill.locator("a").click()
    visitor.is_on("Decision")
    visitor.page.wait_for_url(f"**/decision?tick={tick - 1}&symbol={symbol}")
    visitor.sees("at the next tick, never at the price")


@pytest.mark.parametrize("begun", ["light", "dark"])
def test_every_page_is_whole_in_light_and_dark_wide_and_on_a_phone(watched: Served, visit: Visit, begun: str) -> None:
    newest = watched.tick()
    width, height = (1440, 900) if begun == "light" else (390, 844)  # every page is opened in one of them and turned into the other
    visitor = visit(watched.url, width=width, height=height, color_scheme=begun)
    for path, title in TITLES.items():
        visitor.go(f"{path}?tick={newest}&symbol=ECHO" if path == "/decision" else path)
        expect(visitor.page.locator("table:visible, .podium-chart .main-svg, .pd-wait").first).to_be_visible(timeout=MS)
        visitor.fits()
        visitor.until(NO_TABLE_SCROLLS)
        visitor.shows_its_title()
        if begun == "light":
            visitor.page.set_viewport_size({"width": 1280, "height": 800})  # a small laptop
            visitor.fits()
            visitor.until(NO_TABLE_SCROLLS)
        visitor.page.emulate_media(color_scheme="dark" if begun == "light" else "light")
        visitor.page.set_viewport_size({"width": 1830 - width, "height": 1744 - height})
        visitor.until("wide => document.querySelector('[data-testid=\"stMain\"]').clientWidth > 800 === wide", arg=begun == "dark")
        visitor.until(
            "dark => (Number(getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/\\d+/)[0]) < 128) === dark",
            arg=begun == "light",
        )
        visitor.fits()
        assert visitor.boxes() == [], title
        visitor.page.emulate_media(color_scheme="light" if begun == "light" else "dark")
        visitor.page.set_viewport_size({"width": width, "height": height})


def test_flattening_asks_first_and_closes_every_position(watched: Served, visit: Visit) -> None:
    held = "SELECT count(*) FROM v_positions WHERE tick = (SELECT max(tick) FROM ticks)"
    watched.wait(lambda: watched.ask(held)[0][0] > 0, "a position")
    visitor = visit(watched.url)
    visitor.go("/control")
    visitor.page.get_by_label("Reason").fill("the tests are nearly over")
    visitor.press("Flatten")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Close every position?", timeout=MS)
    visitor.press("Cancel")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0, timeout=MS)
    assert watched.ask("SELECT count(*) FROM commands WHERE name = 'flatten'") == [(0,)]
    visitor.press("Flatten")
    visitor.press("Close every position")
    expect(visitor.banner("Flattening.")).to_be_visible(timeout=MS)
    watched.wait(lambda: watched.ask(held)[0][0] == 0, "every position to be closed")
    watched.wait(lambda: watched.ask("SELECT count(*) FROM commands WHERE status = 'done' AND name = 'flatten'") == [(1,)], "the command to be done")
    assert watched.ask("SELECT name, \"by\", reason, status FROM commands WHERE name = 'flatten'") == [
        ("flatten", "dashboard", "the tests are nearly over", "done")
    ]
    visitor.to("Portfolio")
    visitor.sees("no open positions")


def test_it_stops_cleanly_and_gives_the_store_up_and_open_pages_say_that_it_is_gone(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/decisions")
    expect(visitor.page.locator(ROWS).first).to_be_visible(timeout=MS)
    watched.stop()
    expect(visitor.page.locator(".podium-lost-bar")).to_contain_text("The server has not answered since", timeout=MS)
    expect(visitor.page.locator(".pd-bar-state .pd-chip").first).to_be_hidden()  # the state that was
    expect(visitor.page.locator('[role="dialog"]')).to_have_count(0, timeout=MS)
    visitor.page.close()
    visitor.complaints.clear()  # a browser complains of every request to a server that is gone
    assert watched.ask("SELECT count(*) FROM lease") == [(0,)]
    assert watched.ask("PRAGMA integrity_check") == [("ok",)]
    assert watched.health()[0] == 0
    assert watched.tracebacks() == []
