"""A setting is previewed, saved, seen in the next tick, and undone, in a real browser: one visit."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from engine.store.read.history import TickHistory
from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]


def margin(server: Served) -> float:
    """Of the newest tick."""
    history = TickHistory(f"sqlite:///{server.home / 'podium.db'}")
    try:
        return history.tick(server.tick()).config.edge_margin
    finally:
        history.close()


def test_a_setting_is_previewed_saved_and_undone(common_server: Served, visit: Visit) -> None:
    visitor = visit(common_server.url)
    visitor.go("/control?view=settings")
    page, main = visitor.page, visitor.page.locator('[data-testid="stMain"]')
    expect(page.get_by_text("Change a setting")).to_be_visible(timeout=MS)
    visitor.choose("Setting", "edge margin")
    expect(main).to_contain_text("multiples of the round-trip cost", timeout=MS)  # the field has been emptied for this setting
    value = page.get_by_label("New value")
    value.fill("2.5")
    value.press("Enter")
    expect(page.get_by_role("button", name="Save")).to_be_disabled(timeout=MS)
    visitor.press("Preview")
    expect(main).to_contain_text(re.compile(r"edge_margin = 2\.5: (\d+ of|every )"), timeout=MS)
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("Your name").press("Enter")
    page.get_by_label("Reason").fill("dearer trades only")
    page.get_by_label("Reason").press("Enter")
    expect(page.get_by_role("button", name="Save")).to_be_enabled(timeout=MS)
    visitor.press("Save")
    common_server.wait(lambda: margin(common_server) == 2.5, "the next tick to have the new value")
    assert common_server.ask("SELECT \"by\", reason FROM commands WHERE name = 'configure'") == [("Ann", "dearer trades only")]
    expect(main).to_contain_text("dearer trades only", timeout=MS)
    visitor.fits()
    visitor.press("Undo edge margin")
    common_server.wait(lambda: margin(common_server) == 1.0, "the next tick to have the old value")
    expect(main).to_contain_text("undo of command", timeout=MS)
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.fits()
