"""Decisions: every decision there is, with filters, order and place in the address."""

from __future__ import annotations

import streamlit as st

from engine.domain.decision import ACTIONS
from engine.domain.intents import INTENTS, phrase_gate
from engine.store.read.status import SessionInfo
from pages.decisions import report, tables
from pages.ui import cache, history_table, params, travel, widgets

HEIGHT = 640  # px of the table at most


def show_decisions() -> None:
    """Draw the filters, the daily report and the table."""
    with widgets.reading_store(page=True):
        session = cache.fetch_status().session
        if session is None or not session.gates:
            widgets.show_waiting("the first decision")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        ignored = show_filters(session)
        history_table.show_toolbar(tables.HISTORY, ignored)
        travel.run_live(show_table, 2, ignored)


def show_filters(session: SessionInfo) -> tuple[str, ...]:
    """Draw the filters, whose values are in the address, so that a view can be saved and sent; return those that filter nothing."""
    gates = [name for name, _, _ in session.gates]
    offered = {"symbol": session.symbols, "action": ACTIONS, "intent": INTENTS, "gate": [*gates, "none"]}
    widths = {"symbol": ("Symbol", 170), "action": ("Action", 130), "intent": ("Intent", 130), "gate": ("Binding gate", 220)}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        for name, (label, width) in widths.items():
            params.select_or_all(label, offered[name], name=name, width=width, describe=phrase_gate if name == "gate" else str)
        params.show_toggle("Only degraded ticks", name="degraded")
        if cache.past_tick() is None:
            report.show_report_button()
    travel.show_cannot_travel("The daily report")
    unknown = {name: value for name, options in offered.items() if (value := params.find_unknown(options, name=name)) is not None}
    if unknown:
        widgets.show_empty(f"unknown in the address and ignored: {', '.join(f'{name} {value}' for name, value in unknown.items())}")
    return tuple(unknown)


def show_table(ignored: tuple[str, ...]) -> None:
    with widgets.reading_store():
        history_table.show_rows(tables.HISTORY, ignored, height=HEIGHT)
        widgets.show_note(
            "Click a row to open its decision. Edge and cost are over the horizon acted on. Target and position are in % of equity. Times are in UTC."
        )
