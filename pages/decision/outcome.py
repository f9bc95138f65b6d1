"""What became of a decision: the price after each horizon, and what its binding gate has declined so far."""

from __future__ import annotations

import pandas as pd

from engine import units
from engine.store.read.decision import DecisionDetails
from pages.decision import context
from pages.ui import cache, travel, widgets


@travel.live_part(5)
def follow_outcome(tick: int, symbol: str) -> None:
    """Draw the outcome, which fills in as horizons fall due."""
    with widgets.reading_store():
        decision = cache.fetch_decision(tick, symbol)
        if decision is not None:
            show_outcome(decision)


def show_outcome(decision: DecisionDetails) -> None:
    past = cache.past_tick()
    clock = "" if past is None else ", as known now" if past.knows_now else f", {travel.describe_past(past)}"
    widgets.show_heading("Outcome", f"price move after the decision{clock}")
    widgets.show_table(context.OUTCOME_COLUMNS, context.list_outcomes(decision), label="Outcome of the decision", cards=False)
    if past is not None and any(outcome.is_later for outcome in decision.outcomes):
        widgets.show_note(describe_hindsight(decision, knows_now=past.knows_now))
    if decision.binding_gate is not None:
        widgets.show_note(describe_declined(decision.binding_gate, cache.fetch_declined_trades()))


def describe_hindsight(decision: DecisionDetails, *, knows_now: bool) -> str:
    """Say how many outcomes were not known at the tick that the page is shown as of."""
    count = f"{sum(outcome.is_later for outcome in decision.outcomes)} of {units.format_count(len(decision.outcomes), 'outcome')}"
    return f"{count} not known then." if knows_now else f"{count} not known then; the clock As known now shows what is known today."


def describe_declined(gate: str, declined: pd.DataFrame) -> str:
    """Return what the trades that a gate declined would have made so far, with n and interval."""
    rows = declined[declined["gate"] == gate]
    if rows.empty:
        return f"Trades declined by the gate {gate}: not measured yet."
    row = rows.iloc[0]
    n = f"n={units.format_number(row['n'])}"
    if pd.isna(row["mean_bps"]):
        return f"Trades declined by the gate {gate}: {units.NOT_ENOUGH} ({n})."
    mean = float(row["mean_bps"])
    verdict = "the gate cost money" if row["low"] > 0 else "the gate saved money" if row["high"] < 0 else "neither cost nor saving is proven"
    interval = units.NOT_ENOUGH if pd.isna(row["low"]) else f"{units.format_interval(row['low'], row['high'], 1, 'bps')}, 95 %"
    signed = units.format_bps(mean, signed=True)
    return f"Trades declined by the gate {gate} would have made {signed} each after costs: {verdict} ({interval}; {n})."
