"""Decisions: the live table, with its filters in the address."""

from __future__ import annotations

import streamlit as st

from engine.domain.decision import ACTIONS
from engine.domain.intents import INTENTS
from engine.store.page_queries import Wanted
from engine.store.status_query import Session
from pages.parts import choices, live, reads, reporting, rowsets, widgets

ROWS = 100


def filters(session: Session) -> Wanted:
    """Draw the filters, whose values are in the address, so that a view can be saved and sent."""
    gates = [name for name, _, _ in session.gates]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = choices.one_of("Symbol", session.symbols, name="symbol", width=170)
        action = choices.one_of("Action", ACTIONS, name="action", width=130)
        intent = choices.one_of("Intent", INTENTS, name="intent", width=130)
        gate = choices.one_of("Binding gate", [*gates, "none"], name="gate", width=220)
        degraded = choices.switch("Only degraded ticks", name="degraded")
        st.toggle("Live", value=True, key="live", help="Off freezes the table")
    return Wanted(symbol, action, gate, degraded, intent=intent)


def show_unknown_filters(session: Session) -> None:
    """Name the filters of the address that do not exist and filter nothing."""
    gates = [name for name, _, _ in session.gates]
    offered = {"symbol": session.symbols, "action": ACTIONS, "intent": INTENTS, "gate": [*gates, "none"]}
    unknown = [f"{name} {value}" for name, options in offered.items() if (value := choices.unknown(options, name=name)) is not None]
    if unknown:
        widgets.nothing(f"unknown in the address and ignored: {', '.join(unknown)}")


def table(wanted: Wanted) -> None:
    with widgets.reading():
        held = st.session_state.get("held_decisions")
        if st.session_state.get("live", True) or held is None or held[0] != wanted:
            st.session_state["held_decisions"] = held = (wanted, *reads.latest(wanted, limit=ROWS))
        _, frame, floor = held
        if frame.empty:
            widgets.nothing(
                "no decision matches these filters" + ("" if floor is None else f" since tick {floor:,}, the limit of a search by several filters")
            )
            return
        more = "" if floor is None else f"; a search by several filters goes back to tick {floor:,}"
        widgets.note(
            f"The newest {len(frame)} that match; each opens its decision. Edge and cost in bps over the horizon acted on, "
            f"target in % of equity{more}."
        )
        live.rows(rowsets.decisions(frame, wide=True), key="decisions", height=640)


with widgets.reading(page=True):
    session = reads.status().session
    if session is None or not session.gates:
        widgets.waiting("the first decision")
        widgets.again(reads.version())
        st.stop()
    chosen = filters(session)
    show_unknown_filters(session)
    reporting.offer()
    st.fragment(table, run_every=2 if st.session_state.get("live", True) else None)(chosen)
