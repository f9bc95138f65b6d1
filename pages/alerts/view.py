"""The page Alerts."""

from __future__ import annotations

import streamlit as st

from engine.store.read.status import EngineStatus
from pages.alerts import forms
from pages.alerts import tables as alerts_tables
from pages.ui import alert_cache, cache, command_table, live, tables, widgets
from pages.ui import commands as ui_commands

PAST = 50  # past alerts listed
ROWS = 5  # rows of height of a list
BUTTONS = 56  # px: a row of buttons
COMMANDS = ("ack", "silence", "unsilence", "drill")


def show_alerts() -> None:
    """Show the whole page."""
    _show_open()
    with widgets.reading_store(page=True):
        forms.show_silence_form(tuple(alert_cache.fetch_alerts(past=PAST).open["rule"]))
    _show_rest()


@st.fragment(run_every=2)
def _show_open() -> None:
    with widgets.reading_store():
        fetch_alerts, status, now = alert_cache.fetch_alerts(past=PAST), cache.status(), cache.now()
        if not _has_started(status) and fetch_alerts.open.empty:
            widgets.show_waiting("the engine to check its rules")
            return
        widgets.tiles(alerts_tables.tiles(fetch_alerts, status, now))
        widgets.show_heading("Open", "an acknowledged alert stays until it is resolved and is not sent again")
        rows = alerts_tables.list_open_alerts(fetch_alerts, now)
        live.rows(tables.render_table(alerts_tables.OPEN, rows, label="Open alerts", empty="no rule has found a fault"), key="open", reserved=ROWS)
        with widgets.reserved("acknowledge", BUTTONS):
            ui_commands.show_answer("alerts")
            forms.show_acknowledge_buttons(fetch_alerts.open)


@st.fragment(run_every=3)
def _show_rest() -> None:
    with widgets.reading_store():
        fetch_alerts, status, now = alert_cache.fetch_alerts(past=PAST), cache.status(), cache.now()
        if not _has_started(status):
            return
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.show_heading("Silences", "alerts are raised all the same; nobody is notified", term="silence")
            rows = alerts_tables.list_silences(fetch_alerts, now)
            live.rows(
                tables.render_table(alerts_tables.SILENCES, rows, label="Silenced rules", empty="no rule is silenced"), key="silenced", reserved=3
            )
        with right:
            widgets.show_heading("Targets", "addresses are masked; set them with PODIUM_ALERT_URLS or [alerts] in podium.toml")
            rows = alerts_tables.list_targets(fetch_alerts, status)
            label, empty = "Targets, masked, and the state of the last message", "no target is set: alerts are shown on this page only"
            live.rows(tables.render_table(alerts_tables.TARGETS, rows, label=label, empty=empty), key="targets", reserved=3)
        widgets.show_heading("Drills", "the newest ten; a drill trades nothing", term="drill")
        rows, empty = alerts_tables.drills(fetch_alerts.drills), "none yet: the first one runs some minutes after the start"
        live.rows(tables.render_table(alerts_tables.DRILLS, rows, label="Drills and their results", empty=empty), key="drills", reserved=ROWS)
        widgets.show_heading("Past", f"the newest {PAST}")
        rows = alerts_tables.past(fetch_alerts)
        live.rows(
            tables.render_table(alerts_tables.PAST, rows, label="Resolved alerts", empty="no alert has been resolved yet"),
            key="past",
            reserved=2 * ROWS,
        )
        _show_commands()


def _show_commands() -> None:
    commands = cache.fetch_commands(limit=200)
    commands = commands[commands["name"].isin(COMMANDS)].head(5) if len(commands) else commands
    if len(commands):
        widgets.show_heading("Requested")
        widgets.show_table(command_table.COMMANDS, command_table.commands(commands), label="The newest commands about alerts")


def _has_started(status: EngineStatus) -> bool:
    return bool(status.components) or status.last is not None
