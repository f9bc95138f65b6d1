"""What the optimizer does now: firing rules, pending approvals, running and finished runs; and the form that requests a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.optimization import manual_result
from engine.domain.rules import MODES, SCHEDULE, Rule
from engine.store.inbox import QUEUED, RUNNING
from pages.optimizer import charts, rules, text
from pages.ui import ages, cache, command_table, commands, glossary, live, params, theme, widgets
from pages.ui.command_table import NO_REASON, readable_name, text_or

MOST = 6  # firing rules, pending approvals and waiting runs shown
RECENT = 900  # s for which the newest manual run is shown
DRY_RUN = "Report what the action would do, without doing it"
_MODES = """off: never runs. observe: only records that it was due. recommend: is recommended on this page. ask: waits for Approve.
auto: runs without asking, with control windows, while it holds its licence"""
Record = Mapping[Any, Any]


def show_firing_rules(states: pd.DataFrame, known_rules: Mapping[str, Rule], actions: Sequence[str], now: int) -> None:
    """Show a card for each firing rule with the planned response."""
    firing, blind = states[states["state"] == "fired"], states[states["state"] == "no data"]
    shown = [firing_rule for firing_rule in firing.to_dict("records") if _is_current(firing_rule, known_rules.get(str(firing_rule["rule"])), now)]
    for firing_rule in shown[:MOST]:
        _show_card(firing_rule, known_rules.get(str(firing_rule["rule"])), actions, now)
    if len(shown) > MOST:
        widgets.show_note(f"{len(shown) - MOST} more rules are firing; Rules lists them all")
    if not shown:
        widgets.show_empty(_describe_calm(states, now))
    if len(blind):
        names = ", ".join(readable_name(str(name)) for name in blind["rule"].tolist()[:MOST])
        widgets.show_note(f"No data for {names}: a metric without samples neither fires nor clears a rule.")


def show_pending_approvals(pending: pd.DataFrame, now: int) -> None:
    """Show the firings that wait for a person, with buttons to approve or decline."""
    for firing in pending.to_dict("records")[:MOST]:
        text = (
            f"Rule {readable_name(str(firing['rule']))} fired {ages.ticking_age(int(firing['at']), now)} ago. {_capitalized(str(firing['answer']))}"
        )
        widgets.show_notice(text, word="Waiting for approval.", colour=theme.UP)
        with st.container(horizontal=True, key=f"question_{firing['id']}"):
            if st.button("Approve", key=f"approve_{firing['id']}", type="primary", icon=":material/check:"):
                commands.submit_command("approve", {"id": str(firing["id"])}, "on the page")
            if st.button("Decline", key=f"decline_{firing['id']}", icon=":material/close:"):
                commands.submit_command("approve", {"id": str(firing["id"]), "answer": "no"}, "on the page")


def show_running_trial(trials: pd.DataFrame, now: int) -> None:
    """Show the trial that the optimizer itself has started."""
    for trial in trials[trials["at"] > now - RECENT * units.SECOND].to_dict("records"):
        action, rule = readable_name(str(trial["action"])), readable_name(str(trial["trigger"]))
        word, what = ("Control window.", f"{action} withheld") if trial["placebo"] else ("Trial.", f"{action} run")
        text = f"{what}, because rule {rule} fired, {ages.ticking_age(int(trial['at']), now)} ago; measuring"
        widgets.show_notice(text, word=word, colour=theme.UP)


def select_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the commands that request a run: manual runs and approvals."""
    declined = frame["args"].str.contains('"answer":"no"', regex=False)
    return frame[(frame["name"] == "optimize") | ((frame["name"] == "approve") & ~declined)]


def show_queue(runs: pd.DataFrame) -> None:
    """Show the running and waiting runs in order."""
    waiting = runs[runs["status"].isin([QUEUED, RUNNING])].iloc[::-1].to_dict("records")
    markup = "".join(_render_waiting(run) for run in waiting[:MOST])
    if len(waiting) > MOST:
        markup += f'<div class="pd-note">{len(waiting) - MOST} more wait</div>'
    if markup:
        widgets.show_html(f'<div class="pd">{markup}</div>')


