"""Commands to the engine from a page: each with its reason, handed to the inbox and nowhere else."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine import units
from engine.store.errors import StoreError
from engine.store.inbox import Inbox
from engine.store.read.status import EngineStatus
from pages.ui import banners, cache, theme, widgets

SENDER = "dashboard"
MIN_REASON, MAX_REASON = 3, 200  # letters of a reason


def submit_command(name: str, args: dict[str, str], reason: str) -> None:
    """Puts a command in the inbox and says so, or says why not."""
    try:
        number = Inbox(cache.store_url()).submit(name, args, SENDER, reason.strip(), cache.current_time())
    except (StoreError, ValueError) as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not sent.")
        return
    cache.get_reader().refresh()
    st.session_state["answer"] = (f"Command {number}, {name}, waits for the engine; its result comes on this page", theme.UP, "Sent.")


def show_answer(where: str) -> None:
    """What became of what was asked for, once, at this part of the page."""
    told = st.session_state.pop("answer", None)
    with widgets.keyed_container(f"answer_{where}"):
        if told is not None:
            widgets.show_html(f'<div class="pd">{widgets.render_notice(told[0], word=told[2], colour=told[1])}</div>')


def show_controls(status: EngineStatus) -> None:
    """Every command there is, each with a reason."""
    reason = st.text_input(
        f"Reason, at most {MAX_REASON} letters", key="reason", placeholder="why, for whoever reads this later", max_chars=MAX_REASON
    )
    with st.container(horizontal=True, key="commands"):
        if st.button("Pause", icon=":material/pause:", help="Every decision holds; nothing is opened or closed"):
            submit_with_reason("pause", {}, reason)
        if st.button("Resume", icon=":material/play_arrow:", help="Ends a pause or a flattening, and lifts a drawdown stop"):
            submit_with_reason("resume", {}, reason)
        if st.button("Retrain", icon=":material/model_training:", help="Trains every model now, in another process"):
            submit_with_reason("retrain", {}, reason)
        if st.button("Flatten", icon=":material/vertical_align_center:", help="Closes every position and opens nothing; asks first"):
            if is_valid_reason(reason):
                confirm_flatten(reason)
            else:
                submit_with_reason("flatten", {}, reason)
    if status.session is not None and status.session.simulated:
        show_signal_form(reason)
    show_answer("controls")


def show_drawdown_stop(status: EngineStatus, knobs: dict[str, Any]) -> None:
    """Says that the drawdown limit has been passed, and what lifts the stop."""
    lost, limit = None if status.last is None else status.last.drawdown, knobs.get("max_drawdown")
    if lost is None or limit is None or lost <= limit:
        return
    text = (
        f"Equity is {units.format_percent(lost)} below its peak, the limit is {units.format_percent(limit)}. Every position is being closed. "
        "Resume, with a reason, restarts the peak at today's equity."
    )
    widgets.show_html(f'<div class="pd">{widgets.render_notice(text, word="Drawdown stop.", colour=theme.HARM)}</div>')


def show_retrain_form() -> None:
    """Trains every model now, for a reason."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="retraining"):
        reason = st.text_input(
            f"Reason, at most {MAX_REASON} letters", key="reason_to_retrain", placeholder="why now", max_chars=MAX_REASON, width=420
        )
        if st.button("Retrain", icon=":material/model_training:", help="Trains every model now, in another process; they serve some bars later"):
            submit_with_reason("retrain", {}, reason)
    show_answer("retraining")


def is_valid_reason(text: str) -> bool:
    return len(text.strip()) >= MIN_REASON


def submit_with_reason(name: str, args: dict[str, str], reason: str) -> None:
    """Sends a command that has a reason, and asks for one where there is none."""
    if is_valid_reason(reason):
        submit_command(name, args, reason)
    else:
        st.session_state["answer"] = (f"Give a reason of at least {MIN_REASON} letters, for whoever reads this later", theme.WARNING, "Not sent.")


@st.dialog("Close every position?")
def confirm_flatten(reason: str) -> None:
    widgets.show_text("Every position is closed at the next bar at market, with its costs, and nothing is opened until it is resumed.")
    widgets.show_text(f"Reason: {reason}")
    with st.container(horizontal=True):
        if st.button("Close every position", type="primary"):
            submit_command("flatten", {}, reason)
            st.rerun()
        if st.button("Leave them"):
            st.rerun()


@st.fragment(run_every=2)
def show_signal_form(reason: str) -> None:
    """The simulated market's signal: the one-bar R2 of the best forecast; 0 is a martingale. The box shows what is set, whoever set it."""
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
                key=f"signal_{current:g}_{sent}",  # another setting, or a command, has a box of its own: it does not remember what was typed
                help="0: nothing can be predicted, and the engine must end up holding",
                width=320,
            )
            chosen, none = st.button("Set signal"), st.button("No signal")
        widgets.show_note(f"Set now: {current:.3f}.")
        if chosen or none:
            submit_with_reason("set", {"signal": f"{value:g}" if chosen else "0"}, reason)
            st.session_state["signals_sent"] = sent + is_valid_reason(reason)
            st.rerun()
