"""Asking from the page: acknowledge, silence, a drill; each goes through the inbox like every command."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from engine.alerting.rules import list_rule_names
from pages.ui import commands, widgets

MOST = 8  # buttons to acknowledge at once
SPANS = {"15 min": 15, "1 h": 60, "4 h": 240, "1 d": 1_440, "7 d": 10_080}


def show_acknowledge_buttons(standing: pd.DataFrame) -> None:
    """A button for each alert that nobody has acknowledged."""
    left = standing[standing["acked_by"].isna()]
    if left.empty:
        return
    with st.container(horizontal=True, key="acknowledge"):
        for one in left.head(MOST).to_dict("records"):
            label = f"Acknowledge {one['id']}"
            about = f"{widgets.button_label(str(one['rule']))}: told again when it is over"
            if st.button(label, key=f"ack_{one['id']}", icon=":material/check:", help=about):
                commands.submit_command("ack", {"id": str(one["id"])}, "on the page")


def show_silence_form(standing: tuple[str, ...]) -> None:
    """Nothing of a rule is told for a while; `standing` are the rules of open alerts, some of names of their own."""
    with st.form("silence", border=True, enter_to_submit=False):
        left, middle, right = st.columns([2, 1, 3], vertical_alignment="bottom")
        rule = left.selectbox(
            "Rule", list_rule_names(standing), format_func=lambda name: "every rule" if name == "all" else str(name), key="rule_to_silence"
        )
        span = middle.selectbox("For", list(SPANS), index=1, key="silence_span")
        reason = right.text_input(
            f"Reason, at most {commands.MAX_REASON} letters", key="reason_to_silence", placeholder="why", max_chars=commands.MAX_REASON
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            quiet = st.form_submit_button("Silence", icon=":material/notifications_off:", help="Alerts are raised all the same; nobody is told")
            loud = st.form_submit_button("End the silence", icon=":material/notifications_active:")
            drill = st.form_submit_button(
                "Drill now", icon=":material/health_and_safety:", help="Proves kill switch, stop and alert path; nothing that is traded is touched"
            )
    if quiet:
        commands.submit_with_reason("silence", {"rule": str(rule), "minutes": str(SPANS[str(span)])}, reason)
    elif loud:
        commands.submit_command("unsilence", {"rule": str(rule)}, reason or "on the page")
    elif drill:
        commands.submit_command("drill", {}, reason or "on the page")
    commands.show_answer("silence")
