"""A form that previews a change of a rule on stored readings before it applies it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.domain.access import ADMINISTER
from engine.domain.rules import ERROR, PERFORMANCE, SCHEDULE, THRESHOLD, Rule
from engine.optimizer.rule_schema import parse_rule, serialise_rule
from pages.optimizer import rule_preview, rule_text
from pages.optimizer.rules import FILE, HERE, RuleSource
from pages.ui import commands, params, theme, visitors, widgets
from pages.ui.command_table import NO_REASON, readable_name

_FIELDS = {  # name: label, help
    "recovery": ("Clears at", "The rule clears at this level; empty: at the level itself"),
    "hold": ("For", "Time beyond the level before the rule fires, and time back before it clears: 30s, 5m, 1h"),
    "cooldown": ("Cooldown", "Doubles with each firing soon after the last: 5m, 1h"),
    "missing": ("No data after", "Time without a sample after which the rule reports no data and neither fires nor clears"),
    "span": ("Over", "Time over which the mean, the growth or one block is taken"),
    "baseline": ("Baseline blocks", "Largest number of newest blocks that a new block is compared with"),
    "every": ("Blocks per false alarm", "Smallest average number of blocks between two false alarms"),
    "cron": ("Schedule (minute hour day month weekday, UTC)", "Such as 30 3 * * *"),
}
_FIELDS_OF_KIND = {
    THRESHOLD: ("recovery", "hold", "cooldown", "missing"),
    ERROR: ("recovery", "hold", "cooldown", "missing", "span"),
    PERFORMANCE: ("span", "baseline", "every", "cooldown", "missing"),
    SCHEDULE: ("cron",),
}
_SPANS = ("hold", "cooldown", "missing", "span")


@visitors.needs(ADMINISTER)
def show_rule_form(sources: Sequence[RuleSource], actions: Sequence[str]) -> None:
    """Show a form for one rule; an invalid value stays in its field, and only Apply changes the rule."""
    by_name = {source.rule.name: source for source in sources}
    widgets.show_note("Preview the firings of a rule in the last day, then apply it.")
    name = params.select_one("Rule", list(by_name), name="rule", width=320)
    source = by_name[name]
    st.session_state["rule_in_form"] = (name, source.rule.digest())
    widgets.show_note(f"{source.rule.about} Metric: {source.rule.metric or 'none, it follows a schedule'}. {_describe_source(source)}")
    with st.form(f"rule_{name}", border=True, enter_to_submit=False):
        fields = _show_fields(source.rule, actions)
        reason = st.text_input(commands.REASON, key=f"reason_{name}", placeholder="why", max_chars=commands.MAX_REASON)
        with st.container(horizontal=True, key=f"rule_buttons_{name}"):
            is_preview = st.form_submit_button("Preview", icon=":material/query_stats:", help="Show when it would have fired in the last day")
            is_apply = st.form_submit_button("Apply", type="primary", icon=":material/check:")
            is_reset = st.form_submit_button("Reset", icon=":material/undo:", help="Undo the change made on this page")
    if is_reset and source.source != HERE:
        st.session_state["answer"] = (f"{readable_name(name)} was not changed here", theme.WARNING, "Not reset.")
    elif is_reset:
        commands.submit_with_reason("rule", {"name": name, "reset": "true"}, reason)
    elif is_preview or is_apply:
        _preview_or_apply(source, fields, reason, actions, is_apply=is_apply)
    commands.show_answer("rule")
    with widgets.keyed_container("rule_preview"):
        rule_preview.show_preview(name)


def _describe_source(source: RuleSource) -> str:
    if source.source == HERE:
        return f"Changed here by {source.by}: {source.reason or NO_REASON}."
    return "Source: podium.toml." if source.source == FILE else "Source: default."


def _show_fields(rule: Rule, actions: Sequence[str]) -> dict[str, str]:
    """Show the fields of the rule and return their values as the arguments of a command."""
    current = serialise_rule(rule)
    fields: dict[str, str] = {}
    suffix = f"{rule.name}_{rule.digest()[:8]}"  # new keys for a changed rule
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"fields_{rule.name}"):
        if rule.kind in {THRESHOLD, ERROR}:
            side = st.selectbox("Fires", ["above", "below"], index=0 if rule.above else 1, key=f"side_{suffix}", width=110)
            unit = rule_text.metric_unit(rule.metric)
            label = f"Level{'' if unit == 'count' else f', {unit}'}{' per hour' if rule.growth else ''}"
            fields[str(side)] = st.text_input(label, current["above" if rule.above else "below"], key=f"level_{suffix}", width=150)
        for name in (*_FIELDS_OF_KIND[rule.kind], *(("span",) if rule.growth else ())):
            label, about = _FIELDS[name]
            value = rule_text.format_span_input(float(current[name])) if name in _SPANS else current.get(name, "")
            width = 260 if name in {"cron", "every", "baseline"} else 160
            fields[name] = st.text_input(label, value, key=f"{name}_{suffix}", help=about, width=width, max_chars=120)
    candidates = st.multiselect(
        "Actions", list(dict.fromkeys((*actions, *rule.candidates))), list(rule.candidates), key=f"calls_{suffix}", format_func=readable_name,
        placeholder="none, reports only",
    )  # fmt: skip
    fields["actions"] = ",".join(candidates)
    fields["enabled"] = "true" if st.toggle("On", rule.enabled, key=f"on_{suffix}") else "false"
    fields = {name: value.strip() for name, value in fields.items()}
    return fields | ({"recovery": fields["recovery"] or "none"} if "recovery" in fields else {})


def _preview_or_apply(source: RuleSource, fields: dict[str, str], reason: str, actions: Sequence[str], *, is_apply: bool) -> None:
    """Preview or apply the form; an invalid value is reported in one line."""
    st.session_state.pop("rule_preview", None)
    try:
        rule = parse_rule(source.rule.name, fields, source.rule, (*actions, *source.rule.candidates))
    except ValueError as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not applied." if is_apply else "No preview.")
        return
    before = serialise_rule(source.rule)
    changes = {name: value for name, value in serialise_rule(rule).items() if value != before.get(name)}
    if is_apply and not changes:
        st.session_state["answer"] = ("nothing was changed in the form", theme.WARNING, "Not applied.")
    elif is_apply:
        commands.submit_with_reason("rule", {"name": rule.name, **changes}, reason)
    else:
        rule_preview.store_preview(source.rule, rule)
