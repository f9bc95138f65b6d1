"""The page Components."""

from __future__ import annotations

import streamlit as st

from engine.store.component_queries import Latency, Life
from engine.store.status_query import Status
from pages.parts import alert_lines, alert_reads, charts_components, live, reads, rows_components, rowsets, tables, units, widgets

NEWEST = 30  # fallbacks and incidents listed
ROWS = 5  # rows of height of a list


@st.fragment(run_every=3)
def show_components() -> None:
    """Show the whole page as one live part."""
    with widgets.reading():
        status, now = reads.status(), reads.now()
        if not status.components and status.last is None:
            widgets.waiting("the engine to report its components")
            return
        latency, liveness = reads.latency(), reads.life()
        widgets.tiles(rows_components.tiles(status, reads.honest(), latency, liveness, reads.incidents(limit=NEWEST), now), lines=3)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.heading("Components", "the state each one last reported")
            rows = rows_components.states(status, now)
            widgets.table(rows_components.STATES, rows, label="Components of the engine and their state", cards=False)
        with right:
            _show_latency(latency)
        _show_phase_times(latency)
        _show_recoveries()
        left, right = st.columns(2, gap="medium")
        with left:
            _show_fallbacks()
        with right:
            _show_incidents()
        _show_details(status, latency, liveness, now)


def _show_latency(latency: Latency | None) -> None:
    more = "" if latency is None else f"median and longest of each {units.count(latency.piece, 'tick')}; amber marks a fallback"
    widgets.heading("Time per tick", more)
    if latency is None:
        widgets.waiting("the first tick")
    else:
        live.chart(charts_components.latency(latency), key="latency", label="Duration of ticks over time")


def _show_phase_times(latency: Latency | None) -> None:
    if latency is not None:
        more = f"over {latency.window}; phases may overlap, and a warm-up tick may wait for a training"
        widgets.heading("Time per phase", more, term="phase")
        widgets.table(rows_components.TIMES, rows_components.times(latency), label="Time of every phase")


def _show_recoveries() -> None:
    widgets.heading("Recoveries", f"the newest {NEWEST} faults, each with its time to recovery without a person", term="recovery")
    rows = alert_lines.recoveries(alert_reads.recoveries(limit=NEWEST), reads.now())
    table = tables.html(alert_lines.RECOVERIES, rows, label="Faults and their recoveries", empty="no component has failed yet")
    live.rows(table, key="recoveries", reserved=ROWS)


def _show_fallbacks() -> None:
    widgets.heading("Fallbacks", "in the last 30 days, warm-up included, by phase and singly; a row opens the degraded decisions")
    live.rows(rows_components.counts(reads.fallback_counts()), key="counts", reserved=3)
    live.rows(rows_components.fallen(reads.fallbacks(limit=NEWEST)), key="fallen", reserved=ROWS)


def _show_incidents() -> None:
    widgets.heading("Data incidents", "faults, not drift; market time in UTC", term="incident")
    rows = rows_components.incidents(reads.incidents(limit=NEWEST))
    table = tables.html(rows_components.INCIDENTS, rows, label="Incidents, open ones first", empty="no incident yet")
    live.rows(table, key="incidents", reserved=ROWS + 4)


def _show_details(status: Status, latency: Latency | None, liveness: Life, now: int) -> None:
    """Show feed, store, training and scheduler by the traces they leave in the store."""
    boxes = (
        ("Feed", "", rows_components.feed(status, liveness)),
        ("Store", "", rows_components.store(status, liveness, reads.current())),
        ("Training", "in worker processes", rows_components.training(liveness, latency, now)),
        ("Scheduler", "last trace of each job", rows_components.jobs(status, liveness, now)),
    )
    for column, (name, more, rows) in zip(st.columns(4, gap="medium"), boxes, strict=True):
        with column:
            widgets.heading(name, more)
            if rows:
                widgets.table(rowsets.PAIR, rows, label=name, cards=False)
            else:
                widgets.waiting("the first tick")
    for sentence in rows_components.recording(status):
        widgets.note(sentence)
