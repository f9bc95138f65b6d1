"""The page Control."""

from __future__ import annotations

import streamlit as st

from pages.control import forms
from pages.ui import cache, command_table, live, now_cache, widgets
from pages.ui.tables import render_table

ROWS = 12  # rows of height of the list of commands


def show_control() -> None:
    """Show the whole page."""
    with widgets.reading_store(page=True):
        status = cache.fetch_status()
        forms.show_drawdown_stop(status, cache.fetch_config(status))
        forms.show_controls(status)
    _show_commands()


@st.fragment(run_every=2)
def _show_commands() -> None:
    with widgets.reading_store():
        widgets.show_heading("Commands", "newest first; times in UTC")
        rows = command_table.list_commands(cache.fetch_commands(limit=50), now_cache.fetch_notes())
        table = render_table(command_table.COMMANDS, rows, label="Commands sent", empty="no command has been sent yet")
        live.show_live_table(table, key="commands_given", reserved=ROWS)
