"""Backtests: run, watch, open, compare and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine.store.shelf import Kept
from pages.parts import backtest_data, backtest_rows, backtesting, charts_backtests, live, model_reads, reads, units, widgets

MOST = 4  # compared at once
RUNNING = 62  # px: the running backtest, or the result of the newest


@st.fragment(run_every=2)
def progress() -> None:
    with widgets.reading(), widgets.reserved("running", RUNNING):
        backtesting.running(reads.commands(limit=30, name="backtest"), reads.now())


@st.fragment(run_every=3)
def results() -> None:
    """Draw the chosen backtests, and the list of all stored ones."""
    with widgets.reading():
        backtests, trouble = model_reads.backtests(model_reads.shelf_of(reads.status()))
        for line in trouble:
            widgets.nothing(line)
        if not backtests:
            widgets.nothing("no backtest is stored yet: run one above")
            return
        chosen = choose(backtests)
        if chosen:
            compare(chosen)
        widgets.heading("Stored backtests", f"{len(backtests)} of at most 60, newest first; the oldest are deleted automatically")
        live.rows(backtest_rows.listed(backtests, [backtest.name for backtest in chosen]), key="kept", height=420)


def choose(backtests: Sequence[Kept]) -> list[Kept]:
    """Return the opened backtests, named in the address; the newest where none is named."""
    known = {backtest.name: backtest for backtest in backtests}
    requested = [name for name in st.query_params.get("runs", "").split(",") if name in known][:MOST]
    held = [name for name in st.session_state.get("runs_opened", requested or [backtests[0].name]) if name in known]
    if "runs_opened" not in st.session_state or held != st.session_state["runs_opened"]:
        st.session_state["runs_opened"] = held
    with st.container(horizontal=True, vertical_alignment="bottom", key="opening"):
        names = st.multiselect(
            "Open", list(known), key="runs_opened", max_selections=MOST, format_func=lambda name: backtesting.label(known[name]),
            placeholder="one, or several to compare", width="stretch",
        )  # fmt: skip
        opened = [known[name] for name in names]
        backtesting.remove(opened)
    backtesting.confirm(opened)
    if ",".join(names) != st.query_params.get("runs", ""):
        st.query_params["runs"] = ",".join(names)
    return opened


def compare(chosen: list[Kept]) -> None:
    several = len(chosen) > 1
    if several:
        widgets.note("  ".join(f"{backtest_rows.name(place, chosen)}: {backtesting.label(backtest)}." for place, backtest in enumerate(chosen)))
    widgets.heading("Equity", "gain after all costs; dotted: the benchmark, equal-weight buy and hold; 0 %: no trading")
    live.chart(charts_backtests.equity(chosen), key="run_equity", label="Equity of the runs and of the benchmark")
    left, right = st.columns(2, gap="medium")
    with left:
        skill(chosen)
        regret(chosen)
    with right:
        gates(chosen)
        calibration(chosen)
    data(chosen)
    widgets.heading("Comparison" if several else "Figures", "all intervals are 95 %")
    lines, columns = backtest_rows.compared(chosen), backtest_rows.columns(chosen)
    if several:
        widgets.table(columns, lines, label="The figures of the runs")
        return
    half = -(-len(lines) // 2)
    for place, part in zip(st.columns(2, gap="medium"), (lines[:half], lines[half:]), strict=True):
        with place:
            widgets.table(columns, part, label="The figures of the run", cards=False)


def data(chosen: list[Kept]) -> None:
    """Draw the row counts of each recording that was read."""
    counts, left_out = backtest_data.counts(chosen), backtest_data.left_out(chosen)
    if counts:
        widgets.heading("Data", backtest_data.MEANING)
        widgets.table(backtest_data.COUNTS, counts, label="Rows of the recording that were read and left out, by symbol")
    if left_out:
        widgets.table(backtest_data.LEFT_OUT, left_out, label="Symbols and files that were not read")


def skill(chosen: list[Kept]) -> None:
    horizons = backtest_rows.horizons(chosen)
    widgets.heading("Skill", "out-of-sample R² against the naive forecast, with its 95 % interval")
    if not horizons:
        widgets.nothing(f"{units.NOT_ENOUGH}: no forecast fell due")
        return
    names = {units.count(horizon, "bar"): horizon for horizon in horizons}
    choice = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="run_horizon", required=True, label_visibility="collapsed")
    live.chart(
        charts_backtests.skill(chosen, names.get(str(choice), horizons[0])), key="run_skill", label="Skill of the ensemble and the models by run"
    )


def calibration(chosen: list[Kept]) -> None:
    widgets.heading("Calibration", "first horizon: stated probability and observed frequency; intervals by effective n")
    live.chart(charts_backtests.reliability(chosen), key="run_reliability", label="Stated probability and observed frequency, by run")


def gates(chosen: list[Kept]) -> None:
    widgets.heading("Binding gates", "share of all decisions")
    live.chart(charts_backtests.gates(chosen), key="run_gates", label="Share of decisions by binding gate and run")


def regret(chosen: list[Kept]) -> None:
    widgets.heading("Declined-trade P&L", "by gate, after costs; above 0 the gate cost money")
    drawn = charts_backtests.regret(chosen)
    if drawn is None:
        widgets.nothing(units.NOT_ENOUGH)
    else:
        live.chart(drawn, key="run_regret", label="Declined-trade P&L by gate and run")


widgets.heading("Run a backtest", "the same decisions as live, at full speed, in a separate process; one at a time")
with widgets.reading(page=True):
    status = reads.status()
    if status.session is None:
        widgets.waiting("the engine to set up its session", "the engine runs the backtests")
        widgets.again(reads.version())
        st.stop()
    backtesting.form()
    progress()
    results()
