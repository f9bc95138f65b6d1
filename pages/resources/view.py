"""The page Resources."""

from __future__ import annotations

import streamlit as st

from pages.resources import charts, panels
from pages.ui import cache, live, refresh, widgets

DEFAULT_RANGE = "15 min"


def show_resources() -> None:
    """Show the whole page."""
    _show_tiles()
    chosen = st.segmented_control("Range", list(panels.RANGES), default=DEFAULT_RANGE, key="range", bind="query-params", required=True)
    refresh.run_part(_show_charts, panels.refresh_seconds(str(chosen)), str(chosen or DEFAULT_RANGE))


@refresh.refresh_every(2)
def _show_tiles() -> None:
    with widgets.reading_store():
        readings = cache.fetch_readings()
        if readings.empty:
            widgets.show_waiting("the first readings of the machine", "the engine takes them every second while it runs")
            return
        widgets.show_tiles(panels.build_resource_tiles(readings, cache.current_time()))
        widgets.show_note(panels.describe_limits(readings))


def _show_charts(span: str) -> None:
    seconds = panels.RANGES[span]
    with widgets.reading_store():
        shown = panels.build_panels(cache.fetch_readings())
        frame = cache.fetch_reading_series([(series.source, series.name) for panel in shown for series in panel.series], seconds)
        if frame.empty:
            widgets.show_empty(f"no readings in the last {span}")
            return
        until = cache.current_time()
        since = until - seconds * cache.SECOND
        widgets.show_note(panels.describe_resolution(seconds))
        chart = charts.plot_small_multiples(frame, shown, since, until, cache.fetch_events(seconds))
        live.show_chart(chart, key=f"lines_{span}", label=f"Readings of the last {span}")
