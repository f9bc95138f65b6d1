"""Watching an engine in a real browser: decisions arrive, open on a click or by a link, and nothing that is looked at is lost by a refresh."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, TITLES, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
WARM_UP = 700  # ticks: the models are trained at 600, so there are votes, and on so strong a signal also trades
STRIP, MACHINE = "The gate that bound", "Readings of the last"
PLACE = """
node => {
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect();
  return { left: box.left + xaxis._offset, top: box.top + yaxis._offset, width: xaxis._length, height: yaxis._length };
}
"""
RANGE = "node => node._fullLayout.xaxis.range.map(Number)"
TIMES = "node => node._fullLayout.xaxis.range.map(String)"
CELL = """
(node, symbol) => {
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect();
  const tick = Math.round((Number(xaxis.range[0]) + Number(xaxis.range[1])) / 2);
  return { tick, x: box.left + xaxis._offset + xaxis.d2p(tick), y: box.top + yaxis._offset + yaxis.d2p(symbol) };
}
"""
BAR = """
node => {
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect(), bars = node.data.find((one) => one.type === "candlestick");
  const [from, to] = xaxis.range.map((one) => xaxis.r2l(one)), all = [...bars.x.keys()];
  const there = all.filter((i) => bars.x[i] > from && bars.x[i] < to && bars.close[i] !== null), i = there[Math.floor(there.length / 2)];
  const y = (Number(bars.open[i]) + Number(bars.close[i])) / 2;
  return {
    tick: Number(bars.customdata[i].split(" ")[0]), x: box.left + xaxis._offset + xaxis.d2p(bars.x[i]), y: box.top + yaxis._offset + yaxis.d2p(y),
  };
}
"""
ROWS = 'tr[data-id]:has(a[href^="/decision?"])'
NEWER = "([rows, tick]) => Number(document.querySelector(rows).dataset.id.split(' ')[0]) >= tick"
SCROLL = "document.querySelector('[data-testid=\"stMain\"]').scrollTop"
ENDS_DELTA = re.compile("DELTA$")
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(1)</script>\'; DROP TABLE ticks;--'


@pytest.fixture(scope="module")
def young(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """A server that has just come up, its engine warming up. The browser is there before it, so that the warm-up can be watched."""
    server = Served(tmp_path_factory.mktemp("watching") / "home", PODIUM_WARM_UP=str(WARM_UP), PODIUM_PACE_SECONDS="1", PODIUM_SIM_SIGNAL="0.3")
    try:
        server.answers(200)
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def server(young: Served) -> Served:
    """The same server when it has models and goes a bar at a time."""
    young.wait(lambda: young.tick() > WARM_UP, "the warm-up to be over")
    return young


def drag(visitor: Visitor, chart: Locator, begin: float, end: float) -> None:
    """Zooms by the mouse, between two shares of the plot's width."""
    chart.scroll_into_view_if_needed()
    place = chart.evaluate(PLACE)
    y = place["top"] + place["height"] / 2
    visitor.page.mouse.move(place["left"] + begin * place["width"], y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(place["left"] + (begin + end) / 2 * place["width"], y, steps=3)
    visitor.page.mouse.move(place["left"] + end * place["width"], y, steps=3)
    visitor.page.mouse.up()


def test_the_first_visit_may_be_a_link_and_shows_the_warm_up(young: Served, visit: Visit) -> None:
    young.wait(lambda: young.tick() > 4, "tick 4")
    visitor = visit(young.url)
    visitor.go("/decision?tick=3&symbol=BRAVO")
    visitor.sees("tick 3")
    assert [name.split()[-1] for name in visitor.page.locator('[data-testid="stSidebarNav"] a').all_inner_texts()] == list(TITLES.values())
    assert visitor.boxes() == []
    expect(visitor.banner("Simulated market.")).to_be_visible()
    expect(visitor.banner("Warming up.").locator(".pd-progress")).to_be_visible()
    visitor.page.wait_for_function("() => !document.body.innerText.includes('Warming up.')", timeout=2 * MS)  # nobody has to reload
    assert visitor.tick() >= WARM_UP - 1


def test_decisions_arrive_without_a_reload(server: Served, visit: Visit) -> None:
    for path in ("/", "/decisions"):
        visitor = visit(server.url)
        visitor.go(path)
        rows = visitor.page.locator(ROWS)
        before = int(str(rows.first.get_attribute("data-id")).split()[0])
        shown = rows.count()
        visitor.page.evaluate("window.reloaded = false")
        visitor.page.wait_for_function(NEWER, arg=[ROWS, before + 3])
        assert visitor.tick() >= before + 2
        assert visitor.page.evaluate("window.reloaded") is False
        assert rows.count() == shown


def test_a_chart_keeps_its_zoom_and_the_page_its_place_and_a_click_on_a_cell_opens_its_decision(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/")
    strip = visitor.chart(STRIP)
    mark = visitor.keep(strip)
    whole = strip.evaluate(RANGE)
    drag(visitor, strip, 0.3, 0.6)
    zoomed = strip.evaluate(RANGE)
    assert zoomed[1] - zoomed[0] < 0.5 * (whole[1] - whole[0])
    visitor.page.evaluate(f"{SCROLL} = 120")
    visitor.page.wait_for_function(f"() => {SCROLL} === 120")
    visitor.await_figures(STRIP, 2)
    assert strip.evaluate(RANGE) == zoomed
    assert visitor.is_kept(strip, mark)
    assert visitor.page.evaluate(SCROLL) == 120
    cell = strip.evaluate(CELL, "CHARLIE")
    visitor.page.mouse.click(cell["x"], cell["y"])
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    assert visitor.query() == {"tick": str(cell["tick"]), "symbol": "CHARLIE"}
    visitor.sees(f"tick {cell['tick']:,}")


def test_resources_show_the_machine_and_keep_the_zoom(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/resources")
    chart = visitor.chart(MACHINE)
    mark = visitor.keep(chart)
    for text in ("Memory limit", "Processor limit", "GPU", "Open files", "CPU, this process"):
        visitor.sees(text)
    drag(visitor, chart, 0.2, 0.7)
    zoomed = chart.evaluate(TIMES)
    visitor.await_figures(MACHINE, 2)
    assert chart.evaluate(TIMES) == zoomed
    assert visitor.is_kept(chart, mark)
    visitor.page.get_by_text("1 h", exact=True).click()
    expect(visitor.page.locator(f'.podium-chart[aria-label="{MACHINE} 1 h"]')).to_be_visible(timeout=MS)
    assert visitor.query()["range"] == "1 h"
    assert visitor.boxes() == []


def test_the_market_of_a_symbol_keeps_its_zoom_and_a_click_opens_a_decision(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/market?symbol=NOSUCH")
    visitor.sees("the address asks for NOSUCH, which is not followed")
    visitor.choose("Symbol", "DELTA")
    chart = visitor.chart("Bars of DELTA")
    assert visitor.query()["symbol"] == "DELTA"
    titles = str(chart.text_content())
    for panel in ("Spread", "Depth", "Signed volume", "Order-flow imbalance", "Regime"):
        assert panel in titles
    expect(visitor.page.locator('table[aria-label^="Order book"] tr')).to_have_count(1 + 5 + 1 + 5, timeout=MS)
    visitor.sees("inside the 90 % interval")
    mark = visitor.keep(chart)
    drag(visitor, chart, 0.3, 0.8)
    zoomed = chart.evaluate(TIMES)
    visitor.await_figures("Bars of DELTA", 2)
    assert chart.evaluate(TIMES) == zoomed
    assert visitor.is_kept(chart, mark)
    chart.evaluate("node => node.scrollIntoView({ block: 'start' })")  # it is taller than the window
    bar = chart.evaluate(BAR)
    assert 0 < bar["y"] < 900
    visitor.page.mouse.move(bar["x"], bar["y"])
    expect(chart.locator(".hoverlayer text").first).to_be_attached(timeout=MS)
    visitor.page.mouse.click(bar["x"], bar["y"])
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    query = visitor.query()
    assert query["symbol"] == "DELTA"
    assert abs(int(query["tick"]) - bar["tick"]) <= 3  # or the nearest mark of a bar beside it
    assert visitor.boxes() == []


def test_components_tell_the_time_of_every_phase_and_that_all_is_well(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/components")
    phases = visitor.page.locator('table[aria-label="Time of every phase"] tbody tr')
    expect(phases).to_have_count(11, timeout=MS)
    parts = visitor.page.locator('table[aria-label^="Parts of the engine"] tbody tr')
    expect(parts).to_have_count(server.ask("SELECT count(*) FROM components")[0][0], timeout=MS)
    expect(parts.filter(has_text="feed")).to_contain_text("ok", timeout=MS)
    visitor.chart("How long ticks took")
    for text in ("Honest decisions", "Data's age", "no phase has fallen back", "Newest checkpoint", "Heartbeat"):
        visitor.sees(text)
    assert visitor.boxes() == []


def test_filters_focus_and_place_are_kept_while_rows_arrive_and_a_row_opens_its_decision(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/decisions")
    visitor.choose("Symbol", "DELTA")
    rows = visitor.page.locator("tr[data-link]")
    expect(rows.first).to_have_attribute("data-id", ENDS_DELTA, timeout=MS)
    assert visitor.query() == {"symbol": "DELTA"}
    scroller = visitor.page.locator(".podium-rows")
    scroller.evaluate("node => { node.scrollTop = 500; }")
    id_ = str(rows.nth(30).get_attribute("data-id"))
    row = visitor.page.locator(f'tr[data-id="{id_}"]')
    row.locator("a").focus()
    mark, top = visitor.keep(row), row.bounding_box()
    before = visitor.tick()
    visitor.page.wait_for_function(NEWER, arg=[ROWS, before + 4])
    assert visitor.is_kept(row, mark)
    after = row.bounding_box()
    assert top is not None
    assert after is not None
    assert abs(after["y"] - top["y"]) < 3
    assert visitor.page.evaluate("document.activeElement.closest('tr')?.dataset.id") == id_
    assert visitor.page.get_by_role("combobox", name="Symbol").input_value() == "DELTA"
    assert all(ENDS_DELTA.search(str(one)) for one in rows.evaluate_all("rows => rows.map(row => row.dataset.id)"))
    row.locator("td").nth(2).click()
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    assert f"{visitor.query()['tick']} {visitor.query()['symbol']}" == id_


def test_a_gate_of_the_overview_leads_to_the_decisions_it_bound(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/")
    visitor.page.locator('tr[data-id="edge over cost"] a').click()
    visitor.is_on("Decisions")
    expect(visitor.page.get_by_role("combobox", name="Binding gate")).to_have_value("edge over cost", timeout=MS)
    assert visitor.query() == {"gate": "edge over cost"}
    gates = visitor.page.locator("tr[data-link] td:nth-child(3)")
    expect(gates.first).to_have_text("edge over cost", timeout=MS)
    assert set(gates.all_inner_texts()) == {"edge over cost"}


def test_a_decision_tells_its_reasons_and_replays_identical(server: Served, visit: Visit) -> None:
    bound = "SELECT tick, symbol, binding_gate FROM decisions WHERE binding_gate = 'edge over cost' AND tick > 640 ORDER BY tick LIMIT 1"
    tick, symbol, gate = server.ask(bound)[0]
    visitor = visit(server.url)
    visitor.go(f"/decision?tick={tick}&symbol={symbol}")
    visitor.sees("bps", ".pd-words")
    visitor.sees(gate, ".pd-tiles")
    gates = server.ask("SELECT json_array_length(gates) FROM sessions")[0][0]
    ladder = visitor.chart("Margin of every gate")
    assert ladder.locator(".ytick").count() == gates
    assert "binding" in str(ladder.text_content())
    assert visitor.chart("Start and length").locator(".ytick").count() == 10
    models = server.ask("SELECT json_array_length(models) FROM sessions")[0][0]
    assert visitor.chart("Forecast of every model").locator(".ytick").count() == models + 1
    assert visitor.chart("Size wanted").locator(".ytick").count() >= 8
    visitor.page.get_by_text("The ladder as a table").click()
    expect(visitor.page.locator('table[aria-label^="Every gate"] tr.mark')).to_contain_text(gate, timeout=MS)
    visitor.page.get_by_text("The votes as a table").click()
    expect(visitor.page.locator('table[aria-label^="Forecast, trust"] tbody tr')).to_have_count(3 * (models + 1), timeout=MS)
    visitor.press("Replay this tick")
    expect(visitor.banner("Identical.")).to_contain_text(f"tick {tick}: identical", timeout=2 * MS)
    visitor.press("Next")
    visitor.page.wait_for_url(f"**/decision?tick={tick + 1}&symbol={symbol}")
    visitor.sees(f"tick {tick + 1:,}")
    visitor.page.go_back()
    visitor.sees(f"tick {tick:,}")


def test_links_that_lead_nowhere_say_so_in_a_line(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    for query, told in (
        ("tick=99999999&symbol=ALFA", "no decision of ALFA at tick 99,999,999 is kept"),
        ("tick=5&symbol=NOSUCH", "no decision of NOSUCH at tick 5 is kept"),
        ("symbol=NOSUCH", "no decision of NOSUCH"),
        (f"tick={'9' * 40}&symbol=ALFA", "is no tick"),
        (f"tick={quote('²')}&symbol=ALFA", "is no tick"),
        ("tick=-1&symbol=ALFA", "is no tick"),
        ("tick=5", "names no symbol"),
        (f"tick={quote(HOSTILE)}&symbol=ALFA", "is no tick"),
        (f"tick=5&symbol={quote(HOSTILE)}", "at tick 5 is kept"),
        ("tick=5&symbol=%00", "at tick 5 is kept"),
    ):
        visitor.go(f"/decision?{query}")
        visitor.sees(told)
        assert visitor.boxes() == [], query
    for path in (f"/decisions?symbol={quote(HOSTILE)}&gate={quote(HOSTILE)}&action=x", f"/resources?range={quote(HOSTILE)}", f"/?x={quote(HOSTILE)}"):
        visitor.go(path)
        expect(visitor.page.locator("tr[data-link], .pd-tile").first).to_be_visible(timeout=MS)
        assert visitor.boxes() == [], path
    assert visitor.page.locator("img[src=x]").count() == 0


def test_the_portfolio_shows_fills_with_every_cost(server: Served, visit: Visit) -> None:
    id_, tick, symbol = server.ask("SELECT id, tick, symbol FROM fills ORDER BY id DESC LIMIT 1")[0]
    visitor = visit(server.url)
    visitor.go("/portfolio")
    heads = visitor.page.locator('table[aria-label="Fills"] th')
    expect(heads.first).to_be_visible(timeout=MS)
    assert {"Price", "Mid", "Fee, bps", "Spread, bps", "Impact, bps", "In all, bps"} <= set(heads.all_inner_texts())
    fill = visitor.page.locator(f'tr[data-id="{id_}|{tick - 1} {symbol}"]')
    fee, spread, impact, in_all = (float(cell) for cell in fill.locator("td").all_inner_texts()[6:10])
    assert fee == 5.0
    assert in_all == pytest.approx(fee + spread + impact, abs=0.2)
    fill.locator("a").click()
    visitor.is_on("Decision")
    visitor.page.wait_for_url(f"**/decision?tick={tick - 1}&symbol={symbol}")
    visitor.sees("Filled")


@pytest.mark.parametrize("begun", ["light", "dark"])
def test_every_page_is_whole_in_light_and_dark_wide_and_on_a_phone(server: Served, visit: Visit, begun: str) -> None:
    newest = server.tick()
    width, height = (1440, 900) if begun == "light" else (390, 844)  # every page is opened in one of them and turned into the other
    visitor = visit(server.url, width=width, height=height, color_scheme=begun)
    for path, title in TITLES.items():
        visitor.go(f"{path}?tick={newest}&symbol=ECHO" if path == "/decision" else path)
        expect(visitor.page.locator("table, .podium-chart .main-svg, .pd-wait").first).to_be_visible(timeout=MS)
        assert visitor.overflow() <= 4, f"{title} {width} px {begun}"
        visitor.page.emulate_media(color_scheme="dark" if begun == "light" else "light")
        visitor.page.set_viewport_size({"width": 1830 - width, "height": 1744 - height})
        visitor.page.wait_for_function("wide => document.querySelector('[data-testid=\"stMain\"]').clientWidth > 800 === wide", arg=begun == "dark")
        visitor.page.wait_for_function(
            "dark => (Number(getComputedStyle(document.querySelector('.stApp')).backgroundColor.match(/\\d+/)[0]) < 128) === dark",
            arg=begun == "light",
        )
        visitor.page.wait_for_function(
            "() => { const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth - m.clientWidth <= 4 }"
        )
        assert visitor.boxes() == [], title
        visitor.page.emulate_media(color_scheme="light" if begun == "light" else "dark")
        visitor.page.set_viewport_size({"width": width, "height": height})


def test_flattening_asks_first_and_closes_every_position(server: Served, visit: Visit) -> None:
    held = "SELECT count(*) FROM v_positions WHERE tick = (SELECT max(tick) FROM ticks)"
    server.wait(lambda: server.ask(held)[0][0] > 0, "a position")
    visitor = visit(server.url)
    visitor.go("/control")
    visitor.page.get_by_label("Reason").fill("the tests are nearly over")
    visitor.press("Flatten")
    expect(visitor.page.get_by_role("dialog")).to_contain_text("Close every position?", timeout=MS)
    visitor.press("Leave them")
    expect(visitor.page.get_by_role("dialog")).to_have_count(0, timeout=MS)
    assert server.ask("SELECT count(*) FROM commands") == [(0,)]
    visitor.press("Flatten")
    visitor.press("Close every position")
    expect(visitor.banner("Flattening.")).to_be_visible(timeout=MS)
    server.wait(lambda: server.ask(held)[0][0] == 0, "every position to be closed")
    assert server.ask('SELECT name, "by", reason, status FROM commands') == [("flatten", "dashboard", "the tests are nearly over", "done")]
    visitor.to("Portfolio")
    visitor.sees("nothing is held")


def test_it_stops_cleanly_and_gives_the_store_up(server: Served) -> None:
    assert server.stop() < 20
    assert server.ask("SELECT count(*) FROM lease") == [(0,)]
    assert server.ask("PRAGMA integrity_check") == [("ok",)]
    assert server.health()[0] == 0
    assert server.tracebacks() == []
