"""Recorded sessions decided again: the newest result of each, and the button that runs it in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from engine import units
from engine.store.parity_file import StoredParity
from engine.store.read.status import EngineStatus
from pages.ui import cache, jobs, live, recorded_sessions, tables, theme, widgets
from pages.ui.jobs import JobState
from pages.ui.tables import Cell, Column, TableRow

LANE = "parity"
MAX_SESSIONS = 30  # in the list
STOPPED = -15  # exit code of a process that was ended: SIGTERM
COLUMNS = (
    Column("Session", nowrap=True), Column("Result", full_width=True, term="parity"), Column("Late trades", right=True),
    Column("Revised candles", right=True), Column("Restarts", right=True), Column("Compared"), Column("Recording"),
)  # fmt: skip


def show_parity(status: EngineStatus) -> None:
    """Draw the recorded sessions with the newest result of each; nothing where no session was recorded."""
    sessions = dict(list(recorded_sessions.list_recorded_sessions(status).items())[:MAX_SESSIONS])
    if not sessions:
        return
    widgets.show_heading("Recorded sessions decided again", "whether a replay of the recording gives the live decisions, bit for bit")
    results = recorded_sessions.fetch_parity(status)
    running = jobs.get_jobs().running_key(LANE)
    state = None if running is None else jobs.get_jobs().read_state(running)
    rows = [_build_row(number, folder, results.get(number)) for number, folder in sessions.items()]
    live.show_live_table(tables.render_table(COLUMNS, rows, label="Recorded sessions decided again"), key="parity_rows", height=300)
    with st.container(horizontal=True, vertical_alignment="bottom", key="parity_controls"):
        number = st.selectbox("Session", list(sessions), key="parity_session", width=140, format_func=str)
        pressed = st.button("Decide again", key="parity_run", icon=":material/replay:", disabled=state is not None)
        if st.button("Cancel", key="parity_cancel", icon=":material/close:", disabled=state is None) and running is not None:
            jobs.get_jobs().cancel(running)
    if pressed and number is not None:
        start_parity(int(number), cache.store_url())
        st.rerun(scope="fragment")
    with widgets.fixed_container("parity_state", 62):
        _show_state(state or _find_ended(sessions), results)


def start_parity(number: int, store_url: str) -> bool:
    """Decide a session again in a process of its own; False where another runs."""
    return jobs.get_jobs().start(LANE, f"{LANE} {store_url} {number}", ["parity", "--session", str(number), "--json", "--store", store_url])


def describe_parity(result: StoredParity) -> str:
    """Return a result in one line."""
    if result.error is not None:
        return f"not compared: {result.error}"
    if result.difference is None:
        past = f", {result.history_ticks:,} of them on the exchange's history" if result.history_ticks else ""
        unrecorded = f"; {units.format_count(result.unrecorded_ticks, 'tick')} not recorded" if result.unrecorded_ticks else ""
        return f"identical, {units.format_count(result.ticks, 'tick')}{past}{unrecorded}"
    return f"tick {units.MISSING if result.first_tick is None else f'{result.first_tick:,}'} differs first, in {result.difference}"


def _find_ended(sessions: Mapping[int, str]) -> JobState | None:
    """Return the newest ended run in this process."""
    states = [state for number in sessions if (state := jobs.get_jobs().read_state(f"{LANE} {cache.store_url()} {number}")) is not None]
    return max(states, key=lambda state: state.started, default=None)


def _show_state(state: JobState | None, results: Mapping[int, StoredParity]) -> None:
    """Draw the run that is going on, or what the newest came to."""
    if state is None:
        return
    number = int(state.key.rpartition(" ")[2])
    if state.is_running:
        age = units.format_age((cache.current_time() - state.started) / units.SECOND)
        widgets.show_notice(f"session {number} is decided again, for {age} so far", word="Running.", colour=theme.UP)
        return
    stored = results.get(number)
    if stored is not None and stored.compared_at >= state.started:
        colour = theme.GOOD if stored.error is None and stored.difference is None else theme.WARNING
        widgets.show_notice(f"session {number}: {describe_parity(stored)}", word="Done.", colour=colour)
        return
    reason = "cancelled" if state.code == STOPPED else state.last_line or f"it ended with code {state.code}"
    widgets.show_notice(f"session {number}: {reason}", word="Not done.", colour=theme.WARNING)


def _build_row(number: int, folder: str, result: StoredParity | None) -> TableRow:
    if result is None:
        return TableRow(str(number), (str(number), "not compared yet", *[units.MISSING] * 4, folder))
    colour = theme.WARNING if result.error is not None else theme.GOOD if result.difference is None else theme.HARM
    counts = (result.late_trades, result.revised_candles, result.restarts)
    return TableRow(str(number), (
        str(number), Cell(describe_parity(result), colour),
        *(units.MISSING if result.error is not None else f"{count:,}" for count in counts),
        f"{units.format_time(result.compared_at, '%Y-%m-%d %H:%M')} UTC", folder,
    ))  # fmt: skip
