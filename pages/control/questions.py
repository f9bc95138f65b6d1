"""Slow questions of the page Control, each answered by a process of its own that gives way to the engine; one runs at a time for all visitors."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import streamlit as st

from engine.service.clock import WallClock
from pages.ui import ages, cache, commands, jobs, theme, widgets
from pages.ui.jobs import JobState

LANE = "counterfactual"
NEWEST = "counterfactual_newest"  # of this browser: the key of the newest question by kind
T = TypeVar("T")


def start_question(kind: str, arguments: tuple[str, ...]) -> None:
    """Start the process that answers; where another question runs, it is shown instead."""
    key = build_key(arguments)
    runner = jobs.get_jobs()
    if runner.start(LANE, key, [*arguments, "--json", "--store", cache.store_url()]) or runner.running_key(LANE) == key:
        st.session_state.setdefault(NEWEST, {})[kind] = key
        commands.clear_answer()
    else:
        st.session_state["answer"] = ("another question is being answered: wait for its end, or cancel it", theme.WARNING, "Not started.")


def build_key(arguments: tuple[str, ...]) -> str:
    """Return the key of a question about this store."""
    return "\n".join((LANE, cache.store_url(), *arguments))


def read_question(kind: str) -> JobState | None:
    """Return the state of the newest question of a kind of this browser."""
    key = st.session_state.get(NEWEST, {}).get(kind)
    return None if key is None else jobs.get_jobs().read_state(key)


def show_question(kind: str, total: int, answer_as: type[T]) -> T | None:
    """Show a question's progress or refusal in place of its answer; return the answer once it is there."""
    state = read_question(kind)
    if state is None:
        return None
    if state.is_running:
        done = f"{state.done:,} of {total:,} ticks decided again" if total and state.done else "reading the store"
        widgets.show_notice(f"{done}; the engine goes first", word="Deciding again.", colour=theme.UP)
        if st.button("Cancel", key=f"cancel_{kind}", icon=":material/close:"):
            jobs.get_jobs().cancel(state.key)
        return None
    if state.code != 0:
        reason = state.last_line or ("it was cancelled" if state.code and state.code < 0 else f"it ended with code {state.code}")
        widgets.show_notice(reason[:400], word="No answer.", colour=theme.WARNING)
        return None
    return msgspec.json.decode(state.output, type=answer_as)


def age_of(kind: str) -> str:
    """Return how old the answer is, as words that go on counting; "" without one."""
    state = read_question(kind)
    return "" if state is None or state.ended is None else f"{ages.ticking_age(state.ended, WallClock().now())} ago"
