"""Control: pause, resume, flatten, retrain, the simulated signal; and who asked for what, when, why, with what result."""

from __future__ import annotations

import streamlit as st

from pages.parts import asking, live, oprows, reads, tables, widgets

ROWS = 12  # that the list of commands takes


@st.fragment(run_every=2)
def history() -> None:
    with widgets.reading():
        told = reads.commands(limit=50)
        widgets.heading("Commands", "newest first; times in UTC")
        rows = tables.html(oprows.COMMANDS, oprows.commands(told), label="Commands given", empty="no command has been given yet")
        live.rows(rows, key="commands_given", reserved=ROWS)


with widgets.reading(page=True):
    now = reads.status()
    asking.drawdown_stop(now, reads.knobs(now))
    asking.controls(now)
history()
