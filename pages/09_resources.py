"""Resources: the machine and the engine's own work on one time axis."""

from __future__ import annotations

import streamlit as st

from pages.parts import charts_machine, glance, live, reads, widgets

RANGES = {"15 min": 900, "1 h": 3_600, "6 h": 21_600, "1 d": 86_400, "7 d": 604_800, "30 d": 2_592_000}


@st.fragment(run_every=2)
def now() -> None:
    with widgets.reading():
        told = reads.current()
        if told.empty:
            widgets.waiting("the first readings of the machine", "the engine takes them every 2 s while it runs")
            return
        widgets.tiles(glance.resources(told, reads.now()))
        widgets.note(glance.limits(told))


def lines(span: str) -> None:
    with widgets.reading():
        panels = glance.panels(reads.current())
        wanted = [(series.source, series.name) for panel in panels for series in panel.series]
        told = reads.lines(wanted, RANGES[span])
        if told.empty:
            widgets.nothing(f"no readings in the last {span}")
            return
        until = reads.now()
        widgets.note(glance.resolution(RANGES[span]))
        live.chart(
            charts_machine.multiples(told, panels, until - RANGES[span] * 1_000_000_000, until),
            key=f"lines_{span}",
            label=f"Readings of the last {span}",
        )


now()
chosen = st.segmented_control("Range", list(RANGES), default="15 min", key="range", bind="query-params", required=True)
st.fragment(lines, run_every=3 if chosen == "15 min" else 15)(str(chosen or "15 min"))