def show_newest_run(runs: pd.DataFrame, now: int) -> None:
    """Show the result of the newest requested run, with the chart behind its verdict."""
    finished = runs[~runs["status"].isin([QUEUED, RUNNING])]
    if finished.empty:
        return
    run = finished.sort_values("finished_at", ascending=False).iloc[0].to_dict()
    ended = run["finished_at"] if units.is_known(run["finished_at"]) else run["at"]
    if now - int(ended) > RECENT * units.SECOND:
        return
    widgets.show_html(f'<div class="pd">{_render_finished(run)}</div>')
    number = _parse(run["result"]).get("trial")
    trial = cache.fetch_trial(number) if isinstance(number, int) else None
    if trial is None:
        return
    widgets.show_text(text.describe_trial(trial))
    drawn = charts.plot_aligned(trial)
    if drawn is not None:
        widgets.show_note(text.ALIGNED)
        live.show_chart(drawn, key="newest_run", label=f"Effect of {charts.trial_title(trial)} against control windows")


def show_run_form(actions: pd.DataFrame) -> None:
    """Show a form that runs an action, reports what it would do, or sets its mode."""
    with st.container(border=True, key="by_hand"):
        left, right = st.columns([2, 3], vertical_alignment="bottom")
        names = actions["action"].tolist()
        params.preset_choice("action_to_run", names, name="run")
        chosen = str(left.selectbox("Action", names, format_func=lambda name: readable_name(str(name)), key="action_to_run"))
        reason = right.text_input(commands.REASON, key="reason_to_run", placeholder="why now", max_chars=commands.MAX_REASON)
        widgets.show_note(str(actions[actions["action"] == chosen].iloc[0]["about"]))
        with st.container(horizontal=True, vertical_alignment="bottom", key="run_row"):
            if st.button("Run", type="primary", icon=":material/play_arrow:"):
                commands.submit_command("optimize", {"action": chosen}, reason or "manual run")
            if st.button("Dry run", icon=":material/visibility:", help=DRY_RUN):
                commands.submit_command("optimize", {"action": chosen, "dry_run": "true"}, reason or "dry run")
            _show_mode(chosen, reason)
        commands.show_answer("run")


def suggest_action(answer: object, rule: Rule | None, actions: Sequence[str]) -> str | None:
    """Return the action named first in the planner's answer; by default the first candidate of the rule."""
    shown = text_or(answer, "")
    mentions = [(shown.find(form), name) for name in actions for form in {name, readable_name(name)} if form in shown]
    if mentions:
        return min(mentions)[1]
    return next((name for name in (rule.candidates if rule else ()) if name in actions), None)


@st.fragment(run_every=3)
def _show_mode(chosen: str, reason: str) -> None:
    """Show the action's mode, whoever set it, and change it; it is read again because it may change at any time."""
    with widgets.reading_store():
        actions = cache.fetch_actions()
        action = actions[actions["action"] == chosen].iloc[0].to_dict()
        modes, current = list(MODES), str(action["mode"])
        sent = st.session_state.get("modes_sent", 0)
        key = f"mode_{chosen}_{current}_{sent}"  # a new key for a new mode or command, so that the box forgets the old choice
        with st.container(horizontal=True, vertical_alignment="bottom", key="mode_row"):
            mode = st.selectbox("Mode", modes, index=modes.index(current) if current in modes else 0, key=key, width=150, help=_MODES)
            is_set = st.button("Set mode", disabled=mode == current)
            is_restored = action["licence"] != "auto" and st.button("Restore licence", help=glossary.define("licence"))
        if is_set:
            commands.submit_with_reason("mode", {"action": chosen, "mode": str(mode)}, reason)
        elif is_restored:
            commands.submit_with_reason("licence", {"action": chosen, "licence": "auto"}, reason)
        if is_set or is_restored:
            st.session_state["modes_sent"] = sent + commands.is_valid_reason(reason)
            st.rerun()


def _show_card(firing: Record, rule: Rule | None, actions: Sequence[str], now: int) -> None:
    name = str(firing["rule"])
    answer = text_or(firing["answer"], "")
    with st.container(key=f"firing_{''.join(letter if letter.isalnum() else '_' for letter in name)}"):
        notice = widgets.render_notice(_describe_firing(firing, rule, now), word=f"{_capitalized(readable_name(name))}.", colour=theme.WARNING)
        response = f'<div class="pd-then">{widgets.escape_html(_capitalized(_with_readable_names(answer, actions)))}</div>' if answer else ""
        widgets.show_html(f'<div class="pd">{notice}{response}</div>')
        action = suggest_action(answer, rule, actions)
        with st.container(horizontal=True, vertical_alignment="center", key=f"answer_{firing['id']}"):
            if action is not None:
                _show_run_buttons(name, action)


