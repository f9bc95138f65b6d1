"""Control: pause, resume, flatten, retrain, the simulated signal; and who asked for what, when, why, with what result."""

from __future__ import annotations

import streamlit as st

from pages.parts import asking, oprows, reads, widgets


@st.fragment(run_every=2)
def history() -> None:
    with widgets.reading():
        told = reads.commands(limit=50)
        widgets.heading("Commands", "newest first; times in UTC")
        if told.empty:
            widgets.nothing("no command has been given yet")
        else:
            widgets.table(oprows.COMMANDS, oprows.commands(told), label="Commands given")


with widgets.reading(page=True):
    now = reads.status()
    asking.drawdown_stop(now, reads.knobs(now))
    asking.controls(now)
history()
