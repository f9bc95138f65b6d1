"""The style sheet alone, on markup as pages send it: notices on a phone, a message that several parts repeat, and two rows of tiles."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator

from pages.ui import banners, theme, widgets
from pages.ui.widgets import Tile
from tests.e2e.visitor import MS

pytestmark = pytest.mark.browser
NOTICES = [
    banners.Banner("Engine down.", "No engine runs on this store; start one with make run", theme.HARM),
    banners.Banner("1 open alert.", "phase failed", theme.WARNING),
    banners.Banner("Simulated market.", "Prices are generated, not real", theme.UP),
]
UNREAD = '<section><div class="pd pd-unread">Store locked.</div></section>'


def width_of(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["width"]


def test_the_style_sheet_on_a_phone(browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(MS)
    page = context.new_page()
    tiles = widgets.render_tiles([Tile("Equity", "98,738")])
    parts = f'{banners.render_banners(NOTICES)}<main class="stMain">{UNREAD * 3}</main><div class="podium-rows">{tiles}{tiles}</div>'
    page.set_content(f'<style>{theme.load_css()}</style><div class="pd">{parts}</div>')

    first, *others = page.locator(".pd-strip .pd-notice").all()
    assert width_of(first) > 300
    assert all(width_of(notice) < 20 for notice in others)
    page.locator(".pd-strip").focus()  # as a touch does: all are unfolded
    assert all(width_of(notice) > 300 for notice in page.locator(".pd-strip .pd-notice").all())

    assert [part.is_visible() for part in page.locator(".pd-unread").all()] == [True, False, False]

    above, below = (grid.bounding_box() for grid in page.locator(".pd-tiles").all())
    assert above is not None
    assert below is not None
    assert below["y"] - above["y"] - above["height"] > 4
    context.close()
