"""Watching decisions in a real browser: they arrive, open on a click or by a link, and nothing that is looked at is lost by a refresh."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.e2e.served import WARM_UP, Served
from tests.e2e.visitor import MS, TITLES, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
STRIP = "Binding gate of each"
RANGE = "node => node._fullLayout.xaxis.range.map(Number)"
CELL = """
(node, symbol) => {
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect();
  const tick = Math.round((Number(xaxis.range[0]) + Number(xaxis.range[1])) / 2);
  return { tick, x: box.left + xaxis._offset + xaxis.d2p(tick), y: box.top + yaxis._offset + yaxis.d2p(symbol) };
}
"""
ROWS = 'tr[data-id]:has(a[href^="/decision?"])'
NEWER = "([rows, tick]) => Number(document.querySelector(rows).dataset.id.split(' ')[0]) >= tick"
HEAD_NEWER = "tick => Number(document.querySelector('.pd-head b').innerText.replaceAll(',', '')) >= tick"
FOLLOWED = """
() => [
  Number([...document.querySelectorAll('.st-key-followed .pd-head b')].map((node) => node.innerText.replaceAll(',', ''))
    .find((text) => /^[0-9]+$/.test(text))),
  [...document.querySelectorAll('.pd-section')].map((heading) => Math.round(heading.getBoundingClientRect().top)),
]
"""
SCROLL = "document.querySelector('[data-testid=\"stMain\"]').scrollTop"
ENDS_DELTA = re.compile("DELTA$")
ALL_DELTA = """
() => {
  const rows = [...document.querySelectorAll('tr[data-link]')];
  return rows.length && rows.every((row) => row.dataset.id.endsWith('DELTA'));
}
"""
ALL_BOUND = """
(gate) => {
  const gates = [...document.querySelectorAll('tr[data-link] td:nth-child(3)')];
  return gates.length && gates.every((node) => node.innerText === gate);
}
"""
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(1)</script>\'; DROP TABLE ticks;--'


def test_the_first_visit_may_be_a_link_and_shows_the_warm_up(young: Served, visit: Visit) -> None:
    young.wait(lambda: young.tick() >= 3, "tick 3")
    visitor = visit(young.url)
    visitor.go("/decision?tick=3&symbol=BRAVO")
    expect(visitor.banner("Warming up.").locator(".pd-progress")).to_be_visible()  # at once: it does not last
    visitor.sees("tick 3")
    assert [name.split()[-1] for name in visitor.page.locator('[data-testid="stSidebarNav"] a').all_inner_texts()] == list(TITLES.values())
    assert visitor.boxes() == []
    expect(visitor.banner("Simulated market.")).to_be_visible()
    visitor.until("() => !document.body.innerText.includes('Warming up.')", timeout=2 * MS)  # nobody has to reload
    assert visitor.tick() >= WARM_UP - 1


def test_decisions_arrive_without_a_reload(watched: Served, visit: Visit) -> None:
    for path in ("/", "/decisions"):
        visitor = visit(watched.url)
        visitor.go(path)
        rows = visitor.page.locator(ROWS)
        before = int(str(rows.first.get_attribute("data-id")).split()[0])
        shown = rows.count()
        visitor.page.evaluate("window.reloaded = false")
        visitor.until(NEWER, arg=[ROWS, before + 3])
        visitor.until(HEAD_NEWER, arg=before + 3)
        assert visitor.page.evaluate("window.reloaded") is False
        assert rows.count() == shown


def test_a_chart_keeps_its_zoom_and_the_page_its_place_and_a_click_on_a_cell_opens_its_decision(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/")
    strip = visitor.chart(STRIP)
    mark = visitor.keep(strip)
    whole = strip.evaluate(RANGE)
    visitor.drag(strip, 0.3, 0.6)
    zoomed = strip.evaluate(RANGE)
    assert zoomed[1] - zoomed[0] < 0.5 * (whole[1] - whole[0])
    visitor.page.evaluate(f"{SCROLL} = 120")
    visitor.until(f"() => {SCROLL} === 120")
    visitor.await_figures(STRIP, 2)
    assert strip.evaluate(RANGE) == zoomed
    assert visitor.is_kept(strip, mark)
    assert visitor.page.evaluate(SCROLL) == 120
    cell = strip.evaluate(CELL, "CHARLIE")
    visitor.page.mouse.click(cell["x"], cell["y"])
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    visitor.has_query(tick=str(cell["tick"]), symbol="CHARLIE")
    visitor.sees(f"tick {cell['tick']:,}")


def test_filters_focus_and_place_are_kept_while_rows_arrive_and_a_row_opens_its_decision(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/decisions")
    visitor.choose("Symbol", "DELTA")
    rows = visitor.page.locator("tr[data-link]")
    visitor.until(ALL_DELTA)
    visitor.has_query(symbol="DELTA")
    scroller = visitor.page.locator(".podium-rows")
    scroller.evaluate("node => { node.scrollTop = 500; }")
    id_ = str(rows.nth(30).get_attribute("data-id"))
    row = visitor.page.locator(f'tr[data-id="{id_}"]')
    row.locator("a").focus()
    mark, top = visitor.keep(row), row.bounding_box()
    before = visitor.tick()
    visitor.until(NEWER, arg=[ROWS, before + 4])
    assert visitor.is_kept(row, mark)
    after = row.bounding_box()
    assert top is not None
    assert after is not None
    assert abs(after["y"] - top["y"]) < 3
    assert visitor.page.evaluate("document.activeElement.closest('tr')?.dataset.id") == id_
    assert visitor.page.get_by_role("combobox", name="Symbol").input_value() == "DELTA"
    assert all(ENDS_DELTA.search(str(row_id)) for row_id in rows.evaluate_all("rows => rows.map(row => row.dataset.id)"))
    row.locator("td").nth(2).click()
    visitor.is_on("Decision")
    visitor.page.wait_for_url("**/decision?*")
    assert f"{visitor.query()['tick']} {visitor.query()['symbol']}" == id_


def test_a_gate_of_the_overview_leads_to_the_decisions_it_bound(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/")
    visitor.page.locator('tr[data-id="edge above cost"] a').click()
    visitor.is_on("Decisions")
    expect(visitor.page.get_by_role("combobox", name="Binding gate")).to_have_value("edge below cost", timeout=MS)
    visitor.has_query(gate="edge above cost")
    visitor.until(ALL_BOUND, arg="hold: edge below cost")


def test_a_decision_tells_its_reasons_and_replays_identical(watched: Served, visit: Visit) -> None:
    bound = "SELECT tick, symbol, binding_gate FROM decisions WHERE binding_gate = 'edge above cost' AND tick > 640 ORDER BY tick LIMIT 1"
    tick, symbol, gate = watched.ask(bound)[0]
    visitor = visit(watched.url)
    visitor.go(f"/decision?tick={tick}&symbol={symbol}")
    visitor.sees("bps", ".pd-words")
    visitor.sees(gate, ".pd-tiles")
    gates = watched.ask("SELECT json_array_length(gates) FROM sessions")[0][0]
    ladder = visitor.chart("Margin of every gate")
    expect(ladder.locator(".ytick")).to_have_count(gates)
    expect(ladder).to_contain_text("binding")
    expect(visitor.chart("Start and length").locator(".ytick")).to_have_count(10)
    models = watched.ask("SELECT json_array_length(models) FROM sessions")[0][0]
    expect(visitor.chart("Forecast of every model").locator(".ytick")).to_have_count(models + 1)
    expect(visitor.chart("Desired size").locator(".ytick").nth(7)).to_be_attached()  # eight or more
    visitor.page.get_by_text("Gates as a table").click()
    expect(visitor.page.locator('table[aria-label^="Every gate"] tr.mark')).to_contain_text(gate, timeout=MS)
    visitor.page.get_by_text("Votes as a table").click()
    expect(visitor.page.locator('table[aria-label^="Forecast, reliability"] tbody tr')).to_have_count(3 * (models + 1), timeout=MS)
    visitor.press("Replay this tick")
    expect(visitor.banner("Identical.")).to_contain_text(f"tick {tick}: identical", timeout=2 * MS)
    visitor.press("Next")
    visitor.page.wait_for_url(f"**/decision?tick={tick + 1}&symbol={symbol}")
    visitor.sees(f"tick {tick + 1:,}")
    visitor.page.go_back()
    visitor.sees(f"tick {tick:,}")


def test_a_decision_is_taken_apart_changed_and_its_evidence_downloaded(watched: Served, visit: Visit) -> None:
    tick, symbol = watched.ask("SELECT tick, symbol FROM decisions WHERE edge_bps <> 0 AND tick > 640 ORDER BY tick LIMIT 1")[0]
    visitor = visit(watched.url)
    visitor.go(f"/decision?tick={tick}&symbol={symbol}")
    visitor.press("Compute contributions")
    expect(visitor.page.get_by_text("The ensemble's forecast: ")).to_be_visible(timeout=2 * MS)
    expect(visitor.chart("Contributions of the features").locator(".ytick").nth(9)).to_be_attached()  # ten or more
    visitor.page.get_by_role("tab", name="Change one thing").click()
    visitor.press("Decide again")
    expect(visitor.banner("What would have been decided.")).to_contain_text("spread times 0.5", timeout=2 * MS)
    visitor.page.get_by_role("tab", name="Evidence").click()
    visitor.press("Create evidence bundle")
    save = visitor.page.get_by_role("button", name="Download")
    expect(save).to_be_visible(timeout=2 * MS)
    with visitor.page.expect_download() as download:
        save.click()
    assert download.value.suggested_filename == f"podium-evidence-{tick}.zip"
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert f"podium-evidence-{tick}/verify.py" in bundle.namelist()


def test_the_newest_decision_is_followed_without_anything_moving_until_one_is_held(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    visitor.go("/decision?symbol=BRAVO")
    visitor.chart("Start and length")
    visitor.is_idle()  # every heading is there
    visitor.page.evaluate("window.reloaded = false")
    first, places = visitor.page.evaluate(FOLLOWED)
    visitor.until(f"first => ({FOLLOWED})()[0] >= first + 4", arg=first)
    assert visitor.page.evaluate(FOLLOWED)[1] == places
    assert visitor.page.evaluate("window.reloaded") is False
    visitor.press("Previous")
    visitor.page.wait_for_url("**/decision?tick=*&symbol=BRAVO")
    held = int(visitor.query()["tick"])
    assert held >= first + 3
    visitor.sees(f"tick {held:,}")
    visitor.press("Newest")
    visitor.until(f"held => document.querySelector('.st-key-followed') && ({FOLLOWED})()[0] > held", arg=held)
    visitor.has_query(symbol="BRAVO")


def test_links_that_lead_nowhere_say_so_in_a_line(watched: Served, visit: Visit) -> None:
    visitor = visit(watched.url)
    for query, message in (
        ("tick=99999999&symbol=ALFA", "no decision of ALFA at tick 99,999,999 is stored"),
        ("tick=5&symbol=NOSUCH", "no decision of NOSUCH at tick 5 is stored"),
        ("symbol=NOSUCH", "no decision of NOSUCH"),
        (f"tick={'9' * 40}&symbol=ALFA", "in the address is not a number"),
        (f"tick={quote('²')}&symbol=ALFA", "in the address is not a number"),
        ("tick=-1&symbol=ALFA", "in the address is not a number"),
        ("tick=5", "but no symbol"),
        (f"tick={quote(HOSTILE)}&symbol=ALFA", "in the address is not a number"),
        (f"tick=5&symbol={quote(HOSTILE)}", "at tick 5 is stored"),
        ("tick=5&symbol=%00", "at tick 5 is stored"),
    ):
        visitor.go(f"/decision?{query}")
        visitor.sees(message)
        assert visitor.boxes() == [], query
    for path in (f"/decisions?symbol={quote(HOSTILE)}&gate={quote(HOSTILE)}&action=x", f"/resources?range={quote(HOSTILE)}", f"/?x={quote(HOSTILE)}"):
        visitor.go(path)
        expect(visitor.page.locator("tr[data-link], .pd-tile").first).to_be_visible(timeout=MS)
        assert visitor.boxes() == [], path
    assert visitor.page.locator("img[src=x]").count() == 0
    for path in ("/nosuchpage", "/decision/x"):
        answer = visitor.page.request.get(watched.url + path)
        assert answer.status == 404
        assert f"There is no page {path}<" in answer.text()
