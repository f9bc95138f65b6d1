"""What is wrong with the data of each symbol at a bar: the incidents that are open, and repeats that are no incident yet."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from engine.domain.incidents import EVERYWHERE, INCIDENT_KINDS, NO_FAULT, DataFaults, Incident, Staleness
from engine.evidence import staleness
from engine.evidence.staleness import REPEATED

SEVERITY = ("volume-feed change", "clock skew", "stale book", "flat-filled", "stale", "halt", "gap")  # where there are several, the last is named
STALE, STALE_BOOK = INCIDENT_KINDS.index("stale"), INCIDENT_KINDS.index("stale book")


@cache
def no_faults(symbols: int) -> DataFaults:
    """Nothing is wrong."""
    zero, no = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.bool_)
    return DataFaults(zero + NO_FAULT, zero, no, no)


def find_faults(touching: tuple[Incident, ...], runs: Staleness | None, at: int, interval: int, symbols: tuple[str, ...]) -> DataFaults:
    """The faults of the bar that closes `at` ns, of the incidents that touch it and the runs of quiet bars; None outside of sessions."""
    doubt = staleness.find_suspect_repeats(runs) if runs is not None and runs.any_run else None
    if not touching and (doubt is None or not doubt.any()):
        return no_faults(len(symbols))
    kind, bars = np.full(len(symbols), NO_FAULT), np.zeros(len(symbols), dtype=np.int64)
    for incident in sorted(touching, key=lambda incident: SEVERITY.index(incident.kind)):
        where = slice(None) if incident.symbol == EVERYWHERE else symbol_positions(symbols)[incident.symbol]
        kind[where], bars[where] = INCIDENT_KINDS.index(incident.kind), max((at - incident.since) // interval, 1)
    if runs is None or doubt is None:
        no = np.zeros(len(symbols), dtype=np.bool_)
        return DataFaults(kind, bars, no, no)
    for way, named in ((0, STALE), (1, STALE_BOOK)):
        new = doubt[way] & (kind == NO_FAULT)
        kind, bars = np.where(new, named, kind), np.where(new, runs.run_bars[REPEATED + way], bars)
    frozen = doubt | ((runs.run_bars[REPEATED:] > 0) & (kind == np.array([[STALE], [STALE_BOOK]])))
    return DataFaults(kind, bars, frozen[0], frozen[1])


@lru_cache(8)
def symbol_positions(symbols: tuple[str, ...]) -> dict[str, int]:
    """Where each symbol stands."""
    return {symbol: place for place, symbol in enumerate(symbols)}
