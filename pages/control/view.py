"""The page Control."""

from __future__ import annotations

import streamlit as st

from pages.control import forms, tables
from pages.ui import cache, history_table, widgets

ROWS = 12  # rows of height of the list of commands


def show_control() -> None:
    """Show the whole page."""
    with widgets.reading_store(page=True):
        status = cache.fetch_status()
        forms.show_drawdown_stop(status, cache.fetch_config(status))
        forms.show_controls(status)
        widgets.show_heading("Commands", "times in UTC")
        history_table.show_toolbar(tables.HISTORY)
    _show_commands()


@st.fragment(run_every=2)
def _show_commands() -> None:
    with widgets.reading_store():
        history_table.show_rows(tables.HISTORY, reserved=ROWS)
