"""The page Optimizer."""

from __future__ import annotations

import streamlit as st

from pages.optimizer import activity, rule_form, rules, savings, tables, trials
from pages.ui import cache, commands, live, widgets
from pages.ui.tables import render_table

NOW_HEIGHT = 220  # px for what runs, what fires and the newest result
VIEWS = ("Actions", "History", "Savings", "Rules")


def show_optimizer() -> None:
    """Show the whole page."""
    with widgets.reading_store(page=True):
        actions = cache.fetch_actions()
        if actions.empty:
            widgets.show_waiting("the engine to list its actions")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        names = actions["action"].tolist()
        _show_now()
        view = st.segmented_control("Show", list(VIEWS), default=VIEWS[0], key="view", bind="query-params", required=True)
        if view == "History":
            trials.show_trials(actions)
        elif view == "Savings":
            savings.show_savings()
        elif view == "Rules":
            rule_form.show_rule_form(rules.fetch_rules(names), names)
            _show_rules()
        else:
            activity.show_run_form(actions)
            _show_actions()


@st.fragment(run_every=2)
def _show_now() -> None:
    with widgets.reading_store():
        runs = activity.select_runs(cache.fetch_commands(limit=200))
        names, now = cache.fetch_actions()["action"].tolist(), cache.current_time()
        widgets.show_heading("Now", "which rules fire, the response to each, and what runs")
        with widgets.fixed_container("now", NOW_HEIGHT):
            with widgets.keyed_container("under_way"):
                activity.show_queue(runs)
                activity.show_running_trial(cache.fetch_running_trials(), now)
            commands.show_answer("now")
            with widgets.keyed_container("firing"):
                activity.show_pending_approvals(cache.fetch_pending_approvals(), now)
                activity.show_firing_rules(cache.fetch_rule_states(), rules.fetch_rules_by_name(names), names, now)
            with widgets.keyed_container("newest"):
                activity.show_newest_run(runs, now)
        widgets.show_tiles(savings.build_savings_tiles(cache.fetch_savings()), detail_lines=3)


@st.fragment(run_every=3)
def _show_actions() -> None:
    with widgets.reading_store():
        widgets.show_heading(
            "Actions",
            "each changes only this process and Podium's own folders; effects pool all its trials against control windows",
            term="optimizer action",
        )
        rows = tables.list_actions(cache.fetch_actions(), cache.current_time())
        live.show_live_table(render_table(tables.ACTIONS, rows, label="Actions and their measured effects"), key="actions")


@st.fragment(run_every=5)
def _show_rules() -> None:
    with widgets.reading_store():
        rule_form.show_rules(rules.fetch_rules(cache.fetch_actions()["action"].tolist()), rules.fetch_newest_states())
