"""The page Control."""

from __future__ import annotations

import streamlit as st

from pages.parts import asking, live, oprows, reads, tables, widgets

ROWS = 12  # rows of height of the list of commands


def show_control() -> None:
    """Show the whole page."""
    with widgets.reading(page=True):
        status = reads.status()
        asking.drawdown_stop(status, reads.knobs(status))
        asking.controls(status)
    _show_commands()


@st.fragment(run_every=2)
def _show_commands() -> None:
    with widgets.reading():
        widgets.heading("Commands", "newest first; times in UTC")
        rows = oprows.commands(reads.commands(limit=50))
        table = tables.html(oprows.COMMANDS, rows, label="Commands sent", empty="no command has been sent yet")
        live.rows(table, key="commands_given", reserved=ROWS)
