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
        told = None if newest.empty else reads.decision(int(newest["tick"].iloc[0]), symbol)
        if told is None:
            widgets.waiting(f"a decision of {symbol}")
            return
        st.session_state["followed"] = told.tick
        with st.container(key="followed"):
            draw(told, following=True)


def draw(told: DecisionTold, *, following: bool = False) -> None:
    widgets.show(evidence.header(told, following=following))
    text = spoken.words(told)
    if text is not None:
        widgets.words(text)
    widgets.tiles(evidence.tiles(told))
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.heading("Gate ladder", "margin to each limit, relative to the larger of value and limit")
        let_through = told.binding_gate is None and any(not rung.passed for rung in told.rungs)
        reduced, first = "No gate binds: a failed gate still lets a position be reduced.", "The first gate that fails is the binding gate."
        widgets.note(reduced if let_through else first)
        live.chart(charts_decision.ladder(told), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.heading("Position sizing", "share of equity after each step, per symbol, then jointly; amber: changed by the step")
        live.chart(charts_decision.limits(told), key="limits", label="Desired size and the size after each limit")
    with st.expander("Gates as a table"):
        widgets.table(rowsets.LADDER, rowsets.ladder(told), label="Every gate with value, limit and margin")
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.heading("Votes", "forecast of each model; size: weight, opacity: trust; the ensemble with its 90 % interval")
        live.chart(charts_decision.votes(told), key="votes", label="Forecast of every model and the ensemble by horizon")
        with st.expander("Votes as a table"):
            widgets.table(rowsets.VOTES, rowsets.votes(told), label="Forecast, trust and weight of every model")
    with right:
        widgets.heading("Phases", f"decided in {units.ms(told.ms)}; one colour per thread")
        live.chart(charts_decision.timeline(told), key="timeline", label="Start and length of the ten phases")
    aftermath(told, following=following)


@st.fragment(run_every=5)
def came(tick: int, symbol: str) -> None:
    """Draw the outcome, which fills in as horizons fall due."""
    with widgets.reading():
        told = reads.decision(tick, symbol)
        if told is not None:
            outcome(told)


def outcome(told: DecisionTold) -> None:
    widgets.heading("Outcome", "price move after the decision")
    widgets.table(rowsets.CAME, evidence.came(told), label="Outcome of the decision", cards=False)


def aftermath(told: DecisionTold, *, following: bool) -> None:
    """Draw costs, outcome, the state of market and machine, and fills."""
    left, middle, right, fourth = st.columns(4, gap="medium")
    with left:
        widgets.heading("Trading costs", "one way and round trip")
        widgets.table(rowsets.PAIR, evidence.cost(told), label="Cost of trading", cards=False)
    with middle:
        if following:
            outcome(told)  # drawn again with all the rest
        else:
            came(told.tick, told.symbol)
    with right:
        widgets.heading("Market state", f"regime and book; spread from {told.spread_source}")
        widgets.table(rowsets.PAIR, evidence.market(told), label="The market at the decision", cards=False)
    with fourth:
        widgets.heading("Machine state", "pressure: share of the last 10 s")
        lines = evidence.machine(told)
        if lines:
            widgets.table(rowsets.FIGURE, lines, label="The machine at the decision", cards=False)
        else:
            widgets.nothing("no readings of the machine at this tick")
    rules = venue.pairs(reads.knobs_of(told.knobs_digest), told.session.symbols, told.symbol, told.spread_source, told.micro)
    if rules:
        with st.expander("Trading rules and costs at this tick"):
            widgets.table(rowsets.PAIR, rules, label="Trading rules and costs at the decision", cards=False)
    if told.fills:
        widgets.heading("Fills", "at the next tick, never at the price of the decision")
        widgets.table(rowsets.FILLS[2:], rowsets.filled(told), label="Fills of this decision's order")


with widgets.reading(page=True):
    wanted = decision_steps.asked()
    if wanted is None:
        widgets.waiting("the first decision")
        widgets.again(reads.version())
        st.stop()
    if isinstance(wanted, str):
        decision_steps.missing(wanted)
    else:
        found = reads.decision(*wanted)
        if found is None:
            widgets.again(reads.version())
            decision_steps.missing(f"no decision of {wanted[1]} at tick {wanted[0]:,} is stored: it is not decided yet, or retention has deleted it")
        else:
            following = "tick" not in st.query_params
            decision_steps.step(found, following=following)
            if following:
                st.fragment(follow, run_every=2)(found.symbol)
            else:
                draw(found)
