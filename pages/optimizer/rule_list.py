"""The rules folded: a line each with state and condition, opened for the rest and for silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlencode

import streamlit as st

from engine import units
from engine.domain.rules import SCHEDULE
from engine.store.read.past import NOT_STORED
from pages.optimizer import requests, rules
from pages.optimizer.requests import RunState
from pages.optimizer.rule_text import describe_clearing, describe_firing, format_span
from pages.optimizer.rules import RuleSource
from pages.ui import ages, cache, commands, live, now_cache, theme, travel, widgets
from pages.ui.command_table import readable_name
from pages.ui.tables import Cell, Column, TableRow, render_button, render_chip, render_table

COLUMNS = (Column("", full_width=True),)
SILENCE, END = "silence", "unsilence"


@travel.live_part(5)
def show_rules() -> None:
    """Show the live list; the page runs again when the rule in the form below has changed."""
    with widgets.reading_store():
        sources = rules.fetch_rules(cache.fetch_actions()["action"].tolist())
        name, digest = st.session_state.get("rule_in_form", ("", ""))
        if cache.past_tick() is None and any(source.rule.name == name and source.rule.digest() != digest for source in sources):
            st.rerun()
        widgets.show_heading("Rules", "open one for its levels and actions", term="rule")
        travel.note_past(
            "Levels and actions of a rule that was changed later are those of now; its state is that of then. "
            "A silence that was ended early is shown with its actual end."
        )
        runs = requests.fetch_requests()
        rows = list_rules(sources, rules.fetch_newest_states(), now_cache.fetch_silences(), runs, cache.current_time())
        table = render_table(COLUMNS, rows, label="Rules in force and their sources")
        act = live.show_acting_table(table, key="rules", label="Rules")
        if act is not None:
            carry_out(act, {source.rule.name for source in sources})
        commands.show_answer("rules")


def carry_out(act: str, names: set[str]) -> None:
    """Send what a button of the list does, such as "silence disk_full"."""
    kind, _, name = act.partition(" ")
    if name in names and kind == SILENCE:
        requests.send_silence(name, "")
    elif name in names and kind == END:
        requests.end_silence(name)


def list_rules(sources: Sequence[RuleSource], states: Mapping[str, str], silences: Mapping[str, int], runs: RunState, now: int) -> list[TableRow]:
    """Return a row per rule; `states` holds the newest state of each, `silences` until when it is silenced."""
    return [
        TableRow(source.rule.name, (Cell("", markup=_fold(source, states.get(source.rule.name), silences.get(source.rule.name), runs, now)),))
        for source in sources
    ]


def _fold(source: RuleSource, state: str | None, silenced: int | None, runs: RunState, now: int) -> str:
    """Return the folded rule as HTML, in which every text is escaped."""
    rule, word = source.rule, _state_word(source, state)
    name = readable_name(rule.name)
    quiet = f" silenced until {units.format_time(silenced, '%H:%M')} UTC" if silenced is not None else ""
    colour = {"fires": theme.WARNING, "clear": theme.GOOD}.get(word, theme.NEUTRAL)
    head = f"{render_chip(word, colour)} <b>{escape(name)}</b>{escape(describe_firing(rule))}<small>{escape(quiet)}</small>"
    origin = _describe_source(source, now)
    cooldown = "" if rule.kind == SCHEDULE else f" Cooldown {format_span(rule.cooldown)}."
    actions = ", ".join(readable_name(action) for action in rule.candidates) or "none, reports only"
    lines = (rule.about, f"Clears: {describe_clearing(rule)}.{cooldown}", f"Actions: {actions}.", f"Source: {origin}.")
    body = "".join(f"<div>{escape(line)}</div>" for line in lines) + _foot(rule.name, name, silenced, runs)
    return f'<details class="pd-fold"><summary>{head}</summary>{body}</details>'


def _describe_source(source: RuleSource, now: int) -> str:
    if source.changed_at is None:
        return source.source
    if cache.past_tick() is not None and source.changed_at > now:
        return NOT_STORED
    return f"{source.source}, {ages.ticking_age(source.changed_at, now)} ago by {source.by}"


def _foot(rule: str, name: str, silenced: int | None, runs: RunState) -> str:
    """Return the buttons of a rule."""
    obstacle = "" if runs.is_alive else requests.explain_absence()
    if silenced is None:
        button = render_button("Silence 1 h", f"{SILENCE} {rule}", name=f"Silence {name} for an hour", obstacle=obstacle)
    else:
        button = render_button("End the silence", f"{END} {rule}", name=f"End the silence of {name}", obstacle=obstacle)
    if cache.past_tick() is not None:  # the form acts on the present
        return f"<div>{button}</div>"
    link = escape(urlencode({"view": "Rules", "rule": rule}))
    return f'<div>{button} <a href="?{link}" target="_self" data-step data-reveal="rule_form">Change it</a></div>'


def _state_word(source: RuleSource, state: str | None) -> str:
    if not source.rule.enabled:
        return "off"
    return {"fired": "fires", "no data": "no data"}.get(state or "", "clear")
