"""Counts that only ever grow: kept beside the rows they count, in the same transaction, so that what retention drops stays counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from engine.domain.decision import ACTIONS
from engine.domain.optimization import MANUAL
from engine.domain.tick import Tick

LATENCY_BOUNDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)  # s, of the classes that ticks are counted in by how long they took
OVERFLOW_LABEL = "+Inf"
LATENCY_LABELS = (*(f"{bound:g}" for bound in LATENCY_BOUNDS), OVERFLOW_LABEL)

ADD_COUNT = """
INSERT INTO totals (kind, one, two, value) VALUES (?, ?, ?, ?)
ON CONFLICT (kind, one, two) DO UPDATE SET value = value + excluded.value
"""
Count = tuple[str, str, str, float]  # kind, what it is counted by (two of them, "" for none), how many more


def add_counts(connection: Connection, told: Sequence[Count]) -> None:
    """Inside the caller's transaction."""
    connection.exec_driver_sql(ADD_COUNT, list(told))


def count_tick(tick: Tick) -> list[Count]:
    """What a tick adds: decisions by action, gates that bound, phases that fell back, fills by side with their costs, and the time it took."""
    decided, outcome = tick.outcome.decisions, tick.outcome
    acted = np.bincount(decided.action, minlength=len(ACTIONS)).tolist()
    bound = np.bincount(decided.binding_gate[decided.binding_gate >= 0], minlength=len(decided.gates)).tolist()
    seconds = tick.ms / 1e3
    told: list[Count] = [("decisions", action, "", n) for action, n in zip(ACTIONS, acted, strict=True) if n]
    told += [("bound", gate, "", n) for gate, n in zip(decided.gates.names, bound, strict=True) if n]
    told += [("ticks", LATENCY_LABELS[bisect_left(LATENCY_BOUNDS, seconds)], "", 1), ("ticks", "sum", "", seconds)]
    if outcome.degraded:
        told += [("degraded", "", "", 1), *(("fallbacks", phase.value, "", 1.0) for phase in outcome.degraded)]
    return told + _of_fills(tick)


def count_trial(action: str, verdict: str, *, placebo: bool, mode: str, n: int = 1) -> list[Count]:
    """What trials add that have ended; runs by hand, which no coin decided, are counted apart."""
    return [("placebos" if placebo else "by hand" if mode == MANUAL else "trials", action, verdict, n)]


def _of_fills(tick: Tick) -> list[Count]:
    told: list[Count] = []
    for fill in tick.fills:
        if fill.units:
            told.append(("fills", "buy" if fill.units > 0 else "sell", "", 1))
            costs = (("fee", fill.fee_bps), ("spread", fill.spread_bps), ("impact", fill.impact_bps))
            paid = ((name, abs(fill.units) * fill.price * bps / 1e4) for name, bps in costs)
            told += [("costs", name, "", money) for name, money in paid if np.isfinite(money) and money > 0]
    return told
