"""Counters that only grow. They are stored beside the rows they count, in the same transaction, so that pruning does not lower them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from engine.domain.decision import ACTIONS
from engine.domain.optimization import MANUAL
from engine.domain.tick import Tick

LATENCY_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # s, upper bounds of the histogram of tick latency
OVERFLOW_LABEL = "+Inf"
LATENCY_LABELS = (*(f"{bound:g}" for bound in LATENCY_BOUNDS), OVERFLOW_LABEL)

ADD_COUNT = """
INSERT INTO counters (kind, name, detail, value) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, name, detail) DO UPDATE SET value = value + excluded.value
"""
Count = tuple[str, str, str, float]  # kind, name, detail ("" for none), increment


def add_counts(connection: Connection, counts: Sequence[Count]) -> None:
    """Add increments, inside the caller's transaction."""
    connection.exec_driver_sql(ADD_COUNT, list(counts))


def count_tick(tick: Tick) -> list[Count]:
    """A tick's increments: decisions by action, binding gates, fallbacks by phase, fills by side with their costs, and its latency."""
    decided, outcome = tick.outcome.decisions, tick.outcome
    actions = np.bincount(decided.action, minlength=len(ACTIONS)).tolist()
    binding = np.bincount(decided.binding_gate[decided.binding_gate >= 0], minlength=len(decided.gates)).tolist()
    seconds = tick.ms / 1e3
    counts: list[Count] = [("decisions", action, "", n) for action, n in zip(ACTIONS, actions, strict=True) if n]
    counts += [("bound", gate, "", n) for gate, n in zip(decided.gates.names, binding, strict=True) if n]
    counts += [("ticks", LATENCY_LABELS[bisect_left(LATENCY_BOUNDS, seconds)], "", 1), ("ticks", "sum", "", seconds)]
    if outcome.degraded:
        counts += [("degraded", "", "", 1), *(("fallbacks", phase.value, "", 1.0) for phase in outcome.degraded)]
    return counts + _count_fills(tick)


def count_trial(action: str, verdict: str, *, placebo: bool, mode: str, n: int = 1) -> list[Count]:
    """The increments of trials that have ended. Manual runs, which are not randomised, are counted separately."""
    return [("placebos" if placebo else "by hand" if mode == MANUAL else "trials", action, verdict, n)]


def _count_fills(tick: Tick) -> list[Count]:
    counts: list[Count] = []
    for fill in tick.fills:
        if fill.units:
            counts.append(("fills", "buy" if fill.units > 0 else "sell", "", 1))
            costs = (("fee", fill.fee_bps), ("spread", fill.spread_bps), ("impact", fill.impact_bps))
            paid = ((name, abs(fill.units) * fill.price * bps / 1e4) for name, bps in costs)
            counts += [("costs", name, "", money) for name, money in paid if np.isfinite(money) and money > 0]
    return counts
