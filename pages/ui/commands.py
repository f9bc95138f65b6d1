"""Commands to the engine from a page: each goes through the inbox, with its reason."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import units
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.status import EngineStatus
from pages.ui import banners, cache, glossary, theme, widgets

SENDER = "dashboard"
MIN_REASON, MAX_REASON = 3, 200  # characters of a reason
REASON = f"Reason (at most {MAX_REASON} characters)"


def submit_command(name: str, args: dict[str, str], reason: str) -> None:
    """Put a command in the inbox and confirm it, or show why it was refused."""
    try:
        number = Inbox(cache.store_url()).submit(name, args, SENDER, reason.strip(), cache.current_time())
    except (StoreError, ValueError) as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not sent.")
        return
    cache.get_reader().refresh()
    st.session_state["answer"] = (f"Command {number} ({name}) waits for the engine; this page shows its result", theme.UP, "Sent.")


def show_answer(where: str) -> None:
    """Show once, in this part of the page, whether the last command was sent."""
    answer = st.session_state.pop("answer", None)
    with widgets.keyed_container(f"answer_{where}"):
        if answer is not None:
            text, colour, word = answer
            widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word=word, colour=colour)}</div>')


def show_controls(status: EngineStatus) -> None:
    """Show the commands that steer trading, each with a reason."""
    reason = st.text_input(REASON, key="reason", placeholder="why, for the record", max_chars=MAX_REASON)
    with st.container(horizontal=True, key="commands"):
        if st.button("Pause", icon=":material/pause:", help="Every decision holds; nothing is opened or closed until you resume"):
            submit_with_reason("pause", {}, reason)
        if st.button("Resume", icon=":material/play_arrow:", help="End a pause or a flatten, and lift a drawdown stop"):
            submit_with_reason("resume", {}, reason)
        if st.button("Retrain", icon=":material/model_training:", help="Train every model now, in worker processes"):
            submit_with_reason("retrain", {}, reason)
        if st.button("Flatten", icon=":material/vertical_align_center:", help=f"{glossary.define('flatten')} You confirm first."):
            if is_valid_reason(reason):
                confirm_flatten(reason)
            else:
                submit_with_reason("flatten", {}, reason)
    if status.session is not None and status.session.simulated:
        show_signal_form(reason)
    show_answer("controls")


def show_drawdown_stop(status: EngineStatus, knobs: dict[str, Any]) -> None:
    """Show that the drawdown limit has been passed, and what lifts the stop."""
    lost, limit = None if status.last is None else status.last.drawdown, knobs.get("max_drawdown")
    if lost is None or limit is None or lost <= limit:
        return
    text = (
        f"Equity is {units.format_percent(lost)} below its peak; the limit is {units.format_percent(limit)}. Every position is being closed. "
        "Resume restarts the peak at the current equity."
    )
    widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word="Drawdown stop.", colour=theme.HARM)}</div>')


def show_retrain_form() -> None:
    """Show a form that trains every model now, with a reason."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="retraining"):
        reason = st.text_input(REASON, key="reason_to_retrain", placeholder="why now", max_chars=MAX_REASON, width=420)
        if st.button("Retrain", icon=":material/model_training:", help="Train every model now; the new versions serve some bars later"):
            submit_with_reason("retrain", {}, reason)
    show_answer("retraining")


def is_valid_reason(text: str) -> bool:
    return len(text.strip()) >= MIN_REASON


def submit_with_reason(name: str, args: dict[str, str], reason: str) -> None:
    """Send a command if its reason is long enough; otherwise show that one is needed."""
    if is_valid_reason(reason):
        submit_command(name, args, reason)
    else:
        st.session_state["answer"] = (f"Give a reason of at least {MIN_REASON} characters; it is stored with the command", theme.WARNING, "Not sent.")


@st.dialog("Close every position?")
def confirm_flatten(reason: str) -> None:
    widgets.show_text("Every position is closed at market at the next bar, with its costs. Nothing is opened until you resume.")
    widgets.show_text(f"Reason: {reason}")
    with st.container(horizontal=True):
        if st.button("Close every position", type="primary"):
            submit_command("flatten", {}, reason)
            st.rerun()
        if st.button("Cancel"):
            st.rerun()


@st.fragment(run_every=2)
def show_signal_form(reason: str) -> None:
    """Show a form for the simulated market's signal, the one-bar R² of the best forecast; the box follows the current value, whoever set it."""
    with widgets.reading_store():
        current = banners.current_signal(cache.fetch_status()) or 0.0
        sent = st.session_state.get("signals_sent", 0)
        with st.container(horizontal=True, vertical_alignment="bottom", key="signal_row"):
            value = st.number_input(
                "Signal of the simulated market (R², one bar)",
                min_value=0.0,
                max_value=0.5,
                value=current,
                step=0.01,
                format="%.3f",
                key=f"signal_{current:g}_{sent}",  # a new key for a new value or command, so that the box forgets what was typed
                help=f"{glossary.define('signal')} With signal 0 the engine must end up holding.",
                width=320,
            )
            chosen, none = st.button("Set signal"), st.button("No signal")
        widgets.show_note(f"Current signal: {units.format_number(current, 3)}.")
        if chosen or none:
            submit_with_reason("set", {"signal": f"{value:g}" if chosen else "0"}, reason)
            st.session_state["signals_sent"] = sent + is_valid_reason(reason)
            st.rerun()
