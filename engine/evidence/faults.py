"""The data faults of each symbol at a bar: open incidents, and repeats that are no incident yet."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from engine.domain.incidents import EVERYWHERE, INCIDENT_KINDS, NO_FAULT, DataFaults, Incident, Staleness
from engine.evidence import staleness
from engine.evidence.staleness import REPEATED

SEVERITY = ("volume-feed change", "clock skew", "stale book", "flat-filled", "stale", "halt", "gap")  # rising: of several, the last is shown
STALE, STALE_BOOK = INCIDENT_KINDS.index("stale"), INCIDENT_KINDS.index("stale book")


@cache
def no_faults(symbols: int) -> DataFaults:
    """No faults."""
    zero, none_frozen = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.bool_)
    return DataFaults(zero + NO_FAULT, zero, none_frozen, none_frozen)


def find_faults(touching: tuple[Incident, ...], runs: Staleness | None, at: int, interval: int, symbols: tuple[str, ...]) -> DataFaults:
    """The faults of the bar that closes `at` (ns UTC), from incidents that touch it and runs of stale bars (None outside of sessions)."""
    suspect = staleness.find_suspect_repeats(runs) if runs is not None and runs.any_run else None
    if not touching and (suspect is None or not suspect.any()):
        return no_faults(len(symbols))
    kind, bars = np.full(len(symbols), NO_FAULT), np.zeros(len(symbols), dtype=np.int64)
    for incident in sorted(touching, key=lambda incident: SEVERITY.index(incident.kind)):
        where = slice(None) if incident.symbol == EVERYWHERE else symbol_positions(symbols)[incident.symbol]
        kind[where], bars[where] = INCIDENT_KINDS.index(incident.kind), max((at - incident.since) // interval, 1)
    if runs is None or suspect is None:
        none_frozen = np.zeros(len(symbols), dtype=np.bool_)
        return DataFaults(kind, bars, none_frozen, none_frozen)
    for offset, fault in ((0, STALE), (1, STALE_BOOK)):
        new = suspect[offset] & (kind == NO_FAULT)
        kind, bars = np.where(new, fault, kind), np.where(new, runs.run_bars[REPEATED + offset], bars)
    frozen = suspect | ((runs.run_bars[REPEATED:] > 0) & (kind == np.array([[STALE], [STALE_BOOK]])))
    return DataFaults(kind, bars, frozen[0], frozen[1])


@lru_cache(8)
def symbol_positions(symbols: tuple[str, ...]) -> dict[str, int]:
    """The position of each symbol."""
    return {symbol: place for place, symbol in enumerate(symbols)}
