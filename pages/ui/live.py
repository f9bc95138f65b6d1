"""Live charts, tables and the clock: components whose DOM nodes persist, so a refresh keeps zoom, scroll position and focus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
import streamlit as st

from engine import units
from pages.ui import ages, plotly_library, scripts, wire
from pages.ui.charts import Figure
from pages.ui.wire import Payload

ROW = re.compile("(?=<tr)")
TAG = re.compile("(<[^>]*>)")


def show_chart(figure: Figure, *, key: str, label: str, clickable: bool = False, stamp: str = "") -> None:
    """Show a figure; in a clickable one, a point whose customdata is "tick SYMBOL" opens that decision.

    `stamp` identifies its content, for tables that must change in the same frame.
    """
    _chart()(
        key=key,
        data={
            **_message(key, figure.to_payload()),
            "height": figure.height,
            "label": label,
            "clickable": clickable,
            "stamp": stamp,
            "library": plotly_library.library_address(),
            **({"readout": True} if "readout" in figure.layout.get("meta", {}) else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class TabState:
    """What the browser's tab shows: the state and since when (ns UTC, None for no age), the page, and the open alerts (None where unknown)."""

    word: str
    since: int | None
    page: str
    alerts: int | None


def run_clock(now: int, every: float, tab: TabState) -> None:
    """Update the ages on the page and in the tab from `now`, ns UTC, and grey the page when no refresh arrives within `every` seconds."""
    shown = {"word": tab.word, "since": None if tab.since is None else tab.since // units.MS, "page": tab.page, "alerts": tab.alerts}
    _clock()(key="podium_clock", data={"now": now // units.MS, "every": every, "tab": shown})


def show_live_table(
    html: str | Payload, *, key: str, height: int | None = None, reserved: int | None = None, label: str = "Table", after: str = "", place: str = ""
) -> None:
    """Show a table from `tables.html`, whose rows may be links, or other markup; `prepare_table` gives what sessions may share.

    `height` is its largest height in pixels. `reserved` fixes its height to that many rows, and longer tables scroll, so that a list which
    changes with every tick moves nothing below it. `after` is the stamp of the chart that it changes together with.
    `place` is the address at which the rows stay as they are: a browser that comes back from a row returns to it.
    """
    _rows()(
        key=key,
        data={
            **_message(key, prepare_table(html) if isinstance(html, str) else html),
            "height": height,
            "reserved": reserved,
            "label": label,
            "after": after,
            "place": place,
        },
    )


def prepare_table(html: str) -> Payload:
    """Return what is sent of a table: its tags and texts, an array for each row."""
    return wire.register_payload(orjson.dumps([TAG.split(row) for row in ROW.split(ages.render_ages(html))]))


def _message(key: str, payload: Payload) -> dict[str, Any]:
    """Return the part of a component's data that says what it shows, against what this browser session was sent last under the key."""
    return wire.build_message(st.session_state.setdefault("wire_sent", {}), key, payload)


@cache
def _chart() -> Any:
    return st.components.v2.component(
        "podium_chart",
        html='<div class="podium-figure"><div class="podium-chart" role="img"></div></div>',
        js=scripts.component_script("live_chart.js"),
        isolate_styles=False,
    )


@cache
def _clock() -> Any:
    return st.components.v2.component("podium_clock", js=scripts.component_script("live_clock.js"), isolate_styles=False)


@cache
def _rows() -> Any:
    return st.components.v2.component(
        "podium_rows",
        html='<div class="podium-rows pd" tabindex="0" role="region"></div>',
        js=scripts.component_script("live_table.js"),
        isolate_styles=False,
    )
