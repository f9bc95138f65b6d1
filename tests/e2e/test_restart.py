"""A page that stays open while its server is stopped and started again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.served import OWN, Served, serving
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser


def test_a_page_goes_on_by_itself_and_its_buttons_work_when_its_server_is_started_again(tmp_path: Path, visit: Callable[..., Visitor]) -> None:
    with serving(tmp_path, OWN) as before:
        before.wait(lambda: before.tick() > int(OWN["PODIUM_WARMUP_BARS"]), "the warm-up to be over")
        visitor = visit(before.url)
        visitor.go("/resources")
        visitor.page.get_by_text("1 h", exact=True).click()  # the last run is one of the whole page
        visitor.has_query(range="1 h")
        visitor.is_idle()
        well = len(visitor.complaints)
        before.stop()
        bar = visitor.page.locator(".podium-lost-bar")
        expect(bar).to_contain_text("The server has not answered since", timeout=MS)
        after = Served(before.home, name="after", port=str(before.port), **OWN)
        try:
            after.answers(200)
            expect(bar).to_have_count(0, timeout=MS)
            del visitor.complaints[well:]  # about the connection
            visitor.is_idle()
            visitor.page.get_by_role("button", name="Pause").click()
            after.wait(lambda: after.ask("SELECT name FROM commands") == [("pause",)], "the command in the inbox")
            expect(visitor.page.locator(".pd-bar-state")).to_contain_text("paused", timeout=MS)
            assert visitor.query() == {"range": "1 h"}
        finally:
            after.end()
