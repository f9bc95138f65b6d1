"""The report of a day, asked for on the page."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.decision.evidence import make_bundle
from pages.decisions.report import make_report
from pages.ui import history_export
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


def test_a_file_that_cannot_be_written_is_refused_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = tmp_path / f"podium-{os.getuid()}"
    taken.mkdir(mode=0o700)
    (taken / "of another program").touch()
    url = f"sqlite:///{tmp_path / 'podium.db'}"
    for page, reason in (make_report("2025-06-14", url), make_bundle(3)):
        assert page is None
        assert reason.startswith("it cannot be written: ")
        assert "files of another program" in reason
    with pytest.raises(RuntimeError, match=r"no file can be made: .* files of another program"):
        history_export.write_file("decisions", "", "csv", url)
