"""What surrounded a decision: costs beside the book, the market, the machine, the outcome and the fills."""

from __future__ import annotations

import streamlit as st

from engine.store.read.decision import DecisionDetails
from pages.decision import book, context, machine, outcome
from pages.ui import cache, decision_cache, trading_rules, travel, widgets
from pages.ui.tables import PAIR_COLUMNS
from pages.ui.trading_tables import FILL_COLUMNS


def show_surroundings(decision: DecisionDetails, *, following: bool) -> None:
    """Draw costs and book, outcome, the state of market and machine, and fills."""
    moment = decision_cache.fetch_moment(decision)
    left, middle, right = st.columns([10, 13, 11], gap="medium")
    with left:
        widgets.show_heading("Trading costs", "one way and round trip")
        widgets.show_table(PAIR_COLUMNS, context.list_costs(decision), label="Cost of trading", cards=False)
    with middle:
        book.show_book(decision, None if moment is None else moment.book)
    with right:
        if following:
            outcome.show_outcome(decision)  # drawn again with all the rest
        else:
            outcome.follow_outcome(decision.tick, decision.symbol)
    left, right = st.columns([10, 10], gap="medium")
    with left:
        widgets.show_heading("Market state", f"regime and book; spread from {decision.spread_source}")
        widgets.show_table(PAIR_COLUMNS, context.list_market_state(decision), label="The market at the decision", cards=False)
    with right:
        machine.show_machine(decision, moment)
    show_rules_and_fills(decision)


def show_rules_and_fills(decision: DecisionDetails) -> None:
    config = cache.fetch_config_of(decision.config_digest)
    rules = trading_rules.list_symbol_rules(config, decision.session.symbols, decision.symbol, decision.spread_source, decision.micro)
    if rules:
        with st.expander("Trading rules and costs at this tick"):
            widgets.show_table(PAIR_COLUMNS, rules, label="Trading rules and costs at the decision", cards=False)
    past = cache.past_tick()
    if past is not None and not past.knows_now and decision.tick >= past.tick:
        widgets.show_note(f"Fills: not known {travel.describe_past(past)}; an order is filled at the next tick.")
    if decision.fills:
        widgets.show_heading("Fills", "at the next tick, never at the price of the decision")
        widgets.show_table(FILL_COLUMNS, context.list_order_fills(decision), label="Fills of this decision's order")