def _show_run_buttons(rule: str, action: str) -> None:
    reason = f"rule {readable_name(rule)} fires"[: commands.MAX_REASON]
    if st.button(f"Run {widgets.button_label(action)} now", key=f"run_{rule}", icon=":material/play_arrow:"):
        commands.submit_command("optimize", {"action": action}, reason)
    if st.button("Dry run", key=f"dry_{rule}", icon=":material/visibility:", help=DRY_RUN):
        commands.submit_command("optimize", {"action": action, "dry_run": "true"}, reason)


def _is_current(firing: Record, rule: Rule | None, now: int) -> bool:
    """Return whether a firing is still news; a schedule never clears, so it is news for a while."""
    return rule is None or rule.kind != SCHEDULE or now - int(firing["at"]) < RECENT * units.SECOND


def _describe_firing(firing: Record, rule: Rule | None, now: int) -> str:
    """Describe the value now, the age of the firing, and the levels at which the rule fires and clears."""
    unit = firing["unit"] if isinstance(firing["unit"], str) else rules.metric_unit(str(firing["metric"]))
    value = f"now {units.format_reading(firing['now'], unit)}" if units.is_known(firing["now"]) else "no current value"
    level = f" at {units.format_reading(firing['value'], unit)}" if units.is_known(firing["value"]) and not (rule and rule.growth) else ""
    fired = f"fired {ages.ticking_age(int(firing['at']), now)} ago"
    what = f"{text.metric_label(str(firing['metric']))}: {value}; {fired}{level}" if firing["metric"] else fired
    return f"{what}. Fires: {rules.describe_firing(rule)}. Clears: {rules.describe_clearing(rule)}." if rule else f"{what}."


def _with_readable_names(answer: str, actions: Sequence[str]) -> str:
    for name in actions:
        answer = answer.replace(name, readable_name(name))
    return answer


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _describe_calm(states: pd.DataFrame, now: int) -> str:
    cleared = states[states["state"] == "cleared"]
    if cleared.empty:
        return "no rule is firing"
    newest = cleared.iloc[0]
    return f"no rule is firing; the last, {readable_name(str(newest['rule']))}, cleared {ages.ticking_age(int(newest['at']), now)} ago"


def _render_waiting(run: Record) -> str:
    done = float(run["progress"]) if units.is_known(run["progress"]) else 0.0
    note = text_or(run["note"], "waits for the engine")
    word = "Waiting." if run["status"] == QUEUED or note.startswith(("waits", "waiting", "is next")) else "Running."
    return widgets.render_notice(f"{_describe_request(run)}. {_capitalized(note)}", word=word, colour=theme.UP, progress=done)


def _render_finished(run: Record) -> str:
    is_done = run["status"] == "done"
    verdict = manual_result(_parse(run["result"])) if is_done else None
    when = units.format_time(int(run["finished_at"] or run["at"]), "%H:%M:%S")
    text = f"{_describe_request(run)}. {when} UTC: {command_table.describe_result(run['result'])}"
    if verdict is not None:
        return widgets.render_notice(text, word=f"{_capitalized(verdict)}.", colour=theme.NEUTRAL)
    colour = theme.NEUTRAL if is_done else theme.state_colour(str(run["status"]))
    return widgets.render_notice(text, word="Done." if is_done else "Not done.", colour=colour)


def _describe_request(run: Record) -> str:
    arguments = json.loads(str(run["args"]))
    name = arguments.get("action") or _parse(run["result"]).get("action") or "the approved action"
    dry_run = ", dry run" if arguments.get("dry_run") == "true" else ""
    return f"{readable_name(str(name))}{dry_run}, requested by {run['by']}: {run['reason'] or NO_REASON}"


def _parse(stored: object) -> dict[str, object]:
    result = json.loads(stored) if isinstance(stored, str) and stored else {}
    return result if isinstance(result, dict) else {}
