"""The period of a table of history: the last days, or days from one to another; it is in the page's address, and downloads follow it."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from engine.store.read.period import Period, label_period
from pages.ui import params, widgets

NAME = "period"  # in the address
CHOOSING = "dates"  # in the address while no day is chosen yet
USUAL = {"": "All", "1d": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}
DAYS = "period_days"
_SHOWN = "period_shown"  # the period that the two days were set for


def show_period(period: Period | None, *, is_market_time: bool) -> None:
    """Draw the choice of the period, and the two days while days are chosen."""
    chosen = st.query_params.get(NAME, "") if period is None else period.to_text()
    options = USUAL | {CHOOSING: "Days ..."}
    is_days = chosen == CHOOSING or (period is not None and period.days is None)
    if period is not None and chosen not in options:
        options |= {chosen: label_period(period)}
    clock = "market time" if is_market_time else "this machine's time"
    about = f"By {clock}, in UTC. The last days end with the newest tick"
    params.select_value("Period", options, name=NAME, chosen=chosen if chosen in options else "", width=150, about=about)
    if chosen not in options:
        widgets.show_note(f"{chosen[:40]} in the address is no period: everything is shown")
    if is_days:
        _show_days(period)


def _show_days(period: Period | None) -> None:
    """Draw the two days, both of which count."""
    wanted = "" if period is None else period.to_text()
    if DAYS not in st.session_state or st.session_state.get(_SHOWN) != wanted:  # else the browser has them, and may be between its two clicks
        ends = [] if period is None else [date.fromisoformat(day) for day in (period.first, period.last) if day]
        st.session_state[DAYS], st.session_state[_SHOWN] = tuple(ends) if len(ends) == 2 else (), wanted
    st.date_input("From and to, UTC", key=DAYS, format="YYYY-MM-DD", width=230, min_value=date(1970, 1, 1), on_change=_store_days)


def _store_days() -> None:
    days: Any = st.session_state[DAYS]
    if len(days) == 2:  # one day is the beginning of a choice
        params.store_value(NAME, "/".join(day.isoformat() for day in days))
