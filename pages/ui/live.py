"""The live chart and the live table: components whose nodes are kept, so a refresh loses no zoom, scroll, focus or place."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from engine import units
from pages.ui import ages, plotly_library
from pages.ui.charts import Figure

HERE = Path(__file__).parent


def show_chart(figure: Figure, *, key: str, label: str, clickable: bool = False, stamp: str = "") -> None:
    """Draws a figure; where it is clickable, a point whose customdata is "tick SYMBOL" leads to that decision.

    `stamp` names what it is of, for the rows that are to change together with it.
    """
    _chart()(
        key=key,
        data={
            "figure": figure.to_json(),
            "height": figure.height,
            "label": label,
            "clickable": clickable,
            "stamp": stamp,
            "library": plotly_library.library_address(),
        },
    )


def run_clock(now: int, every: float) -> None:
    """Counts the ages on the page from now on, ns UTC, and greys the page where the next refreshes, `every` seconds, do not come."""
    _clock()(key="podium_clock", data={"now": now // units.MS, "every": every})


def show_live_table(html: str, *, key: str, height: int | None = None, reserved: int | None = None, label: str = "Table", after: str = "") -> None:
    """Draws a table made by `tables.html`, whose rows may be links, or other markup.

    `height` is the most it takes, in pixels. `reserved` rows are taken whether there are that many or not, and more of them are scrolled to:
    a list that changes with every tick then moves nothing that stands below it. `after` is the stamp of a chart that it changes together with.
    """
    _rows()(key=key, data={"html": ages.render_ages(html), "height": height, "reserved": reserved, "label": label, "after": after})


@cache
def _chart() -> Any:
    return st.components.v2.component(
        "podium_chart",
        html='<div class="podium-chart" role="img"></div>',
        js=(HERE / "live_chart.js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )


@cache
def _clock() -> Any:
    return st.components.v2.component("podium_clock", js=(HERE / "live_clock.js").read_text(encoding="utf-8"), isolate_styles=False)


@cache
def _rows() -> Any:
    return st.components.v2.component(
        "podium_rows",
        html='<div class="podium-rows pd" tabindex="0" role="region"></div>',
        js=(HERE / "live_table.js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )
