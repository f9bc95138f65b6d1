"""The view History: the list of trials, and the chosen trial with the readings around it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.store.read.optimizer import TrialDetails
from pages.optimizer import charts, tables, text
from pages.ui import cache, history_table, live, params, travel, widgets

KINDS = ("treated", "control", "manual")


def show_trials(actions: pd.DataFrame) -> None:
    """Show the trials that match the filters, below the chosen one."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="trial_filters"):
        params.select_or_all("Trials", list(KINDS), name="kind", width=160)
        params.select_or_all("Action", actions["action"].tolist(), name="action", width=220)
    offered = {"kind": list(KINDS), "action": actions["action"].tolist()}
    ignored = tuple(name for name, options in offered.items() if params.find_unknown(options, name=name) is not None)
    history_table.show_toolbar(tables.build_trial_view(read_chosen_trial()), ignored)
    travel.run_live(_show_list, 3, ignored)


def read_chosen_trial() -> int | None:
    """Return the number of the trial in the address."""
    number = st.query_params.get("trial", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 16 else None


def _show_list(ignored: tuple[str, ...]) -> None:
    with widgets.reading_store():
        number = read_chosen_trial()
        if number is not None:
            _show_trial(number)
        widgets.show_heading("History", "choose a trial to see the readings around it", term="trial")
        history_table.show_rows(tables.build_trial_view(number), ignored, height=520)


def _show_trial(number: int) -> None:
    trial = cache.fetch_trial(number)
    if trial is None:
        widgets.show_empty(f"trial {number} is not stored")
        return
    widgets.show_heading(f"Trial {number}", charts.trial_title(trial), term="trial")
    widgets.show_tiles(text.build_trial_tiles(trial))
    widgets.show_text(text.describe_trial(trial))
    left, right = st.columns(2, gap="medium")
    with left:
        _show_aligned(trial)
    with right:
        _show_surroundings(trial)


def _show_aligned(trial: TrialDetails) -> None:
    widgets.show_note(text.ALIGNED)
    drawn = charts.plot_aligned(trial)
    if drawn is None:
        widgets.show_empty("its individual samples are no longer stored: they are deleted after 2 h")
    else:
        live.show_chart(drawn, key="trial_aligned", label=f"Effect of {charts.trial_title(trial)} against control windows")


def _show_surroundings(trial: TrialDetails) -> None:
    widgets.show_note("Readings around the trial. Shaded: its windows before and after; grey: control windows.")
    drawn = charts.plot_surroundings(trial)
    if drawn is None:
        widgets.show_empty("no readings of its metric are stored for that time")
    else:
        live.show_chart(drawn, key="trial_around", label=f"Readings around {charts.trial_title(trial)}")
