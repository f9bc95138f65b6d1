"""Travelling: the page as of a past tick, which the address holds, with its controls. Nothing is refreshed meanwhile.

The address has `travel`, a tick, and `known=now` where what was open then is judged by what is known now.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import streamlit as st

from engine import units
from engine.store.read import past_ticks
from engine.store.read.past import PastTick
from engine.store.read.reader import StoreUnreadable
from pages.ui import cache, history_table, refresh, widgets

PAGES = frozenset(  # titles of the pages that can travel
    {"Overview", "Decisions", "Decision", "Market", "Models", "Portfolio", "Components", "Optimizer", "Alerts", "Control"}
)
TICK, KNOWN = "travel", "known"  # in the address
LOST = "Off until the tick in the address is found."  # why no button acts
KNOWLEDGE = {"then": "As known then", "now": "As known now"}
_WANTED, _PAGE, _PROBLEM, _JUMP, _LOST, _SPAN = "travel_wanted", "travel_page", "travel_problem", "travel_jump", "travel_lost", "travel_span"
_KNOWN_HELP = (
    "As known then: only what was stored by that tick. As known now: the same decisions with what became known later, such as their outcomes"
)
_KNOWN_HELP_OF = {
    "Market": ". Candles are the same on both clocks: the store has the bars that were decided on. It counts the candles that a live market revised "
    "later (Components, Streams), but does not have their prices",
}


def begin_run(store_url: str, title: str) -> None:
    """Set what this run of a page reads: the store as of the tick in the address, else as it is now."""
    cache.use_store(store_url)
    wanted = _read_address(title)
    st.session_state[_WANTED], st.session_state[_PAGE], st.session_state[_LOST] = wanted, title, False
    if wanted is None or title not in PAGES:
        return
    tick, knows_now = wanted
    try:
        past = past_ticks.find_past_tick(cache.get_reader(), tick, knows_now=knows_now)
    except StoreUnreadable:  # show_controls says so
        st.session_state[_LOST] = True
        return
    cache.use_store(store_url, past)


def is_lost() -> bool:
    """Whether the tick in the address could not be looked up, so that this run reads the store as it is now."""
    return bool(st.session_state.get(_LOST))


def run_live(part: Callable[..., None], seconds: float, *args: object) -> None:
    """Run a part of a page as a fragment that is refreshed after as many seconds, and never while travelling."""
    refresh.run_part(part, seconds if cache.past_tick() is None else None, *args)


def live_part(seconds: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a part of a page that `run_live` runs."""

    def decorate(part: Callable[..., None]) -> Callable[..., None]:
        @wraps(part)
        def run(*args: object) -> None:
            run_live(part, seconds, *args)

        return run

    return decorate


def show_controls(title: str) -> None:
    """Show the way to the past in the sidebar, or the controls while travelling; outside any live part.

    Where the tick in the address could not be looked up, the run ends here: the page would show now. It runs again once the store can be read.
    """
    if is_lost():
        widgets.show_empty("The store could not be read to find the tick in the address: this page appears as soon as it can")
        widgets.rerun_on_change(None)
        st.stop()
    past = cache.past_tick()
    if past is None:
        _show_present(title)
        return
    try:
        ends = past_ticks.read_tick_range(cache.open_present())
    except StoreUnreadable:  # the page says so
        return
    first, last = ends or (past.tick, past.tick)
    with st.container(horizontal=True, vertical_alignment="bottom", key="travel_controls"):
        _show_step("Earlier", "chevron_left", past.tick - 1, is_off=past.tick <= first)
        span = (first, max(last, first + 1))
        if (
            st.session_state.get("travel_slider") != past.tick or st.session_state.get(_SPAN) != span
        ):  # Streamlit resets a slider that gets other ends
            st.session_state["travel_slider"] = past.tick  # else the browser has it, and may be moving on already
            st.session_state[_SPAN] = span
        st.slider("Tick", *span, key="travel_slider", on_change=_take_slider, width="stretch")
        _show_step("Later", "chevron_right", past.tick + 1, is_off=past.tick >= last)
        st.text_input("Travel to tick or time", key=_JUMP, width=190, placeholder="10482 or 2026-11-30 14:02", on_change=_jump, help="A time in UTC")
        st.session_state["travel_known"] = "now" if past.knows_now else "then"
        st.segmented_control(
            "Clock", list(KNOWLEDGE), format_func=lambda clock: KNOWLEDGE[clock], key="travel_known", on_change=_take_clock,
            help=_KNOWN_HELP + _KNOWN_HELP_OF.get(title, ""),
        )  # fmt: skip
        st.button("Back to now", key="travel_now", type="primary", on_click=_go_to, args=(None,))
    problem = st.session_state.pop(_PROBLEM, None)
    if problem:
        widgets.show_empty(problem)


