"""In a browser: a viewer sees every page and finds no button that acts, an operator presses, an admin changes settings; a log-out ends it all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import expect

from engine.access.accounts import Accounts
from engine.domain.access import ROLES
from engine.service.clock import WallClock
from pages.ui.navigation import PAGES
from tests.access.browsing import PASSWORD
from tests.e2e.served import OWN, SLOW, Served, serving
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.browser
ACTING: dict[str, dict[str, tuple[str, ...]]] = {  # by page and role that it takes: buttons that send a command or change something
    "Overview": {"operator": ("Pause", "Flatten")},
    "Models": {"operator": ("Retrain", "Search")},
    "Backtests": {"operator": ("Run",)},
    "Optimizer": {"operator": ("Run", "Dry run")},
    "Alerts": {"operator": ("Silence", "End the silence", "Drill now")},
    "Control": {"operator": ("Resume", "Retrain"), "admin": ("Set signal", "No signal")},
}
NAMES = sorted({name for roles in ACTING.values() for names in roles.values() for name in names})
READ_BUTTONS = """() => [...document.querySelectorAll('button')].filter(node => node.offsetParent !== null)
    .map(node => (node.querySelector('p') ?? node).innerText.trim())"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("roles"), OWN | {"PODIUM_LOGIN": "local"}) as served:
        accounts, now = Accounts(f"sqlite:///{served.home}/podium.db"), WallClock().now()
        for role in ROLES:
            accounts.add(role, role, PASSWORD, now)
        accounts.add("carl", "operator", PASSWORD, now)
        accounts.close()
        served.wait(lambda: served.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        yield served
        assert served.tracebacks() == []


def log_in(visitor: Visitor, role: str) -> None:
    """Log in by the form, without a script: Overview opens."""
    visitor.page.goto(visitor.url)
    visitor.page.get_by_label("Name").fill(role)
    visitor.page.get_by_label("Password").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Log in").click()
    visitor.is_on("Overview")


@pytest.mark.parametrize("role", ROLES)
def test_every_role_finds_its_buttons_and_no_others(server: Served, visit: Callable[..., Visitor], role: str) -> None:
    visitor = visit(server.url)
    log_in(visitor, role)
    expect(visitor.page.get_by_text("Log out")).to_be_visible()
    order: tuple[str, ...] = ROLES
    level = order.index(role)
    for _, title, address, _ in PAGES:
        visitor.go(f"/{address or ''}")
        visitor.is_idle()
        wanted = {name for needed, names in ACTING.get(title, {}).items() if level >= order.index(needed) for name in names}
        for name in wanted:
            expect(visitor.page.get_by_role("button", name=name, exact=False).first).to_be_visible()
        shown = set(visitor.page.evaluate(READ_BUTTONS))
        everywhere = {"Pause", "Flatten"} if role != "viewer" else set()
        assert {name for name in NAMES if name in shown} <= wanted | everywhere, title


def test_a_log_out_ends_the_pages_of_another_window_too(server: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(server.url)
    log_in(visitor, "operator")
    sockets = "() => document.querySelector('[data-testid=\"stApp\"]')?.dataset.testConnectionState"
    visitor.page.wait_for_function(f"() => ({sockets})() === 'CONNECTED'")
    other = visitor.context.new_page()
    other.goto(f"{server.url}/logout")
    other.get_by_role("button", name="Log out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    visitor.page.wait_for_function(f"() => ({sockets})() !== 'CONNECTED'")
    visitor.page.goto(server.url)
    expect(visitor.page.get_by_label("Password")).to_be_visible()
    visitor.complaints.clear()  # the closed WebSocket is tried again, and refused, as it is to be


def test_a_tab_in_which_somebody_else_logs_in_begins_anew(server: Served, visit: Callable[..., Visitor]) -> None:
    """Without this, carl would find the question that another operator opened, with the reason in it, one press away from being sent."""
    visitor = visit(server.url)
    log_in(visitor, "operator")
    visitor.press("Flatten")
    reason = visitor.page.get_by_placeholder("why", exact=True)
    reason.fill("the reason of another person")
    reason.press("Tab")
    visitor.is_idle()
    visitor.page.evaluate("() => { window.markOfThisLoad = true; }")
    other = visitor.context.new_page()
    other.goto(f"{server.url}/logout")
    other.get_by_role("button", name="Log out").click()
    other.get_by_label("Name").fill("carl")
    other.get_by_label("Password").fill(PASSWORD)
    other.get_by_role("button", name="Log in").click()
    expect(other.locator(".pd-account")).to_contain_text("carl, operator")
    visitor.until("() => !window.markOfThisLoad && document.querySelector('.pd-account')?.innerText.includes('carl')")
    visitor.is_idle()
    expect(reason).to_have_count(0)
    visitor.complaints.clear()  # what the tab sent between the two log-ins was refused


def test_an_open_page_is_no_use_and_a_press_is(server: Served, visit: Callable[..., Visitor]) -> None:
    visitor = visit(server.url)
    log_in(visitor, "viewer")
    visitor.is_idle()
    sql = "SELECT seen_at FROM logins WHERE account = 'viewer' AND ended_at IS NULL ORDER BY began_at DESC LIMIT 1"
    with closing(sqlite3.connect(server.home / "podium.db", timeout=SLOW)) as store, store:
        store.execute("UPDATE logins SET seen_at = seen_at - 3600000000000 WHERE account = 'viewer'")
    before, tick = server.ask(sql), visitor.tick()
    visitor.until("tick => Number(document.querySelector('.pd-head b').innerText.replaceAll(',', '')) > tick + 5", tick)  # it asks by itself
    assert server.ask(sql) == before
    visitor.page.keyboard.press("Shift")
    server.wait(lambda: server.ask(sql) > before, "the use to be noted")
