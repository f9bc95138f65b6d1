"""The report of a day, asked for on the page."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from pages.decisions.report import make_report
from tests.pages.stores import store
from tests.pages.test_pages import run, text
from tests.store.made import filled


def test_a_report_is_made_of_the_store_the_page_shows(tmp_path: Path) -> None:
    page, trouble = make_report("2025-06-15", filled(tmp_path, 25))
    assert trouble == ""
    assert page is not None
    assert page.startswith(b"<!doctype html>")
    assert b"5 ticks, 4 symbols: 20 decisions" in page


def test_a_day_without_a_report_says_why(tmp_path: Path) -> None:
    assert make_report("2025-06-14", filled(tmp_path, 2)) == (None, "the store has no rows of 2025-06-14: it has ticks from 2025-06-15 to 2025-06-15")


def test_the_page_offers_it_and_makes_none_unasked(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        app = run("02_decisions.py", url)
        assert "report" not in app.session_state
        pressed: AppTest = app.button(key="make_report").click().run()
    assert not pressed.exception
    assert pressed.session_state["report"][1] is not None or "No report." in text(pressed)
