"""Models and Backtests in a real browser: a backtest is run, watched, compared, cancelled and put away, and nothing hostile gets through."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
LAST = "SELECT name, args, reason, status, result FROM commands WHERE name = '{}' ORDER BY id DESC LIMIT 1"
HOSTILE = '/tmp/<script>alert(1)</script>"; rm -rf / #'


def ask(visitor: Visitor, bars: int, why: str) -> None:
    """Fills in the form for the simulated market and sends it."""
    for label, value in (("Bars", bars), ("Symbols", 2)):
        visitor.page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
    visitor.page.get_by_label("Reason").fill(why)
    visitor.press("Run")


def stored_backtests(visitor: Visitor) -> Locator:
    return visitor.page.locator('table[aria-label="Stored backtests"] tbody tr')


def put_away(visitor: Visitor) -> Locator:
    return visitor.fresh("button").filter(has=visitor.page.get_by_text("Delete", exact=True), visible=True)


def files(server: Served) -> list[str]:
    return sorted(file.name for file in server.home.glob("backtests/*.json"))


def test_a_backtest_is_run_opened_compared_and_put_away(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/backtests")
    visitor.sees("no backtest is stored yet")
    visitor.page.get_by_text("Train models").click()
    ask(visitor, 300, "a first look")
    expect(visitor.banner("Done.")).to_contain_text("600 decisions", timeout=MS)
    expect(stored_backtests(visitor)).to_have_count(1, timeout=MS)
    expect(stored_backtests(visitor)).to_contain_text("a first look")
    equity = visitor.chart("Equity of the runs")
    visitor.is_idle()
    mark = visitor.keep(equity)
    ask(visitor, 400, "and another")
    expect(stored_backtests(visitor)).to_have_count(2, timeout=MS)
    assert visitor.is_kept(equity, mark)
    names = [str(stored_backtests(visitor).nth(place).get_attribute("data-id")) for place in (0, 1)]
    visitor.go(f"/backtests?runs={','.join(names)}")
    visitor.sees("Comparison")
    heads = visitor.page.locator('table[aria-label="The figures of the runs"] th')
    expect(heads).to_have_text(["A", "B"], timeout=MS)
    expect(visitor.page.locator('[data-testid="stMultiSelect"] [data-tag]')).to_have_count(2, timeout=MS)
    visitor.is_idle()  # nothing above it grows any more
    delete, place = put_away(visitor), put_away(visitor).bounding_box()
    delete.click()
    keep = visitor.page.get_by_role("button", name="Keep")
    expect(keep).to_be_visible(timeout=MS)
    assert delete.bounding_box() == place, "something else came up under the pointer"
    keep.click()
    expect(visitor.page.get_by_role("button", name="Delete for good")).to_have_count(0, timeout=MS)
    assert files(server) == sorted(f"{name}.json" for name in names)
    visitor.press("Delete")
    visitor.press("Delete for good")
    visitor.sees("no backtest is stored yet")
    assert files(server) == []


def test_a_backtest_in_hand_is_cancelled(server: Served, visit: Visit) -> None:
    visitor, kept_before = visit(server.url), files(server)
    visitor.go("/backtests")
    ask(visitor, 1_000_000, "far too long")
    expect(visitor.banner("Running.")).to_contain_text("1,000,000 bars, about", timeout=MS)
    visitor.press("Cancel")
    expect(visitor.banner("Not done.")).to_contain_text("cancelled by dashboard", timeout=MS)
    assert files(server) == kept_before
    assert server.ask(LAST.format("backtest"))[0][3] == "failed"


def test_a_hostile_path_is_refused_and_is_text(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/backtests?market=recording")
    visitor.page.get_by_role("textbox", name="Folder of the recording").fill(HOSTILE)
    visitor.page.get_by_label("Reason").fill("to see what it does")
    visitor.press("Run")
    expect(visitor.banner("Not done.")).to_contain_text("there is no recording at", timeout=MS)
    assert json.loads(server.ask(LAST.format("backtest"))[0][1])["market"] == HOSTILE
    assert visitor.page.locator("script", has_text="alert(1)").count() == 0
    visitor.fits()


def test_models_tell_what_each_says_and_are_trained_again_for_a_reason(server: Served, visit: Visit) -> None:
    visitor = visit(server.url)
    visitor.go("/models?horizon=3+bars")
    visitor.sees("Session skill (R², 3 bars)")
    skill = visitor.chart("Skill of every model")
    mark = visitor.keep(skill)
    visitor.page.get_by_placeholder("why now").fill("see what it learns")
    visitor.press("Retrain")
    visitor.sees("see what it learns. Result: training begins with the next tick")
    visitor.await_figures("Weights of the models", 3)
    assert visitor.is_kept(skill, mark)
    assert server.ask(LAST.format("retrain"))[0][2] == "see what it learns"


@pytest.mark.parametrize("path", ["/models", "/backtests", "/backtests?market=recording"])
def test_nothing_is_wider_than_a_phone(server: Served, visit: Visit, path: str) -> None:
    visitor = visit(server.url, width=390, height=844)
    visitor.go(path)
    visitor.sees("Models" if path == "/models" else "Run a backtest")
    visitor.is_idle()
    visitor.fits()
    assert visitor.boxes() == []
