"""Resources: the machine and the engine's own work on one time axis."""

from __future__ import annotations

import streamlit as st

from pages.parts import charts_machine, live, reads, resources, widgets


@st.fragment(run_every=2)
def now() -> None:
    with widgets.reading():
        told = reads.current()
        if told.empty:
            widgets.waiting("the first readings of the machine", "the engine takes them every second while it runs")
            return
        widgets.tiles(resources.tiles(told, reads.now()))
        widgets.note(resources.limits(told))


def lines(span: str) -> None:
    seconds = resources.RANGES[span]
    with widgets.reading():
        panels = resources.panels(reads.current())
        told = reads.lines([(series.source, series.name) for panel in panels for series in panel.series], seconds)
        if told.empty:
            widgets.nothing(f"no readings in the last {span}")
            return
        until = reads.now()
        since = until - seconds * reads.SECOND
        widgets.note(resources.resolution(seconds))
        live.chart(
            charts_machine.multiples(told, panels, since, until, reads.happened(seconds)),
            key=f"lines_{span}",
            label=f"Readings of the last {span}",
        )


now()
chosen = st.segmented_control("Range", list(resources.RANGES), default="15 min", key="range", bind="query-params", required=True)
st.fragment(lines, run_every=resources.refresh(str(chosen)))(str(chosen or "15 min"))
