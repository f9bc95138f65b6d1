"""Commands to the engine from a page: each with its reason, handed to the inbox and nowhere else."""

from __future__ import annotations

from typing import Any

import streamlit as st

from engine.store.errors import StoreFailed
from engine.store.inbox import Inbox
from engine.store.status_query import Status
from pages.parts import reads, theme, units, wellness, widgets

BY = "dashboard"
SHORTEST, LONGEST = 3, 200  # letters of a reason


def submit(name: str, args: dict[str, str], reason: str) -> None:
    """Puts a command in the inbox and says so, or says why not."""
    try:
        number = Inbox(reads.url()).submit(name, args, BY, reason.strip(), reads.now())
    except (StoreFailed, ValueError) as error:
        st.session_state["answer"] = (str(error), theme.HARM, "Not sent.")
        return
    reads.reader().refresh()
    st.session_state["answer"] = (f"Command {number}, {name}, waits for the engine; its result comes on this page", theme.UP, "Sent.")


def answer(where: str) -> None:
    """What became of what was asked for, once, at this part of the page."""
    told = st.session_state.pop("answer", None)
    with widgets.place(f"answer_{where}"):
        if told is not None:
            widgets.show(f'<div class="pd">{widgets.notice(told[0], word=told[2], colour=told[1])}</div>')


def controls(status: Status) -> None:
    """Every command there is, each with a reason."""
    reason = st.text_input(f"Reason, at most {LONGEST} letters", key="reason", placeholder="why, for whoever reads this later", max_chars=LONGEST)
    with st.container(horizontal=True, key="commands"):
        if st.button("Pause", icon=":material/pause:", help="Every decision holds; nothing is opened or closed"):
            reasoned("pause", {}, reason)
        if st.button("Resume", icon=":material/play_arrow:", help="Ends a pause or a flattening, and lifts a drawdown stop"):
            reasoned("resume", {}, reason)
        if st.button("Retrain", icon=":material/model_training:", help="Trains every model now, in another process"):
            reasoned("retrain", {}, reason)
        if st.button("Flatten", icon=":material/vertical_align_center:", help="Closes every position and opens nothing; asks first"):
            if is_reason(reason):
                confirm(reason)
            else:
                reasoned("flatten", {}, reason)
    if status.session is not None and status.session.simulated:
        signal(reason)
    answer("controls")


def drawdown_stop(status: Status, knobs: dict[str, Any]) -> None:
    """Says that the drawdown limit has been passed, and what lifts the stop."""
    lost, limit = None if status.last is None else status.last.drawdown, knobs.get("max_drawdown")
    if lost is None or limit is None or lost <= limit:
        return
    text = (
        f"Equity is {units.percent(lost)} below its peak, the limit is {units.percent(limit)}. Every position is being closed. "
        "Resume, with a reason, restarts the peak at today's equity."
    )
    widgets.show(f'<div class="pd">{widgets.notice(text, word="Drawdown stop.", colour=theme.HARM)}</div>')


def retrain() -> None:
    """Trains every model now, for a reason."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="retraining"):
        reason = st.text_input(f"Reason, at most {LONGEST} letters", key="reason_to_retrain", placeholder="why now", max_chars=LONGEST, width=420)
        if st.button("Retrain", icon=":material/model_training:", help="Trains every model now, in another process; they serve some bars later"):
            reasoned("retrain", {}, reason)
    answer("retraining")


def is_reason(text: str) -> bool:
    return len(text.strip()) >= SHORTEST


def reasoned(name: str, args: dict[str, str], reason: str) -> None:
    """Sends a command that has a reason, and asks for one where there is none."""
    if is_reason(reason):
        submit(name, args, reason)
    else:
        st.session_state["answer"] = (f"Give a reason of at least {SHORTEST} letters, for whoever reads this later", theme.WARNING, "Not sent.")


@st.dialog("Close every position?")
def confirm(reason: str) -> None:
    widgets.words("Every position is closed at the next bar at market, with its costs, and nothing is opened until it is resumed.")
    widgets.words(f"Reason: {reason}")
    with st.container(horizontal=True):
        if st.button("Close every position", type="primary"):
            submit("flatten", {}, reason)
            st.rerun()
        if st.button("Leave them"):
            st.rerun()


@st.fragment(run_every=2)
def signal(reason: str) -> None:
    """The simulated market's signal: the one-bar R2 of the best forecast; 0 is a martingale. The box shows what is set, whoever set it."""
    with widgets.reading():
        current = wellness.signal(reads.status()) or 0.0
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
        widgets.note(f"Set now: {current:.3f}.")
        if chosen or none:
            reasoned("set", {"signal": f"{value:g}" if chosen else "0"}, reason)
            st.session_state["signals_sent"] = sent + is_reason(reason)
            st.rerun()
