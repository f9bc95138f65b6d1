"""Alerts: what is wrong now, what is silenced, what was, who is told and whether it reached them, and what was last proven by a drill."""

from __future__ import annotations

import streamlit as st

from engine.store.read.alerts import AlertOverview
from pages.alerts import forms
from pages.alerts import tables as alerts_tables
from pages.ui import alert_cache, cache, command_table, live, tables, widgets
from pages.ui import commands as ui_commands

PAST = 50  # alerts listed
ROWS = 5  # that a list takes
ACKNOWLEDGE = 56  # px: a line of buttons


@st.fragment(run_every=2)
def alerts() -> None:
    with widgets.reading_store():
        told, status, now = alert_cache.fetch_alerts(past=PAST), cache.fetch_status(), cache.current_time()
        if not status.components and status.last is None and told.open.empty:
            widgets.show_waiting("the engine to look at its rules")
            return
        widgets.show_tiles(alerts_tables.build_alert_tiles(told, status, now))
        widgets.show_heading("Open", "acknowledged ones stay until they are over and are not sent again")
        rows = tables.render_table(
            alerts_tables.OPEN, alerts_tables.list_open_alerts(told, now), label="Open alerts", empty="nothing is wrong that a rule looks at"
        )
        live.show_live_table(rows, key="open", reserved=ROWS)
        with widgets.fixed_container("acknowledge", ACKNOWLEDGE):
            ui_commands.show_answer("alerts")
            forms.show_acknowledge_buttons(told.open)


@st.fragment(run_every=3)
def rest() -> None:
    with widgets.reading_store():
        told, status, now = alert_cache.fetch_alerts(past=PAST), cache.fetch_status(), cache.current_time()
        if not status.components and status.last is None:
            return
        left, right = st.columns(2, gap="medium")
        with left:
            silenced(told, now)
        with right:
            widgets.show_heading("Targets", "addresses are masked; set them by PODIUM_ALERT_URLS or [alerts] in podium.toml")
            lines = alerts_tables.list_targets(told, status)
            label, empty = "Who is told, masked, and the state of the last message", "none is set: alerts are on this page only"
            live.show_live_table(tables.render_table(alerts_tables.TARGETS, lines, label=label, empty=empty), key="targets", reserved=3)
        widgets.show_heading("Drills", "the newest ten; a drill touches nothing that is traded")
        lines, empty = alerts_tables.list_drills(told.drills), "none yet: the first one runs some minutes after the start"
        live.show_live_table(
            tables.render_table(alerts_tables.DRILLS, lines, label="Drills and what they proved", empty=empty), key="drills", reserved=ROWS
        )
        widgets.show_heading("Past", f"the newest {PAST}")
        rows = tables.render_table(
            alerts_tables.PAST, alerts_tables.list_past_alerts(told), label="Alerts that are over", empty="no alert is over yet"
        )
        live.show_live_table(rows, key="past", reserved=2 * ROWS)
        commands = cache.fetch_commands(limit=200)
        asked = commands[commands["name"].isin(["ack", "silence", "unsilence", "drill"])].head(5) if len(commands) else commands
        if len(asked):
            widgets.show_heading("Asked for")
            widgets.show_table(command_table.COMMANDS, command_table.list_commands(asked), label="The newest commands about alerts")


def silenced(told: AlertOverview, now: int) -> None:
    widgets.show_heading("Silenced", "alerts are raised all the same, and nobody is told")
    rows = tables.render_table(
        alerts_tables.SILENCES, alerts_tables.list_silences(told, now), label="Rules that are silenced", empty="no rule is silenced"
    )
    live.show_live_table(rows, key="silenced", reserved=3)


alerts()
with widgets.reading_store(page=True):
    forms.show_silence_form(tuple(alert_cache.fetch_alerts(past=PAST).open["rule"]))
rest()
