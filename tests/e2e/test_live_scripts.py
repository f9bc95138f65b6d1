"""The scripts of live components alone in a bare page: answers that do not come, colours that change, and a past tick that is no visit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

ROOT = Path(__file__).resolve().parents[2] / "pages"
SITE = "http://scripts.test"
pytestmark = pytest.mark.browser
FIGURE = {"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2]}], "layout": {"width": 300, "height": 200, "meta": {}}}
BEGIN = """
async () => {
  const whole = AbortSignal.timeout.bind(AbortSignal), media = window.matchMedia.bind(window);
  AbortSignal.timeout = (ms) => whole(ms / 100);
  window.listeners = 0;
  window.matchMedia = (query) => {
    const made = media(query), add = made.addEventListener.bind(made);
    made.addEventListener = (...args) => { window.listeners += 1; add(...args); };
    return made;
  };
  const chart = await import("/live_chart.js"), visit = await import("/visit.js");
  window.drawChart = (name, digest) => {
    const parent = document.getElementById(name);
    const data = { digest, height: 200, label: name, clickable: false, stamp: "", library: "/plotly.js" };
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
PARTS = "".join(f'<div id="{name}"><div class="podium-chart"></div></div>' for name in ("one", "two", "hung", "failed"))


def answer(route: Route) -> None:
    """Serve the scripts and one figure; a second one never comes, and a third comes only the third time."""
    name = route.request.url.removeprefix(f"{SITE}/")
    script = next((path for path in (ROOT / "ui" / name, ROOT / "overview" / name) if path.is_file()), None)
    if not name:
        route.fulfill(body=f'<body>{PARTS}<div id="visit"><i class="podium-visit"></i></div></body>', content_type="text/html")
    elif name == "plotly.js":
        route.fulfill(path=ROOT / "ui" / "vendor" / "plotly-podium.min.js")
    elif script is not None:
        route.fulfill(path=script, content_type="text/javascript")
    elif name.endswith("good.json"):
        route.fulfill(json=FIGURE)
    elif name.endswith("failed.json"):
        route.fulfill(status=500)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(color_scheme="light")
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
        expect(page.locator(f"#{name}")).to_contain_text("not loaded: reload the page", timeout=20_000)
    page.evaluate("drawChart('hung', 'good')")
    for name in ("one", "two", "hung"):
        expect(page.locator(f"#{name} .main-svg").first).to_be_visible(timeout=20_000)
        expect(page.locator(f"#{name}")).not_to_contain_text("not loaded")

    assert page.evaluate("window.listeners") == 1, "one listener for all charts"
    drawn = "[...document.querySelectorAll('.podium-chart')].map((node) => node.data)"
    page.evaluate(f"window.before = {drawn}")
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{drawn}.slice(0, 2).every((data, place) => data !== window.before[place])")
    assert json.loads(page.evaluate("localStorage.getItem('podium.visit')"))["last"] >= 5e12
