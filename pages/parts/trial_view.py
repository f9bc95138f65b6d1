"""Trials on the page: the list, and the one that was chosen with the readings round it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.store.optimizer_query import TrialTold
from pages.parts import charts_optimizer, choices, live, oprows, optimizer_reads, tables, trial_words, widgets

TRIALS = 200
KINDS = ("treated", "placebo", "by hand")


def history(actions: pd.DataFrame) -> None:
    """Trials that fit the filters; the chosen one on top."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="trial_filters"):
        kind = choices.one_of("Trials", KINDS, name="kind", width=160)
        action = choices.one_of("Action", actions["action"].tolist(), name="action", width=220)
    st.fragment(_listed, run_every=3)(kind, action)


def chosen() -> int | None:
    """The trial the address asks for."""
    asked = st.query_params.get("trial", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 16 else None


def _listed(kind: str | None, action: str | None) -> None:
    with widgets.reading():
        number = chosen()
        if number is not None:
            _one(number)
        told = optimizer_reads.trials(limit=TRIALS, kind=kind or "all", action=action)
        widgets.heading("History", f"the newest {len(told)}; choose one to see the readings round it" if len(told) else "")
        if told.empty:
            widgets.nothing("no trial fits these filters" if kind or action else "no run has been measured yet")
            return
        live.rows(tables.html(oprows.TRIALS, oprows.trials(told, chosen=number), label="Runs and what they did"), key="trials", height=520)


def _one(number: int) -> None:
    told = optimizer_reads.trial(number)
    if told is None:
        widgets.nothing(f"no trial {number} is kept")
        return
    widgets.heading(f"Trial {number}", charts_optimizer.title(told))
    widgets.tiles(trial_words.tiles(told))
    widgets.words(trial_words.sentence(told))
    left, right = st.columns(2, gap="medium")
    with left:
        _aligned(told)
    with right:
        _around(told)


def _aligned(told: TrialTold) -> None:
    widgets.note(trial_words.ALIGNED)
    drawn = charts_optimizer.aligned(told)
    if drawn is None:
        widgets.nothing("its samples are no longer kept one by one: readings are, for 2 h")
    else:
        live.chart(drawn, key="trial_aligned", label=f"What came of {charts_optimizer.title(told)}, against windows with nothing done")


def _around(told: TrialTold) -> None:
    widgets.note("The readings round it. Shaded: its windows before and after; grey: placebo windows.")
    drawn = charts_optimizer.around(told)
    if drawn is None:
        widgets.nothing("no readings of its metric are kept of that time")
    else:
        live.chart(drawn, key="trial_around", label=f"Readings round {charts_optimizer.title(told)}")
