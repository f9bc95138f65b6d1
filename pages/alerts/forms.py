"""Forms of the page Alerts: acknowledge, silence, drill, resend; each sends a command through the inbox."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.alerting.rules import list_rule_names
from engine.domain.access import OPERATE
from pages.ui import commands, glossary, visitors, widgets

MOST = 8  # acknowledge buttons at once
SPANS = {"15 min": 15, "1 h": 60, "4 h": 240, "1 d": 1_440, "7 d": 10_080}  # minutes


@visitors.needs(OPERATE)
def show_acknowledge_buttons(standing: pd.DataFrame) -> None:
    """Show a button for each alert that nobody has acknowledged."""
    unacknowledged = standing[standing["acked_by"].isna()]
    if unacknowledged.empty:
        return
    with st.container(horizontal=True, key="acknowledge"):
        for alert in unacknowledged.head(MOST).to_dict("records"):
            about = f"{widgets.button_label(str(alert['rule']))}: the next message comes when it is resolved"
            if st.button(f"Acknowledge {alert['id']}", key=f"ack_{alert['id']}", icon=":material/check:", help=about):
                commands.submit_command("ack", {"id": str(alert["id"])}, "on the page")


@visitors.needs(OPERATE)
def show_silence_form(standing: tuple[str, ...]) -> None:
    """Show a form that silences a rule or runs a drill; `standing` are the rules of open alerts, some of which have names of their own."""
    with st.form("silence", border=True, enter_to_submit=False):
        left, middle, right = st.columns([2, 1, 3], vertical_alignment="bottom")
        rule = left.selectbox(
            "Rule", list_rule_names(standing), format_func=lambda name: "every rule" if name == "all" else str(name), key="rule_to_silence"
        )
        span = middle.selectbox("For", list(SPANS), index=1, key="silence_span")
        reason = right.text_input(commands.REASON, key="reason_to_silence", placeholder="why", max_chars=commands.MAX_REASON)
        with st.container(horizontal=True, vertical_alignment="center"):
            silenced = st.form_submit_button("Silence", icon=":material/notifications_off:", help=glossary.define("silence"))
            ended = st.form_submit_button("End the silence", icon=":material/notifications_active:")
            drilled = st.form_submit_button("Drill now", icon=":material/health_and_safety:", help=glossary.define("drill"))
    if silenced:
        commands.submit_with_reason("silence", {"rule": str(rule), "minutes": str(SPANS[str(span)])}, reason)
    elif ended:
        commands.submit_command("unsilence", {"rule": str(rule)}, reason or "on the page")
    elif drilled:
        commands.submit_command("drill", {}, reason or "on the page")
    commands.show_answer("silence")


@visitors.needs(OPERATE)
def show_resend_buttons(names: tuple[str, ...]) -> None:
    """Show a button for each webhook with dead letters."""
    with st.container(horizontal=True, key="resend"):
        for name in names[:MOST]:
            if st.button(f"Resend to {name}", key=f"resend_{name}", icon=":material/replay:", help="every dead letter, with the id that it had"):
                commands.submit_command("resend", {"webhook": name}, "on the page")
    commands.show_answer("webhooks")
