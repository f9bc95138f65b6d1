"""Overview: is it well, what did it just decide, and what kept it from trading."""

from __future__ import annotations

import streamlit as st

from engine.store.page_queries import Wanted
from engine.store.status_query import Session
from pages.parts import alert_lines, alert_reads, charts_overview, glance, live, reads, rowsets, units, widgets

STRIP = 120  # ticks
LATEST = 16  # decisions
GATES = 8  # rows of gates that bound


@st.fragment(run_every=2)
def overview() -> None:
    """All of it in one live part: a part costs more than what is in it."""
    with widgets.reading():
        status = reads.status()
        if status.last is None or status.session is None:
            widgets.waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        widgets.tiles(glance.engine(status, reads.positions(), reads.skill(), reads.tick_times(), reads.honesty()))
        proven, what = alert_lines.proven(alert_reads.last_drill(), reads.now())
        widgets.note(f"Drill of {what}: {proven}.")
        left, right = st.columns([5, 7], gap="medium")
        with left:
            why(status.session)
            machine()
        with right:
            strip(status.session)
            money(status.session)
        latest()


def why(session: Session) -> None:
    shares, capped = reads.gate_shares()
    widgets.heading("Why not trading?", "the gate that bound, last 24 h" + (f", of the last {int(shares['n'].sum()):,} decisions" if capped else ""))
    live.rows(rowsets.gates(shares, session), key="gates", reserved=GATES)


def machine() -> None:
    now = reads.current()
    if now.empty:
        widgets.heading("Machine")
        widgets.waiting("the first readings of the machine")
        return
    widgets.heading("Machine", glance.freshness(now, reads.now()))
    widgets.tiles(glance.machine(now, reads.lines(glance.TRENDS, 900, points=90)))


def strip(session: Session) -> None:
    widgets.heading("Gate strip", f"last {STRIP} ticks; bright blue bought, bright orange sold, quiet colours name the gate that bound")
    figure = charts_overview.gate_strip(reads.strip(STRIP), session)
    live.chart(figure, key="strip", label="The gate that bound for each symbol over the last ticks", clickable=True)


def money(session: Session) -> None:
    told = reads.equity()
    if len(told) > 1:
        widgets.heading("Equity", "gain since the start after costs, against buying all in equal parts and holding; below it, what happened")
        figure = charts_overview.equity(told, session.settings.get("capital"), reads.marks())
        live.chart(figure, key="equity", label="Equity of Podium and of buying and holding over time")


def latest() -> None:
    told, _ = reads.latest(Wanted(), limit=LATEST)
    widgets.heading("Latest decisions", f"market time in UTC; the newest was for {units.moment(int(told['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
    live.rows(rowsets.decisions(told), key="latest")


overview()
