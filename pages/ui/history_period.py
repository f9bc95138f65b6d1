"""The period of a table of history: the last days, or days from one to another; it is in the page's address, and downloads follow it."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from engine.store.read.period import Period, describe_period
from pages.ui import params

NAME = "period"  # in the address
CHOOSING = "dates"  # in the address while no day is chosen yet
USUAL = {"": "All", "1d": "Last day", "7d": "Last 7 days", "30d": "Last 30 days"}
DAYS = "period_days"


def show_period(period: Period | None, *, is_market_time: bool) -> None:
    """Draw the choice of the period, and the two days while days are chosen."""
    chosen = st.query_params.get(NAME, "") if period is None else period.to_text()
    options = USUAL | {CHOOSING: "Days ..."}
    is_days = chosen == CHOOSING or (period is not None and period.days is None)
    if period is not None and chosen not in options:
        options |= {chosen: describe_period(period).removeprefix("of ").removeprefix("from ").capitalize()}
    clock = "market time" if is_market_time else "this machine's time"
    about = f"By {clock}, in UTC. The last days end with the newest tick"
    params.select_value("Period", options, name=NAME, chosen=chosen, width=150, about=about)
    if is_days:
        _show_days(period)


def _show_days(period: Period | None) -> None:
    """Draw the two days, both of which count."""
    st.session_state[DAYS] = tuple(date.fromisoformat(day) for day in (period.first, period.last) if day) if period is not None else ()
    st.date_input("From and to, UTC", key=DAYS, format="YYYY-MM-DD", width=230, min_value=date(1970, 1, 1), on_change=_store_days)


def _store_days() -> None:
    days: Any = st.session_state[DAYS]
    if len(days) == 2:  # one day is the beginning of a choice
        params.store_value(NAME, "/".join(day.isoformat() for day in days))
