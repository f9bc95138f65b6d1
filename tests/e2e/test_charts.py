"""Charts as traders use them, in a real browser: crosshair, read-out, zoom, the way to a decision and back, and saving."""

from __future__ import annotations

import csv
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
UNDER = """
(node, [x, y]) => {  // what is drawn at one moment under a pointer that stays where it is: the bar nearest to it, the line, and what is read out
  const { xaxis, yaxis2 } = node._fullLayout, box = node.getBoundingClientRect(), bars = node.podiumValue.data[0];
  const at = xaxis.p2l(x - box.left - xaxis._offset), away = bars.x.map((time) => Math.abs(Number(time) - at)), i = away.indexOf(Math.min(...away));
  const line = node.querySelector(".down").getBoundingClientRect();
  return {
    when: node.querySelector(".when").textContent, read: node.parentElement.querySelector(".podium-readout").innerText,
    at: new Date(bars.x[i]).toISOString().slice(5, 19).replace("T", " "), bar: [bars.open[i], bars.high[i], bars.low[i], bars.close[i]].map(Number),
    x: box.left + xaxis._offset + xaxis.l2p(bars.x[i]), line: { x: line.left, top: line.top, bottom: line.bottom },
    second: box.top + yaxis2._offset + yaxis2._length / 2,
  };
}
"""
POINTS = """
(node, share) => {  // a bar at a share of those seen, where it is drawn, and what the axes show
  const { xaxis, yaxis, yaxis2 } = node._fullLayout, box = node.getBoundingClientRect(), bars = node.data[0];
  const [from, to] = xaxis.range.map((end) => xaxis.r2l(end));
  const seen = [...bars.x.keys()].filter((i) => bars.x[i] >= from && bars.x[i] <= to && bars.close[i] !== null);
  const i = seen[Math.floor(seen.length * share)];
  return {
    x: box.left + xaxis._offset + xaxis.d2p(bars.x[i]), y: box.top + yaxis._offset + yaxis.d2p((Number(bars.open[i]) + Number(bars.close[i])) / 2),
    bar: [bars.open[i], bars.high[i], bars.low[i], bars.close[i]].map(Number), at: new Date(bars.x[i]).toISOString().slice(5, 19).replace("T", " "),
    low: Math.min(...seen.map((j) => bars.low[j])), high: Math.max(...seen.map((j) => bars.high[j])), range: yaxis.range, seen: seen.length,
    second: box.top + yaxis2._offset + yaxis2._length / 2, times: xaxis.range.map(String),
  };
}
"""
RINGED = """
label => {
  const node = document.querySelector(`.podium-chart[aria-label^="${label}"]`), ring = node?.data?.find((trace) => trace.name === "marked decision");
  return ring ? ring.customdata[0] : null;
}
"""


def numbers(text: str) -> list[float]:
    """The four prices of the read-out."""
    words = text.replace(",", "").split()
    return [float(words[words.index(name) + 1]) for name in "OHLC"]


def saved(visitor: Visitor, chart: Locator, words: str, folder: Path) -> Path:
    """The file that the menu of the chart saves, chosen by keyboard."""
    frame = chart.locator("xpath=..")
    frame.locator("summary").focus()
    visitor.page.keyboard.press("Enter")
    frame.get_by_role("button", name=words).focus()
    with visitor.page.expect_download() as download:
        visitor.page.keyboard.press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def is_crossed(visitor: Visitor, chart: Locator) -> dict[str, Any]:
    """The chart under a pointer: the line goes through the panels, and the read-out is of the bar under it."""
    at: dict[str, Any] = chart.evaluate(POINTS, 0.5)
    visitor.page.mouse.move(at["x"], at["y"])
    expect(chart.locator(".down")).to_be_visible()
    under = chart.evaluate(UNDER, [at["x"], at["y"]])  # the market may have gone on since: whichever bar is there by now
    assert under["line"]["top"] < at["y"] < under["second"] < under["line"]["bottom"]
    assert abs(under["line"]["x"] - under["x"]) < 2
    assert under["when"] == under["at"]
    assert under["read"].startswith(under["at"])
    assert numbers(under["read"]) == pytest.approx(under["bar"], rel=1e-4)
    return at


def test_a_chart_is_read_zoomed_saved_and_leads_to_a_decision_and_back(common_server: Served, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(common_server.url)
    visitor.go("/market?symbol=BRAVO&log=yes&with=ALFA")
    visitor.chart("Comparison of BRAVO, ALFA")
    chart = visitor.chart("Bars of BRAVO")
    assert chart.evaluate("node => node._fullLayout.yaxis.type") == "log"
    visitor.page.get_by_text("Log scale").click()
    expect(chart).to_be_visible(timeout=MS)
    visitor.until("() => !new URL(location.href).searchParams.has('log')")
    visitor.until("""() => document.querySelector('.podium-chart[aria-label^="Bars of"]')?._fullLayout?.yaxis.type === "linear" """)
    chart = visitor.chart("Bars of BRAVO")
    chart.evaluate("node => node.scrollIntoView({ block: 'start' })")
    whole = is_crossed(visitor, chart)
    visitor.drag(chart, 0.3, 0.5)
    visitor.until("([node, seen]) => Object.keys(node._fullLayout).length && node._fullLayout.xaxis.autorange === false",
                                   arg=[chart.element_handle(), 0])  # fmt: skip
    zoomed = chart.evaluate(POINTS, 0.5)
    assert zoomed["seen"] < whole["seen"]
    visitor.await_figures("Bars of BRAVO", 2)
    later = chart.evaluate(POINTS, 0.5)
    assert later["times"] == zoomed["times"]
    span = later["high"] - later["low"]
    assert later["low"] - 0.5 * span < later["range"][0] < later["low"]
    assert later["high"] < later["range"][1] < later["high"] + 0.5 * span

    png = saved(visitor, chart, "PNG", tmp_path).read_bytes()
    width, height = struct.unpack(">II", png[16:24])
    size = chart.bounding_box()
    assert size is not None
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert width == 2 * round(size["width"])
    assert height > 2 * size["height"]
    assert b"Bars of BRAVO" in saved(visitor, chart, "SVG", tmp_path).read_bytes().replace(b"\xc2\xa0", b" ")
    rows = list(csv.DictReader(saved(visitor, chart, "CSV", tmp_path).read_text(encoding="utf-8").splitlines()))
    bars = [row for row in rows if row["trace"] == "bars"]
    assert len(bars) == 120
    stored = common_server.ask("SELECT count(*) FROM decisions d JOIN ticks t ON t.tick = d.tick WHERE d.symbol = 'BRAVO'")
    assert stored[0][0] >= len(bars)
    assert all(float(row["low"]) <= float(row["close"]) <= float(row["high"]) for row in bars if row["close"])
    assert bars[0]["x"].endswith("Z")

    bar = chart.evaluate(POINTS, 0.6)
    visitor.page.mouse.click(bar["x"], bar["y"])
    visitor.is_on("Decision")
    decision = f"{visitor.query()['tick']} BRAVO"
    visitor.page.go_back()
    visitor.is_on("Market")
    assert visitor.query()["mark"] == decision.split(maxsplit=1)[0]
    visitor.until(f"label => ({RINGED})(label) === {decision!r}", arg="Bars of BRAVO")
    visitor.page.go_forward()
    visitor.is_on("Decision")
    visitor.press("In the market")
    visitor.is_on("Market")
    visitor.has_query(symbol="BRAVO", mark=decision.split(maxsplit=1)[0])
    visitor.until(f"label => ({RINGED})(label) === {decision!r}", arg="Bars of BRAVO")
    assert visitor.boxes() == []
