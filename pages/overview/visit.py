"""What this browser remembers: when somebody last looked at Overview, and whether the tour is over; and the line and the card made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from engine import units
from engine.store.read.recent import MAX_COUNT, News
from engine.store.read.status import EngineStatus
from pages.overview.text import WHAT_IT_IS
from pages.ui import now_cache, theme, widgets

STEPS = 4
_STEP, _DONE, _KNOWN = "tour_step", "tour_done", "visit_known"


@dataclass(frozen=True, slots=True)
class Visit:
    """What the browser has reported; None for what is not known, or not yet."""

    since: int | None  # ns UTC, the end of the previous visit
    toured: bool | None


def remember_visit() -> Visit:
    """Let the browser keep its memory up to date, and return what it reports."""
    known = st.session_state.get(_KNOWN, {"since": None, "toured": None})
    reported = _memory()(
        key="visit", data={"toured": bool(st.session_state.get(_DONE)), "known": known}, default={"since": None, "toured": None},
        on_since_change=_ignore, on_toured_change=_ignore,
    )  # fmt: skip
    since, toured = reported.get("since"), reported.get("toured")
    st.session_state[_KNOWN] = {"since": since, "toured": toured}
    is_time = isinstance(since, int | float) and 0 < since < 1e14
    return Visit(int(since) * units.MS if is_time else None, toured if isinstance(toured, bool) else None)


def describe_news(news: News | None, since: int | None) -> tuple[str, str]:
    """Name the time of the previous visit, and say what happened since, with what is known only."""
    if since is None:
        return "Since you last looked", "this is your first visit in this browser"
    name = f"Since you last looked, {units.format_time(since, '%m-%d %H:%M')} UTC"
    if news is None:
        return name, "not known, the store does not reach back that far"
    sessions = f"{units.format_count(news.ticks, 'tick')} over several sessions"
    decided = sessions if news.decisions is None else units.format_count(news.decisions, "decision")
    gain = [] if news.gain is None else [f"equity {units.format_percent(news.gain, 2, signed=True)}"]
    return name, ", ".join([decided, _count_up_to(news.trades, "trade"), *gain, _count_up_to(news.alerts, "alert")])


def fetch_news_of(since: int | None) -> News | None:
    return None if since is None else now_cache.fetch_news(since)


def show_tour(visit: Visit, status: EngineStatus, reasons: Callable[[], list[str]]) -> None:
    """Show the tour to a browser that has not had it, a step at a time; `reasons` gives sentences on a decision."""
    if visit.toured is not False or st.session_state.get(_DONE):
        return
    step = int(st.session_state.get(_STEP, 1))
    with st.container(key="tour"):
        widgets.show_notice(describe_step(step, status, reasons()), word=f"First look, {step} of {STEPS}.", colour=theme.UP)
        with st.container(horizontal=True, key="tour_answers"):
            if step < STEPS:
                st.button("Next", key="tour_next", type="primary", on_click=_go_to, args=(step + 1,))
            st.button("Skip the tour" if step < STEPS else "Done", key="tour_skip", on_click=_finish)


def describe_step(step: int, status: EngineStatus, reasons: list[str]) -> str:
    """Return the words of one step."""
    market = "The market here is simulated." if status.session is not None and status.session.simulated else ""
    return (
        f"{WHAT_IT_IS} {market}".strip(),
        " ".join(reasons) or "As soon as there is a decision, its reason is shown here.",
        "A model trades only after its forecasts have proved right on data it has not seen. Until then every decision is a hold, by design.",
        "The bar at the top is on every page: the state, and Pause and Flatten. Click any cell of the gate strip to see that decision in full.",
    )[min(max(step, 1), STEPS) - 1]


def _count_up_to(n: int, thing: str) -> str:
    return units.format_count(n, thing) + (" or more" if n >= MAX_COUNT else "")


def _go_to(step: int) -> None:
    st.session_state[_STEP] = step


def _finish() -> None:
    st.session_state[_DONE] = True


def _ignore() -> None:
    """Do nothing: the value is read where the component is shown."""


@cache
def _memory() -> Any:
    script = (Path(__file__).parent / "visit.js").read_text(encoding="utf-8")
    return st.components.v2.component("podium_visit", html='<span class="podium-visit" hidden></span>', js=script, isolate_styles=False)
