"""Rules on the page: the list with where each comes from, and a form that shows what a change would have done before it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from engine import units
from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, THRESHOLD, Rule, RulePreview
from engine.optimizer.default_rules import DEFAULT_RULES
from engine.optimizer.rule_schema import parse_rule, serialise_rule
from pages.optimizer import charts, rule_table
from pages.optimizer.preview import run_preview
from pages.optimizer.rule_table import DEFAULT, FILE, HERE, RuleSource
from pages.ui import cache, command_table, commands, live, optimizer_cache, params, theme, widgets

LISTED = 12  # times of a preview that are named
_FIELDS = {  # word of the rule: label, help
    "recovery": ("Clears at", "The trouble ends at this level; empty: at the level itself"),
    "hold": ("For", "Beyond the level for so long before it fires, and back for so long before it clears: 30s, 5m, 1h"),
    "cooldown": ("Quiet after a firing", "Doubles with each firing that comes soon after the last: 5m, 1h"),
    "missing": ("No data after", "Without a sample for so long the rule says so and neither fires nor clears"),
    "span": ("Over", "The time the mean, the growth or one block is taken over"),
    "baseline": ("Blocks that are the usual", "The newest blocks that a new one is compared with, at most"),
    "every": ("Blocks between false alarms", "On average at least so many"),
    "cron": ("When (minute hour day month weekday, UTC)", "Such as 30 3 * * *"),
}
_OF_KIND = {
    THRESHOLD: ("recovery", "hold", "cooldown", "missing"),
    ERROR: ("recovery", "hold", "cooldown", "missing", "span"),
    PERFORMANCE: ("span", "baseline", "every", "cooldown", "missing"),
    SCHEDULE: ("cron",),
}
_SPANS = ("hold", "cooldown", "missing", "span")


def merge_rules(from_file: Sequence[Rule], changed: pd.DataFrame, known: Sequence[str]) -> list[RuleSource]:
    """Every rule in force: the defaults, what podium.toml says, and what was changed here, each over the one before."""
    found: dict[str, RuleSource] = {rule.name: RuleSource(rule, DEFAULT, rule) for rule in DEFAULT_RULES}
    for rule in from_file:
        found[rule.name] = RuleSource(rule, FILE, rule)
    for one in changed.to_dict("records"):
        told = json.loads(str(one["data"]))
        by = (str(one["by"]), str(one["reason"]), int(one["changed_at"]))
        _lay(found, str(one["name"]), told, known, by)
    return list(found.values())


def show_rules(found: Sequence[RuleSource], states: Mapping[str, str]) -> None:
    """The list; the form above is drawn again once its rule has become another one."""
    name, digest = st.session_state.get("rule_in_form", ("", ""))
    if any(one.rule.name == name and one.rule.digest() != digest for one in found):
        st.rerun()
    widgets.show_heading("Rules", "what is watched, what makes a rule fire, and which actions may answer")
    widgets.show_table(
        rule_table.RULES, rule_table.list_rules(found, dict(states), cache.current_time()), label="Rules in force and where each comes from"
    )


def show_rule_form(found: Sequence[RuleSource], known: Sequence[str]) -> None:
    """Edits one rule; nothing that was typed is lost by a mistake, and nothing is applied that was not asked for."""
    rules = {one.rule.name: one for one in found}
    widgets.show_heading("Change a rule", "look first at what it would have done in the last day, then apply it")
    name = params.select_one("Rule", list(rules), name="rule", width=320)
    one = rules[name]
    st.session_state["rule_in_form"] = (name, one.rule.digest())
    widgets.show_note(f"{one.rule.about} Metric: {one.rule.metric or 'none, it goes by the clock'}. {_from(one)}")
    with st.form(f"rule_{name}", border=True, enter_to_submit=False):
        words = _fields(one.rule, known)
        reason = st.text_input(
            f"Reason, at most {commands.MAX_REASON} letters", key=f"reason_{name}", placeholder="why", max_chars=commands.MAX_REASON
        )
        with st.container(horizontal=True, key=f"rule_buttons_{name}"):
            look = st.form_submit_button("Preview", icon=":material/query_stats:", help="When it would have fired in the last day")
            apply = st.form_submit_button("Apply", type="primary", icon=":material/check:")
            reset = st.form_submit_button("Reset", icon=":material/undo:", help="Takes back what was changed here")
    if reset and one.source != HERE:
        st.session_state["answer"] = (f"{command_table.readable_name(name)} was not changed here", theme.WARNING, "Not reset.")
    elif reset:
        commands.submit_with_reason("rule", {"name": name, "reset": "true"}, reason)
    elif look or apply:
        _heed(one, words, reason, known, apply=apply)
    commands.show_answer("rule")
    with widgets.keyed_container("rule_preview"):
        _shown(name)


def _lay(found: dict[str, RuleSource], name: str, words: Mapping[str, object], known: Sequence[str], by: tuple[str, str, int]) -> None:
    """A rule with what was said of it in its place; what cannot be read changes nothing, as in the engine."""
    before = found.get(name)
    try:
        rule = parse_rule(name, words, before.rule if before else None, (*known, *(before.rule.candidates if before else ())))
    except ValueError:
        return
    found[name] = RuleSource(rule, HERE, before.rule if before else None, *by)


def _from(one: RuleSource) -> str:
    if one.source != HERE:
        return f"As {'podium.toml says' if one.source == FILE else 'by default'}."
    return f"Changed here by {one.by}: {one.reason or 'no reason given'}."


def _fields(rule: Rule, known: Sequence[str]) -> dict[str, str]:
    """What the form holds, in the words of a command."""
    told = serialise_rule(rule)
    words: dict[str, str] = {}
    own = f"{rule.name}_{rule.digest()[:8]}"  # another rule of that name has fields of its own
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"fields_{rule.name}"):
        if rule.kind in {THRESHOLD, ERROR}:
            side = st.selectbox("Fires", ["above", "below"], index=0 if rule.above else 1, key=f"side_{own}", width=110)
            unit = rule_table.metric_unit(rule.metric)
            label = f"Level{'' if unit == 'count' else f', {unit}'}{' an hour' if rule.growth else ''}"
            words[str(side)] = st.text_input(label, told["above" if rule.above else "below"], key=f"level_{own}", width=150)
        for word in (*_OF_KIND[rule.kind], *(("span",) if rule.growth else ())):
            label, about = _FIELDS[word]
            value = rule_table.format_span_input(float(told[word])) if word in _SPANS else told.get(word, "")
            width = 260 if word in {"cron", "every", "baseline"} else 160
            words[word] = st.text_input(label, value, key=f"{word}_{own}", help=about, width=width, max_chars=120)
    calls = st.multiselect(
        "May call", list(dict.fromkeys((*known, *rule.candidates))), list(rule.candidates), key=f"calls_{own}", format_func=command_table.readable_name,
        placeholder="nothing: it only tells",
    )  # fmt: skip
    words["actions"] = ",".join(calls)
    words["enabled"] = "true" if st.toggle("On", rule.enabled, key=f"on_{own}") else "false"
    words = {word: value.strip() for word, value in words.items()}
    return words | ({"recovery": words["recovery"] or "none"} if "recovery" in words else {})


def _heed(one: RuleSource, words: dict[str, str], reason: str, known: Sequence[str], *, apply: bool) -> None:
    """Previews, or applies; a value that cannot be is told in one line and stays in its field."""
    st.session_state.pop("rule_preview", None)
    try:
        rule = parse_rule(one.rule.name, words, one.rule, (*known, *one.rule.candidates))
    except ValueError as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not applied." if apply else "No preview.")
        return
    said = {word: value for word, value in serialise_rule(rule).items() if value != serialise_rule(one.rule).get(word)}
    if apply and not said:
        st.session_state["answer"] = ("nothing was changed in the form", theme.WARNING, "Not applied.")
    elif apply:
        commands.submit_with_reason("rule", {"name": rule.name, **said}, reason)
    else:
        _look(one.rule, rule)


def _look(before: Rule, rule: Rule) -> None:
    """Keeps what the rule, as it is and as it would be, did on the last day."""
    until = cache.current_time()
    if rule.kind == SCHEDULE:
        at = np.arange(until - optimizer_cache.DAY, until, 60 * units.SECOND, dtype=np.int64)
        kept = pd.DataFrame({"at": at, "value": np.full(len(at), np.nan)})
    else:
        kept = optimizer_cache.fetch_metric_history(rule.metric, until)
    times, values = kept["at"].to_numpy(dtype=np.int64), kept["value"].to_numpy(dtype=np.float64)
    try:
        told = (run_preview(before, times, values), run_preview(rule, times, values)) if len(kept) else None
    except OSError as error:
        st.session_state["answer"] = (str(error), theme.HARM, "No preview.")
        return
    st.session_state["rule_preview"] = (rule, told, kept)


def _shown(name: str) -> None:
    """The preview that was asked for last, of this rule."""
    held = st.session_state.get("rule_preview")
    if held is None or held[0].name != name:
        return
    rule, told, kept = held
    if told is None:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no reading of {rule.metric} is kept of the last day")
        return
    before, after = told
    text = f"{_times(after, rule)}. As it is now: {_count(before)}."
    widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word="Preview.", colour=theme.UP)}</div>')
    if rule.kind == SCHEDULE:
        return
    level = rule.level if not rule.growth else None
    recovery = (rule.level if rule.recovery is None else rule.recovery) if level is not None else None
    drawn = charts.plot_rule_preview(kept, after.times.tolist(), unit=rule_table.metric_unit(rule.metric), level=level, recovery=recovery)
    live.show_chart(
        drawn, key="rule_preview_chart", label=f"{command_table.metric_label(rule.metric)} of the last day, and when the rule would have fired"
    )


def _times(told: RulePreview, rule: Rule) -> str:
    n = f"{told.samples:,} samples of {units.format_age(told.span)}" if rule.kind != SCHEDULE else "the last day"
    moments = ", ".join(units.format_time(int(at), "%m-%d %H:%M:%S") for at in told.times[-LISTED:])
    more = f", the last {LISTED}" if told.count > LISTED else ""
    return f"Would have fired {_count(told)} in {n}" + (f"{more}: {moments} UTC" if moments else "")


def _count(told: RulePreview) -> str:
    return "once" if told.count == 1 else f"{told.count:,} times" if told.count else "never"
