"""The state of the regime model: the sums of a hidden Markov model and its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class RegimeModel(Record):
    """One hidden Markov model for all symbols, with R regimes; the sums are discounted means over the bars learned from."""

    bars: float  # number of bars learned from, discounted
    pairs: Floats  # (R, R) probability of regime i then regime j
    moments: Floats  # (R, 5) of 1, surge, surge^2, trend, trend^2 within each regime
    transition: Floats  # (R, R) in force, rows sum to 1
    emission: Floats  # (5, R) in force: the log density of an observation is [1, surge, surge^2, trend, trend^2] @ emission
