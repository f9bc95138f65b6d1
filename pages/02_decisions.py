"""Decisions: the live table, what is shown kept in the address."""

from __future__ import annotations

import streamlit as st

from engine.domain.decision import ACTIONS
from engine.domain.intents import INTENTS
from engine.store.read.decisions import DecisionFilter
from engine.store.read.status import SessionInfo
from pages.decisions import report, tables
from pages.ui import cache, live, params, widgets

ROWS = 100


def filters(session: SessionInfo) -> DecisionFilter:
    """The choice of decisions, in the address so that it can be kept and sent."""
    gates = [name for name, _, _ in session.gates]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = params.select_or_all("Symbol", session.symbols, name="symbol", width=170)
        action = params.select_or_all("Action", ACTIONS, name="action", width=130)
        intent = params.select_or_all("Intent", INTENTS, name="intent", width=130)
        gate = params.select_or_all("Binding gate", [*gates, "none"], name="gate", width=220)
        degraded = params.show_toggle("Only degraded ticks", name="degraded")
        st.toggle("Live", value=True, key="live", help="Off keeps the table as it stands")
    return DecisionFilter(symbol, action, gate, degraded, intent=intent)


def unheard(session: SessionInfo) -> None:
    """Says which filters of the address there are none of: they filter nothing."""
    gates = [name for name, _, _ in session.gates]
    offered = {"symbol": session.symbols, "action": ACTIONS, "intent": INTENTS, "gate": [*gates, "none"]}
    odd = [f"{name} {told}" for name, options in offered.items() if (told := params.find_unknown(options, name=name)) is not None]
    if odd:
        widgets.show_empty(f"the address asks for {' and '.join(odd)}, which there is not: shown are all")


def table(wanted: DecisionFilter) -> None:
    with widgets.reading_store():
        held = st.session_state.get("held_decisions")
        if st.session_state.get("live", True) or held is None or held[0] != wanted:
            st.session_state["held_decisions"] = held = (wanted, *cache.fetch_decisions(wanted, limit=ROWS))
        _, told, floor = held
        if told.empty:
            widgets.show_empty(
                "no decision fits these filters" + ("" if floor is None else f" since tick {floor:,}, as far back as several filters at once look")
            )
            return
        more = "" if floor is None else f"; several filters at once look back to tick {floor:,}"
        widgets.show_note(
            f"The newest {len(told)} that fit, each opens its reasons. Edge and cost in bps of the horizon acted on, target in % of equity{more}."
        )
        live.show_live_table(tables.render_decisions(told, wide=True), key="decisions", height=640)


with widgets.reading_store(page=True):
    session = cache.fetch_status().session
    if session is None or not session.gates:
        widgets.show_waiting("the first decision")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    chosen = filters(session)
    unheard(session)
    report.show_report_button()
    st.fragment(table, run_every=2 if st.session_state.get("live", True) else None)(chosen)
