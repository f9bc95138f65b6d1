"""Decisions: the live table, with its filters in the address."""

from __future__ import annotations

import streamlit as st

from engine.domain.decision import ACTIONS
from engine.domain.intents import INTENTS
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import SessionInfo
from pages.decisions import report
from pages.ui import cache, live, params, trading_tables, widgets

ROWS = 100


def show_decisions() -> None:
    """Draw the filters, the daily report and the live table."""
    with widgets.reading_store(page=True):
        session = cache.fetch_status().session
        if session is None or not session.gates:
            widgets.show_waiting("the first decision")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        chosen = show_filters(session)
        show_unknown_filters(session)
        report.show_report_button()
        st.fragment(show_table, run_every=2 if st.session_state.get("live", True) else None)(chosen)


def show_filters(session: SessionInfo) -> DecisionFilter:
    """Draw the filters, whose values are in the address, so that a view can be saved and sent."""
    gates = [name for name, _, _ in session.gates]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = params.select_or_all("Symbol", session.symbols, name="symbol", width=170)
        action = params.select_or_all("Action", ACTIONS, name="action", width=130)
        intent = params.select_or_all("Intent", INTENTS, name="intent", width=130)
        gate = params.select_or_all("Binding gate", [*gates, "none"], name="gate", width=220)
        degraded = params.show_toggle("Only degraded ticks", name="degraded")
        st.toggle("Live", value=True, key="live", help="Off freezes the table")
    return DecisionFilter(symbol, action, gate, degraded, intent=intent)


def show_unknown_filters(session: SessionInfo) -> None:
    """Name the filters of the address that do not exist and filter nothing."""
    gates = [name for name, _, _ in session.gates]
    offered = {"symbol": session.symbols, "action": ACTIONS, "intent": INTENTS, "gate": [*gates, "none"]}
    unknown = [f"{name} {value}" for name, options in offered.items() if (value := params.find_unknown(options, name=name)) is not None]
    if unknown:
        widgets.show_empty(f"unknown in the address and ignored: {', '.join(unknown)}")


def show_table(criteria: DecisionFilter) -> None:
    with widgets.reading_store():
        held = st.session_state.get("held_decisions")
        if st.session_state.get("live", True) or held is None or held[0] != criteria:
            st.session_state["held_decisions"] = held = (criteria, *cache.fetch_decisions(criteria, limit=ROWS))
        _, frame, floor = held
        if frame.empty:
            widgets.show_empty(
                "no decision matches these filters" + ("" if floor is None else f" since tick {floor:,}, the limit of a search by several filters")
            )
            return
        more = "" if floor is None else f"; a search by several filters goes back to tick {floor:,}"
        widgets.show_note(
            f"The newest {len(frame)} that match; each opens its decision. Edge and cost in bps over the horizon acted on, "
            f"target in % of equity{more}."
        )
        live.show_live_table(trading_tables.render_decisions(frame, wide=True), key="decisions", height=640)
