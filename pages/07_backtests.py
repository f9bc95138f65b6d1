"""Backtests: run one, watch it, open it, lay several side by side, put them away."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from engine import units
from engine.store.backtest_files import StoredBacktest
from pages.backtests import charts, form, tables
from pages.backtests import data as backtests_data
from pages.ui import cache, live, model_cache, widgets

MOST = 4  # laid side by side
RUNNING = 62  # px: the backtest in hand, or what became of the newest


@st.fragment(run_every=2)
def progress() -> None:
    with widgets.reading_store(), widgets.fixed_container("running", RUNNING):
        form.show_progress(cache.fetch_commands(limit=30, name="backtest"), cache.current_time())


@st.fragment(run_every=3)
def results() -> None:
    """What is kept, and what was chosen of it, side by side."""
    with widgets.reading_store():
        found, trouble = model_cache.fetch_backtests(model_cache.backtest_folder(cache.fetch_status()))
        for line in trouble:
            widgets.show_empty(line)
        if not found:
            widgets.show_empty("no backtest is kept yet: run one above, and its report stays here")
            return
        chosen = choose(found)
        if chosen:
            compare(chosen)
        widgets.show_heading("Kept", f"{len(found)} of at most 60, newest first; the oldest go by themselves")
        live.show_live_table(tables.render_backtests(found, [one.name for one in chosen]), key="kept", height=420)


def choose(found: Sequence[StoredBacktest]) -> list[StoredBacktest]:
    """Those that are opened, by name in the address; the newest where none is named."""
    known = {one.name: one for one in found}
    asked = [name for name in st.query_params.get("runs", "").split(",") if name in known][:MOST]
    held = [name for name in st.session_state.get("runs_opened", asked or [found[0].name]) if name in known]
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
        widgets.show_note("  ".join(f"{tables.name_run(place, chosen)}: {form.label_backtest(one)}." for place, one in enumerate(chosen)))
    widgets.show_heading(
        "Equity", "gain after every cost; dotted: all symbols bought in equal parts and held; 0 %: the naive forecast, which never trades"
    )
    live.show_chart(charts.plot_equity_curves(chosen), key="run_equity", label="Equity of the runs against buying and holding")
    left, right = st.columns(2, gap="medium")
    with left:
        skill(chosen)
        regret(chosen)
    with right:
        gates(chosen)
        calibration(chosen)
    data(chosen)
    widgets.show_heading("Side by side" if several else "In figures", "every interval is one of 95 %")
    lines, columns = tables.list_comparison(chosen), tables.build_run_columns(chosen)
    if several:
        widgets.show_table(columns, lines, label="The figures of the runs")
        return
    half = -(-len(lines) // 2)
    for place, part in zip(st.columns(2, gap="medium"), (lines[:half], lines[half:]), strict=True):
        with place:
            widgets.show_table(columns, part, label="The figures of the run", cards=False)


def data(chosen: list[StoredBacktest]) -> None:
    """What each recording came to, where one was read."""
    counts, left_out = backtests_data.list_data_counts(chosen), backtests_data.list_unread_files(chosen)
    if counts:
        widgets.show_heading("Data", backtests_data.MEANING)
        widgets.show_table(backtests_data.COUNTS, counts, label="Rows of the recording that were read and left out, by symbol")
    if left_out:
        widgets.show_table(backtests_data.LEFT_OUT, left_out, label="Symbols and files that are there and were not read")


def skill(chosen: list[StoredBacktest]) -> None:
    horizons = tables.list_horizons(chosen)
    widgets.show_heading("Skill", "R² against the naive forecast, out of sample, with its 95 % interval")
    if not horizons:
        widgets.show_empty(f"{units.NOT_ENOUGH}: no forecast came due")
        return
    names = {units.format_count(horizon, "bar"): horizon for horizon in horizons}
    told = st.segmented_control("Horizon", list(names), default=next(iter(names)), key="run_horizon", required=True, label_visibility="collapsed")
    live.show_chart(
        charts.plot_skill_by_run(chosen, names.get(str(told), horizons[0])), key="run_skill", label="Skill of the ensemble and the models by run"
    )


def calibration(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Stated, and what came", "first horizon; intervals by the effective number of rows")
    live.show_chart(charts.plot_reliability_by_run(chosen), key="run_reliability", label="Stated probability against how often it came, by run")


def gates(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Binding gates", "share of all decisions that each gate bound")
    live.show_chart(charts.plot_gate_shares(chosen), key="run_gates", label="Share of decisions each gate bound, by run")


def regret(chosen: list[StoredBacktest]) -> None:
    widgets.show_heading("Which gate costs, which gate saves", "a declined trade, marked to market after costs; above 0 the gate cost money")
    drawn = charts.plot_declined_by_run(chosen)
    if drawn is None:
        widgets.show_empty(units.NOT_ENOUGH)
    else:
        live.show_chart(drawn, key="run_regret", label="What each gate cost or saved, by run")


widgets.show_heading("Run one", "the same decisions as live, as fast as they go, in a process of its own; one at a time, the others wait")
with widgets.reading_store(page=True):
    status = cache.fetch_status()
    if status.session is None:
        widgets.show_waiting("the engine to set up its session", "it is the engine that runs backtests")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    form.show_form()
    progress()
    results()
