"""Optimizer: what is going on, what it would do and why, what was done, and what that measurably came to."""

from __future__ import annotations

import streamlit as st

from pages.optimizer import activity, rule_form, rule_sources, savings, trials
from pages.ui import cache, command_table, live, optimizer_cache, tables, widgets
from pages.ui import commands as ui_commands

NOW = 220  # px: what runs, what fires and what became of the newest run
VIEWS = ("Actions", "History", "Savings", "Rules")


@st.fragment(run_every=2)
def now() -> None:
    with widgets.reading_store():
        commands = activity.select_runs(cache.fetch_commands(limit=200))
        known = optimizer_cache.fetch_actions()["action"].tolist()
        widgets.show_heading("Now", "what fires, what is to be done about it, and what runs")
        with widgets.fixed_container("now", NOW):
            with widgets.keyed_container("under_way"):
                activity.show_queue(commands)
                activity.show_running_trial(optimizer_cache.fetch_running_trials(), cache.current_time())
            ui_commands.show_answer("now")
            with widgets.keyed_container("firing"):
                activity.show_pending_approvals(optimizer_cache.fetch_pending_approvals(), cache.current_time())
                activity.show_firing_rules(optimizer_cache.fetch_rule_states(), rule_sources.fetch_rules_by_name(known), known, cache.current_time())
            with widgets.keyed_container("newest"):
                activity.show_newest_run(commands, cache.current_time())
        widgets.show_tiles(savings.build_savings_tiles(optimizer_cache.fetch_savings()), detail_lines=3)


@st.fragment(run_every=3)
def listed() -> None:
    with widgets.reading_store():
        widgets.show_heading(
            "Actions", "each touches only this process and Podium's own folders; effects are of all its trials, against placebo windows"
        )
        lines = command_table.list_actions(optimizer_cache.fetch_actions(), cache.current_time())
        live.show_live_table(tables.render_table(command_table.ACTIONS, lines, label="Actions and what their trials came to"), key="actions")


@st.fragment(run_every=5)
def sums() -> None:
    with widgets.reading_store():
        told = optimizer_cache.fetch_savings()
        widgets.show_heading("Savings", "sums of proved effects, never of what was expected")
        widgets.show_note(savings.METHOD)
        if told.savings:
            widgets.show_table(savings.SUMS, savings.list_savings(told.savings), label="Sums of measured effects by metric")
        else:
            widgets.show_empty("no automatic run has been measured yet")
        widgets.show_heading("Success rate", "of automatic runs that could be judged, the share that helped; Wilson's interval")
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.show_table(savings.RATES, savings.list_success_rates(told.overall, told.by_action), label="Success rate by action")
        with right:
            widgets.show_table(savings.RATES, savings.list_success_rates(told.overall, told.by_trigger), label="Success rate by trigger")
        widgets.show_heading("Placebo record", "what comes by itself when nothing is done")
        widgets.show_note(savings.describe_placebos(told))
        if told.controls:
            widgets.show_table(savings.PLACEBOS, savings.list_placebos(told.controls), label="What came of doing nothing, and of the run")
        widgets.show_heading("Runs by hand", "apart: no coin decided them")
        widgets.show_note(savings.MANUAL)
        if told.manual:
            widgets.show_table(savings.BY_HAND, savings.list_manual_runs(told.manual), label="Runs by hand, against comparable windows")
        else:
            widgets.show_empty("no action has been run by hand yet")


@st.fragment(run_every=5)
def rules() -> None:
    with widgets.reading_store():
        rule_form.show_rules(rule_sources.fetch_rules(optimizer_cache.fetch_actions()["action"].tolist()), rule_sources.fetch_newest_states())


with widgets.reading_store(page=True):
    known = optimizer_cache.fetch_actions()
    if known.empty:
        widgets.show_waiting("the engine to name its actions")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    now()
    view = st.segmented_control("Show", list(VIEWS), default=VIEWS[0], key="view", bind="query-params", required=True)
    if view == "History":
        trials.show_trials(known)
    elif view == "Savings":
        sums()
    elif view == "Rules":
        rule_form.show_rule_form(rule_sources.fetch_rules(known["action"].tolist()), known["action"].tolist())
        rules()
    else:
        activity.show_run_form(known)
        listed()