def describe_past(past: PastTick) -> str:
    """Say as of when a page is."""
    return f"as of tick {past.tick:,}, {units.format_time(past.at, '%Y-%m-%d %H:%M')} UTC"


def show_cannot_travel(what: str, why: str = "the store holds the present state only") -> bool:
    """Say in a line, while travelling, that a part cannot travel; return whether it said so."""
    if cache.past_tick() is None:
        return False
    widgets.show_empty(f"{what} cannot travel: {why}")
    return True


def note_past(text: str) -> None:
    """Say in a line, while travelling, what the store does not have of that time."""
    if cache.past_tick() is not None:
        widgets.show_note(text)


def carry_address(query: dict[str, str]) -> dict[str, str]:
    """Return the parameters of an address with the tick and the clock of this one, if any."""
    return query | {name: st.query_params[name] for name in (TICK, KNOWN) if name in st.query_params and cache.past_tick() is not None}


def _show_present(title: str) -> None:
    if title in PAGES:
        st.sidebar.button(
            "Travel to the past", key="travel_begin", icon=":material/history:", on_click=_begin, help="Show this page as it stood at an earlier tick"
        )
    elif st.session_state.get(_WANTED) is not None:
        widgets.show_empty(f"{title} cannot travel: it shows now")


def _show_step(label: str, icon: str, tick: int, *, is_off: bool) -> None:
    st.button(label, key=f"travel_{label.lower()}", icon=f":material/{icon}:", disabled=is_off, on_click=_go_to, args=(tick,), help=f"Tick {tick:,}")


def _read_address(title: str) -> tuple[int, bool] | None:
    """Return the wanted tick and clock; a page that is opened from the navigation keeps those of the page before."""
    text = st.query_params.get(TICK)
    before = st.session_state.get(_WANTED)
    if text is None and before is not None and st.session_state.get(_PAGE) != title:
        st.query_params[TICK] = str(before[0])
        if before[1]:
            st.query_params[KNOWN] = "now"
        wanted: tuple[int, bool] = before
        return wanted
    moment = None if text is None else history_table.parse_moment(text)
    if moment is None or moment[0] is None:
        return None
    return moment[0], st.query_params.get(KNOWN) == "now"


def _begin() -> None:
    try:
        ends = past_ticks.read_tick_range(cache.open_present())
    except StoreUnreadable:
        return
    if ends is not None:
        _go_to(ends[1])


def _take_slider() -> None:
    """Go to the slider's tick; nothing where it merely follows the tick that the page shows, or the travel has just ended."""
    wanted, tick = st.session_state.get(_WANTED), int(st.session_state["travel_slider"])
    if wanted is not None and tick != wanted[0]:
        _go_to(tick)


def _take_clock() -> None:
    if st.session_state["travel_known"] == "now":
        st.query_params[KNOWN] = "now"
    else:
        st.query_params.pop(KNOWN, None)


def _jump() -> None:
    """Go to the tick or the time that was typed; a line says why that is not possible."""
    typed = str(st.session_state.get(_JUMP) or "").strip()
    st.session_state[_JUMP] = ""
    moment = history_table.parse_moment(typed)
    if moment is None:
        st.session_state[_PROBLEM] = f"{typed[:40]} is neither a tick nor a time such as 2026-11-30 14:02" if typed else None
        return
    tick, at = moment
    if tick is None and at is not None:
        try:
            tick = past_ticks.find_tick_by_time(cache.open_present(), at)
        except StoreUnreadable:
            return
    if tick is None:
        st.session_state[_PROBLEM] = f"nothing is stored for {typed[:40]} or before"
    else:
        _go_to(tick)


def _go_to(tick: int | None) -> None:
    """Set the tick in the address; None ends the travel."""
    if tick is None:
        st.session_state[_WANTED] = None
        st.query_params.pop(TICK, None)
        st.query_params.pop(KNOWN, None)
    else:
        st.query_params[TICK] = str(tick)
