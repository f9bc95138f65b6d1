"""The decision named by the address, the way to others, and the replay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import streamlit as st

from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from pages.ui import cache, frame, theme, travel, widgets

ROOT = Path(__file__).resolve().parents[2]
REPLAY_SECONDS = 180
MAX_DIGITS = 18  # of the largest tick that a store can hold


def read_address() -> tuple[int, str] | str | None:
    """Return tick and symbol of the address, or of the newest decision where it names no tick.

    Return a sentence where the address is wrong, None before the first decision.
    """
    tick, symbol = st.query_params.get("tick"), st.query_params.get("symbol")
    if tick is not None and not (tick.isdecimal() and len(tick) <= MAX_DIGITS):
        return f"tick {tick[:40]} in the address is not a number"
    if tick is not None:
        return (int(tick), symbol) if symbol else f"the address names tick {int(tick):,} but no symbol"
    newest, _ = cache.fetch_decisions(DecisionFilter(symbol=symbol), limit=1)
    if newest.empty:
        return None if symbol is None or cache.fetch_status().last is None else f"no decision of {symbol} is stored"
    return int(newest["tick"].iloc[0]), str(newest["symbol"].iloc[0])


def describe_missing(tick: int, symbol: str) -> str:
    """Say why there is no such decision: it is not stored, or it lies after the tick that the page is shown as of."""
    past = cache.past_tick()
    if past is not None and tick > past.tick:
        return f"tick {tick:,} is later: this page is {travel.describe_past(past)}"
    return f"no decision of {symbol} at tick {tick:,} is stored: it is not decided yet, or retention has deleted it"


def show_missing(line: str) -> None:
    """Say that there is no such decision, and offer the stored ones; the page runs again when the store has changed."""
    widgets.show_empty(line)
    widgets.rerun_on_change(cache.store_version())
    if st.button("Show stored decisions"):
        frame.open_page("02_decisions.py")
    st.stop()


def show_navigation(decision: DecisionDetails, *, following: bool) -> None:
    """Draw the way to the previous and next decision, another symbol, the newest, which is then followed, and the replay."""
    is_last = following or (cache.past_tick() is not None and decision.tick >= decision.last)
    with st.container(horizontal=True, vertical_alignment="bottom", key="steps"):
        symbols = list(decision.session.symbols)
        own = f"symbol_of_{'newest' if following else decision.tick}_{decision.symbol}"
        chosen = st.selectbox("Symbol", symbols, index=symbols.index(decision.symbol), key=own, width=170)
        back = st.button("Previous", icon=":material/chevron_left:", disabled=decision.tick <= decision.first_tick)
        forth = st.button("Next", icon=":material/chevron_right:", icon_position="right", disabled=is_last)
        newest = st.button("Newest", disabled=is_last, help="Follows the newest decision")
        market = st.button("In the market", icon=":material/candlestick_chart:", help="Shows the bar of this decision on Market")
        again = st.button(
            "Replay this tick", icon=":material/replay:", help="Decides the stored tick again in a separate process and compares every bit"
        )
    tick = int(st.session_state.get("followed", decision.tick)) if following else decision.tick  # the one on screen
    if market:
        frame.open_page("04_market.py", symbol=decision.symbol, mark=str(tick))
    if again:
        with st.spinner(f"Deciding tick {tick:,} again"):
            st.session_state["replayed"] = (tick, _replay(tick, cache.store_url()))
    if newest or (following and chosen != decision.symbol):
        frame.open_page("03_decision.py", symbol=str(chosen))
    if back or forth or (again and following) or chosen != decision.symbol:
        frame.open_page("03_decision.py", tick=str(tick + forth - back), symbol=str(chosen))
    result = st.session_state.get("replayed")
    if result is not None and result[0] == decision.tick and not following:
        widgets.show_html(result[1])


def _replay(tick: int, store_url: str) -> str:
    """Replay the tick in a separate process, so that the engine does not wait for it, and return the result as a notice."""
    try:
        process = subprocess.run(
            [sys.executable, "-m", "engine", "replay", str(tick), "--store", store_url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=REPLAY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return widgets.render_notice(
            f"The replay of tick {tick:,} was stopped after {REPLAY_SECONDS} s without a result", word="Not replayed.", colour=theme.WARNING
        )
    output = " ".join((process.stdout if process.returncode in {0, 1} else process.stderr).split())[-400:]
    if process.returncode == 0:
        return widgets.render_notice(f"Tick {tick:,} was decided again from its stored inputs: {output}", word="Identical.", colour=theme.GOOD)
    if process.returncode == 1 and output:
        return widgets.render_notice(f"Tick {tick:,}: {output}", word="Different.", colour=theme.HARM)
    return widgets.render_notice(f"Tick {tick:,}: {output or 'the replay gave no result'}", word="Not replayed.", colour=theme.WARNING)
