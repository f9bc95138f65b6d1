"""Asking for a backtest from a page, watching it run, and putting one away: commands to the engine, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from engine import units
from engine.store.backtest_files import StoredBacktest
from engine.store.inbox import QUEUED, RUNNING
from pages.ui import command_table, theme, widgets
from pages.ui import commands as ui_commands

BARS, SYMBOLS, SEED, SIGNAL = 5_000, 8, 7, 0.05
RECENT = 3_600  # s for which what became of the newest one is said


def show_form() -> None:
    """What to run, and why."""
    simulated = st.segmented_control("Market", ["simulated", "recording"], default="simulated", key="market", bind="query-params", required=True)
    with st.form("backtest", border=True, enter_to_submit=False):
        args = _simulated() if simulated != "recording" else _recording()
        left, right = st.columns([5, 2], vertical_alignment="bottom")
        reason = left.text_input(
            f"Reason, at most {ui_commands.MAX_REASON} letters",
            key="reason_to_backtest",
            placeholder="what it is to show",
            max_chars=ui_commands.MAX_REASON,
        )
        training = right.toggle("Train models", value=True, key="training", help="Walk-forward, as live; off measures the cost of everything else")
        run = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    if run:
        told = {name: text.strip() for name, text in args.items() if text.strip()} | {"training": "yes" if training else "none"}
        if args["market"].strip():
            ui_commands.submit_command("backtest", told, reason or "by hand")
        else:
            st.session_state["answer"] = ("Give the folder of a recording, from / on", theme.WARNING, "Not sent.")
    ui_commands.show_answer("backtest")


def show_progress(commands: pd.DataFrame, now: int) -> None:
    """Every backtest in hand or waiting, each with how far it has come and a way to end it; else what became of the newest."""
    told = commands[commands["status"].isin([QUEUED, RUNNING])]
    for one in told.iloc[::-1].to_dict("records"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"run_{one['id']}"):
            widgets.show_html(_progress(one))
            if st.button("Cancel", key=f"cancel_{one['id']}", icon=":material/close:"):
                ui_commands.submit_command("cancel_backtest", {"id": str(one["id"])}, "by hand")
    if told.empty and not commands.empty:
        newest = commands.iloc[0].to_dict()
        ended = newest["finished_at"] if units.is_known(newest["finished_at"]) else newest["at"]
        if now - ended < RECENT * units.SECOND:
            widgets.show_html(f'<div class="pd">{_ended(newest)}</div>')


def show_delete_button(chosen: list[StoredBacktest]) -> None:
    """Asks for what is open to be deleted. The button stays where it is: nothing that deletes may come up under the pointer."""
    names = [one.name for one in chosen]
    held = not names or is_deletion_requested(chosen)
    st.button("Delete", icon=":material/delete:", key="delete", help="Deletes what is open; asks first", on_click=_ask, args=(names,), disabled=held)


def confirm_deletion(chosen: list[StoredBacktest]) -> None:
    """Asks before anything is deleted, on a line of its own; in place, since a dialog would not outlive the next refresh."""
    with st.container(horizontal=True, vertical_alignment="center", key="confirming"):
        if not is_deletion_requested(chosen):
            return
        widgets.show_note(f"Delete {units.format_count(len(chosen), 'backtest')}? There is no way back.")
        if st.button("Keep", key="keep"):
            st.session_state.pop("to_delete")
            st.rerun(scope="app")
        if st.button("Delete for good", type="primary", key="delete_for_good"):
            for one in chosen:
                ui_commands.submit_command("delete_backtest", {"id": one.name}, "by hand")
            st.session_state.pop("to_delete")
            st.rerun(scope="app")


def is_deletion_requested(chosen: list[StoredBacktest]) -> bool:
    return bool(chosen) and st.session_state.get("to_delete") == [one.name for one in chosen]


def _ask(names: list[str]) -> None:
    st.session_state["to_delete"] = names


def label_backtest(one: StoredBacktest) -> str:
    """A backtest in a line: when, on what, with what."""
    when = units.format_time(one.at, "%m-%d %H:%M:%S")
    return f"{when}  {describe_market(one)}, {describe_settings(one)}"


def describe_market(one: StoredBacktest) -> str:
    return name_market(one.arguments)


def name_market(told: Mapping[str, str]) -> str:
    """The market in a word or two."""
    place = told.get("market", "simulated")
    return "simulated market" if place == "simulated" else place.rstrip("/").rpartition("/")[2]


def describe_settings(one: StoredBacktest) -> str:
    return describe_arguments(one.arguments)


def describe_arguments(told: Mapping[str, str]) -> str:
    """What a backtest was asked for beside its market; what was left to the settings is not repeated."""
    parts = [form(told[name]) for name, form in _WORDS.items() if told.get(name)]
    return ", ".join(part for part in parts if part) or "as the settings say"


_WORDS: dict[str, Callable[[str], str]] = {
    "signal": lambda text: f"signal {text}",
    "bars": lambda text: f"{int(text):,} bars" if text.isdecimal() else f"bars {text}",
    "symbol_count": lambda text: f"{text} symbols",
    "symbols": lambda text: text.replace(",", " "),
    "from": lambda text: f"from {text}",
    "to": lambda text: f"to {text}",
    "interval": lambda text: f"bars of {text}",
    "seed": lambda text: f"seed {text}",
    "training": lambda text: "no training" if text == "none" else "",
}


def _simulated() -> dict[str, str]:
    with st.container(horizontal=True, key="simulated_row"):
        signal = st.number_input(
            "Signal (R², one bar)",
            0.0,
            0.5,
            SIGNAL,
            0.01,
            format="%.3f",
            key="run_signal",
            width=170,
            help="0: nothing can be predicted, and it must end up holding",
        )
        bars = st.number_input("Bars", 100, 1_000_000, BARS, 1_000, key="run_bars", width=150)
        symbols = st.number_input("Symbols", 1, 500, SYMBOLS, 1, key="run_symbols", width=130)
        seed = st.number_input("Seed", 0, 2**31 - 1, SEED, 1, key="run_seed", width=130, help="The same seed gives the same market, bit for bit")
    return {"market": "simulated", "signal": f"{signal:g}", "bars": str(bars), "symbol_count": str(symbols), "seed": str(seed)}


def _recording() -> dict[str, str]:
    path = st.text_input(
        "Folder of the recording",
        key="run_path",
        placeholder="/data/recording",
        max_chars=1_000,
        help="It holds a folder a symbol, each with bars, books or trades",
    )
    with st.container(horizontal=True, key="recording_row"):
        symbols = st.text_input("Symbols", key="run_names", placeholder="all", width=220, help="Names separated by commas")
        since = st.text_input("From", key="run_from", placeholder="its first bar", width=190, help="UTC, as 2023-01-31 or 2023-01-31T12:00Z")
        until = st.text_input("To", key="run_to", placeholder="its last bar", width=190, help="UTC, as 2023-01-31 or 2023-01-31T12:00Z")
        interval = st.text_input("Bars of", key="run_interval", placeholder="as recorded", width=140, help="Such as 1s, 1m or 5m")
        seed = st.number_input("Seed", 0, 2**31 - 1, SEED, 1, key="run_seed_too", width=120)
    return {"market": path, "symbols": symbols.replace(" ", ""), "from": since, "to": until, "interval": interval, "seed": str(seed)}


def _progress(one: Mapping[Any, Any]) -> str:
    done = one["progress"]
    share = float(done) if isinstance(done, int | float) and units.is_known(done) else 0.0
    note = one["note"] if isinstance(one["note"], str) else "waits for the engine"
    word = "Running." if share > 0 else "Waiting." if one["status"] == QUEUED or str(note).startswith("waits") else "Starting."
    text = f"{_asked(one)}: {note}"
    return f'<div class="pd">{widgets.render_notice(text, word=word, colour=theme.UP, progress=share)}</div>'


def _ended(one: Mapping[Any, Any]) -> str:
    finished = one["finished_at"]
    when = datetime.fromtimestamp(float(finished) / units.SECOND, UTC).strftime("%H:%M:%S") if isinstance(finished, int | float) else ""
    done = one["status"] == "done"
    text = f"{_asked(one)}, {when} UTC: {command_table.describe_result(one['result'])}"
    return widgets.render_notice(text, word="Done." if done else "Not done.", colour=theme.state_colour(str(one["status"])))


def _asked(one: Mapping[Any, Any]) -> str:
    told = json.loads(one["args"])
    return f"{name_market(told)}, {describe_arguments(told)}"
