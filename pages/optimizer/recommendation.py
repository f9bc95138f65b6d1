"""The one recommendation of the page: the firing rule that matters most, with its evidence and its buttons."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.domain.rules import SCHEDULE, Rule
from engine.store.read.past import NOT_STORED
from pages.optimizer import action_table, requests, rule_text, text
from pages.optimizer.requests import RunState
from pages.ui import ages, theme, visitors, widgets
from pages.ui.command_table import readable_name, text_or
from pages.ui.forest_plot import iterate_rows

NAMED = 6  # rules named in a line
RECENT = 900  # s for which the firing of a schedule, which never clears, is news
DRY_RUN = "Report what the action would do, without doing it"
Record = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class FiringView:
    """What the recommendation is made from."""

    states: pd.DataFrame  # newest firing of each rule
    rules: Mapping[str, Rule]
    actions: pd.DataFrame
    silences: Mapping[str, int]  # rule: until when, ns UTC
    runs: RunState
    now: int  # ns UTC


def show_recommendation(view: FiringView) -> None:
    """Show the firing rule that matters most, and name the others in a line each."""
    firing = [record for record in view.states[view.states["state"] == "fired"].to_dict("records") if _is_current(record, view)]
    shown = [record for record in firing if str(record["rule"]) not in view.silences]
    first = choose_first(shown)
    if first is None:
        widgets.show_empty(_describe_calm(view.states, view.now) if not firing else "nothing to do: every rule that fires is silenced")
    else:
        _show_card(first, view)
    others = [str(record["rule"]) for record in shown if record is not first]
    blind = view.states[view.states["state"] == "no data"]["rule"].tolist()
    for words in (
        f"Also firing: {_join_names(others)}." if others else "",
        f"No data for {_join_names(blind)}: a rule without samples neither fires nor clears." if blind else "",
        _describe_silences(view.silences, view.rules),
    ):
        if words:
            widgets.show_note(words)


def choose_first(firing: Sequence[Record]) -> Record | None:
    """Choose the firing rule with a recommendation, the newest first; without any, the newest firing rule."""
    return next((record for record in firing if text_or(record["answer"], "").startswith("recommend")), next(iter(firing), None))


def suggest_action(answer: object, rule: Rule | None, actions: Collection[str]) -> str | None:
    """Return the action named first in the planner's answer; by default the first candidate of the rule."""
    named = requests.find_action(text_or(answer, ""), actions)
    if named is not None:
        return named
    return next((name for name in (rule.candidates if rule else ()) if name in actions), None)


def describe_answer(answer: str, action: Any, names: Collection[str] = ()) -> str:
    """Return the planner's answer in words; what it recommends or asks, with the measured evidence in place of its sampled gains."""
    words, _, why = answer.partition("; sampled gains")
    for name in names:
        words = words.replace(name, readable_name(name))
    is_advice = words.startswith(("recommends", "asks", "observes"))
    return text.capitalize(f"{words}, because it {describe_reason(action)}" if why and is_advice and _is_judged(action) else words)


def name_metrics(words: str, metrics: Collection[str]) -> str:
    """Return a text with metrics such as "host.disk_percent" in words."""
    for metric in filter(None, metrics):
        words = re.sub(rf"(?<![\w.]){re.escape(metric)}(?![\w.]*\w)", text.metric_label(metric), words)
    return words


def describe_reason(action: Any) -> str:
    """Say why an action is worth trying: what its trials showed."""
    evidence = text.describe_evidence(action)
    return f"is {evidence}" if evidence.startswith("not measured") else evidence


def _is_judged(action: Any) -> bool:
    """Return whether the judgement of an action can be given as a reason."""
    return action is not None and getattr(action, "verdict", None) != NOT_STORED


