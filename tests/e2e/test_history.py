"""A person who looks for a decision of the past: search, order, older, a decision and back to the same row, and the file of what was seen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.served import Served
from tests.e2e.visitor import MS, Visitor

pytestmark = pytest.mark.browser
Visit = Callable[..., Visitor]
IDS = "() => [...document.querySelectorAll('tr[data-id]')].map((row) => row.dataset.id)"
SCROLL = "() => document.querySelector('.podium-rows:has(tr[data-id])').scrollTop"
ALL_OF = (
    "(symbol) => { const ids = [...document.querySelectorAll('tr[data-id]')]; return ids.length && ids.every((r) => r.dataset.id.endsWith(symbol)); }"
)
OTHERS = "(id) => { const rows = [...document.querySelectorAll('tr[data-id]')]; return rows.length && !rows.some((r) => r.dataset.id === id); }"
SCROLLED = "(top) => Math.abs(document.querySelector('.podium-rows:has(tr[data-id])')?.scrollTop - top) < 2"


def test_a_decision_of_the_past_is_found_opened_and_left_again(common_server: Served, visit: Visit, tmp_path: Path) -> None:
    visitor = visit(common_server.url)
    visitor.go("/decisions")
    field = visitor.page.get_by_label("Search")
    field.fill("<b>CHARLIE</b>")
    field.press("Enter")
    visitor.sees("no decision matches", ".podium-rows")
    field.fill("charlie")
    field.press("Enter")
    visitor.until(ALL_OF, arg=" CHARLIE")
    visitor.page.get_by_role("link", name="Edge, bps").click()
    expect(visitor.page.locator('th[aria-sort="descending"]')).to_have_text("Edge, bps", timeout=MS)
    newest = visitor.page.evaluate(IDS)
    visitor.press("Next")
    visitor.sees("this page does not update")
    visitor.until(OTHERS, arg=newest[0])
    assert set(visitor.query()) == {"q", "sort", "from", "until"}
    ids = visitor.page.evaluate(IDS)
    pushed = [row_id for row_id in ids if row_id in newest]  # from the page before, by decisions that came meanwhile
    assert len(pushed) < len(ids)
    assert pushed == ids[: len(pushed)] == newest[len(newest) - len(pushed) :]
    row = visitor.page.locator("tr[data-id]").nth(28)
    row.scroll_into_view_if_needed()
    top = visitor.page.evaluate(SCROLL)
    assert top > 0
    row.locator("a").click()
    visitor.is_on("Decision")
    assert f"{visitor.query()['tick']} {visitor.query()['symbol']}" == ids[28]
    visitor.page.go_back()
    visitor.is_on("Decisions")
    visitor.until(SCROLLED, arg=top)
    assert visitor.page.evaluate(IDS) == ids
    visitor.until("id => document.activeElement.closest('tr')?.dataset.id === id", arg=ids[28])
    visitor.press("First")
    visitor.page.wait_for_url("**/decisions?q=charlie&sort=-edge_bps")
    visitor.press("Download")
    with visitor.page.expect_download(timeout=MS) as download:
        visitor.press("CSV")
    download.value.save_as(tmp_path / "seen.csv")
    with (tmp_path / "seen.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    saved = [f"{row['tick']} {row['symbol']}" for row in rows]
    edges = [float(row["edge_bps"]) for row in rows if row["edge_bps"]]
    assert set(ids) <= set(saved)
    assert [row_id for row_id in saved if row_id in set(ids)] == ids
    assert edges == sorted(edges, reverse=True)
    assert {row["symbol"] for row in rows} == {"CHARLIE"}
    assert visitor.boxes() == []
