"""Overview: health, the latest decisions, and the reasons for not trading."""

from __future__ import annotations

import streamlit as st

from engine.store.page_queries import Wanted
from engine.store.status_query import Session
from pages.parts import alert_lines, alert_reads, charts_overview, glance, live, reads, rowsets, skill_words, units, widgets

STRIP = 120  # ticks
LATEST = 16  # decisions
GATES = 10  # rows of what bound and what was done


@st.fragment(run_every=2)
def overview() -> None:
    """Draw the whole page as one live fragment: a fragment costs more than its contents."""
    with widgets.reading():
        status = reads.status()
        if status.last is None or status.session is None:
            widgets.waiting("the first tick", "figures and charts fill as soon as the engine has decided once")
            return
        skill, standing = reads.skill(), skill_words.standing(status, reads.skill())
        if standing is not None:
            widgets.show(skill_words.verdict(standing, status.last.verdict))
        halflife = reads.knobs(status).get("lapse_halflife")
        widgets.tiles(glance.engine(status, reads.positions(), skill, reads.session_ticks(), reads.honest(), halflife), lines=3)
        proven, what = alert_lines.proven(alert_reads.last_drill(), reads.now())
        widgets.note(f"Safety drill ({what}): {proven}.")
        left, right = st.columns([5, 7], gap="medium")
        with left:
            why(status.session)
            machine()
        with right:
            strip(status.session)
            money(status.session)
        latest()


def why(session: Session) -> None:
    counts = reads.bound()
    which = f"{'warm-up' if counts.warm else 'live'} decisions"
    more = "; no live decision yet" if counts.warm else f", the newest {counts.n:,}" if counts.capped else ""
    widgets.heading("Why not trading?", f"{which} of the last 24 h{more}")
    live.rows(rowsets.gates(counts, session), key="gates", reserved=GATES)


def machine() -> None:
    now = reads.current()
    if now.empty:
        widgets.heading("Machine")
        widgets.waiting("the first readings of the machine")
        return
    widgets.heading("Machine", glance.freshness(now, reads.now()))
    widgets.tiles(glance.machine(now, reads.lines(glance.TRENDS, 900, points=90), reads.latency(), reads.now()), lines=2)


def strip(session: Session) -> None:
    widgets.heading("Gate strip", f"last {STRIP} ticks; bright blue: bought, bright orange: sold, muted: the binding gate")
    figure = charts_overview.gate_strip(reads.strip(STRIP), session)
    live.chart(figure, key="strip", label="Binding gate of each symbol over the last ticks", clickable=True)


def money(session: Session) -> None:
    frame = reads.equity()
    if len(frame) > 1:
        widgets.heading("Equity", "gain since the start after costs, warm-up included; benchmark: equal-weight buy and hold; events below")
        figure = charts_overview.equity(frame, session.settings.get("capital"), reads.marks())
        live.chart(figure, key="equity", label="Equity of Podium and of the benchmark over time")


def latest() -> None:
    frame, _ = reads.latest(Wanted(), limit=LATEST)
    widgets.heading("Latest decisions", f"market time in UTC; newest {units.moment(int(frame['at'].iloc[0]), '%Y-%m-%d %H:%M')}")
    live.rows(rowsets.decisions(frame), key="latest")


overview()