def _show_card(firing: Record, view: FiringView) -> None:
    name, rule = str(firing["rule"]), view.rules.get(str(firing["rule"]))
    answer, actions = text_or(firing["answer"], ""), {action.action: action for action in iterate_rows(view.actions)}
    suggested = suggest_action(answer, rule, actions)
    action = None if suggested is None else actions[suggested]
    with st.container(key=f"firing_{''.join(letter if letter.isalnum() else '_' for letter in name)}"):
        notice = widgets.render_notice(
            _describe_firing(firing, rule, view.now), word=f"{text.capitalize(readable_name(name))}.", colour=theme.WARNING
        )
        words = describe_answer(answer, action, tuple(actions))
        words = name_metrics(words, {str(firing["metric"] or ""), *(str(action.cures) for action in actions.values())})
        response = f'<div class="pd-then">{widgets.escape_html(words)}</div>' if answer else ""
        widgets.show_html(f'<div class="pd">{notice}{response}</div>')
        if not visitors.may(OPERATE):
            return
        with st.container(horizontal=True, vertical_alignment="center", key=f"answer_{firing['id']}"):
            if action is not None:
                _show_run_buttons(name, action, view.runs)
            if st.button("Silence 1 h", key=f"silence_{name}", icon=":material/notifications_off:", disabled=not view.runs.is_alive):
                requests.send_silence(name, str(st.session_state.get("reason_to_run") or ""))


def _show_run_buttons(rule: str, action: Any, runs: RunState) -> None:
    why = action_table.find_obstacle(action, alive=runs.is_alive, busy=runs.busy)
    dry = action_table.find_obstacle(action, alive=runs.is_alive, busy=runs.busy, dry=True)
    reason, name = f"rule {readable_name(rule)} fires", str(action.action)
    label = f"Run {widgets.button_label(name)} now"
    if st.button(label, key=f"run_{rule}_{name}", type="primary", icon=":material/play_arrow:", disabled=bool(why), help=why or None):
        requests.send_run(name, reason, dry=False)
    if st.button("Dry run", key=f"dry_{rule}_{name}", icon=":material/visibility:", help=dry or DRY_RUN, disabled=bool(dry)):
        requests.send_run(name, reason, dry=True)


def _is_current(firing: Record, view: FiringView) -> bool:
    """Return whether a firing is still news; a schedule never clears, so it is news for a while."""
    rule = view.rules.get(str(firing["rule"]))
    return rule is None or rule.kind != SCHEDULE or view.now - int(firing["at"]) < RECENT * units.SECOND


def _describe_firing(firing: Record, rule: Rule | None, now: int) -> str:
    """Describe the value now, the age of the firing, and the levels at which the rule fires and clears."""
    unit = firing["unit"] if isinstance(firing["unit"], str) else rule_text.metric_unit(str(firing["metric"]))
    value = f"now {units.format_reading(firing['now'], unit)}" if units.is_known(firing["now"]) else "no current value"
    level = f" at {units.format_reading(firing['value'], unit)}" if units.is_known(firing["value"]) and not (rule and rule.growth) else ""
    fired = f"fired {ages.ticking_age(int(firing['at']), now)} ago"
    what = f"{text.metric_label(str(firing['metric']))}: {value}; {fired}{level}" if firing["metric"] else fired
    return f"{what}. Fires: {rule_text.describe_firing(rule)}. Clears: {rule_text.describe_clearing(rule)}." if rule else f"{what}."


def _describe_calm(states: pd.DataFrame, now: int) -> str:
    cleared = states[states["state"] == "cleared"]
    if cleared.empty:
        return "nothing to do: no rule fires"
    newest = cleared.iloc[0]
    return f"nothing to do: no rule fires; {readable_name(str(newest['rule']))} cleared {ages.ticking_age(int(newest['at']), now)} ago"


def _describe_silences(silences: Mapping[str, int], rules: Mapping[str, Rule]) -> str:
    named = [f"{readable_name(rule)} until {units.format_time(until, '%H:%M')} UTC" for rule, until in silences.items() if rule in rules]
    return f"Silenced: {', '.join(named[:NAMED])}." if named else ""


def _join_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(readable_name(str(name)) for name in names[:NAMED]) + more
