"""Overview: is it well, what did it just decide, and what kept it from trading."""

from __future__ import annotations

import streamlit as st

from engine.store.page_queries import Wanted
from pages.parts import charts_overview, frame, glance, live, reads, rowsets, units, widgets

STRIP = 120  # ticks


@st.fragment(run_every=2)
def figures() -> None:
    with widgets.reading():
        status = reads.status()
        if status.last is None:
            widgets.waiting("the first tick", "tiles and charts fill as soon as the engine has decided once")
            return
        widgets.tiles(glance.engine(status, reads.positions(), reads.skill(), reads.tick_times(), reads.honesty()))


@st.fragment(run_every=3)
def why() -> None:
    opened = None
    with widgets.reading():
        session = reads.status().session
        if session is None or not session.gates:
            return
        shares, capped = reads.gate_shares()
        widgets.heading(
            "Why not trading?", "the gate that bound, last 24 h" + (f", of the last {int(shares['n'].sum()):,} decisions" if capped else "")
        )
        opened = live.rows(rowsets.gates(shares, session), key="gates")
    if opened is not None:
        frame.go("02_decisions.py", gate=opened)


@st.fragment(run_every=3)
def strip() -> None:
    clicked = None
    with widgets.reading():
        session = reads.status().session
        if session is None or not session.gates:
            return
        widgets.heading("Gate strip", f"last {STRIP} ticks; bright blue bought, bright orange sold, quiet colours name the gate that bound")
        figure = charts_overview.gate_strip(reads.strip(STRIP), session)
        clicked = live.chart(figure, key="strip", label="The gate that bound for each symbol over the last ticks", clickable=True)
    frame.open_decision(clicked)


@st.fragment(run_every=5)
def money() -> None:
    with widgets.reading():
        told, session = reads.equity(), reads.status().session
        if len(told) < 2 or session is None:
            return
        widgets.heading("Equity", "gain since the start after every cost, against buying all symbols in equal parts and holding")
        figure = charts_overview.equity(told, session.settings.get("capital"))
        live.chart(figure, key="equity", label="Equity of Podium and of buying and holding over time")


@st.fragment(run_every=2)
def machine() -> None:
    with widgets.reading():
        now = reads.current()
        if now.empty:
            widgets.heading("Machine")
            widgets.waiting("the first readings of the machine")
            return
        widgets.heading("Machine", glance.freshness(now, reads.now()))
        widgets.tiles(glance.machine(now, reads.lines(glance.TRENDS, 900)))


@st.fragment(run_every=2)
def latest() -> None:
    opened = None
    with widgets.reading():
        told, _ = reads.latest(Wanted(), limit=16)
        if told.empty:
            return
        widgets.heading("Latest decisions", f"market time in UTC; the newest was for {units.moment(int(told['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
        opened = live.rows(rowsets.decisions(told), key="latest")
    frame.open_decision(opened)


figures()
left, right = st.columns([5, 7], gap="medium")
with left:
    why()
    machine()
with right:
    strip()
    money()
latest()
