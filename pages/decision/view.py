"""One decision: in words, its gates, its votes, its sizing and its outcome."""

from __future__ import annotations

import streamlit as st

from engine import units
from engine.store.read.decision import DecisionDetails
from engine.store.read.decisions import DecisionFilter
from engine.store.read.reader import StoreUnreadable
from pages.decision import challengers, changes, charts, evidence, forecast, navigation, similar, sizing, surroundings, tables, text, votes_chart
from pages.ui import cache, live, refresh, widgets


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
                navigation.show_missing(navigation.describe_missing(*target))
            else:
                following = "tick" not in st.query_params and cache.past_tick() is None
                navigation.show_navigation(decision, following=following)
                if following:
                    refresh.run_part(follow, 2, decision.symbol)
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
        widgets.show_text(explanation, scrolled_as="The decision in words" if following else "")
    widgets.show_tiles(tables.build_decision_tiles(decision))
    show_gates_and_sizing(decision)
    show_votes_and_phases(decision)
    with st.expander("Challengers: the ensemble's forecast with each in its champion's place"):
        challengers.show_arms(decision)
    surroundings.show_surroundings(decision, following=following)
    if following:
        widgets.show_note("Forecast, change, similar decisions and evidence need a fixed tick: press Previous or Replay this tick.")
    else:
        show_questions(decision)


def show_gates_and_sizing(decision: DecisionDetails) -> None:
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Gate ladder", "margin to each limit, relative to the larger of value and limit")
        let_through = decision.binding_gate is None and any(not gate.passed for gate in decision.gates)
        reduced, first = "No gate binds: a failed gate still lets a position be reduced.", "The first gate that fails is the binding gate."
        widgets.show_note(reduced if let_through else first)
        live.show_chart(charts.plot_gates(decision), key="ladder", label="Margin of every gate to its limit, the binding one outlined")
    with right:
        widgets.show_heading("Position sizing", "the desired size and what each limit left of it; amber: reduced, with the factor")
        live.show_chart(sizing.plot_sizing(decision), key="limits", label="Desired size and the size after each limit")
    with st.expander("Position sizing as a table: the limits in force and what each left"):
        steps = sizing.list_steps(decision, cache.fetch_config_of(decision.config_digest))
        widgets.show_table(sizing.SIZING_COLUMNS, steps, label="Every step of the sizing with its limit, the size after it and its factor")
    with st.expander("Gates as a table"):
        widgets.show_table(tables.GATE_COLUMNS, tables.list_gates(decision), label="Every gate with value, limit and margin")


def show_votes_and_phases(decision: DecisionDetails) -> None:
    left, right = st.columns([7, 5], gap="medium")
    with left:
        widgets.show_heading("Votes", "forecast of each model; size: weight, opacity: reliability; the ensemble with its 90 % interval")
        live.show_chart(votes_chart.plot_votes(decision), key="votes", label="Forecast of every model and the ensemble by horizon")
    with right:
        widgets.show_heading("Phases", f"decided in {units.format_ms(decision.ms)}; one colour per thread")
        live.show_chart(charts.plot_phases(decision), key="timeline", label="Start and length of the ten phases")
    with st.expander("Votes as a table"):
        widgets.show_table(tables.VOTE_COLUMNS, tables.list_votes(decision), label="Forecast, reliability and weight of every model")


@st.fragment
def show_questions(decision: DecisionDetails) -> None:
    """Draw what is computed on demand; a click runs this part alone, without a snapshot, which a slow answer would hold."""
    try:
        widgets.show_heading("Ask about this decision", "computed on request, from stored data")
        why, change, past, proof = st.tabs(["Why this forecast", "Change one thing", "Similar decisions", "Evidence"])
        with why:
            forecast.show_forecast(decision)
        with change:
            changes.show_changes(decision)
        with past:
            similar.show_similar(decision)
        with proof:
            evidence.show_evidence(decision)
    except StoreUnreadable as error:
        widgets.show_unreadable(error)
