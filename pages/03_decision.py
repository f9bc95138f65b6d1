"""One decision: its words, its ladder of gates, and all it came from."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from pages.decision import charts, navigation, tables
from pages.decision import text as decision_text
from pages.decisions import tables as decisions_tables
from pages.ui import cache, live, trading_rules, widgets


def follow(symbol: str) -> None:
    """The newest decision of the symbol, as ticks come."""
    with widgets.reading_store():
        newest, _ = cache.fetch_decisions(DecisionFilter(symbol=symbol), limit=1)
        told = None if newest.empty else cache.fetch_decision(int(newest["tick"].iloc[0]), symbol)
        if told is None:
            widgets.show_waiting(f"a decision of {symbol}")
            return
        st.session_state["followed"] = told.tick
        with st.container(key="followed"):
            draw(told, following=True)


def draw(told: DecisionDetails, *, following: bool = False) -> None:
    widgets.show_html(tables.render_header(told, following=following))
    text = decision_text.explain_decision(told)
    if text is not None:
        widgets.show_text(text)
    widgets.show_tiles(tables.build_decision_tiles(told))
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Gate ladder", "each bar is the margin to the gate's limit, as a share of the larger of the two")
        let_through = told.binding_gate is None and any(not rung.passed for rung in told.gates)
        widgets.show_note("None binds here: gates that failed let a position be reduced." if let_through else "The first gate that fails binds.")
        live.show_chart(charts.plot_gates(told), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.show_heading("From wish to target", "share of equity after each step, alone, then jointly; amber where a step changed it")
        live.show_chart(charts.plot_sizing(told), key="limits", label="Size wanted and what each limit left of it")
    with st.expander("The ladder as a table"):
        widgets.show_table(decisions_tables.GATE_COLUMNS, decisions_tables.list_gates(told), label="Every gate with value, limit and margin")
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Votes", "what each model expects; larger with weight, fainter with less trust; the ensemble with its 90 % interval")
        live.show_chart(charts.plot_votes(told), key="votes", label="Forecast of every model and the ensemble by horizon")
        with st.expander("The votes as a table"):
            widgets.show_table(decisions_tables.VOTE_COLUMNS, decisions_tables.list_votes(told), label="Forecast, trust and weight of every model")
    with right:
        widgets.show_heading("Ten phases", f"decided in {units.format_ms(told.ms)}; colours are threads")
        live.show_chart(charts.plot_phases(told), key="timeline", label="Start and length of the ten phases")
    aftermath(told, following=following)


@st.fragment(run_every=5)
def came(tick: int, symbol: str) -> None:
    """What the price did since; figures come in as they fall due."""
    with widgets.reading_store():
        told = cache.fetch_decision(tick, symbol)
        if told is not None:
            outcome(told)


def outcome(told: DecisionDetails) -> None:
    widgets.show_heading("What came of it", "move of the price after the decision")
    widgets.show_table(decisions_tables.OUTCOME_COLUMNS, tables.list_outcomes(told), label="What came of the decision", cards=False)


def aftermath(told: DecisionDetails, *, following: bool) -> None:
    """Cost, what came of it, the market and the machine then, and the fills."""
    left, middle, right, fourth = st.columns(4, gap="medium")
    with left:
        widgets.show_heading("What trading would cost", "round trip")
        widgets.show_table(decisions_tables.PAIR_COLUMNS, tables.list_costs(told), label="Cost of trading", cards=False)
    with middle:
        if following:
            outcome(told)  # drawn again with all the rest
        else:
            came(told.tick, told.symbol)
    with right:
        widgets.show_heading("The market then", f"regime and book; spread from {told.spread_source}")
        widgets.show_table(decisions_tables.PAIR_COLUMNS, tables.list_market_state(told), label="The market at the decision", cards=False)
    with fourth:
        widgets.show_heading("The machine at that moment", "pressure: share of the last 10 s")
        lines = tables.list_machine_state(told)
        if lines:
            widgets.show_table(decisions_tables.FIGURE_COLUMNS, lines, label="The machine at the decision", cards=False)
        else:
            widgets.show_empty("nobody watched the machine at this tick")
    rules = trading_rules.list_symbol_rules(
        cache.fetch_config_of(told.knobs_digest), told.session.symbols, told.symbol, told.spread_source, told.micro
    )
    if rules:
        with st.expander("Trading rules and costs, as they were"):
            widgets.show_table(decisions_tables.PAIR_COLUMNS, rules, label="Trading rules and costs at the decision", cards=False)
    if told.fills:
        widgets.show_heading("Filled", "at the tick after, never at the price it was decided on")
        widgets.show_table(decisions_tables.FILL_COLUMNS[2:], decisions_tables.list_order_fills(told), label="Fills of this decision's order")


with widgets.reading_store(page=True):
    wanted = navigation.read_address()
    if wanted is None:
        widgets.show_waiting("the first decision")
        widgets.rerun_on_change(cache.store_version())
        st.stop()
    if isinstance(wanted, str):
        navigation.show_missing(wanted)
    else:
        found = cache.fetch_decision(*wanted)
        if found is None:
            widgets.rerun_on_change(cache.store_version())
            navigation.show_missing(f"no decision of {wanted[1]} at tick {wanted[0]:,} is kept: it is not decided yet, or retention has dropped it")
        else:
            following = "tick" not in st.query_params
            navigation.show_navigation(found, following=following)
            if following:
                st.fragment(follow, run_every=2)(found.symbol)
            else:
                draw(found)
