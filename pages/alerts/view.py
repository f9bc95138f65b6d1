"""The page Alerts."""

from __future__ import annotations

import streamlit as st

from engine.store.status_query import Status
from pages.parts import alert_forms, alert_lines, alert_reads, asking, live, oprows, reads, tables, widgets

PAST = 50  # past alerts listed
ROWS = 5  # rows of height of a list
BUTTONS = 56  # px: a row of buttons
COMMANDS = ("ack", "silence", "unsilence", "drill")


def show_alerts() -> None:
    """Show the whole page."""
    _show_open()
    with widgets.reading(page=True):
        alert_forms.silence(tuple(alert_reads.alerts(past=PAST).open["rule"]))
    _show_rest()


@st.fragment(run_every=2)
def _show_open() -> None:
    with widgets.reading():
        alerts, status, now = alert_reads.alerts(past=PAST), reads.status(), reads.now()
        if not _has_started(status) and alerts.open.empty:
            widgets.waiting("the engine to check its rules")
            return
        widgets.tiles(alert_lines.tiles(alerts, status, now))
        widgets.heading("Open", "an acknowledged alert stays until it is resolved and is not sent again")
        rows = alert_lines.standing(alerts, now)
        live.rows(tables.html(alert_lines.OPEN, rows, label="Open alerts", empty="no rule has found a fault"), key="open", reserved=ROWS)
        with widgets.reserved("acknowledge", BUTTONS):
            asking.answer("alerts")
            alert_forms.acknowledge(alerts.open)


@st.fragment(run_every=3)
def _show_rest() -> None:
    with widgets.reading():
        alerts, status, now = alert_reads.alerts(past=PAST), reads.status(), reads.now()
        if not _has_started(status):
            return
        left, right = st.columns(2, gap="medium")
        with left:
            widgets.heading("Silences", "alerts are raised all the same; nobody is notified", term="silence")
            rows = alert_lines.silences(alerts, now)
            live.rows(tables.html(alert_lines.SILENCES, rows, label="Silenced rules", empty="no rule is silenced"), key="silenced", reserved=3)
        with right:
            widgets.heading("Targets", "addresses are masked; set them with PODIUM_ALERT_URLS or [alerts] in podium.toml")
            rows = alert_lines.targets(alerts, status)
            label, empty = "Targets, masked, and the state of the last message", "no target is set: alerts are shown on this page only"
            live.rows(tables.html(alert_lines.TARGETS, rows, label=label, empty=empty), key="targets", reserved=3)
        widgets.heading("Drills", "the newest ten; a drill trades nothing", term="drill")
        rows, empty = alert_lines.drills(alerts.drills), "none yet: the first one runs some minutes after the start"
        live.rows(tables.html(alert_lines.DRILLS, rows, label="Drills and their results", empty=empty), key="drills", reserved=ROWS)
        widgets.heading("Past", f"the newest {PAST}")
        rows = alert_lines.past(alerts)
        live.rows(tables.html(alert_lines.PAST, rows, label="Resolved alerts", empty="no alert has been resolved yet"), key="past", reserved=2 * ROWS)
        _show_commands()


def _show_commands() -> None:
    commands = reads.commands(limit=200)
    commands = commands[commands["name"].isin(COMMANDS)].head(5) if len(commands) else commands
    if len(commands):
        widgets.heading("Requested")
        widgets.table(oprows.COMMANDS, oprows.commands(commands), label="The newest commands about alerts")


def _has_started(status: Status) -> bool:
    return bool(status.components) or status.last is not None
