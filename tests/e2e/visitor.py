"""A person at a browser window: where they go, what they read, and whatever went wrong behind their back."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlparse

from playwright.sync_api import BrowserContext, Dialog, Locator, expect

from tests.e2e.served import SLOW

MS = SLOW * 1000
TITLES = {
    "/": "Overview", "/decisions": "Decisions", "/decision": "Decision", "/market": "Market", "/models": "Models",
    "/portfolio": "Portfolio", "/backtests": "Backtests", "/components": "Components",
    "/resources": "Resources", "/optimizer": "Optimizer", "/alerts": "Alerts", "/control": "Control", "/data": "Data",
    "/audit": "Audit",
}  # fmt: skip
COUNT_FIGURES = """
([label, wanted]) => {
  const node = document.querySelector(`.podium-chart[aria-label^="${label}"]`);
  if (!node) throw new Error("the chart is gone");
  (window.seenFigures ??= new Set()).add(node.podiumFigure);
  return window.seenFigures.size > wanted;
}
"""
PLACE = """
node => {
  const { xaxis, yaxis } = node._fullLayout, box = node.getBoundingClientRect();
  return { left: box.left + xaxis._offset, top: box.top + yaxis._offset, width: xaxis._length, height: yaxis._length };
}
"""
KEEP = "node => { node.keptMark = Math.random(); return node.keptMark; }"
CLEAR = """
() => {
  const bar = document.querySelector('[data-testid="stHeader"]'), title = document.querySelector('h1');
  return getComputedStyle(bar).backdropFilter === 'none' || title.getBoundingClientRect().top >= bar.getBoundingClientRect().bottom;
}
"""
HAS_QUERY = """
wanted => {
  const asked = Object.fromEntries(new URL(location.href).searchParams), names = Object.keys(wanted);
  return Object.keys(asked).length === names.length && names.every((name) => asked[name] === wanted[name]);
}
"""
IDLE = """
() => document.querySelector('[data-test-script-state]')?.dataset.testScriptState === "notRunning"
  && !document.querySelector('[data-testid="stSpinner"], [data-testid="stSkeleton"], [data-stale="true"]')
  && [...document.querySelectorAll(".podium-chart")].every((node) => node.offsetParent === null || node.querySelector(".main-svg"))
"""
FITS = "() => { const m = document.querySelector('[data-testid=\"stMain\"]'); return m.scrollWidth - m.clientWidth <= 4; }"


class Visitor:
    """One window. `complaints` are errors on the console or a page, failed requests, requests to elsewhere, dialogs and exception boxes."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.url = url
        self.complaints: list[str] = []
        context.set_default_timeout(MS)
        self.page = context.new_page()
        self.page.on("console", lambda message: self._complain("console", message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self._complain("page error", str(error)))
        self.page.on("response", lambda answer: self._complain(str(answer.status), answer.url) if answer.status >= 400 else None)
        self.page.on("request", lambda request: self._complain("left the machine", request.url) if _is_elsewhere(request.url) else None)
        self.page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self._complain("dialog", dialog.message)
        dialog.dismiss()

    def _complain(self, kind: str, what: str) -> None:
        self.complaints.append(f"{kind}: {what[:300]} on {self.page.url}")

    def go(self, path: str) -> None:
        """Opens an address and waits until the page it names is there."""
        self.page.goto(self.url + path)
        self.is_on(TITLES["/" + path.split("?", maxsplit=1)[0].strip("/")])

    def is_on(self, title: str) -> None:
        expect(self.page.locator("h1")).to_have_text(title, timeout=MS)

    def to(self, title: str) -> None:
        """Goes to another page by the menu."""
        self.page.locator('[data-testid="stSidebarNav"]').get_by_role("link", name=title, exact=True).click()
        self.is_on(title)

    def tick(self) -> int:
        """The tick in the page's head."""
        return int(self.page.locator(".pd-head b").first.inner_text().replace(",", ""))

    def sees(self, text: str, where: str = '[data-testid="stMain"]') -> None:
        expect(self.page.locator(where).first).to_contain_text(text, timeout=MS)

    def fresh(self, selector: str) -> Locator:
        """What the newest run of the page drew; not what is about to go, which Streamlit leaves on the page until a run is over."""
        return self.page.locator(f'[data-testid="stElementContainer"][data-stale="false"] {selector}')

    def banner(self, word: str) -> Locator:
        """The banner that opens with a word."""
        return self.fresh(".pd-notice").filter(has=self.page.locator("b", has_text=word))

    def chart(self, label: str) -> Locator:
        """The live chart whose label begins so, once it is drawn."""
        chart = self.fresh(f'.podium-chart[aria-label^="{label}"]')
        expect(chart.locator(".main-svg").first).to_be_visible(timeout=MS)
        return chart

    def await_figures(self, label: str, updates: int) -> None:
        """Waits until the chart has been given so many more figures."""
        self.page.evaluate("() => { window.seenFigures = new Set(); }")
        self.until(COUNT_FIGURES, [label, updates])

    def drag(self, chart: Locator, begin: float, end: float) -> None:
        """Zooms by the mouse, between two shares of the plot's width."""
        chart.scroll_into_view_if_needed()
        place = chart.evaluate(PLACE)
        y = place["top"] + place["height"] / 2
        self.page.mouse.move(place["left"] + begin * place["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(place["left"] + (begin + end) / 2 * place["width"], y, steps=3)
        self.page.mouse.move(place["left"] + end * place["width"], y, steps=3)
        self.page.mouse.up()

    def until(self, script: str, arg: object = None, *, timeout: float = MS) -> None:
        """Waits until a function of the page is true; looking at every frame, as is the default, would cost more than what is tested."""
        self.page.wait_for_function(script, arg=arg, polling=100, timeout=timeout)

    def query(self) -> dict[str, str]:
        """What the address asks for, as the page itself has it."""
        return {name: values[0] for name, values in parse_qs(self.page.evaluate("location.search.slice(1)")).items()}

    def has_query(self, **wanted: str) -> None:
        """Waits until the address asks for exactly this."""
        self.until(HAS_QUERY, wanted)

    def is_idle(self) -> None:
        """Waits until no script runs and everything that the page is to show is there."""
        self.until(IDLE)

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_role("combobox", name=label).click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def press(self, name: str) -> None:
        """A button of the page, whatever icon stands before its name."""
        self.page.locator('[data-testid="stMain"], [role="dialog"]').get_by_role("button").filter(
            has=self.page.get_by_text(name, exact=True)
        ).last.click()

    def boxes(self) -> list[str]:
        """The texts of exception boxes: there must be none, whatever was asked."""
        return [box.inner_text() for box in self.page.locator('[data-testid="stException"]').all()]

    def fits(self) -> None:
        """Waits until the page is no wider than the window: it may be for a frame while it is laid out."""
        self.until(FITS)

    def shows_its_title(self) -> None:
        """Waits until the bar at the top, where it is not see-through, leaves the page's title free."""
        self.until(CLEAR)

    def keep(self, what: Locator) -> float:
        """Marks a node, to see later that it is still the same one."""
        return float(what.evaluate(KEEP))

    def is_kept(self, what: Locator, mark: float) -> bool:
        current: Any = what.evaluate("node => node.keptMark")
        return bool(current == mark)


def _is_elsewhere(url: str) -> bool:
    return urlparse(url).hostname not in {"127.0.0.1", None}
