"""The daily report, made in a separate process, so that neither the engine nor another page waits for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import streamlit as st

from engine.files import temporary_files
from engine.files.owned_folders import FolderTaken
from pages.ui import cache, theme, visitors, widgets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
KEPT = "report"  # of this browser: the day and its page, or the reason for having none


@st.fragment
def show_report_button() -> None:
    """Draw the choice of a day and the download of its report, one HTML file; nothing while travelling, as it is made of the store as it is now."""
    if cache.past_tick() is not None:
        return
    with st.popover("Daily report", help="Decisions, reasons for not trading, money with all costs, health and optimizations on one page"):
        today = datetime.fromtimestamp(cache.current_time() / 1e9, UTC).date()
        day = st.date_input("Day, in UTC", today, max_value=today, format="YYYY-MM-DD", key="report_day")
        if st.button("Create report", key="make_report") and isinstance(day, date):
            st.session_state[KEPT] = (day, *make_report(day.isoformat(), cache.store_url(), visitors.list_sender_flags()))
        result = st.session_state.get(KEPT)
        if result is None or result[0] != day:
            return
        _, page, trouble = result
        if page is None:
            widgets.show_html(widgets.render_notice(trouble, word="No report.", colour=theme.WARNING))
        else:
            st.download_button("Download", page, f"podium-{day}.html", "text/html", key="save_report", on_click="ignore")


def make_report(day: str, store_url: str, sender: Sequence[str] = ()) -> tuple[bytes | None, str]:
    """Return the report's page, made for `sender`, the flags that name a session, or None and the reason."""
    try:
        return _make_in_folder(day, store_url, sender)
    except subprocess.TimeoutExpired:
        return None, f"it was not ready after {SECONDS} s"
    except (OSError, FolderTaken) as error:
        return None, f"it cannot be written: {error}"


def _make_in_folder(day: str, store_url: str, sender: Sequence[str]) -> tuple[bytes | None, str]:
    folder = temporary_files.create_folder("", "report")
    try:
        path = folder.path / "report.html"
        command = [sys.executable, "-m", "engine", "report", "--day", day, "--store", store_url, "--out", str(path), *sender]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
        if process.returncode == 0:
            return path.read_bytes(), ""
        return None, " ".join(process.stderr.split()).removeprefix("podium: ")[-400:]
    finally:
        folder.delete()
