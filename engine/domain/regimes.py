"""What the regime model has learned: a hidden Markov model's sums and the parameters made of them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class RegimeModel(Record):
    """One model for all symbols, R regimes; the sums are means over the bars learned from, recent ones counting for more."""

    bars: float  # learned from
    pairs: Floats  # (R, R) probability of regime i then regime j
    moments: Floats  # (R, 5) of 1, surge, surge^2, trend, trend^2 within each regime
    transition: Floats  # (R, R) in force, rows sum to 1
    emission: Floats  # (5, R) in force: the log density of what is seen is [1, surge, surge^2, trend, trend^2] @ emission
