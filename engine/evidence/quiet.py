"""How often and how long each symbol is quiet by itself: absent, without volume, or repeating its last bar; and how unlikely a run of it is."""

from __future__ import annotations

import numpy as np

from engine.domain.incidents import Quiet
from engine.domain.record import Bools, Floats

ABSENT, EMPTY, REPEATED = range(3)  # the ways of being quiet
NEARLY_ALL = 0.89  # share of the universe that is quiet together
AT_LEAST = 2  # bars of the whole universe
TIMES = 2  # how often longer than ever before
LONE_BARS, LONE_TIMES = 12, 3  # the same for one symbol
LEARNT = 2_000  # bars in sessions before one symbol is judged
UNLIKELY = float(np.log(1e-5))  # of a run, from the symbols' own habits


def blank(symbols: int) -> Quiet:
    """Before the first bar."""
    none, shared = np.zeros((3, symbols), dtype=np.int64), np.zeros(3, dtype=np.int64)
    return Quiet(0, False, none, none, none, none, none, shared, shared, np.full((5, symbols), np.nan))


def step(before: Quiet, opens: int, fresh: Bools, bar: Floats, lone: Bools, *, everywhere: bool) -> Quiet:
    """After a bar (5, S) of a session. What belongs to a fault, of the universe or of the `lone` symbols, teaches nothing about the usual."""
    repeated = (bar == before.last).all(axis=0) & (bar[4] > 0.0)
    if not before.under_way and fresh.all() and not repeated.any():
        return Quiet(
            before.bars + 1, False, before.run, before.began, before.starts, before.stays, before.longest, before.shared, before.shared_longest, bar,
        )  # fmt: skip
    absent = np.isnan(bar[3])
    ways = np.stack((absent, ~fresh & ~absent, repeated))
    run, going = (before.run + 1) * ways, before.run > 0
    usual = ~lone & (not everywhere)
    begins, over = ways & ~going, going & ~ways
    lengths = np.where(over & usual, before.run, np.where(over & lone, before.run // LONE_TIMES, 0))
    counted = (run[ABSENT] <= before.bars) & ~lone
    share = (ways & counted).sum(axis=1) / max(int(np.count_nonzero(counted)), 1)
    together = np.array([share[ABSENT] > NEARLY_ALL, share[ABSENT] + share[EMPTY] > NEARLY_ALL and share[EMPTY] >= 0.5, share[REPEATED] > NEARLY_ALL])
    ended = np.where(together | everywhere, 0, before.shared)
    return Quiet(
        bars=before.bars + 1,
        under_way=bool(run.any() or together.any()),
        run=run,
        began=np.where(begins, opens, before.began),
        starts=before.starts + (begins & usual),
        stays=before.stays + (ways & going & usual),
        longest=np.maximum(before.longest, lengths),
        shared=(before.shared + 1) * together,
        shared_longest=np.maximum(before.shared_longest, ended),
        last=bar,
    )


def universe_is(way: int, quiet: Quiet, lone: Bools, more: int = 0) -> bool:
    """Whether the whole universe is quiet in this way for longer than its symbols' habits allow; `more` bars are known to follow.

    The symbols' log probabilities are summed and divided by the root of their number: they are neither one nor independent.
    """
    run = int(quiet.shared[way]) + more
    if run < AT_LEAST or run <= TIMES * int(quiet.shared_longest[way]):
        return False
    counted = (quiet.run[ABSENT] < quiet.bars) & ~lone
    start, stay = _habits(quiet, way)
    allowed = UNLIKELY * float(np.sqrt(float(max(int(np.count_nonzero(counted)), 1))))
    return float((start + (run - 1) * stay)[counted].sum()) < allowed


def lone_symbols(quiet: Quiet) -> Bools:
    """(3, S) where a symbol has been quiet for longer than its own habits allow, and was not always so."""
    run = quiet.run
    if quiet.bars < LEARNT or int(run.max()) < LONE_BARS:
        return np.zeros(run.shape, dtype=np.bool_)
    start, stay = _habits(quiet, slice(None))
    return (run >= LONE_BARS) & (run > LONE_TIMES * quiet.longest) & (start + (run - 1) * stay < UNLIKELY) & (2 * run < quiet.bars)


def _habits(quiet: Quiet, way: int | slice) -> tuple[Floats, Floats]:
    """Log probabilities that a quiet run begins and that it goes on, this run left out, with half a count of each where nothing was seen."""
    run = quiet.run[way]
    starts = np.maximum(quiet.starts[way] - (run > 0), 0)
    stays = np.maximum(quiet.stays[way] - np.maximum(run - 1, 0), 0)
    return np.log((starts + 0.5) / (quiet.bars + 1.0)), np.log((stays + 0.5) / (starts + stays + 1.0))
