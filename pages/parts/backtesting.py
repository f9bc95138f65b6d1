"""Asking for a backtest from a page, watching it run, and putting one away: commands to the engine, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from engine.store.inbox import QUEUED, RUNNING
from engine.store.shelf import Kept
from pages.parts import asking, oprows, theme, units, widgets

BARS, SYMBOLS, SEED, SIGNAL = 5_000, 8, 7, 0.05
RECENT = 3_600  # s for which what became of the newest one is said


def form() -> None:
    """What to run, and why."""
    simulated = st.segmented_control("Market", ["simulated", "recording"], default="simulated", key="market", bind="query-params", required=True)
    with st.form("backtest", border=True, enter_to_submit=False):
        args = _simulated() if simulated != "recording" else _recording()
        left, right = st.columns([1, 3], vertical_alignment="bottom")
        training = left.toggle("Train models", value=True, key="training", help="Walk-forward, as live; off measures the cost of everything else")
        reason = right.text_input(
            f"Reason, at most {asking.LONGEST} letters", key="reason_to_backtest", placeholder="what it is to show", max_chars=asking.LONGEST
        )
        run = st.form_submit_button("Run", type="primary", icon=":material/play_arrow:")
    if run:
        told = {name: text.strip() for name, text in args.items() if text.strip()} | {"training": "yes" if training else "none"}
        if args["market"].strip():
            asking.submit("backtest", told, reason or "by hand")
        else:
            st.session_state["answer"] = ("Give the folder of a recording, from / on", theme.WARNING, "Not sent.")
    asking.answer()


def running(commands: pd.DataFrame, now: int) -> None:
    """Every backtest in hand or waiting, each with how far it has come and a way to end it; else what became of the newest."""
    told = commands[commands["status"].isin([QUEUED, RUNNING])]
    for one in told.iloc[::-1].to_dict("records"):
        with st.container(horizontal=True, vertical_alignment="center", key=f"run_{one['id']}"):
            widgets.show(_progress(one))
            if st.button("Cancel", key=f"cancel_{one['id']}", icon=":material/close:"):
                asking.submit("cancel_backtest", {"id": str(one["id"])}, "by hand")
    if told.empty and not commands.empty:
        newest = commands.iloc[0].to_dict()
        ended = newest["finished_at"] if units.known(newest["finished_at"]) else newest["at"]
        if now - ended < RECENT * units.SECOND:
            widgets.show(f'<div class="pd">{_ended(newest)}</div>')


def remove(chosen: list[Kept]) -> None:
    """Asks before anything is deleted."""
    if chosen and st.button("Delete", icon=":material/delete:", key="delete", help="Deletes what is opened; asks first"):
        _confirm(chosen)


@st.dialog("Delete for good?")
def _confirm(chosen: list[Kept]) -> None:
    for one in chosen:
        st.text(label(one))
    with st.container(horizontal=True):
        if st.button("Delete for good", type="primary"):
            for one in chosen:
                asking.submit("delete_backtest", {"id": one.name}, "by hand")
            st.rerun()
        if st.button("Keep"):
            st.rerun()


def label(one: Kept) -> str:
    """A backtest in a line: when, on what, with what."""
    when = units.moment(one.at, "%m-%d %H:%M:%S")
    return f"{when}  {market(one)}, {settings(one)}"


def market(one: Kept) -> str:
    place = one.asked.get("market", "simulated")
    return "simulated market" if place == "simulated" else place.rstrip("/").rpartition("/")[2]


def settings(one: Kept) -> str:
    """What was asked for, in words; what was left to the settings is not repeated."""
    told = one.asked
    words = [
        f"{name.replace('_', ' ')} {told[name]}"
        for name in ("signal", "bars", "symbol_count", "symbols", "from", "to", "interval", "seed")
        if name in told
    ]
    return ", ".join([*words, *(["no training"] if told.get("training") == "none" else [])]) or "as the settings say"


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
    share = float(done) if isinstance(done, int | float) and units.known(done) else 0.0
    note = one["note"] if isinstance(one["note"], str) else "waits for the engine"
    word = "Running." if share > 0 else "Waiting." if one["status"] == QUEUED or str(note).startswith("waits") else "Starting."
    text = f"{oprows.arguments(one['args'])}: {note}"
    return f'<div class="pd">{widgets.notice(text, word=word, colour=theme.UP, progress=share)}</div>'


def _ended(one: Mapping[Any, Any]) -> str:
    finished = one["finished_at"]
    when = datetime.fromtimestamp(float(finished) / units.SECOND, UTC).strftime("%H:%M:%S") if isinstance(finished, int | float) else ""
    done = one["status"] == "done"
    text = f"{oprows.arguments(one['args'])}, {when} UTC: {oprows.result(one['result'])}"
    return widgets.notice(text, word="Done." if done else "Not done.", colour=theme.state(str(one["status"])))
