"""Alerts: what is wrong now, what is silenced, what was, who is told and whether it reached them, and what was last proven by a drill."""

from __future__ import annotations

import streamlit as st

from engine.alerts.rules import rule_of
from engine.store.alert_query import AlertsTold
from pages.parts import alert_forms, alert_lines, alert_reads, asking, oprows, reads, widgets

PAST = 50  # alerts listed


@st.fragment(run_every=2)
def alerts() -> None:
    with widgets.reading():
        told, status, now = alert_reads.alerts(past=PAST), reads.status(), reads.now()
        if not status.components and status.last is None and told.open.empty:
            widgets.waiting("the engine to look at its rules")
            return
        widgets.tiles(alert_lines.tiles(told, status, now))
        widgets.heading("Open", "acknowledged ones stay until they are over and are not sent again")
        with widgets.place("open"):
            if told.open.empty:
                widgets.nothing("nothing is wrong that a rule looks at")
            else:
                widgets.table(alert_lines.OPEN, alert_lines.standing(told, now), label="Open alerts")
                widgets.note(" ".join(dict.fromkeys(rule_of(rule).about for rule in told.open["rule"].head(4))))
                alert_forms.acknowledge(told.open)
        asking.answer("alerts")


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
            if lines:
                widgets.table(alert_lines.TARGETS, lines, label="Who is told, masked, and the state of the last message")
            else:
                widgets.nothing("none is set: alerts are on this page only")
        widgets.heading("Drills", "the newest ten; a drill touches nothing that is traded")
        if told.drills:
            widgets.table(alert_lines.DRILLS, alert_lines.drills(told.drills), label="Drills and what they proved")
        else:
            widgets.nothing("none yet: the first one runs some minutes after the start")
        widgets.heading("Past", f"the newest {PAST}")
        if told.past.empty:
            widgets.nothing("no alert is over yet")
        else:
            widgets.table(alert_lines.PAST, alert_lines.past(told), label="Alerts that are over")
        commands = reads.commands(limit=200)
        asked = commands[commands["name"].isin(["ack", "silence", "unsilence", "drill"])].head(5) if len(commands) else commands
        if len(asked):
            widgets.heading("Asked for")
            widgets.table(oprows.COMMANDS, oprows.commands(asked), label="The newest commands about alerts")


def silenced(told: AlertsTold, now: int) -> None:
    widgets.heading("Silenced", "alerts are raised all the same, and nobody is told")
    if told.silences.empty:
        widgets.nothing("no rule is silenced")
    else:
        widgets.table(alert_lines.SILENCES, alert_lines.silences(told, now), label="Rules that are silenced")


alerts()
with widgets.reading(page=True):
    alert_forms.silence(tuple(alert_reads.alerts(past=PAST).open["rule"]))
rest()
