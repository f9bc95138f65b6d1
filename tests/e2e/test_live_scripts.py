"""The scripts of live components alone in a bare page: answers that do not come, colours and times that change, and a past tick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.e2e.visitor import MS

ROOT = Path(__file__).resolve().parents[2] / "pages"
SITE = "http://scripts.test"
pytestmark = pytest.mark.browser
FIGURE = {"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2]}], "layout": {"width": 300, "height": 200, "meta": {}}}
NOON, HOUR = 1_711_843_200_000, 3_600_000  # ms; at 2024-03-31 01:00 UTC the clocks of Berlin went from 2 to 3
TIMES = [NOON + place * HOUR for place in range(4)]  # from 0:00 UTC on
TIMED = {
    "data": [{"type": "scatter", "mode": "lines", "name": "gain", "x": TIMES, "y": [1.0, -2.0, 3.0, 4.0], "hovertemplate": "%{x|%H:%M} UTC"}],
    "layout": {
        "width": 600, "height": 200, "hovermode": "closest", "xaxis": {"type": "date", "hoverformat": "%H:%M UTC"},
        "shapes": [{"type": "line", "x0": TIMES[2], "x1": TIMES[2], "y0": 0, "y1": 1, "yref": "paper"}],
        "meta": {"cross": True, "readout": {"trace": 0, "lines": [[0, "gain"]], "digits": 1, "suffix": " %"}},
    },
}  # fmt: skip
DRAWN = """
() => {
  const node = document.querySelector("#one .podium-chart"), axis = node._fullLayout.xaxis, box = node.getBoundingClientRect();
  const places = node.calcdata[0].map((point) => point.x);
  const at = (x) => [box.left + axis._offset + axis.l2p(x), box.top + node._fullLayout.yaxis._offset + 20];
  return { places, shape: axis.r2l(node._fullLayout.shapes[0].x0), points: places.map(at) };
}
"""
BEGIN = """
async () => {
  const plain = window.fetch.bind(window), media = window.matchMedia.bind(window);
  const hurried = (options) => ({ ...options, signal: options?.signal && AbortSignal.timeout(100) }); // where the script sets a limit of its own
  window.fetch = (url, options) => plain(url, String(url).includes("hung") ? hurried(options) : options);
  window.listeners = 0;
  window.matchMedia = (query) => {
    const made = media(query), add = made.addEventListener.bind(made);
    made.addEventListener = (...args) => { window.listeners += 1; add(...args); };
    return made;
  };
  window.times = await import("/live_time.js");
  window.updates = await import("/live_updates.js");
  window.wire = await import("/live_wire.js");
  window.showValue = (digest, value, more) => {
    const node = document.getElementById("value");
    wire.receive(node, { digest, patch: ["=", value], ...more }, (text) => { node.textContent = text; });
  };
  const chart = await import("/live_chart.js"), visit = await import("/visit.js");
  window.drawChart = (name, digest) => {
    const parent = document.getElementById(name);
    const data = { digest, height: 200, label: name, clickable: false, stamp: "", library: "/plotly.js", readout: digest === "timed" };
    chart.default({ data, parentElement: parent });
  };
  window.lookAt = (clock) => {
    window.podiumClock = { server: 5e12, heard: performance.now(), ...clock };
    const data = { known: {}, toured: false }, parentElement = document.getElementById("visit");
    visit.default({ data, parentElement, setStateValue: () => {} })();
    return JSON.parse(localStorage.getItem("podium.visit") || "{}").last ?? null;
  };
}
"""
MARKUP = '<div class="pd podium-part" data-part="head" data-digest="a"><b>at 07-01 {}:00 UTC</b></div>'
LATE = """
() => {
  const text = JSON.stringify({ frames: {}, parts: { head: { digest: "c", html: "now" } } });
  const come = new Promise((done) => { window.answerNow = done; });
  const read = () => { setTimeout(() => { window.isRead = true; }, 50); return JSON.parse(text); };
  window.fetch = async () => (window.isAsked ? new Promise(() => {}) : { ok: true, json: () => { window.isAsked = true; return come.then(read); } });
}
"""
PARTS = "".join(f'<div id="{name}"><div class="podium-chart"></div></div>' for name in ("one", "two", "hung", "failed"))


def answer(route: Route) -> None:
    """Serve the scripts and one figure; a second one never comes, and a third comes only the third time."""
    name = route.request.url.removeprefix(f"{SITE}/")
    script = next((path for path in (ROOT / "ui" / name, ROOT / "overview" / name) if path.is_file()), None)
    if not name:
        body = f'<body>{PARTS}<div id="visit"><i class="podium-visit"></i></div><p id="value"></p>{MARKUP.format(10)}</body>'
        route.fulfill(body=body, content_type="text/html")
    elif name.startswith("updates"):
        change = {"digest": "b", "html": "<b>at 07-01 11:00 UTC</b>"}
        route.fulfill(json={"clock": {"now": 5e12}, "frames": {}, "parts": {"head": change, "value": {"digest": "new", "patch": ["=", "new"]}}})
    elif name == "plotly.js":
        route.fulfill(path=ROOT / "ui" / "vendor" / "plotly-podium.min.js")
    elif script is not None:
        route.fulfill(path=script, content_type="text/javascript")
    elif name.endswith("good.json"):
        route.fulfill(json=FIGURE)
    elif name.endswith("timed.json"):
        route.fulfill(json=TIMED)
    elif name.endswith("failed.json"):
        route.fulfill(status=500)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme="light", timezone_id="Europe/Berlin")
    context.set_default_timeout(MS)
    bare = context.new_page()
    bare.route("**/*", answer)
    bare.goto(f"{SITE}/")
    bare.evaluate(BEGIN)
    yield bare
    context.close()


def test_scripts_of_live_components(page: Page) -> None:
    assert page.evaluate("lookAt({ still: true })") is None, "a past tick is no visit"
    assert page.evaluate("lookAt({})") >= 5e12

    for name, digest in {"one": "good", "two": "good", "hung": "hung", "failed": "failed"}.items():
        page.evaluate("([name, digest]) => drawChart(name, digest)", [name, digest])
    for name in ("hung", "failed"):
        expect(page.locator(f"#{name}")).to_contain_text("not loaded: reload the page", timeout=MS)
    page.evaluate("drawChart('hung', 'good')")
    for name in ("one", "two", "hung"):
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible(timeout=MS)
        expect(page.locator(f"#{name}")).not_to_contain_text("not loaded")

    assert page.evaluate("window.listeners") == 1, "one listener for all charts"
    drawn = "[...document.querySelectorAll('.podium-chart')].map((node) => node.data)"
    page.evaluate(f"window.before = {drawn}")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{drawn}.slice(0, 2).every((data, place) => data !== window.before[place])")
    assert json.loads(page.evaluate("localStorage.getItem('podium.visit')"))["last"] >= 5e12


@pytest.mark.parametrize("is_local", [False, True])
def test_a_time_axis_shows_the_clock_that_was_chosen(page: Page, is_local: bool) -> None:
    """Whatever the browser's zone is: UTC, or local time with the offset of each moment."""
    page.evaluate("drawChart('one', 'timed')")
    expect(page.locator("#one .main-svg").first).to_be_visible(timeout=MS)
    page.evaluate("([on]) => window.times.setLocal(on)", [is_local])
    offsets = [1, 2, 2, 2] if is_local else [0, 0, 0, 0]
    wanted = [at + hours * HOUR for at, hours in zip(TIMES, offsets, strict=True)]
    page.wait_for_function(f"wanted => JSON.stringify(({DRAWN})().places) === JSON.stringify(wanted)", arg=wanted)
    drawn = page.evaluate(DRAWN)
    assert drawn["shape"] == wanted[2]
    chart, read = page.locator("#one"), page.locator("#one .podium-readout")
    expect(read).to_contain_text("gain +4.0 %")
    page.mouse.move(*drawn["points"][1])
    expect(chart.locator(".when")).to_have_text("03-31 03:00:00" if is_local else "03-31 01:00:00")
    expect(read).to_have_text(f"{'03-31 03:00:00 UTC+2 (01:00:00 UTC)' if is_local else '03-31 01:00:00 UTC'}  gain \u22122.0 %")
    page.mouse.move(*drawn["points"][0])
    expect(chart.locator(".when")).to_have_text("03-31 01:00:00" if is_local else "03-31 00:00:00")


