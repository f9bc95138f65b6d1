"""Trials on the page: the list, and the one that was chosen with the readings round it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.store.read.optimizer import TrialDetails
from pages.optimizer import charts, text
from pages.ui import command_table, live, optimizer_cache, params, tables, widgets

TRIALS = 200
KINDS = ("treated", "placebo", "by hand")


def show_trials(actions: pd.DataFrame) -> None:
    """Trials that fit the filters; the chosen one on top."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="trial_filters"):
        kind = params.select_or_all("Trials", KINDS, name="kind", width=160)
        action = params.select_or_all("Action", actions["action"].tolist(), name="action", width=220)
    st.fragment(_listed, run_every=3)(kind, action)


def read_chosen_trial() -> int | None:
    """The trial the address asks for."""
    asked = st.query_params.get("trial", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 16 else None


def _listed(kind: str | None, action: str | None) -> None:
    with widgets.reading_store():
        number = read_chosen_trial()
        if number is not None:
            _one(number)
        told = optimizer_cache.fetch_trials(limit=TRIALS, kind=kind or "all", action=action)
        widgets.show_heading("History", f"the newest {len(told)}; choose one to see the readings round it" if len(told) else "")
        if told.empty:
            widgets.show_empty("no trial fits these filters" if kind or action else "no run has been measured yet")
            return
        live.show_live_table(
            tables.render_table(command_table.TRIALS, command_table.list_trials(told, chosen=number), label="Runs and what they did"),
            key="trials",
            height=520,
        )


def _one(number: int) -> None:
    told = optimizer_cache.fetch_trial(number)
    if told is None:
        widgets.show_empty(f"no trial {number} is kept")
        return
    widgets.show_heading(f"Trial {number}", charts.trial_title(told))
    widgets.show_tiles(text.build_trial_tiles(told))
    widgets.show_text(text.describe_trial(told))
    left, right = st.columns(2, gap="medium")
    with left:
        _aligned(told)
    with right:
        _around(told)


def _aligned(told: TrialDetails) -> None:
    widgets.show_note(text.ALIGNED)
    drawn = charts.plot_aligned(told)
    if drawn is None:
        widgets.show_empty("its samples are no longer kept one by one: readings are, for 2 h")
    else:
        live.show_chart(drawn, key="trial_aligned", label=f"What came of {charts.trial_title(told)}, against windows with nothing done")


def _around(told: TrialDetails) -> None:
    widgets.show_note("The readings round it. Shaded: its windows before and after; grey: placebo windows.")
    drawn = charts.plot_surroundings(told)
    if drawn is None:
        widgets.show_empty("no readings of its metric are kept of that time")
    else:
        live.show_chart(drawn, key="trial_around", label=f"Readings round {charts.trial_title(told)}")
