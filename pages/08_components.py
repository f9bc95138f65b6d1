"""Components: how every part of the engine is, how long it takes, what fell back, and what was wrong with the data."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.components import LatencyStats, Liveness
from engine.store.read.status import EngineStatus
from pages.alerts import tables as alerts_tables
from pages.components import charts
from pages.components import tables as components_tables
from pages.decisions import tables as decisions_tables
from pages.ui import alert_cache, cache, live, tables, widgets

NEWEST = 30  # fallbacks and incidents listed
ROWS = 5  # that a list of them takes


@st.fragment(run_every=3)
def components() -> None:
    with widgets.reading_store():
        status, now = cache.fetch_status(), cache.current_time()
        if not status.components and status.last is None:
            widgets.show_waiting("the engine to report its parts")
            return
        told, alive = cache.fetch_latency(), cache.fetch_liveness()
        widgets.show_tiles(
            components_tables.build_component_tiles(status, cache.fetch_clean_rate(), told, alive, cache.fetch_incidents(limit=NEWEST), now),
            detail_lines=3,
        )
        left, right = st.columns([7, 5], gap="medium")
        with left:
            widgets.show_heading("Parts", "as they last said of themselves")
            widgets.show_table(
                components_tables.STATES, components_tables.list_states(status, now), label="Parts of the engine and their state", cards=False
            )
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


def through_time(told: LatencyStats | None) -> None:
    widgets.show_heading(
        "Ticks through time",
        "" if told is None else f"median and longest of each {units.format_count(told.bucket_ticks, 'tick')}; amber where one fell back",
    )
    if told is None:
        widgets.show_waiting("the first tick")
    else:
        live.show_chart(charts.plot_latency(told), key="latency", label="How long ticks took over time")


def times(told: LatencyStats | None) -> None:
    if told is not None:
        widgets.show_heading(
            "Time by phase", f"over {told.window}; phases may run beside each other, and a tick of the warm-up may wait for a training"
        )
        widgets.show_table(components_tables.TIMES, components_tables.list_phase_times(told), label="Time of every phase")


def recovered() -> None:
    widgets.show_heading("Recoveries", f"the newest {NEWEST} faults, and how long each took to come back without a person")
    faults = alert_cache.fetch_recoveries(limit=NEWEST)
    lines = alerts_tables.list_recoveries(faults, cache.current_time())
    rows = tables.render_table(alerts_tables.RECOVERIES, lines, label="Faults and how they were mended", empty="nothing has broken yet")
    live.show_live_table(rows, key="recoveries", reserved=ROWS)


def fallen() -> None:
    counts, newest = cache.fetch_fallback_counts(), cache.fetch_fallbacks(limit=NEWEST)
    widgets.show_heading("Fallbacks", "in the last 30 days, warm-up included, by phase and one by one; a row opens the decisions they degraded")
    live.show_live_table(components_tables.render_fallback_counts(counts), key="counts", reserved=3)
    live.show_live_table(components_tables.render_fallbacks(newest), key="fallen", reserved=ROWS)


def incidents() -> None:
    told = cache.fetch_incidents(limit=NEWEST)
    widgets.show_heading("Incidents in the data", "faults, not drift; market time in UTC")
    lines, label = components_tables.list_incidents(told), "Incidents, those that last first"
    rows = tables.render_table(components_tables.INCIDENTS, lines, label=label, empty="none has been found")
    live.show_live_table(rows, key="incidents", reserved=ROWS + 4)


def signs(status: EngineStatus, told: LatencyStats | None, alive: Liveness, now: int) -> None:
    """The feed, the store, training and the scheduler by what they leave behind."""
    boxes = (
        ("Feed", "", components_tables.list_feed(status, alive)),
        ("Store", "", components_tables.list_store(status, alive, cache.fetch_readings())),
        ("Training", "in worker processes", components_tables.list_training(alive, told, now)),
        ("Scheduler", "its jobs were last seen", components_tables.list_jobs(status, alive, now)),
    )
    for column, (name, more, lines) in zip(st.columns(4, gap="medium"), boxes, strict=True):
        with column:
            widgets.show_heading(name, more)
            if lines:
                widgets.show_table(decisions_tables.PAIR_COLUMNS, lines, label=name, cards=False)
            else:
                widgets.show_waiting("the first tick")
    for sentence in components_tables.describe_recording(status):
        widgets.show_note(sentence)


components()
