"""What is wrong with the data of each symbol at a bar: the incidents that are open, and repeats that are no incident yet."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from engine.domain.incidents import EVERYWHERE, KINDS, NO_FAULT, Faults, Incident, Quiet
from engine.evidence import quiet
from engine.evidence.quiet import REPEATED

GRAVITY = ("volume-feed change", "clock skew", "stale book", "flat-filled", "stale", "halt", "gap")  # where there are several, the last is named
STALE, STALE_BOOK = KINDS.index("stale"), KINDS.index("stale book")


@cache
def none(symbols: int) -> Faults:
    """Nothing is wrong."""
    zero, no = np.zeros(symbols, dtype=np.int64), np.zeros(symbols, dtype=np.bool_)
    return Faults(zero + NO_FAULT, zero, no, no)


def find(touching: tuple[Incident, ...], runs: Quiet | None, at: int, interval: int, symbols: tuple[str, ...]) -> Faults:
    """The faults of the bar that closes `at` ns, of the incidents that touch it and the runs of quiet bars; None outside of sessions."""
    doubt = quiet.doubtful(runs) if runs is not None and runs.under_way else None
    if not touching and (doubt is None or not doubt.any()):
        return none(len(symbols))
    kind, bars = np.full(len(symbols), NO_FAULT), np.zeros(len(symbols), dtype=np.int64)
    for incident in sorted(touching, key=lambda incident: GRAVITY.index(incident.kind)):
        where = slice(None) if incident.symbol == EVERYWHERE else places(symbols)[incident.symbol]
        kind[where], bars[where] = KINDS.index(incident.kind), max((at - incident.since) // interval, 1)
    if runs is None or doubt is None:
        no = np.zeros(len(symbols), dtype=np.bool_)
        return Faults(kind, bars, no, no)
    for way, named in ((0, STALE), (1, STALE_BOOK)):
        new = doubt[way] & (kind == NO_FAULT)
        kind, bars = np.where(new, named, kind), np.where(new, runs.run[REPEATED + way], bars)
    frozen = doubt | ((runs.run[REPEATED:] > 0) & (kind == np.array([[STALE], [STALE_BOOK]])))
    return Faults(kind, bars, frozen[0], frozen[1])


@lru_cache(8)
def places(symbols: tuple[str, ...]) -> dict[str, int]:
    """Where each symbol stands."""
    return {symbol: place for place, symbol in enumerate(symbols)}
