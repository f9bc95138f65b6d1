"""The optimizer as it is now: what fires, what it would do, what waits for an answer, what runs; and asking it for something."""

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
from pages.optimizer import charts, rule_table
from pages.optimizer import text as optimizer_text
from pages.ui import ages, command_table, live, optimizer_cache, theme, widgets
from pages.ui import commands as ui_commands

MOST = 6  # that are shown of what fires, and of what waits
RECENT = 900  # s for which what came of the newest run by hand is shown
Row = Mapping[Any, Any]


def show_firing_rules(told: pd.DataFrame, rules: Mapping[str, Rule], known: Sequence[str], now: int) -> None:
    """A card for each rule that fires, with what is to be done about it."""
    open_ones, blind = told[told["state"] == "fired"], told[told["state"] == "no data"]
    shown = [one for one in open_ones.to_dict("records") if _lasts(one, rules.get(str(one["rule"])), now)]
    for one in shown[:MOST]:
        _card(one, rules.get(str(one["rule"])), known, now)
    if len(shown) > MOST:
        widgets.show_note(f"{len(shown) - MOST} more rules fire; the list of rules below names them")
    if not shown:
        widgets.show_empty(_calm(told, now))
    if len(blind):
        names = ", ".join(command_table.readable_name(str(name)) for name in blind["rule"].tolist()[:MOST])
        widgets.show_note(f"No data for {names}: a metric without samples neither fires nor clears a rule.")


def show_pending_approvals(told: pd.DataFrame, now: int) -> None:
    """What waits for a person's word."""
    for one in told.to_dict("records")[:MOST]:
        asks = _sentence(str(one["answer"]))
        age = ages.ticking_age(int(one["at"]), now)
        text = f"Rule {command_table.readable_name(str(one['rule']))} fired {age} ago. {asks}"
        widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word="Waits for an answer.", colour=theme.UP)}</div>')
        with st.container(horizontal=True, key=f"question_{one['id']}"):
            if st.button("Approve", key=f"approve_{one['id']}", type="primary", icon=":material/check:"):
                ui_commands.submit_command("approve", {"id": str(one["id"])}, "on the page")
            if st.button("Decline", key=f"decline_{one['id']}", icon=":material/close:"):
                ui_commands.submit_command("approve", {"id": str(one["id"]), "answer": "no"}, "on the page")


def show_running_trial(told: pd.DataFrame, now: int) -> None:
    """The trial the optimizer has in hand by itself."""
    for one in told[told["at"] > now - RECENT * units.SECOND].to_dict("records"):
        what = "left out by chance, to compare with" if one["placebo"] else "run by itself"
        age = ages.ticking_age(int(one["at"]), now)
        text = f"{command_table.readable_name(str(one['action']))}, {what}, because rule {command_table.readable_name(str(one['trigger']))} fired; {age} ago; measuring what comes"
        widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word="Trial.", colour=theme.UP)}</div>')


def select_runs(commands: pd.DataFrame) -> pd.DataFrame:
    """The commands that ask for a run: those by hand, and questions that were approved."""
    declined = commands["args"].str.contains('"answer":"no"', regex=False)
    return commands[(commands["name"] == "optimize") | ((commands["name"] == "approve") & ~declined)]


def show_queue(commands: pd.DataFrame) -> None:
    """What runs and who waits, in order."""
    waiting = commands[commands["status"].isin([QUEUED, RUNNING])].iloc[::-1].to_dict("records")
    markup = "".join(_asked(one) for one in waiting[:MOST])
    if len(waiting) > MOST:
        markup += f'<div class="pd-note">{len(waiting) - MOST} more wait</div>'
    if markup:
        widgets.show_html(f'<div class="pd">{markup}</div>')


def show_newest_run(commands: pd.DataFrame, now: int) -> None:
    """What came of the last run that somebody asked for, with the chart it is judged by."""
    over = commands[~commands["status"].isin([QUEUED, RUNNING])]
    if over.empty:
        return
    one = over.sort_values("finished_at", ascending=False).iloc[0].to_dict()
    ended = one["finished_at"] if units.is_known(one["finished_at"]) else one["at"]
    if now - int(ended) > RECENT * units.SECOND:
        return
    widgets.show_html(f'<div class="pd">{_ended(one)}</div>')
    number = _trial_of(one["result"])
    told = None if number is None else optimizer_cache.fetch_trial(number)
    if told is None:
        return
    widgets.show_text(optimizer_text.describe_trial(told))
    drawn = charts.plot_aligned(told)
    if drawn is not None:
        widgets.show_note(optimizer_text.ALIGNED)
        live.show_chart(drawn, key="newest_run", label=f"What came of {charts.trial_title(told)}, against windows with nothing done")


