"""The form that starts a backtest, its progress, and deletion: commands to the engine, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.domain.access import OPERATE
from engine.store.backtest_files import StoredBacktest
from engine.store.inbox import QUEUED, RUNNING
from pages.backtests.text import describe_arguments, name_market
from pages.ui import command_table, commands, inputs, theme, visitors, widgets

BARS, SYMBOLS, SEED, SIGNAL = 5_000, 8, 7, 0.05
RECENT_SECONDS = 3_600  # the time for which the result of the newest one is shown
BY_PAGE = "from the Backtests page"  # the reason of commands without a form


@visitors.needs(OPERATE)
def show_form() -> None:
    """Draw the form: what to run, and why."""
    simulated = st.segmented_control("Market", ["simulated", "recording"], default="simulated", key="market", bind="query-params", required=True)
    with st.form("backtest", border=True, enter_to_submit=False):
        fields = _show_simulated_fields() if simulated != "recording" else _show_recording_fields()
        left, right = st.columns([5, 2], vertical_alignment="bottom")
        reason = left.text_input(commands.REASON, key="reason_to_backtest", placeholder="purpose of this run", max_chars=commands.MAX_REASON)
        training = right.toggle(
            "Train models",
            value=True,
            key="training",
            help="Trains walk-forward, as live trading does. Without it, the run measures how long everything else takes",
        )
        run = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    if run:
        arguments = {name: text.strip() for name, text in fields.items() if text.strip()} | {"training": "yes" if training else "none"}
        if fields["market"].strip():
            commands.submit_command("backtest", arguments, reason or "no reason given")
        else:
            st.session_state["answer"] = ("Give the absolute path of a recording's folder", theme.WARNING, "Not sent.")
    commands.show_answer("backtest")


def show_progress(requested: pd.DataFrame, now: int) -> None:
    """Draw every queued or running backtest with its progress and a Cancel button, else the result of the newest."""
    active = requested[requested["status"].isin([QUEUED, RUNNING])]
    for command in active.iloc[::-1].to_dict("records"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"run_{command['id']}"):
            widgets.show_html(_render_progress(command))
            if visitors.may(OPERATE) and st.button("Cancel", key=f"cancel_{command['id']}", icon=":material/close:"):
                commands.submit_command("cancel_backtest", {"id": str(command["id"])}, BY_PAGE)
    if active.empty and not requested.empty:
        newest = requested.iloc[0].to_dict()
        ended = newest["finished_at"] if units.is_known(newest["finished_at"]) else newest["at"]
        if now - ended < RECENT_SECONDS * units.SECOND:
            widgets.show_html(f'<div class="pd">{_render_result(newest)}</div>')


def show_delete_button(chosen: list[StoredBacktest]) -> None:
    """Draw the Delete button. It stays in place: nothing that deletes may appear under the pointer."""
    names = [backtest.name for backtest in chosen]
    held = not names or is_deletion_requested(chosen)
    st.button(
        "Delete",
        icon=":material/delete:",
        key="delete",
        help="Deletes the backtests shown, after you confirm",
        on_click=_request_deletion,
        args=(names,),
        disabled=held,
    )


@visitors.needs(OPERATE)
def confirm_deletion(chosen: list[StoredBacktest]) -> None:
    """Ask before anything is deleted, in place, because a dialog would not outlive the next refresh."""
    with st.container(horizontal=True, vertical_alignment="center", key="confirming"):
        if not is_deletion_requested(chosen):
            return
        widgets.show_note(f"Delete {units.format_count(len(chosen), 'backtest')}? This cannot be undone.")
        if st.button("Keep", key="keep"):
            st.session_state.pop("to_delete")
            st.rerun(scope="app")
        if st.button("Delete for good", type="primary", key="delete_for_good"):
            for backtest in chosen:
                commands.submit_command("delete_backtest", {"id": backtest.name}, BY_PAGE)
            st.session_state.pop("to_delete")
            st.rerun(scope="app")


def is_deletion_requested(chosen: list[StoredBacktest]) -> bool:
    """Return whether the Delete button was pressed for exactly these."""
    return bool(chosen) and st.session_state.get("to_delete") == [backtest.name for backtest in chosen]


def _request_deletion(names: list[str]) -> None:
    st.session_state["to_delete"] = names


def _show_simulated_fields() -> dict[str, str]:
    with st.container(horizontal=True, key="simulated_row"):
        signal = inputs.show_number_input("backtest", "signal", "Signal (R², one bar)", SIGNAL, 0.01, format="%.3f", key="run_signal", width=170)
        bars = inputs.show_number_input("backtest", "bars", "Bars", BARS, 1_000, key="run_bars", width=150)
        symbols = inputs.show_number_input("backtest", "symbol_count", "Symbols", SYMBOLS, 1, key="run_symbols", width=130)
        seed = inputs.show_number_input("backtest", "seed", "Seed", SEED, 1, key="run_seed", width=130)
    return {"market": "simulated", "signal": signal, "bars": bars, "symbol_count": symbols, "seed": seed}


def _show_recording_fields() -> dict[str, str]:
    path = st.text_input(
        "Folder of the recording",
        key="run_path",
        bind="query-params",
        placeholder="/data/recording",
        max_chars=1_000,
        help="One folder per symbol, each with bars, books or trades",
    )
    with st.container(horizontal=True, key="recording_row"):
        symbols = st.text_input("Symbols", key="run_names", placeholder="all", width=220, help="Names separated by commas")
        since = st.text_input("From", key="run_from", placeholder="its first bar", width=190, help="UTC, as 2023-01-31 or 2023-01-31T12:00Z")
        until = st.text_input("To", key="run_to", placeholder="its last bar", width=190, help="UTC, as 2023-01-31 or 2023-01-31T12:00Z")
        interval = st.text_input("Bar length", key="run_interval", placeholder="as recorded", width=140, help="Such as 1s, 1m or 5m")
        seed = inputs.show_number_input("backtest", "seed", "Seed", SEED, 1, key="run_seed_too", width=120)
    return {"market": path, "symbols": symbols.replace(" ", ""), "from": since, "to": until, "interval": interval, "seed": seed}


def _render_progress(command: Mapping[Any, Any]) -> str:
    done = command["progress"]
    share = float(done) if isinstance(done, int | float) and units.is_known(done) else 0.0
    note = command["note"] if isinstance(command["note"], str) else "waits for the engine"
    word = "Running." if share > 0 else "Waiting." if command["status"] == QUEUED or str(note).startswith("waits") else "Starting."
    text = f"{_describe(command)}: {note}"
    return f'<div class="pd">{widgets.render_notice(text, word=word, colour=theme.UP, progress=share)}</div>'


def _render_result(command: Mapping[Any, Any]) -> str:
    finished = command["finished_at"]
    when = units.format_time(int(finished), "%H:%M:%S") if isinstance(finished, int | float) else ""
    done = command["status"] == "done"
    text = f"{_describe(command)}, {when} UTC: {command_table.describe_result(command['result'])}"
    return widgets.render_notice(text, word="Done." if done else "Not done.", colour=theme.state_colour(str(command["status"])))


def _describe(command: Mapping[Any, Any]) -> str:
    arguments = json.loads(command["args"])
    return f"{name_market(arguments)}, {describe_arguments(arguments)}"
