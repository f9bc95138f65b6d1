"""Which decision is shown: the one of the address, and the way from it to another."""

from __future__ import annotations

import streamlit as st

from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from pages.decision import replay
from pages.ui import cache, frame, widgets

DIGITS = 18  # of the largest tick a store can hold


def read_address() -> tuple[int, str] | str | None:
    """The tick and symbol of the address, of the newest decision where it names no tick; or what is wrong with it; None before the first decision."""
    tick, symbol = st.query_params.get("tick"), st.query_params.get("symbol")
    if tick is not None and not (tick.isdecimal() and len(tick) <= DIGITS):
        return f"the address asks for tick {tick[:40]}, which is no tick"
    if tick is not None:
        return (int(tick), symbol) if symbol else f"the address asks for tick {int(tick):,} and names no symbol"
    newest, _ = cache.fetch_decisions(DecisionFilter(symbol=symbol), limit=1)
    if newest.empty:
        return None if symbol is None or cache.fetch_status().last is None else f"no decision of {symbol} is kept"
    return int(newest["tick"].iloc[0]), str(newest["symbol"].iloc[0])


def show_missing(line: str) -> None:
    """Says that there is no such decision, and leads to those that there are."""
    widgets.show_empty(line)
    if st.button("To the decisions that are kept"):
        frame.open_page("02_decisions.py")
    st.stop()


def show_navigation(told: DecisionDetails, *, following: bool) -> None:
    """To the decision before and after, to another symbol of the same tick, to the newest, which is then followed, and the replay."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="steps"):
        symbols = list(told.session.symbols)
        own = f"symbol_of_{'newest' if following else told.tick}_{told.symbol}"
        chosen = st.selectbox("Symbol", symbols, index=symbols.index(told.symbol), key=own, width=170)
        back = st.button("Previous", icon=":material/chevron_left:", disabled=told.tick <= told.first_tick)
        forth = st.button("Next", icon=":material/chevron_right:", icon_position="right", disabled=following)
        newest = st.button("Newest", disabled=following, help="Follows the newest decision as ticks come")
        again = st.button(
            "Replay this tick", icon=":material/replay:", help="Decides the stored tick again in another process and compares every bit"
        )
    tick = int(st.session_state.get("followed", told.tick)) if following else told.tick  # the one that was on the screen
    if again:
        with st.spinner(f"Deciding tick {tick:,} again"):
            st.session_state["replayed"] = (tick, replay.run_replay(tick, cache.store_url()))
    if newest or (following and chosen != told.symbol):
        frame.open_page("03_decision.py", symbol=str(chosen))
    if back or forth or (again and following) or chosen != told.symbol:
        frame.open_page("03_decision.py", tick=str(tick + forth - back), symbol=str(chosen))
    kept = st.session_state.get("replayed")
    if kept is not None and kept[0] == told.tick and not following:
        widgets.show_html(kept[1])
