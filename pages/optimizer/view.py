"""The page Optimizer: what is recommended now, the actions, and below them history, savings and rules."""

from __future__ import annotations

import streamlit as st

from pages.optimizer import action_table, activity, mode_form, requests, rule_form, rule_list, rules, savings, trials
from pages.optimizer.recommendation import FiringView, show_recommendation
from pages.ui import cache, commands, now_cache, travel, widgets

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
            above = st.container(key="rules_place")
            if cache.past_tick() is None:
                _show_rule_form(names)  # first, since the list compares the rule in it
            with above:
                rule_list.show_rules()
        else:
            _show_actions(names)


def _show_actions(names: list[str]) -> None:
    if cache.past_tick() is not None:
        action_table.show_actions()
        return
    st.text_input(commands.REASON, key="reason_to_run", placeholder="why now", max_chars=commands.MAX_REASON)
    action_table.show_actions()
    mode_form.show_mode_form(names)


def _show_rule_form(names: list[str]) -> None:
    """Show the folded form below the list, opened where the address names a rule."""
    with st.expander("Change a rule", key="rule_form", expanded="rule" in st.query_params):
        rule_form.show_rule_form(rules.fetch_rules(names), names)


@travel.live_part(2)
def _show_now() -> None:
    with widgets.reading_store():
        actions, runs, now = requests.fetch_actions(), requests.fetch_runs(), cache.current_time()
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
                travel.note_past("Of a firing, the store has the last response only.")
            with widgets.keyed_container("newest"):
                activity.show_newest_run(runs, now)
        widgets.show_tiles(savings.build_savings_tiles(cache.fetch_savings()), detail_lines=3)
