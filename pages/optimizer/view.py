"""The page Optimizer: what is recommended now, the actions, and below them history, savings and rules."""

from __future__ import annotations

import streamlit as st

from pages.optimizer import action_table, activity, mode_form, requests, rule_form, rule_list, rules, savings, trials
from pages.optimizer.recommendation import FiringView, show_recommendation
from pages.ui import cache, commands, now_cache, widgets

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
            rule_list.show_rules()
        else:
            st.text_input(commands.REASON, key="reason_to_run", placeholder="why now", max_chars=commands.MAX_REASON)
            action_table.show_actions()
            mode_form.show_mode_form(names)


@st.fragment(run_every=2)
def _show_now() -> None:
    with widgets.reading_store():
        actions, runs, now = cache.fetch_actions(), requests.fetch_runs(), cache.current_time()
        widgets.show_heading("Now", "the rule that fires, the response to it, and what runs")
        with widgets.fixed_container("now", NOW_HEIGHT):
            with widgets.keyed_container("under_way"):
                activity.show_queue(runs)
                activity.show_running_trial(cache.fetch_running_trials(), now)
            commands.show_answer("now")
            with widgets.keyed_container("firing"):
                activity.show_pending_approvals(cache.fetch_pending_approvals(), now)
                by_name = rules.fetch_rules_by_name(actions["action"].tolist())
                show_recommendation(
                    FiringView(cache.fetch_rule_states(), by_name, actions, now_cache.fetch_silences(), requests.fetch_requests(), now)
                )
            with widgets.keyed_container("newest"):
                activity.show_newest_run(runs, now)
        widgets.show_tiles(savings.build_savings_tiles(cache.fetch_savings()), detail_lines=3)
