"""What is chosen on Market: symbol, bars, horizon, scale, symbols to compare, and the decision to mark; the address holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from engine import units
from engine.store.read.market import MarketHistory
from engine.store.read.status import SessionInfo
from pages.market import comparison
from pages.ui import params, widgets

MAX_DIGITS = 18  # of the largest tick that a store can hold
BARS = {"60": 60, "120": 120, "300": 300}


@dataclass(frozen=True, slots=True)
class MarketChoice:
    """What the address asks for."""

    symbol: str
    shown: int  # bars
    horizon: int  # bars
    log: bool  # the price axis is logarithmic
    others: tuple[str, ...]  # symbols to compare
    mark: int | None  # tick of the decision to ring


def show_filters(session: SessionInfo) -> MarketChoice:
    """Draw the choice of symbol, bars, horizon, scale and symbols to compare, which are in the address, so that a view can be saved and sent."""
    horizons = {f"{units.format_count(horizon, 'bar')}": horizon for horizon in session.horizons}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        symbol = params.select_one("Symbol", session.symbols, name="symbol", width=170)
        bars = st.segmented_control("Bars", list(BARS), default="120", key="bars", bind="query-params", required=True)
        ahead = st.segmented_control("Forecast horizon", list(horizons), default=next(iter(horizons)), key="over", bind="query-params", required=True)
        log = params.show_toggle("Log scale", name="log")
        others = comparison.choose_symbols(session, symbol)
    mark = st.query_params.get("mark", "")
    tick = int(mark) if mark.isascii() and mark.isdecimal() and len(mark) <= MAX_DIGITS else None
    return MarketChoice(symbol, BARS.get(str(bars), 120), horizons.get(str(ahead), session.horizons[0]), log, others, tick)


def show_mark(history: MarketHistory, choice: MarketChoice) -> MarketChoice:
    """Say where the marked decision is not among the bars that are read; return the choice with bars enough to show it."""
    if choice.mark is None or choice.mark in history.bars["tick"].tail(choice.shown).to_numpy():
        return choice
    if choice.mark in history.bars["tick"].to_numpy():
        return replace(choice, shown=max(BARS.values()))
    widgets.show_note(f"The decision at tick {choice.mark:,} is not among the newest {units.format_count(len(history.bars), 'bar')}.")
    return choice
