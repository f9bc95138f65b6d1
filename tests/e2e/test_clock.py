"""The script that counts ages and notices that the server is gone, alone in a window whose time the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from engine import units
from pages.ui import ages
from tests.e2e.visitor import MS

pytestmark = pytest.mark.browser
SCRIPTS = Path(__file__).parents[2] / "pages" / "ui"
NOW = 1_700_000_000_000  # ms, of the server
BODY = """<script type="module">
import start from "./live_clock.js";
window.contact = (now, tab, updates) => start({ data: { now, every: 2, tab, updates } });
</script><div data-test-script-state="notRunning" data-test-connection-state="CONNECTED"></div>"""
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class Window:
    """A page with ages; `answers` says whether its server does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answers = True
        self.updated = 0  # s after the first time, of the newest update
        page.clock.install(time=0)  # the browser believes it is 1970
        page.route("**/*", self._serve)
        page.goto("http://podium.test/")
        page.wait_for_function("() => window.contact")
        page.clock.pause_at(3_600)
        self.bar = page.locator(".podium-lost-bar")

    def _serve(self, route: Route) -> None:
        if route.request.url.endswith(".js"):
            name = route.request.url.rpartition("/")[2]
            route.fulfill(body=(SCRIPTS / name).read_text(encoding="utf-8"), content_type="text/javascript")
        elif route.request.url.partition("?")[0].endswith("updates"):
            route.fulfill(json={"clock": {"now": NOW + self.updated * 1000}, "frames": {}, "parts": {}})
        elif "health" not in route.request.url:
            route.fulfill(body=BODY, content_type="text/html")
        elif self.answers:
            route.fulfill(body="ok")
        else:
            route.abort()

    def show(self, *texts: str) -> None:
        self.page.evaluate("texts => texts.forEach((text) => document.body.insertAdjacentHTML('beforeend', `<p>${text}</p>`))", list(texts))

    def contact(self, seconds: float) -> None:
        """The server is heard, so long after the first time."""
        self.page.evaluate("now => window.contact(now)", NOW + seconds * 1000)

    def contact_tab(self, seconds: float, word: str, since: float | None, alerts: int | None = None) -> None:
        """The same with what the tab shows; the state has lasted since so many seconds before."""
        tab = {"word": word, "since": None if since is None else NOW + (seconds - since) * 1000, "page": "Market", "alerts": alerts}
        self.page.evaluate("([now, tab]) => window.contact(now, tab)", [NOW + seconds * 1000, tab])

    def draw(self, seconds: float) -> None:
        """The script's clock is drawn, which follows updates."""
        self.page.evaluate("now => window.contact(now, {}, '/updates')", NOW + seconds * 1000)

    def update(self, rounds: int) -> None:
        """So many updates come, a refresh after another."""
        for _ in range(rounds):
            self.updated += 2
            self.pass_time(2)
            self.page.wait_for_function("now => window.podiumClock.server === now", arg=NOW + self.updated * 1000)

    def icon(self) -> str:
        return str(self.page.evaluate("decodeURIComponent(document.querySelector('link[rel~=\"icon\"]').href)"))

    def pass_time(self, seconds: float) -> None:
        self.page.clock.run_for(round(seconds * 1000))
        self.page.wait_for_function("() => !window.podiumClock.asking")

    def shown(self) -> list[str]:
        return self.page.locator("p").all_inner_texts()

    def is_grey(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.classList.contains('podium-lost')"))


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    with browser.new_context() as context:
        context.set_default_timeout(MS)
        yield Window(context.new_page())


def age(seconds: float) -> str:
    """What the server writes of a moment so long before its own."""
    return ages.render_ages(ages.ticking_age(round((NOW - seconds * 1000) * units.MS), NOW * units.MS))


def test_ages_go_on_by_the_servers_clock_whatever_the_browsers_says(window: Window) -> None:
    left = ages.render_ages(ages.ticking_countdown((NOW + 90_000) * units.MS, NOW * units.MS))
    window.show(f"decided {age(3)} ago", f"{left} left")
    assert window.shown() == ["decided 3 s ago", "1 min left"]
    window.contact(0)
    window.pass_time(4)
    assert window.shown() == ["decided 7 s ago", "1 min left"]
    window.contact(0)  # drawn again, nothing new: not a word from the server
    window.contact(32)
    assert window.shown() == ["decided 35 s ago", "58 s left"]


def test_an_age_is_in_the_words_of_the_server(window: Window) -> None:
    seconds = [0, 59, 60, 119, 120, 3_599, 3_600, 7_199, 86_399, 86_400, 172_799, 172_800, 900_000]
    window.show(*(age(second).replace(units.format_age(second), "?") for second in seconds))
    window.contact(0)
    assert window.shown() == [units.format_age(second) for second in seconds]


def test_without_contact_for_three_refreshes_the_page_greys_and_says_since_when_until_it_is_back(window: Window) -> None:
    window.answers = False
    window.contact(0)
    window.pass_time(5)
    assert not window.is_grey()
    window.pass_time(1)
    expect(window.bar).to_contain_text("The server has not answered since 22:13:20 UTC, 6 s ago.")
    expect(window.bar).to_contain_text("make run")
    assert window.is_grey()
    window.pass_time(60)
    expect(window.bar).to_contain_text("1 min ago")
    window.contact(70)
    expect(window.bar).to_have_count(0)
    assert not window.is_grey()


def test_a_server_that_answers_while_a_long_script_runs_is_not_gone(window: Window) -> None:
    state = "state => { document.querySelector('[data-test-script-state]').dataset.testScriptState = state; }"
    window.page.evaluate(state, "running")
    window.contact(0)
    for _ in range(20):
        window.pass_time(1)
    assert not window.is_grey(), window.bar.inner_text()
    window.page.evaluate(state, "notRunning")
    window.pass_time(2)
    expect(window.bar).to_contain_text("this page has had nothing from it since 22:13:20 UTC")
    expect(window.bar).to_contain_text("Reload the page")


def test_a_tab_that_comes_back_from_the_background_claims_nothing(window: Window) -> None:
    window.answers = False
    window.show(age(0))
    window.contact(0)
    window.page.evaluate(HIDE, True)
    window.pass_time(600)
    window.page.evaluate(HIDE, False)
    assert window.shown() == ["10 min"]  # at once
    window.pass_time(5)
    assert not window.is_grey()
    window.pass_time(1)
    expect(window.bar).to_be_visible()


def test_the_tab_shows_the_state_with_its_age_in_the_background_too(window: Window) -> None:
    window.contact_tab(0, "ok", 4, alerts=2)
    assert window.page.title() == "ok · 4 s · Market · Podium"
    assert "circle" in window.icon()
    assert window.page.evaluate("document.documentElement.style.getPropertyValue('--pd-alerts')") == '"2"'
    window.page.evaluate(HIDE, True)
    window.pass_time(3)
    assert window.page.title() == "ok · 7 s · Market · Podium"
    window.page.evaluate(HIDE, False)
    window.contact_tab(5, "down", 130, alerts=0)
    assert window.page.title() == "down · 2 min · Market · Podium"
    assert "path" in window.icon()
    assert window.page.evaluate("document.documentElement.style.getPropertyValue('--pd-alerts')") == "none"
    window.contact_tab(7, "starting", None)
    assert window.page.title() == "starting · Market · Podium"
    window.answers = False
    window.pass_time(8)
    assert window.page.title() == "no contact · 8 s · Market · Podium"
    window.contact_tab(20, "ok", 1)
    assert window.page.title() == "ok · 1 s · Market · Podium"


def test_updates_are_contact_while_the_page_is_connected_and_a_redraw_is_nothing_new(window: Window) -> None:
    connect = "state => { document.querySelector('[data-test-connection-state]').dataset.testConnectionState = state; }"
    window.show(age(0))
    window.draw(0)
    window.update(8)
    assert window.shown() == ["16 s"]
    window.draw(0)
    assert window.shown() == ["16 s"], "drawn again with what the script sent before"
    assert not window.is_grey()
    window.page.evaluate(connect, "PINGING_SERVER")
    window.update(8)
    expect(window.bar).to_contain_text("the connection of this page has been cut since 22:13:36 UTC, 16 s ago")
    assert window.shown() == ["32 s"]
    window.page.evaluate(connect, "CONNECTED")
    window.update(1)
    assert not window.is_grey()
