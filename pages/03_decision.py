"""One decision: in words, its gates, its votes, its sizing and its outcome."""

from __future__ import annotations

import streamlit as st

from engine.store.decision_query import DecisionTold
from engine.store.page_queries import Wanted
from pages.parts import charts_decision, decision_steps, evidence, live, reads, rowsets, spoken, units, venue, widgets


def follow(symbol: str) -> None:
    """Follow the newest decision of the symbol."""
    with widgets.reading():
        newest, _ = reads.latest(Wanted(symbol=symbol), limit=1)
        decision = None if newest.empty else reads.decision(int(newest["tick"].iloc[0]), symbol)
        if decision is None:
            widgets.waiting(f"a decision of {symbol}")
            return
        st.session_state["followed"] = decision.tick
        with st.container(key="followed"):
            draw(decision, following=True)


def draw(decision: DecisionTold, *, following: bool = False) -> None:
    widgets.show(evidence.header(decision, following=following))
    text = spoken.words(decision)
    if text is not None:
        widgets.words(text)
    widgets.tiles(evidence.tiles(decision))
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.heading("Gate ladder", "margin to each limit, relative to the larger of value and limit")
        let_through = decision.binding_gate is None and any(not rung.passed for rung in decision.rungs)
        reduced, first = "No gate binds: a failed gate still lets a position be reduced.", "The first gate that fails is the binding gate."
        widgets.note(reduced if let_through else first)
        live.chart(charts_decision.ladder(decision), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.heading("Position sizing", "share of equity after each step, per symbol, then jointly; amber: changed by the step")
        live.chart(charts_decision.limits(decision), key="limits", label="Desired size and the size after each limit")
    with st.expander("Gates as a table"):
        widgets.table(rowsets.LADDER, rowsets.ladder(decision), label="Every gate with value, limit and margin")
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.heading("Votes", "forecast of each model; size: weight, opacity: trust; the ensemble with its 90 % interval")
        live.chart(charts_decision.votes(decision), key="votes", label="Forecast of every model and the ensemble by horizon")
        with st.expander("Votes as a table"):
            widgets.table(rowsets.VOTES, rowsets.votes(decision), label="Forecast, trust and weight of every model")
    with right:
        widgets.heading("Phases", f"decided in {units.ms(decision.ms)}; one colour per thread")
        live.chart(charts_decision.timeline(decision), key="timeline", label="Start and length of the ten phases")
    show_context(decision, following=following)


@st.fragment(run_every=5)
def follow_outcome(tick: int, symbol: str) -> None:
    """Draw the outcome, which fills in as horizons fall due."""
    with widgets.reading():
        decision = reads.decision(tick, symbol)
        if decision is not None:
            show_outcome(decision)


def show_outcome(decision: DecisionTold) -> None:
    widgets.heading("Outcome", "price move after the decision")
    widgets.table(rowsets.CAME, evidence.came(decision), label="Outcome of the decision", cards=False)


def show_context(decision: DecisionTold, *, following: bool) -> None:
    """Draw costs, outcome, the state of market and machine, and fills."""
    left, middle, right, fourth = st.columns(4, gap="medium")
    with left:
        widgets.heading("Trading costs", "one way and round trip")
        widgets.table(rowsets.PAIR, evidence.cost(decision), label="Cost of trading", cards=False)
    with middle:
        if following:
            show_outcome(decision)  # drawn again with all the rest
        else:
            follow_outcome(decision.tick, decision.symbol)
    with right:
        widgets.heading("Market state", f"regime and book; spread from {decision.spread_source}")
        widgets.table(rowsets.PAIR, evidence.market(decision), label="The market at the decision", cards=False)
    with fourth:
        widgets.heading("Machine state", "pressure: share of the last 10 s")
        lines = evidence.machine(decision)
        if lines:
            widgets.table(rowsets.FIGURE, lines, label="The machine at the decision", cards=False)
        else:
            widgets.nothing("no readings of the machine at this tick")
    rules = venue.pairs(reads.knobs_of(decision.knobs_digest), decision.session.symbols, decision.symbol, decision.spread_source, decision.micro)
    if rules:
        with st.expander("Trading rules and costs at this tick"):
            widgets.table(rowsets.PAIR, rules, label="Trading rules and costs at the decision", cards=False)
    if decision.fills:
        widgets.heading("Fills", "at the next tick, never at the price of the decision")
        widgets.table(rowsets.FILLS[2:], rowsets.filled(decision), label="Fills of this decision's order")


with widgets.reading(page=True):
    wanted = decision_steps.asked()
    if wanted is None:
        widgets.waiting("the first decision")
        widgets.again(reads.version())
        st.stop()
    if isinstance(wanted, str):
        decision_steps.missing(wanted)
    else:
        decision = reads.decision(*wanted)
        if decision is None:
            widgets.again(reads.version())
            decision_steps.missing(f"no decision of {wanted[1]} at tick {wanted[0]:,} is stored: it is not decided yet, or retention has deleted it")
        else:
            following = "tick" not in st.query_params
            decision_steps.step(decision, following=following)
            if following:
                st.fragment(follow, run_every=2)(decision.symbol)
            else:
                draw(decision)
