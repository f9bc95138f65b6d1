"""The page Resources."""

from __future__ import annotations

import streamlit as st

from pages.parts import charts_machine, live, reads, resources, widgets

DEFAULT_RANGE = "15 min"


def show_resources() -> None:
    """Show the whole page."""
    _show_tiles()
    chosen = st.segmented_control("Range", list(resources.RANGES), default=DEFAULT_RANGE, key="range", bind="query-params", required=True)
    st.fragment(_show_charts, run_every=resources.refresh(str(chosen)))(str(chosen or DEFAULT_RANGE))


@st.fragment(run_every=2)
def _show_tiles() -> None:
    with widgets.reading():
        readings = reads.current()
        if readings.empty:
            widgets.waiting("the first readings of the machine", "the engine takes them every second while it runs")
            return
        widgets.tiles(resources.tiles(readings, reads.now()))
        widgets.note(resources.limits(readings))


def _show_charts(span: str) -> None:
    seconds = resources.RANGES[span]
    with widgets.reading():
        panels = resources.panels(reads.current())
        frame = reads.lines([(series.source, series.name) for panel in panels for series in panel.series], seconds)
        if frame.empty:
            widgets.nothing(f"no readings in the last {span}")
            return
        until = reads.now()
        since = until - seconds * reads.SECOND
        widgets.note(resources.resolution(seconds))
        chart = charts_machine.multiples(frame, panels, since, until, reads.happened(seconds))
        live.chart(chart, key=f"lines_{span}", label=f"Readings of the last {span}")
