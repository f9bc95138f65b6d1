"""One decision: in words, its gates, its votes, its sizing and its outcome."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from pages.decision import charts, navigation, tables, text
from pages.ui import cache, live, trading_rules, widgets
from pages.ui.tables import FIGURE_COLUMNS, PAIR_COLUMNS
from pages.ui.trading_tables import FILL_COLUMNS


def show_decision() -> None:
    """Draw the decision that the address names, or follow the newest."""
    with widgets.reading_store(page=True):
        target = navigation.read_address()
        if target is None:
            widgets.show_waiting("the first decision")
            widgets.rerun_on_change(cache.store_version())
            st.stop()
        if isinstance(target, str):
            navigation.show_missing(target)
        else:
            decision = cache.fetch_decision(*target)
            if decision is None:
                widgets.rerun_on_change(cache.store_version())
                navigation.show_missing(
                    f"no decision of {target[1]} at tick {target[0]:,} is stored: it is not decided yet, or retention has deleted it"
                )
            else:
                following = "tick" not in st.query_params
                navigation.show_navigation(decision, following=following)
                if following:
                    st.fragment(follow, run_every=2)(decision.symbol)
                else:
                    draw(decision)


def follow(symbol: str) -> None:
    """Follow the newest decision of the symbol."""
    with widgets.reading_store():
        newest, _ = cache.fetch_decisions(DecisionFilter(symbol=symbol), limit=1)
        decision = None if newest.empty else cache.fetch_decision(int(newest["tick"].iloc[0]), symbol)
        if decision is None:
            widgets.show_waiting(f"a decision of {symbol}")
            return
        st.session_state["followed"] = decision.tick
        with st.container(key="followed"):
            draw(decision, following=True)


def draw(decision: DecisionDetails, *, following: bool = False) -> None:
    widgets.show_html(tables.render_header(decision, following=following))
    explanation = text.explain_decision(decision)
    if explanation is not None:
        widgets.show_text(explanation)
    widgets.show_tiles(tables.build_decision_tiles(decision))
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Gate ladder", "margin to each limit, relative to the larger of value and limit")
        let_through = decision.binding_gate is None and any(not gate.passed for gate in decision.gates)
        reduced, first = "No gate binds: a failed gate still lets a position be reduced.", "The first gate that fails is the binding gate."
        widgets.show_note(reduced if let_through else first)
        live.show_chart(charts.plot_gates(decision), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.show_heading("Position sizing", "share of equity after each step, per symbol, then jointly; amber: changed by the step")
        live.show_chart(charts.plot_sizing(decision), key="limits", label="Desired size and the size after each limit")
    with st.expander("Gates as a table"):
        widgets.show_table(tables.GATE_COLUMNS, tables.list_gates(decision), label="Every gate with value, limit and margin")
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Votes", "forecast of each model; size: weight, opacity: reliability; the ensemble with its 90 % interval")
        live.show_chart(charts.plot_votes(decision), key="votes", label="Forecast of every model and the ensemble by horizon")
    with right:
        widgets.show_heading("Phases", f"decided in {units.format_ms(decision.ms)}; one colour per thread")
        live.show_chart(charts.plot_phases(decision), key="timeline", label="Start and length of the ten phases")
    with st.expander("Votes as a table"):
        widgets.show_table(tables.VOTE_COLUMNS, tables.list_votes(decision), label="Forecast, reliability and weight of every model")
    with st.expander("Challengers: the ensemble's forecast with each in its champion's place"):
        show_arms(decision)
    show_context(decision, following=following)


def show_arms(decision: DecisionDetails) -> None:
    """Draw what the challengers in a contest would have changed."""
    arms = cache.fetch_arm_forecasts(decision.tick, decision.symbol)
    if not arms:
        widgets.show_empty("no contest ran at this tick")
        return
    widgets.show_table(tables.ARM_COLUMNS, tables.list_arms(arms, decision.horizon), label="Forecast of the ensemble with each challenger")


@st.fragment(run_every=5)
def follow_outcome(tick: int, symbol: str) -> None:
    """Draw the outcome, which fills in as horizons fall due."""
    with widgets.reading_store():
        decision = cache.fetch_decision(tick, symbol)
        if decision is not None:
            show_outcome(decision)


def show_outcome(decision: DecisionDetails) -> None:
    widgets.show_heading("Outcome", "price move after the decision")
    widgets.show_table(tables.OUTCOME_COLUMNS, tables.list_outcomes(decision), label="Outcome of the decision", cards=False)


def show_context(decision: DecisionDetails, *, following: bool) -> None:
    """Draw costs, outcome, the state of market and machine, and fills."""
    left, middle, right, fourth = st.columns([10, 11, 10, 10], gap="small")
    with left:
        widgets.show_heading("Trading costs", "one way and round trip")
        widgets.show_table(PAIR_COLUMNS, tables.list_costs(decision), label="Cost of trading", cards=False)
    with middle:
        if following:
            show_outcome(decision)  # drawn again with all the rest
        else:
            follow_outcome(decision.tick, decision.symbol)
    with right:
        widgets.show_heading("Market state", f"regime and book; spread from {decision.spread_source}")
        widgets.show_table(PAIR_COLUMNS, tables.list_market_state(decision), label="The market at the decision", cards=False)
    with fourth:
        widgets.show_heading("Machine state", "pressure: share of the last 10 s")
        readings = tables.list_machine_state(decision)
        if readings:
            widgets.show_table(FIGURE_COLUMNS, readings, label="The machine at the decision", cards=False)
        else:
            widgets.show_empty("no readings of the machine at this tick")
    rules = trading_rules.list_symbol_rules(
        cache.fetch_config_of(decision.config_digest), decision.session.symbols, decision.symbol, decision.spread_source, decision.micro
    )
    if rules:
        with st.expander("Trading rules and costs at this tick"):
            widgets.show_table(PAIR_COLUMNS, rules, label="Trading rules and costs at the decision", cards=False)
    if decision.fills:
        widgets.show_heading("Fills", "at the next tick, never at the price of the decision")
        widgets.show_table(FILL_COLUMNS, tables.list_order_fills(decision), label="Fills of this decision's order")
