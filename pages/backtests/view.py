"""Backtests: run, watch, open, compare and delete them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine import units
from engine.store.backtest_files import StoredBacktest
from pages.backtests import charts, form, parity, tables
from pages.backtests.text import label_backtest
from pages.ui import cache, live, refresh, widgets

MAX_COMPARED = 4  # compared at once
PROGRESS_HEIGHT = 62  # px: the running backtest, or the result of the newest


def show_backtests() -> None:
    """Draw the form, the progress of what runs, and the results."""
    widgets.show_heading("Run a backtest", "the same decisions as live, at full speed, in a separate process; one at a time")
    with widgets.reading_store(page=True):
        status = cache.fetch_status()
        if status.session is None:
            widgets.show_waiting("the engine to set up its session", "the engine runs the backtests")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        form.show_form()
        show_progress()
        show_results()


@refresh.refresh_every(2)
def show_progress() -> None:
    with widgets.reading_store(), widgets.fixed_container("running", PROGRESS_HEIGHT):
        form.show_progress(cache.fetch_commands(limit=30, name="backtest"), cache.current_time())


@refresh.refresh_every(3)
def show_results() -> None:
    """Draw the chosen backtests, the list of all stored ones, and the recorded sessions decided again."""
    with widgets.reading_store():
        status = cache.fetch_status()
        show_stored_backtests(*cache.fetch_backtests(cache.backtest_folder(status)))
        parity.show_parity(status)


def show_stored_backtests(backtests: Sequence[StoredBacktest], errors: Sequence[str]) -> None:
    for error in errors:
        widgets.show_empty(error)
    if not backtests:
        widgets.show_empty("no backtest is stored yet: run one above")
        return
    chosen = choose_backtests(backtests)
    if chosen:
        show_comparison(chosen)
    widgets.show_heading("Stored backtests", f"{len(backtests)} of at most 60, newest first; the oldest are deleted automatically")
    live.show_live_table(tables.render_backtests(backtests, [backtest.name for backtest in chosen]), key="stored_backtests", height=420)


def choose_backtests(backtests: Sequence[StoredBacktest]) -> list[StoredBacktest]:
    """Return the opened backtests, named in the address; the newest where none is named."""
    known = {backtest.name: backtest for backtest in backtests}
    requested = [name for name in st.query_params.get("runs", "").split(",") if name in known][:MAX_COMPARED]
    held = [name for name in st.session_state.get("runs_opened", requested or [backtests[0].name]) if name in known]
    if "runs_opened" not in st.session_state or held != st.session_state["runs_opened"]:
        st.session_state["runs_opened"] = held
    with st.container(horizontal=True, vertical_alignment="bottom", key="opening"):
        names = st.multiselect(
            "Open", list(known), key="runs_opened", max_selections=MAX_COMPARED, format_func=lambda name: label_backtest(known[name]),
            placeholder="one, or several to compare", width="stretch",
        )  # fmt: skip
        opened = [known[name] for name in names]
        form.show_delete_button(opened)
    form.confirm_deletion(opened)
    if ",".join(names) != st.query_params.get("runs", ""):
        st.query_params["runs"] = ",".join(names)
    return opened


def show_comparison(chosen: list[StoredBacktest]) -> None:
    several = len(chosen) > 1
    if several:
        widgets.show_note("  ".join(f"{tables.name_run(place, chosen)}: {label_backtest(backtest)}." for place, backtest in enumerate(chosen)))
    widgets.show_heading("Equity", "gain after all costs; dotted: the benchmark, equal-weight buy and hold; 0 %: no trading")
    live.show_chart(charts.plot_equity_curves(chosen), key="run_equity", label="Equity of the runs and of the benchmark")
    left, right = st.columns(2, gap="medium")
    with left:
        show_skill(chosen)
        show_declined_trades(chosen)
    with right:
        show_gates(chosen)
        show_calibration(chosen)
    show_data(chosen)
    widgets.show_heading("Comparison" if several else "Figures", "all intervals are 95 %")
    rows, columns = tables.list_comparison(chosen), tables.build_run_columns(chosen)
    if several:
        widgets.show_table(columns, rows, label="The figures of the runs")
        return
    half = -(-len(rows) // 2)
    for place, part in zip(st.columns(2, gap="medium"), (rows[:half], rows[half:]), strict=True):
        with place:
            widgets.show_table(columns, part, label="The figures of the run", cards=False)


def show_data(chosen: list[StoredBacktest]) -> None:
    """Draw the row counts of each recording that was read."""
    counts, left_out = tables.list_data_counts(chosen), tables.list_unread_files(chosen)
    if counts:
        widgets.show_heading("Data", tables.COUNTS_NOTE)
        widgets.show_table(tables.COUNT_COLUMNS, counts, label="Rows of the recording that were read and left out, by symbol")
    if left_out:
        widgets.show_table(tables.UNREAD_COLUMNS, left_out, label="Symbols and files that were not read")


def show_skill(chosen: list[StoredBacktest]) -> None:
    horizons = tables.list_horizons(chosen)
    widgets.show_heading("Skill", "out-of-sample R² against a forecast of no change, with its 95 % interval")
    if not horizons:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no forecast fell due")
        return
    names = {units.format_count(horizon, "bar"): horizon for horizon in horizons}
    choice = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="run_horizon", required=True, label_visibility="collapsed")
    live.show_chart(
        charts.plot_skill_by_run(chosen, names.get(str(choice), horizons[0])), key="run_skill", label="Skill of the ensemble and the models by run"
    )


def show_calibration(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Calibration", "first horizon: stated probability and observed frequency; intervals by effective n")
    live.show_chart(charts.plot_reliability_by_run(chosen), key="run_reliability", label="Stated probability and observed frequency, by run")


def show_gates(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Binding gates", "share of all decisions")
    live.show_chart(charts.plot_gate_shares(chosen), key="run_gates", label="Share of decisions by binding gate and run")


def show_declined_trades(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Declined-trade P&L", "by gate, after costs; above 0 the gate cost money")
    figure = charts.plot_declined_by_run(chosen)
    if figure is None:
        widgets.show_empty(units.NOT_ENOUGH)
    else:
        live.show_chart(figure, key="run_regret", label="Declined-trade P&L by gate and run")
