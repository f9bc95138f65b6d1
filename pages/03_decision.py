"""One decision: its words, its ladder of gates, and all it came from."""

from __future__ import annotations

import streamlit as st

from engine.store.decision_query import DecisionTold
from engine.store.page_queries import Wanted
from pages.parts import charts_decision, decision_steps, evidence, live, reads, rowsets, spoken, units, venue, widgets


def follow(symbol: str) -> None:
    """The newest decision of the symbol, as ticks come."""
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
        widgets.heading("Gate ladder", "each bar is the margin to the gate's limit, as a share of the larger of the two")
        let_through = told.binding_gate is None and any(not rung.passed for rung in told.rungs)
        widgets.note("None binds here: gates that failed let a position be reduced." if let_through else "The first gate that fails binds.")
        live.chart(charts_decision.ladder(told), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.heading("From wish to target", "share of equity after each step, alone, then jointly; amber where a step changed it")
        live.chart(charts_decision.limits(told), key="limits", label="Size wanted and what each limit left of it")
    with st.expander("The ladder as a table"):
        widgets.table(rowsets.LADDER, rowsets.ladder(told), label="Every gate with value, limit and margin")
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.heading("Votes", "what each model expects; larger with weight, fainter with less trust; the ensemble with its 90 % interval")
        live.chart(charts_decision.votes(told), key="votes", label="Forecast of every model and the ensemble by horizon")
        with st.expander("The votes as a table"):
            widgets.table(rowsets.VOTES, rowsets.votes(told), label="Forecast, trust and weight of every model")
    with right:
        widgets.heading("Ten phases", f"decided in {units.ms(told.ms)}; colours are threads")
        live.chart(charts_decision.timeline(told), key="timeline", label="Start and length of the ten phases")
    aftermath(told, following=following)


@st.fragment(run_every=5)
def came(tick: int, symbol: str) -> None:
    """What the price did since; figures come in as they fall due."""
    with widgets.reading():
        told = reads.decision(tick, symbol)
        if told is not None:
            outcome(told)


def outcome(told: DecisionTold) -> None:
    widgets.heading("What came of it", "move of the price after the decision")
    widgets.table(rowsets.CAME, evidence.came(told), label="What came of the decision", cards=False)


def aftermath(told: DecisionTold, *, following: bool) -> None:
    """Cost, what came of it, the market and the machine then, and the fills."""
    left, middle, right, fourth = st.columns(4, gap="medium")
    with left:
        widgets.heading("What trading would cost", "round trip")
        widgets.table(rowsets.PAIR, evidence.cost(told), label="Cost of trading", cards=False)
    with middle:
        if following:
            outcome(told)  # drawn again with all the rest
        else:
            came(told.tick, told.symbol)
    with right:
        widgets.heading("The market then", f"regime and book; spread from {told.spread_source}")
        widgets.table(rowsets.PAIR, evidence.market(told), label="The market at the decision", cards=False)
    with fourth:
        widgets.heading("The machine at that moment", "pressure: share of the last 10 s")
        lines = evidence.machine(told)
        if lines:
            widgets.table(rowsets.FIGURE, lines, label="The machine at the decision", cards=False)
        else:
            widgets.nothing("nobody watched the machine at this tick")
    rules = venue.pairs(reads.knobs_of(told.knobs_digest), told.session.symbols, told.symbol, told.spread_source, told.micro)
    if rules:
        with st.expander("Trading rules and costs, as they were"):
            widgets.table(rowsets.PAIR, rules, label="Trading rules and costs at the decision", cards=False)
    if told.fills:
        widgets.heading("Filled", "at the tick after, never at the price it was decided on")
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
            decision_steps.missing(f"no decision of {wanted[1]} at tick {wanted[0]:,} is kept: it is not decided yet, or retention has dropped it")
        else:
            following = "tick" not in st.query_params
            decision_steps.step(found, following=following)
            if following:
                st.fragment(follow, run_every=2)(found.symbol)
            else:
                draw(found)
