"""Forms of the page Control: pause, resume, retrain, flatten, and the simulated market's signal."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import units
from engine.domain.access import ADMINISTER, OPERATE
from engine.store.read.status import EngineStatus
from pages.ui import banners, cache, commands, glossary, inputs, refresh, theme, visitors, widgets


@visitors.needs(OPERATE)
def show_controls(status: EngineStatus) -> None:
    """Show the commands that steer trading, each with a reason."""
    reason = st.text_input(commands.REASON, key="reason", placeholder="why, for the record", max_chars=commands.MAX_REASON)
    with st.container(horizontal=True, key="commands"):
        if st.button("Pause", icon=":material/pause:", help="Every decision holds; nothing is opened or closed until you resume"):
            commands.submit_with_reason("pause", {}, reason)
        if st.button("Resume", icon=":material/play_arrow:", help="End a pause or a flatten, and lift a drawdown stop"):
            commands.submit_with_reason("resume", {}, reason)
        if st.button("Retrain", icon=":material/model_training:", help="Train every model now, in worker processes"):
            commands.submit_with_reason("retrain", {}, reason)
        if st.button("Flatten", icon=":material/vertical_align_center:", help=f"{glossary.define('flatten')} You confirm first."):
            if commands.is_valid_reason(reason):
                _confirm_flatten(reason)
            else:
                commands.submit_with_reason("flatten", {}, reason)
    if status.session is not None and status.session.simulated:
        _show_signal_form(reason)
    commands.show_answer("controls")


def show_drawdown_stop(status: EngineStatus, config: dict[str, Any]) -> None:
    """Show that the drawdown limit has been passed, and what lifts the stop."""
    lost, limit = None if status.last is None else status.last.drawdown, config.get("max_drawdown")
    if lost is None or limit is None or lost <= limit:
        return
    text = (
        f"Equity is {units.format_percent(lost)} below its peak; the limit is {units.format_percent(limit)}. Every position is being closed. "
        "Resume restarts the peak at the current equity."
    )
    widgets.show_notice(text, word="Drawdown stop.", colour=theme.HARM)


@st.dialog("Close every position?")
def _confirm_flatten(reason: str) -> None:
    widgets.show_text("Every position is closed at market at the next bar, with its costs. Nothing is opened until you resume.")
    widgets.show_text(f"Reason: {reason}")
    with st.container(horizontal=True):
        if st.button("Close every position", type="primary"):
            commands.submit_command("flatten", {}, reason)
            st.rerun()
        if st.button("Cancel"):
            st.rerun()


@refresh.refresh_every(2)
@visitors.needs(ADMINISTER)
def _show_signal_form(reason: str) -> None:
    """Show a form for the simulated market's signal, the one-bar R² of the best forecast; the box follows the current value, whoever set it."""
    with widgets.reading_store():
        current = banners.current_signal(cache.fetch_status()) or 0.0
        sent = st.session_state.get("signals_sent", 0)
        with st.container(horizontal=True, vertical_alignment="bottom", key="signal_row"):
            value = inputs.show_number_input(
                "set", "signal", "Signal of the simulated market (R², one bar)", current, 0.01, format="%.3f", width=320,
                key=f"signal_{current:g}_{sent}",  # a new key for a new value or command, so that the box forgets what was typed
            )  # fmt: skip
            chosen, none = st.button("Set signal"), st.button("No signal")
        widgets.show_note(f"Current signal: {units.format_number(current, 3)}.")
        if chosen or none:
            commands.submit_with_reason("set", {"signal": value if chosen else "0"}, reason)
            st.session_state["signals_sent"] = sent + commands.is_valid_reason(reason)
            st.rerun()
