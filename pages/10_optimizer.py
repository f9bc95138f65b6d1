"""Optimizer: what is going on, what it would do and why, what was done, and what that measurably came to."""

from __future__ import annotations

import streamlit as st

from pages.parts import asking, live, oprows, optimizer_reads, optimizing, reads, rule_form, rule_reads, savings, tables, trial_view, widgets

NOW = 220  # px: what runs, what fires and what became of the newest run
VIEWS = ("Actions", "History", "Savings", "Rules")


@st.fragment(run_every=2)
def now() -> None:
    with widgets.reading():
        commands = optimizing.runs(reads.commands(limit=200))
        known = optimizer_reads.actions()["action"].tolist()
        widgets.heading("Now", "what fires, what is to be done about it, and what runs")
        with widgets.reserved("now", NOW):
            with widgets.place("under_way"):
                optimizing.queue(commands)
                optimizing.trial(optimizer_reads.under_way(), reads.now())
            asking.answer("now")
            with widgets.place("firing"):
                optimizing.questions(optimizer_reads.questions(), reads.now())
                optimizing.firing(optimizer_reads.firings(), rule_reads.by_name(known), known, reads.now())
            with widgets.place("newest"):
                optimizing.newest(commands, reads.now())
        widgets.tiles(savings.tiles(optimizer_reads.savings()), lines=3)


@st.fragment(run_every=3)
def listed() -> None:
    with widgets.reading():
        widgets.heading("Actions", "each touches only this process and Podium's own folders; effects are of all its trials, against placebo windows")
        lines = oprows.actions(optimizer_reads.actions(), reads.now())
        live.rows(tables.html(oprows.ACTIONS, lines, label="Actions and what their trials came to"), key="actions")


@st.fragment(run_every=5)
def sums() -> None:
    with widgets.reading():
        told = optimizer_reads.savings()
        widgets.heading("Savings", "sums of proved effects, never of what was expected")
        widgets.note(savings.METHOD)
        if told.savings:
            widgets.table(savings.SUMS, savings.sums(told.savings), label="Sums of measured effects by metric")
        else:
            widgets.nothing("no automatic run has been measured yet")
        widgets.heading("Success rate", "of automatic runs that could be judged, the share that helped; Wilson's interval")
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.table(savings.RATES, savings.rates(told.overall, told.by_action), label="Success rate by action")
        with right:
            widgets.table(savings.RATES, savings.rates(told.overall, told.by_trigger), label="Success rate by trigger")
        widgets.heading("Placebo record", "what comes by itself when nothing is done")
        widgets.note(savings.summary(told))
        if told.left:
            widgets.table(savings.PLACEBOS, savings.placebos(told.left), label="What came of doing nothing, and of the run")
        widgets.heading("Runs by hand", "apart: no coin decided them")
        widgets.note(savings.MANUAL)
        if told.by_hand:
            widgets.table(savings.BY_HAND, savings.by_hand(told.by_hand), label="Runs by hand, against comparable windows")
        else:
            widgets.nothing("no action has been run by hand yet")


@st.fragment(run_every=5)
def rules() -> None:
    with widgets.reading():
        rule_form.table(rule_reads.origins(optimizer_reads.actions()["action"].tolist()), rule_reads.states())


with widgets.reading(page=True):
    known = optimizer_reads.actions()
    if known.empty:
        widgets.waiting("the engine to name its actions")
        widgets.again(reads.version())
        st.stop()
    now()
    view = st.segmented_control("Show", list(VIEWS), default=VIEWS[0], key="view", bind="query-params", required=True)
    if view == "History":
        trial_view.history(known)
    elif view == "Savings":
        sums()
    elif view == "Rules":
        rule_form.form(rule_reads.origins(known["action"].tolist()), known["action"].tolist())
        rules()
    else:
        optimizing.by_hand(known)
        listed()
