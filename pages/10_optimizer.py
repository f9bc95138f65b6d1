"""Optimizer: what can be done for the machine, doing it, and what it measurably did."""

from __future__ import annotations

import streamlit as st

from pages.parts import asking, oprows, reads, savings, widgets

TRIALS = 200


@st.fragment(run_every=2)
def progress() -> None:
    with widgets.reading():
        running = asking.running(reads.commands(limit=20, name="optimize"))
        if running:
            widgets.show(running)


@st.fragment(run_every=3)
def results() -> None:
    with widgets.reading():
        actions = reads.actions()
        if actions.empty:
            return
        widgets.heading("Actions", "each touches only this process and Podium's own folders")
        widgets.table(oprows.ACTIONS, oprows.actions(actions, reads.now()), label="Actions and what their trials came to")
        trials = reads.trials(limit=TRIALS)
        widgets.heading("Savings", "sums of what was measured, never of what was expected")
        widgets.tiles(savings.tiles(trials))
        widgets.heading("History", f"the newest {len(trials)} runs" if len(trials) else "")
        if trials.empty:
            widgets.nothing("no run has been measured yet")
            return
        widgets.note(
            "Freed by itself: as the action measured it. Effect: the change of its metric against that of idle windows, with a 95 % interval."
        )
        widgets.table(oprows.TRIALS, oprows.trials(trials), label="Runs and what they did")


with widgets.reading(page=True):
    known = reads.actions()
    if known.empty:
        widgets.waiting("the engine to name its actions")
        widgets.again(reads.version())
    else:
        asking.optimize(known)
progress()
results()
