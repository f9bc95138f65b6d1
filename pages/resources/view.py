"""The page Resources."""

from __future__ import annotations

import streamlit as st

from pages.resources import charts
from pages.resources import panels as resources_panels
from pages.ui import cache, live, widgets

DEFAULT_RANGE = "15 min"


def show_resources() -> None:
    """Show the whole page."""
    _show_tiles()
    chosen = st.segmented_control("Range", list(resources_panels.RANGES), default=DEFAULT_RANGE, key="range", bind="query-params", required=True)
    st.fragment(_show_charts, run_every=resources_panels.refresh_seconds(str(chosen)))(str(chosen or DEFAULT_RANGE))


@st.fragment(run_every=2)
def _show_tiles() -> None:
    with widgets.reading_store():
        readings = cache.fetch_readings()
        if readings.empty:
            widgets.show_waiting("the first readings of the machine", "the engine takes them every second while it runs")
            return
        widgets.tiles(resources_panels.tiles(readings, cache.current_time()))
        widgets.show_note(resources_panels.describe_limits(readings))


def _show_charts(span: str) -> None:
    seconds = resources_panels.RANGES[span]
    with widgets.reading_store():
        panels = resources_panels.build_panels(cache.fetch_readings())
        frame = cache.lines([(series.source, series.name) for panel in panels for series in panel.series], seconds)
        if frame.empty:
            widgets.show_empty(f"no readings in the last {span}")
            return
        until = cache.current_time()
        since = until - seconds * cache.SECOND
        widgets.show_note(resources_panels.describe_resolution(seconds))
        show_chart = charts.plot_small_multiples(frame, panels, since, until, cache.fetch_events(seconds))
        live.show_chart(show_chart, key=f"lines_{span}", label=f"Readings of the last {span}")
