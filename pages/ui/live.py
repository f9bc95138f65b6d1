"""Live charts, tables and the clock: components whose DOM nodes persist, so a refresh keeps zoom, scroll position and focus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache as remember
from typing import Any

import orjson
import streamlit as st

from engine import units
from pages.ui import ages, cache, plotly_library, scripts, visitors, wire
from pages.ui.charts import Figure
from pages.ui.wire import Payload

ROW = re.compile("(?=<tr)")
TAG = re.compile("(<[^>]*>)")
MAX_MESSAGE = 200  # characters of an alert in a notification


def show_chart(figure: Figure, *, key: str, label: str, clickable: bool = False, stamp: str = "", part: bool = False) -> None:
    """Show a figure; in a clickable one, a point whose customdata is "tick SYMBOL" opens that decision.

    `stamp` identifies its content, for tables that must change in the same frame. A `part` is updated by `updates`, but while travelling.
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
            **({"part": key} if part and cache.past_tick() is None else {}),
            **({"readout": True} if "readout" in figure.layout.get("meta", {}) else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class TabState:
    """What the browser's tab shows: the state and since when (ns UTC, None for no age), the page, and the open alerts (None where unknown).

    `critical` are rule and message of the critical ones, for whoever wants to be notified.
    """

    word: str
    since: int | None
    page: str
    alerts: int | None
    critical: tuple[tuple[str, str], ...] = ()


def run_clock(now: int, every: float, tab: TabState, *, is_still: bool = False, updates: str = "") -> None:
    """Update the ages on the page and in the tab from `now`, ns UTC, and grey the page when no refresh arrives within `every` seconds.

    A still clock stands at `now` and expects no refresh. `updates` is the address that the browser asks for updates.
    With a still clock it shows nothing of the answers, but lets scripts run again.
    """
    data = {"now": now // units.MS, "every": every, "tab": describe_tab(tab)}
    data |= {"owner": mark} if (mark := visitors.find_mark()) else {}
    _clock()(key="podium_clock", data=data | ({"still": True} if is_still else {}) | ({"updates": updates} if updates else {}))


def describe_tab(tab: TabState) -> dict[str, Any]:
    """Return what the browser is given for its tab; critical alerts only where there are any."""
    shown: dict[str, Any] = {"word": tab.word, "since": None if tab.since is None else tab.since // units.MS, "page": tab.page, "alerts": tab.alerts}
    if tab.critical:
        shown["critical"] = [[rule, message[:MAX_MESSAGE]] for rule, message in tab.critical]
    return shown


def show_live_table(
    html: str | Payload,
    *,
    key: str,
    height: int | None = None,
    reserved: int | None = None,
    label: str = "Table",
    after: str = "",
    place: str = "",
    part: bool = False,
) -> None:
    """Show a table from `tables.html`, whose rows may be links, or other markup; `prepare_table` gives what sessions may share.

    `height` is its largest height in pixels. `reserved` fixes its height to that many rows, and longer tables scroll, so that a list which
    changes with every tick moves nothing below it. `after` is the stamp of the chart that it changes together with.
    `place` is the address at which the rows stay as they are: a browser that comes back from a row returns to it.
    A `part` is updated by `updates`, but while travelling.
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
            **({"part": key} if part and cache.past_tick() is None else {}),
        },
    )


def show_acting_table(html: str, *, key: str, label: str) -> str | None:
    """Show a table with buttons from `tables.render_button`; return what the pressed one does, once."""
    result = _rows()(
        key=key,
        data={**_message(key, prepare_table(html)), "height": None, "reserved": None, "label": label, "after": "", "place": ""},
        on_act_change=_ignore,
    )
    act = result.get("act")
    return act if isinstance(act, str) else None


def prepare_table(html: str) -> Payload:
    """Return what is sent of a table: its tags and texts, an array for each row."""
    return wire.register_payload(orjson.dumps([TAG.split(row) for row in ROW.split(ages.render_ages(html))]))


def _message(key: str, payload: Payload) -> dict[str, Any]:
    """Return the part of a component's data that says what it shows, against what this browser session was sent last under the key."""
    return wire.build_message(st.session_state.setdefault("wire_sent", {}), key, payload)


def _ignore() -> None:
    """Do nothing: the value is read where the component is shown."""


@remember
def _chart() -> Any:
    return st.components.v2.component(
        "podium_chart",
        html='<div class="podium-figure"><div class="podium-chart" role="img"></div></div>',
        js=scripts.component_script("live_chart.js"),
        isolate_styles=False,
    )


@remember
def _clock() -> Any:
    return st.components.v2.component("podium_clock", js=scripts.component_script("live_clock.js"), isolate_styles=False)


def show_notice_switch() -> None:
    """Show the switch for browser notifications of critical alerts; the browser remembers it, and it is off at first."""
    _notice()(key="podium_notice")


@remember
def _notice() -> Any:
    return st.components.v2.component(
        "podium_notice", html='<div class="pd podium-notice"></div>', js=scripts.component_script("live_notice.js"), isolate_styles=False
    )


@remember
def _rows() -> Any:
    return st.components.v2.component(
        "podium_rows",
        html='<div class="podium-rows pd" tabindex="0" role="region"></div>',
        js=scripts.component_script("live_table.js"),
        isolate_styles=False,
    )
