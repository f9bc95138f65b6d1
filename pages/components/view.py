"""The page Components."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.components import LatencyStats, Liveness
from engine.store.read.status import EngineStatus
from pages.components import charts, tables
from pages.components.recording import show_recording
from pages.components.streams import show_streams
from pages.ui import cache, live, travel, widgets
from pages.ui.tables import PAIR_COLUMNS, render_table

NEWEST = 30  # fallbacks and incidents listed
ROWS = 5  # rows of height of a list


@travel.live_part(3)
def show_components() -> None:
    """Show the whole page as one live part."""
    with widgets.reading_store():
        status, now = cache.fetch_status(), cache.current_time()
        if not status.components and status.last is None:
            widgets.show_waiting("the engine to report its components")
            return
        latency, liveness = cache.fetch_latency(), cache.fetch_liveness()
        widgets.show_tiles(
            tables.build_component_tiles(status, cache.fetch_clean_rate(), latency, liveness, cache.fetch_incidents(limit=NEWEST), now),
            detail_lines=3,
        )
        left, right = st.columns([7, 5], gap="medium")
        with left:
            _show_states(status, now)
        with right:
            _show_latency(latency)
        show_streams(status, now)
        if cache.past_tick() is None:
            show_recording(status)
        _show_phase_times(latency)
        _show_recoveries()
        left, right = st.columns(2, gap="medium")
        with left:
            _show_fallbacks()
        with right:
            _show_incidents()
        _show_details(status, latency, liveness, now)


def _show_states(status: EngineStatus, now: int) -> None:
    is_past = cache.past_tick() is not None
    widgets.show_heading("Components", "the state each one had reported by then" if is_past else "the state each one last reported")
    rows, label = tables.list_states(status, now, is_past=is_past), "Components of the engine and their state"
    widgets.show_table(tables.STATES[:-1] if is_past else tables.STATES, rows, label=label, cards=False)
    travel.note_past("Not stored: the state has changed since. Faults of that time are listed under Recoveries.")


def _show_latency(latency: LatencyStats | None) -> None:
    more = "" if latency is None else f"median and longest of each {units.format_count(latency.bucket_ticks, 'tick')}; amber marks a fallback"
    widgets.show_heading("Time per tick", more)
    if latency is None:
        widgets.show_waiting("the first tick")
    else:
        live.show_chart(charts.plot_latency(latency), key="latency", label="Duration of ticks over time")


def _show_phase_times(latency: LatencyStats | None) -> None:
    if latency is not None:
        more = f"over {latency.window}; phases may overlap, and a warm-up tick may wait for a training"
        widgets.show_heading("Time per phase", more, term="phase")
        widgets.show_table(tables.TIMES, tables.list_phase_times(latency), label="Time of every phase")


def _show_recoveries() -> None:
    widgets.show_heading("Recoveries", f"the newest {NEWEST} faults, each with the time to its automatic recovery", term="recovery")
    rows = tables.list_recoveries(cache.fetch_recoveries(limit=NEWEST), cache.current_time())
    table = render_table(tables.RECOVERIES, rows, label="Faults and their recoveries", empty="no component has failed yet")
    live.show_live_table(table, key="recoveries", reserved=ROWS)


def _show_fallbacks() -> None:
    widgets.show_heading("Fallbacks", "in the last 30 days, warm-up included: by phase, then the newest; a row opens its decisions")
    live.show_live_table(tables.render_fallback_counts(cache.fetch_fallback_counts()), key="counts", reserved=3)
    live.show_live_table(tables.render_fallbacks(cache.fetch_fallbacks(limit=NEWEST)), key="fallen", reserved=ROWS)


def _show_incidents() -> None:
    widgets.show_heading("Data incidents", "faults, not drift; market time in UTC", term="incident")
    rows = tables.list_incidents(cache.fetch_incidents(limit=NEWEST))
    table = render_table(tables.INCIDENTS, rows, label="Incidents, open ones first", empty="no incident yet")
    live.show_live_table(table, key="incidents", reserved=ROWS + 4)


def _show_details(status: EngineStatus, latency: LatencyStats | None, liveness: Liveness, now: int) -> None:
    """Show feed, store, training and scheduler by the traces they leave in the store."""
    boxes = [
        ("Feed", "", tables.list_feed(status, liveness)),
        ("Store", "", tables.list_store(status, liveness, cache.fetch_readings(), is_past=cache.past_tick() is not None)),
        ("Training", "in worker processes", tables.list_training(liveness, latency, now)),
        ("Scheduler", "when each job last ran", tables.list_jobs(status, liveness, now)),
    ]
    if cache.past_tick() is not None:
        boxes = boxes[:3]
    for column, (name, more, rows) in zip(st.columns(len(boxes), gap="medium"), boxes, strict=True):
        with column:
            widgets.show_heading(name, more)
            if rows:
                widgets.show_table(PAIR_COLUMNS, rows, label=name, cards=False)
            else:
                widgets.show_waiting("the first tick")
    if not travel.show_cannot_travel("Heartbeats, the scheduler's jobs and the recorder"):
        for sentence in tables.describe_recording(status):
            widgets.show_note(sentence)
