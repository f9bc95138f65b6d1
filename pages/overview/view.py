"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine.store.read.status import EngineStatus
from pages.overview import machine, present, text, visit
from pages.overview.content import GATES, STRIP, OverviewPage, build_own_parts, build_page
from pages.ui import cache, hindsight, live, tiles, updates, widgets


@st.fragment
def show_overview() -> None:
    """Draw the whole page; the browser asks for what changes, and this runs again where a part comes or goes."""
    frame = updates.AGAIN
    with widgets.reading_store(page=cache.past_tick() is not None):
        page = build_page()
        if page.status is None:
            widgets.show_text(text.WHAT_IT_IS)
            widgets.show_waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
        else:
            show_page(page, page.status)
        frame = page.live.frame
    updates.show_frame("page", frame)


def show_page(page: OverviewPage, status: EngineStatus) -> None:
    looked = visit.remember_visit() if cache.past_tick() is None else visit.Visit(None, toured=True)
    present.show_first_look(page.live, status, looked)
    present.show_present(page.live)
    updates.show_markup(build_own_parts(page, looked.since), "now")
    if status.session is not None:
        hindsight.show_gap(status.session.horizons)
    left, right = st.columns([5, 7], gap="medium")
    with left:
        show_gate_shares(page)
        machine.show_machine(page.live)
    with right:
        show_charts(page, status)
    updates.show_markup(page.live, "latest_heading")
    live.show_live_table(page.live.parts["latest"], key="latest", part=True)


def show_gate_shares(page: OverviewPage) -> None:
    updates.show_markup(page.live, "gates_heading")
    if page.has_gates:
        live.show_live_table(page.live.parts["gates"], key="gates", reserved=GATES, part=True)
    else:
        widgets.show_empty("no decision in the last 24 h")


def show_charts(page: OverviewPage, status: EngineStatus) -> None:
    """Show the gate strip, and the equity where there are two points."""
    if page.strip is not None:
        shown = "" if status.session is None else tiles.describe_part(page.strip_symbols, len(status.session.symbols), "symbol")
        widgets.show_heading("Gate strip", f"last {STRIP} ticks{shown}; bright blue: bought, bright orange: sold, muted: the binding gate")
        live.show_chart(page.strip, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True, part=True)
    if page.equity is not None:
        updates.show_markup(page.live, "equity_heading")
        live.show_chart(page.equity, key="equity", label="Equity of Podium and of two benchmarks over time", part=True)
