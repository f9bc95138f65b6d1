"""The data faults of each symbol at a bar: open incidents, and repeats that are no incident yet."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from engine.domain.incidents import EVERYWHERE, KINDS, NO_FAULT, Faults, Incident, Quiet
from engine.evidence import quiet
from engine.evidence.quiet import REPEATED

GRAVITY = ("volume-feed change", "clock skew", "stale book", "flat-filled", "stale", "halt", "gap")  # rising: of several, the last is shown
STALE, STALE_BOOK = KINDS.index("stale"), KINDS.index("stale book")


@cache
def none(symbols: int) -> Faults:
    """No faults."""
    zero, none_frozen = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.bool_)
    return Faults(zero + NO_FAULT, zero, none_frozen, none_frozen)


def find(touching: tuple[Incident, ...], runs: Quiet | None, at: int, interval: int, symbols: tuple[str, ...]) -> Faults:
    """The faults of the bar that closes `at` (ns UTC), from incidents that touch it and runs of stale bars (None outside of sessions)."""
    suspect = quiet.doubtful(runs) if runs is not None and runs.under_way else None
    if not touching and (suspect is None or not suspect.any()):
        return none(len(symbols))
    kind, bars = np.full(len(symbols), NO_FAULT), np.zeros(len(symbols), dtype=np.int64)
    for incident in sorted(touching, key=lambda incident: GRAVITY.index(incident.kind)):
        where = slice(None) if incident.symbol == EVERYWHERE else places(symbols)[incident.symbol]
        kind[where], bars[where] = KINDS.index(incident.kind), max((at - incident.since) // interval, 1)
    if runs is None or suspect is None:
        none_frozen = np.zeros(len(symbols), dtype=np.bool_)
        return Faults(kind, bars, none_frozen, none_frozen)
    for offset, fault in ((0, STALE), (1, STALE_BOOK)):
        new = suspect[offset] & (kind == NO_FAULT)
        kind, bars = np.where(new, fault, kind), np.where(new, runs.run[REPEATED + offset], bars)
    frozen = suspect | ((runs.run[REPEATED:] > 0) & (kind == np.array([[STALE], [STALE_BOOK]])))
    return Faults(kind, bars, frozen[0], frozen[1])


@lru_cache(8)
def places(symbols: tuple[str, ...]) -> dict[str, int]:
    """The position of each symbol."""
    return {symbol: place for place, symbol in enumerate(symbols)}
