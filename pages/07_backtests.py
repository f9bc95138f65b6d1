"""Backtests: run, watch, open, compare and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine import units
from engine.store.backtest_files import StoredBacktest
from pages.backtests import charts, form, tables
from pages.backtests import data as backtests_data
from pages.ui import cache, live, model_cache, widgets

MOST = 4  # compared at once
RUNNING = 62  # px: the running backtest, or the result of the newest


@st.fragment(run_every=2)
def progress() -> None:
    with widgets.reading_store(), widgets.fixed_container("running", RUNNING):
        form.show_progress(cache.fetch_commands(limit=30, name="backtest"), cache.current_time())


@st.fragment(run_every=3)
def results() -> None:
    """Draw the chosen backtests, and the list of all stored ones."""
    with widgets.reading_store():
        backtests, trouble = model_cache.fetch_backtests(model_cache.backtest_folder(cache.fetch_status()))
        for line in trouble:
            widgets.show_empty(line)
        if not backtests:
            widgets.show_empty("no backtest is stored yet: run one above")
            return
        chosen = choose(backtests)
        if chosen:
            compare(chosen)
        widgets.show_heading("Stored backtests", f"{len(backtests)} of at most 60, newest first; the oldest are deleted automatically")
        live.show_live_table(tables.render_backtests(backtests, [backtest.name for backtest in chosen]), key="kept", height=420)


def choose(backtests: Sequence[StoredBacktest]) -> list[StoredBacktest]:
    """Return the opened backtests, named in the address; the newest where none is named."""
    known = {backtest.name: backtest for backtest in backtests}
    requested = [name for name in st.query_params.get("runs", "").split(",") if name in known][:MOST]
    held = [name for name in st.session_state.get("runs_opened", requested or [backtests[0].name]) if name in known]
    if "runs_opened" not in st.session_state or held != st.session_state["runs_opened"]:
        st.session_state["runs_opened"] = held
    with st.container(horizontal=True, vertical_alignment="bottom", key="opening"):
        names = st.multiselect(
            "Open", list(known), key="runs_opened", max_selections=MOST, format_func=lambda name: form.label_backtest(known[name]),
            placeholder="one, or several to compare", width="stretch",
        )  # fmt: skip
        opened = [known[name] for name in names]
        form.show_delete_button(opened)
    form.confirm_deletion(opened)
    if ",".join(names) != st.query_params.get("runs", ""):
        st.query_params["runs"] = ",".join(names)
    return opened


def compare(chosen: list[StoredBacktest]) -> None:
    several = len(chosen) > 1
    if several:
        widgets.show_note("  ".join(f"{tables.name_run(place, chosen)}: {form.label_backtest(backtest)}." for place, backtest in enumerate(chosen)))
    widgets.show_heading("Equity", "gain after all costs; dotted: the benchmark, equal-weight buy and hold; 0 %: no trading")
    live.show_chart(charts.plot_equity_curves(chosen), key="run_equity", label="Equity of the runs and of the benchmark")
    left, right = st.columns(2, gap="medium")
    with left:
        skill(chosen)
        regret(chosen)
    with right:
        gates(chosen)
        calibration(chosen)
    data(chosen)
    widgets.show_heading("Comparison" if several else "Figures", "all intervals are 95 %")
    lines, columns = tables.list_comparison(chosen), tables.build_run_columns(chosen)
    if several:
        widgets.show_table(columns, lines, label="The figures of the runs")
        return
    half = -(-len(lines) // 2)
    for place, part in zip(st.columns(2, gap="medium"), (lines[:half], lines[half:]), strict=True):
        with place:
            widgets.show_table(columns, part, label="The figures of the run", cards=False)


def data(chosen: list[StoredBacktest]) -> None:
    """Draw the row counts of each recording that was read."""
    counts, left_out = backtests_data.list_data_counts(chosen), backtests_data.list_unread_files(chosen)
    if counts:
        widgets.show_heading("Data", backtests_data.MEANING)
        widgets.show_table(backtests_data.COUNTS, counts, label="Rows of the recording that were read and left out, by symbol")
    if left_out:
        widgets.show_table(backtests_data.LEFT_OUT, left_out, label="Symbols and files that were not read")


def skill(chosen: list[StoredBacktest]) -> None:
    horizons = tables.list_horizons(chosen)
    widgets.show_heading("Skill", "out-of-sample R² against the naive forecast, with its 95 % interval")
    if not horizons:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no forecast fell due")
        return
    names = {units.format_count(horizon, "bar"): horizon for horizon in horizons}
    choice = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="run_horizon", required=True, label_visibility="collapsed")
    live.show_chart(charts.plot_skill_by_run(chosen, names.get(str(choice), horizons[0])), key="run_skill", label="Skill of the ensemble and the models by run")


def calibration(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Calibration", "first horizon: stated probability and observed frequency; intervals by effective n")
    live.show_chart(charts.plot_reliability_by_run(chosen), key="run_reliability", label="Stated probability and observed frequency, by run")


def gates(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Binding gates", "share of all decisions")
    live.show_chart(charts.plot_gate_shares(chosen), key="run_gates", label="Share of decisions by binding gate and run")


def regret(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Declined-trade P&L", "by gate, after costs; above 0 the gate cost money")
    drawn = charts.plot_declined_by_run(chosen)
    if drawn is None:
        widgets.show_empty(units.NOT_ENOUGH)
    else:
        live.show_chart(drawn, key="run_regret", label="Declined-trade P&L by gate and run")


widgets.show_heading("Run a backtest", "the same decisions as live, at full speed, in a separate process; one at a time")
with widgets.reading_store(page=True):
    status = cache.fetch_status()
    if status.session is None:
        widgets.show_waiting("the engine to set up its session", "the engine runs the backtests")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    form.show_form()
    progress()
    results()