def test_updated_parts_are_in_the_clock_that_was_chosen_and_are_left_when_travel_begins(page: Page) -> None:
    page.evaluate("window.podiumClock = { server: 1.72e12, heard: performance.now() }")
    page.evaluate("window.times.setLocal(true)")
    head, value = page.locator(".podium-part"), page.locator("#value")
    page.evaluate("showValue('old', 'old', { part: 'value' })")
    expect(value).to_have_text("old")
    page.evaluate("updates.follow('/updates', 0.1, () => {})")
    expect(head).to_have_text("at 07-01 13:00 UTC+2")
    expect(value).to_have_text("new")
    page.wait_for_timeout(100)  # whoever converts it again does so after the change
    assert head.inner_text() == "at 07-01 13:00 UTC+2"
    page.evaluate("window.times.setLocal(false)")
    expect(head).to_have_text("at 07-01 11:00 UTC")
    page.evaluate("window.times.setLocal(true)")
    expect(head.locator("b")).to_have_attribute("title", "at 07-01 11:00 UTC")
    page.evaluate("document.querySelector('.podium-part b').textContent = 'at noon'")  # the tooltip goes with the time that it explained
    page.evaluate("window.times.setLocal(false)")
    expect(page.locator(".podium-part [title]")).to_have_count(0)

    page.evaluate("showValue('old', 'old', {})")  # as while travelling: what the script sent before, under no name
    expect(value).to_have_text("old")
    assert value.get_attribute("data-part") is None
    page.evaluate("showValue('old', 'old', { part: 'value' })")
    expect(value).to_have_text("new")

    page.evaluate(LATE)
    page.wait_for_function("window.isAsked")  # an answer has begun to arrive
    page.evaluate("updates.follow('/elsewhere', 0.1, () => {})")
    page.evaluate("document.querySelector('.podium-part').textContent = 'then'")
    page.evaluate("window.answerNow()")
    page.wait_for_function("window.isRead")
    assert head.inner_text() == "then"