def show_run_form(actions: pd.DataFrame) -> None:
    """Choose an action, say why, run it or see what it would do; set how far it may go by itself."""
    about = dict(zip(actions["action"].tolist(), actions["about"].tolist(), strict=True))
    with st.container(border=True, key="by_hand"):
        left, right = st.columns([2, 3], vertical_alignment="bottom")
        chosen = str(left.selectbox("Action", list(about), format_func=lambda name: command_table.readable_name(str(name)), key="action_to_run"))
        reason = right.text_input(
            f"Reason, at most {ui_commands.MAX_REASON} letters", key="reason_to_run", placeholder="why now", max_chars=ui_commands.MAX_REASON
        )
        one = actions[actions["action"] == chosen].iloc[0].to_dict()
        widgets.show_note(str(one["about"]))
        with st.container(horizontal=True, vertical_alignment="bottom", key="run_row"):
            if st.button("Run", type="primary", icon=":material/play_arrow:"):
                ui_commands.submit_command("optimize", {"action": chosen}, reason or "by hand")
            if st.button("Dry run", icon=":material/visibility:", help="Says what it would do and changes nothing"):
                ui_commands.submit_command("optimize", {"action": chosen, "dry_run": "true"}, reason or "dry run")
            _mode(chosen, reason)
        ui_commands.show_answer("run")


def suggest_action(answer: object, rule: Rule | None, known: Sequence[str]) -> str | None:
    """The action the planner's answer names; else the first the rule may call."""
    said = answer if isinstance(answer, str) else ""
    named = [(said.find(form), name) for name in known for form in {name, command_table.readable_name(name)} if form in said]
    if named:
        return min(named)[1]
    return next((name for name in (rule.candidates if rule else ()) if name in known), None)


@st.fragment(run_every=3)
def _mode(chosen: str, reason: str) -> None:
    """The mode that is set, whoever set it, and the way to another; it is read again as it may change at any time."""
    with widgets.reading_store():
        actions = optimizer_cache.fetch_actions()
        one = actions[actions["action"] == chosen].iloc[0].to_dict()
        modes, current = list(MODES), str(one["mode"])
        sent = st.session_state.get("modes_sent", 0)
        own = f"mode_{chosen}_{current}_{sent}"  # another mode, or a command, has a box of its own: it does not remember what was chosen
        with st.container(horizontal=True, vertical_alignment="bottom", key="mode_row"):
            mode = st.selectbox("Mode", modes, index=modes.index(current) if current in modes else 0, key=own, width=150, help=_MODES)
            chosen_now = st.button("Set mode", disabled=mode == current)
            restored = one["licence"] != "auto" and st.button("Restore licence", help="It may run by itself again, and is judged anew")
        if chosen_now:
            ui_commands.submit_with_reason("mode", {"action": chosen, "mode": str(mode)}, reason)
        elif restored:
            ui_commands.submit_with_reason("licence", {"action": chosen, "licence": "auto"}, reason)
        if chosen_now or restored:
            st.session_state["modes_sent"] = sent + ui_commands.is_valid_reason(reason)
            st.rerun()


_MODES = """off: never. observe: it is only written down that it was due. recommend: it is named on this page. ask: it waits for Approve.
auto: it runs by itself, with placebo windows, while it holds its licence"""


def _card(one: Row, rule: Rule | None, known: Sequence[str], now: int) -> None:
    name = str(one["rule"])
    answer = one["answer"] if isinstance(one["answer"], str) else ""
    with st.container(key=f"firing_{''.join(letter if letter.isalnum() else '_' for letter in name)}"):
        told = widgets.render_notice(_what(one, rule, now), word=f"{command_table.readable_name(name).capitalize()}.", colour=theme.WARNING)
        then = f'<div class="pd-then">{widgets.escape_html(_sentence(_worded(answer, known)))}</div>' if answer else ""
        widgets.show_html(f'<div class="pd">{told}{then}</div>')
        action = suggest_action(answer, rule, known)
        with st.container(horizontal=True, vertical_alignment="center", key=f"answer_{one['id']}"):
            _buttons(name, action)


