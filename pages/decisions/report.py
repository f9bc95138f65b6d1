"""The report of a day, made in a process of its own, so that neither the engine nor another page waits on it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import streamlit as st

from engine.files import temporary_files
from pages.ui import cache, theme, widgets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
KEPT = "report"  # of this browser: the day and its page, or why there is none


@st.fragment
def show_report_button() -> None:
    """A day to choose, and its report as one HTML file."""
    with st.popover("Report of a day", help="What was decided, why not, money with every cost, health and optimizations, on one page"):
        today = datetime.fromtimestamp(cache.current_time() / 1e9, UTC).date()
        day = st.date_input("Day, in UTC", today, max_value=today, format="YYYY-MM-DD", key="report_day")
        if st.button("Make the report", key="make_report") and isinstance(day, date):
            st.session_state[KEPT] = (day, *make_report(day.isoformat(), cache.store_url()))
        kept = st.session_state.get(KEPT)
        if kept is None or kept[0] != day:
            return
        _, page, trouble = kept
        if page is None:
            widgets.show_html(widgets.render_notice(trouble, word="No report.", colour=theme.WARNING))
        else:
            st.download_button("Save it", page, f"podium-{day}.html", "text/html", key="save_report", on_click="ignore")


def make_report(day: str, store_url: str) -> tuple[bytes | None, str]:
    """The report's page, or None and why there is none."""
    folder = temporary_files.create_folder("", "report")
    try:
        path = folder.path / "report.html"
        words = [sys.executable, "-m", "engine", "report", "--day", day, "--store", store_url, "--out", str(path)]
        try:
            told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None, f"it was not ready after {SECONDS} s"
        if told.returncode == 0:
            return path.read_bytes(), ""
        return None, " ".join(told.stderr.split()).removeprefix("podium: ")[-400:]
    finally:
        folder.delete()
