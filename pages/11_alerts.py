"""Alerts: what is wrong now, what is silenced, what was, who is told and whether it reached them, and what was last proven by a drill."""

from __future__ import annotations

import streamlit as st

from engine.store.alert_query import AlertsTold
from pages.parts import alert_forms, alert_lines, alert_reads, asking, live, oprows, reads, tables, widgets

PAST = 50  # alerts listed
ROWS = 5  # that a list takes
ACKNOWLEDGE = 56  # px: a line of buttons


@st.fragment(run_every=2)
def alerts() -> None:
    with widgets.reading():
        told, status, now = alert_reads.alerts(past=PAST), reads.status(), reads.now()
        if not status.components and status.last is None and told.open.empty:
            widgets.waiting("the engine to look at its rules")
            return
        widgets.tiles(alert_lines.tiles(told, status, now))
        widgets.heading("Open", "acknowledged ones stay until they are over and are not sent again")
        rows = tables.html(alert_lines.OPEN, alert_lines.standing(told, now), label="Open alerts", empty="nothing is wrong that a rule looks at")
        live.rows(rows, key="open", reserved=ROWS)
        with widgets.reserved("acknowledge", ACKNOWLEDGE):
            asking.answer("alerts")
            alert_forms.acknowledge(told.open)


@st.fragment(run_every=3)
def rest() -> None:
    with widgets.reading():
        told, status, now = alert_reads.alerts(past=PAST), reads.status(), reads.now()
        if not status.components and status.last is None:
            return
        left, right = st.columns(2, gap="medium")
        with left:
            silenced(told, now)
        with right:
            widgets.heading("Targets", "addresses are masked; set them by PODIUM_ALERT_URLS or [alerts] in podium.toml")
            lines = alert_lines.targets(told, status)
            label, empty = "Who is told, masked, and the state of the last message", "none is set: alerts are on this page only"
            live.rows(tables.html(alert_lines.TARGETS, lines, label=label, empty=empty), key="targets", reserved=3)
        widgets.heading("Drills", "the newest ten; a drill touches nothing that is traded")
        lines, empty = alert_lines.drills(told.drills), "none yet: the first one runs some minutes after the start"
        live.rows(tables.html(alert_lines.DRILLS, lines, label="Drills and what they proved", empty=empty), key="drills", reserved=ROWS)
        widgets.heading("Past", f"the newest {PAST}")
        rows = tables.html(alert_lines.PAST, alert_lines.past(told), label="Alerts that are over", empty="no alert is over yet")
        live.rows(rows, key="past", reserved=2 * ROWS)
        commands = reads.commands(limit=200)
        asked = commands[commands["name"].isin(["ack", "silence", "unsilence", "drill"])].head(5) if len(commands) else commands
        if len(asked):
            widgets.heading("Asked for")
            widgets.table(oprows.COMMANDS, oprows.commands(asked), label="The newest commands about alerts")


def silenced(told: AlertsTold, now: int) -> None:
    widgets.heading("Silenced", "alerts are raised all the same, and nobody is told")
    rows = tables.html(alert_lines.SILENCES, alert_lines.silences(told, now), label="Rules that are silenced", empty="no rule is silenced")
    live.rows(rows, key="silenced", reserved=3)


alerts()
with widgets.reading(page=True):
    alert_forms.silence(tuple(alert_reads.alerts(past=PAST).open["rule"]))
rest()
