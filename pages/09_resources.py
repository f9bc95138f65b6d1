"""Resources: the machine and the engine's own work on one time axis."""

from __future__ import annotations

import streamlit as st

from pages.resources import charts
from pages.resources import panels as resources_panels
from pages.ui import cache, live, widgets


@st.fragment(run_every=2)
def now() -> None:
    with widgets.reading_store():
        told = cache.fetch_readings()
        if told.empty:
            widgets.show_waiting("the first readings of the machine", "the engine takes them every second while it runs")
            return
        widgets.show_tiles(resources_panels.build_resource_tiles(told, cache.current_time()))
        widgets.show_note(resources_panels.describe_limits(told))


def lines(span: str) -> None:
    seconds = resources_panels.RANGES[span]
    with widgets.reading_store():
        panels = resources_panels.build_panels(cache.fetch_readings())
        told = cache.fetch_reading_series([(series.source, series.name) for panel in panels for series in panel.series], seconds)
        if told.empty:
            widgets.show_empty(f"no readings in the last {span}")
            return
        until = cache.current_time()
        since = until - seconds * cache.SECOND
        widgets.show_note(resources_panels.describe_resolution(seconds))
        live.show_chart(
            charts.plot_small_multiples(told, panels, since, until, cache.fetch_events(seconds)),
            key=f"lines_{span}",
            label=f"Readings of the last {span}",
        )


now()
chosen = st.segmented_control("Range", list(resources_panels.RANGES), default="15 min", key="range", bind="query-params", required=True)
st.fragment(lines, run_every=resources_panels.refresh_seconds(str(chosen)))(str(chosen or "15 min"))
