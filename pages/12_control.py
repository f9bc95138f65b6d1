"""Control: pause, resume, flatten, retrain, the simulated signal; and who asked for what, when, why, with what result."""

from __future__ import annotations

import streamlit as st

from pages.ui import cache, command_table, commands, live, tables, widgets

ROWS = 12  # that the list of commands takes


@st.fragment(run_every=2)
def history() -> None:
    with widgets.reading_store():
        told = cache.fetch_commands(limit=50)
        widgets.show_heading("Commands", "newest first; times in UTC")
        rows = tables.render_table(
            command_table.COMMANDS, command_table.list_commands(told), label="Commands given", empty="no command has been given yet"
        )
        live.show_live_table(rows, key="commands_given", reserved=ROWS)


with widgets.reading_store(page=True):
    now = cache.fetch_status()
    commands.show_drawdown_stop(now, cache.fetch_config(now))
    commands.show_controls(now)
history()