def _buttons(rule: str, action: str | None) -> None:
    why = f"rule {command_table.readable_name(rule)} fires"[: ui_commands.MAX_REASON]
    if action is not None:
        if st.button(f"Run {widgets.button_label(action)} now", key=f"run_{rule}", icon=":material/play_arrow:"):
            ui_commands.submit_command("optimize", {"action": action}, why)
        if st.button("Dry run", key=f"dry_{rule}", icon=":material/visibility:", help="Says what it would do and changes nothing"):
            ui_commands.submit_command("optimize", {"action": action, "dry_run": "true"}, why)


def _lasts(one: Row, rule: Rule | None, now: int) -> bool:
    """A schedule does not clear; it is news for a while."""
    return rule is None or rule.kind != SCHEDULE or now - int(one["at"]) < RECENT * units.SECOND


def _what(one: Row, rule: Rule | None, now: int) -> str:
    """What is going on: the value now, for how long, what fires and what clears."""
    unit = one["unit"] if isinstance(one["unit"], str) else rule_table.metric_unit(str(one["metric"]))
    since = ages.ticking_age(int(one["at"]), now)
    value = f"now {units.format_reading(one['now'], unit)}" if units.is_known(one["now"]) else "its value is not told now"
    at = f" at {units.format_reading(one['value'], unit)}" if units.is_known(one["value"]) and not (rule and rule.growth) else ""
    what = f"{command_table.metric_label(str(one['metric']))}: {value}; fired {since} ago{at}" if one["metric"] else f"fired {since} ago"
    return f"{what}. Fires: {rule_table.describe_firing(rule)}. Clears: {rule_table.describe_clearing(rule)}." if rule else f"{what}."


def _worded(answer: str, known: Sequence[str]) -> str:
    """The planner's words, with actions called as everywhere on the page."""
    for name in known:
        answer = answer.replace(name, command_table.readable_name(name))
    return answer


def _sentence(answer: str) -> str:
    return answer[:1].upper() + answer[1:]


def _calm(told: pd.DataFrame, now: int) -> str:
    last = told[told["state"] == "cleared"]
    if last.empty:
        return "no rule fires"
    one = last.iloc[0]
    return f"no rule fires; the last, {command_table.readable_name(str(one['rule']))}, cleared {ages.ticking_age(int(one['at']), now)} ago"


def _asked(one: Row) -> str:
    done = float(one["progress"]) if units.is_known(one["progress"]) else 0.0
    note = one["note"] if isinstance(one["note"], str) and one["note"] else "waits for the engine"
    word = "Waiting." if one["status"] == QUEUED or note.startswith(("waits", "waiting", "is next")) else "Running."
    text = f"{_action(one)}, asked by {one['by']}: {one['reason'] or 'no reason given'}. {_sentence(note)}"
    return widgets.render_notice(text, word=word, colour=theme.UP, progress=done)


def _ended(one: Row) -> str:
    verdict = manual_result(_told(one["result"])) if one["status"] == "done" else None
    when = units.format_time(int(one["finished_at"] or one["at"]), "%H:%M:%S")
    text = f"{_action(one)}, asked by {one['by']}: {one['reason'] or 'no reason given'}. {when} UTC: {command_table.describe_result(one['result'])}"
    if verdict is not None:
        return widgets.render_notice(text, word=f"{_sentence(verdict)}.", colour=theme.NEUTRAL)
    done = one["status"] == "done"
    return widgets.render_notice(
        text, word="Done." if done else "Not done.", colour=theme.NEUTRAL if done else theme.state_colour(str(one["status"]))
    )


def _action(one: Row) -> str:
    told = json.loads(str(one["args"]))
    name = told.get("action") or _told(one["result"]).get("action") or "what was approved"
    return command_table.readable_name(str(name)) + (", dry run" if told.get("dry_run") == "true" else "")


def _trial_of(result: object) -> int | None:
    number = _told(result).get("trial")
    return number if isinstance(number, int) else None


def _told(result: object) -> dict[str, object]:
    told = json.loads(result) if isinstance(result, str) and result else {}
    return told if isinstance(told, dict) else {}
