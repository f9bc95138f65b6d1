"""Components: how every part of the engine is, how long it takes, what fell back, and what was wrong with the data."""

from __future__ import annotations

import streamlit as st

from engine.store.component_queries import Latency, Life
from engine.store.status_query import Status
from pages.parts import alert_lines, alert_reads, charts_components, live, reads, rows_components, rowsets, tables, units, widgets

NEWEST = 30  # fallbacks and incidents listed
ROWS = 5  # that a list of them takes


@st.fragment(run_every=3)
def components() -> None:
    with widgets.reading():
        status, now = reads.status(), reads.now()
        if not status.components and status.last is None:
            widgets.waiting("the engine to report its parts")
            return
        told, alive = reads.latency(), reads.life()
        widgets.tiles(rows_components.tiles(status, reads.honest(), told, alive, reads.incidents(limit=NEWEST), now), lines=3)
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.heading("Parts", "as they last said of themselves")
            widgets.table(rows_components.STATES, rows_components.states(status, now), label="Parts of the engine and their state", cards=False)
        with right:
            through_time(told)
        times(told)
        recovered()
        left, right = st.columns(2, gap="medium")
        with left:
            fallen()
        with right:
            incidents()
        signs(status, told, alive, now)


def through_time(told: Latency | None) -> None:
    widgets.heading(
        "Ticks through time", "" if told is None else f"median and longest of each {units.count(told.piece, 'tick')}; amber where one fell back"
    )
    if told is None:
        widgets.waiting("the first tick")
    else:
        live.chart(charts_components.latency(told), key="latency", label="How long ticks took over time")


def times(told: Latency | None) -> None:
    if told is not None:
        widgets.heading("Time by phase", f"over {told.window}; phases may run beside each other, and a tick of the warm-up may wait for a training")
        widgets.table(rows_components.TIMES, rows_components.times(told), label="Time of every phase")


def recovered() -> None:
    widgets.heading("Recoveries", f"the newest {NEWEST} faults, and how long each took to come back without a person")
    faults = alert_reads.recoveries(limit=NEWEST)
    lines = alert_lines.recoveries(faults, reads.now())
    rows = tables.html(alert_lines.RECOVERIES, lines, label="Faults and how they were mended", empty="nothing has broken yet")
    live.rows(rows, key="recoveries", reserved=ROWS)


def fallen() -> None:
    counts, newest = reads.fallback_counts(), reads.fallbacks(limit=NEWEST)
    widgets.heading("Fallbacks", "in the last 30 days, warm-up included, by phase and one by one; a row opens the decisions they degraded")
    live.rows(rows_components.counts(counts), key="counts", reserved=3)
    live.rows(rows_components.fallen(newest), key="fallen", reserved=ROWS)


def incidents() -> None:
    told = reads.incidents(limit=NEWEST)
    widgets.heading("Incidents in the data", "faults, not drift; market time in UTC")
    lines, label = rows_components.incidents(told), "Incidents, those that last first"
    rows = tables.html(rows_components.INCIDENTS, lines, label=label, empty="none has been found")
    live.rows(rows, key="incidents", reserved=ROWS + 4)


def signs(status: Status, told: Latency | None, alive: Life, now: int) -> None:
    """The feed, the store, training and the scheduler by what they leave behind."""
    boxes = (
        ("Feed", "", rows_components.feed(status, alive)),
        ("Store", "", rows_components.store(status, alive, reads.current())),
        ("Training", "in worker processes", rows_components.training(alive, told, now)),
        ("Scheduler", "its jobs were last seen", rows_components.jobs(status, alive, now)),
    )
    for column, (name, more, lines) in zip(st.columns(4, gap="medium"), boxes, strict=True):
        with column:
            widgets.heading(name, more)
            if lines:
                widgets.table(rowsets.PAIR, lines, label=name, cards=False)
            else:
                widgets.waiting("the first tick")
    for sentence in rows_components.recording(status):
        widgets.note(sentence)


components()
