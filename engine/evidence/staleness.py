"""Runs of stale bars (absent, without volume, repeating the bar or the book): each symbol's own rate of them, and the likelihood of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from engine.domain.incidents import Staleness
from engine.domain.market import Books
from engine.domain.record import Bools, Floats, Ints

ABSENT, EMPTY, REPEATED, BOOK = WAYS = range(4)  # the kinds of staleness
NEARLY_ALL = 0.89  # share of the universe that is stale together
MIN_BARS = 2  # bars of the whole universe
MIN_FACTOR = 2  # factor over the longest run so far
MIN_SYMBOL_BARS, MIN_SYMBOL_FACTOR = 12, 3  # the same for one symbol that is absent or has no volume
MIN_FROZEN_BARS = 3  # the same for one symbol whose bar or book repeats although it trades
MIN_HISTORY = 2_000  # bars in sessions before one symbol is judged by its absence or its lack of volume
INCIDENT_LIKELIHOOD = float(np.log(1e-5))  # log probability of a run at the symbols' own rates
SUSPECT_LIKELIHOOD = float(np.log(1e-2))  # log probability of a run of repeats that is not traded on, and no incident yet
_PRIOR_BARS, _PRIOR_RUNS = np.array([[1.0], [1.0], [100.0], [100.0]]), np.array([[1.0], [1.0], [10.0], [10.0]])  # prior counts of bars and of runs


def initial_runs(symbols: int) -> Staleness:
    """The state before the first bar."""
    none, shared = np.zeros((len(WAYS), symbols), dtype=np.int64), np.zeros(len(WAYS), dtype=np.int64)
    return Staleness(0, False, none, none, none, none, none, shared, shared, 0, np.full((5, symbols), np.nan), none[0])


def update_runs(before: Staleness, opens: int, fresh: Bools, bar: Floats, book: Ints, own_fault: Bools, *, everywhere: bool) -> Staleness:
    """Update the runs with a bar (5, S) of a session and the fingerprint (S,) of the book at its close.

    Bars within a fault of the universe (`everywhere`) or of a symbol (`own_fault`, (S,)) do not count towards the usual rates. A bar repeats where
    its prices and volume equal the previous ones although it traded, or moved within the bar; without either, a market is merely still. A book is
    judged only by bars in which the symbol traded, as a trade takes from it; in others it may well stay the same, and its run neither grows nor ends.
    """
    traded = bar[4] > 0.0
    same_book = (book == before.book_fingerprint) & (book != 0)
    repeated = _repeats(bar, before.last_bar) & (traded | (bar[1] > bar[2]))
    book_repeated = same_book & traded & ~repeated
    if not before.any_run and fresh.all() and not (repeated | book_repeated).any():
        return replace(before, bars=before.bars + 1, any_run=False, bars_since_partial_trading=0, last_bar=bar, book_fingerprint=book)
    absent = np.isnan(bar[3])
    ways = np.stack((absent, ~fresh & ~absent, repeated, book_repeated))
    running = before.run_bars > 0
    continuing = ways.copy()
    continuing[BOOK] |= same_book & running[BOOK]
    run = (before.run_bars + ways) * continuing
    usual = ~own_fault & (not everywhere)
    begins, over = ways & ~running, running & ~continuing
    lengths = np.where(over & usual, before.run_bars, np.where(over & own_fault, before.run_bars // MIN_SYMBOL_FACTOR, 0))
    counted = (run[ABSENT] <= before.bars) & ~own_fault
    universe = _universe_stale(continuing, counted)
    more = np.array([True, True, True, _universe_stale(ways, counted)[BOOK]])
    ended = np.where(universe | everywhere, 0, before.universe_run_bars)
    return Staleness(
        bars=before.bars + 1,
        any_run=bool(run.any() or universe.any()),
        run_bars=run,
        run_since=np.where(begins, opens, before.run_since),
        runs_begun=before.runs_begun + (begins & usual),
        runs_continued=before.runs_continued + (ways & running & usual),
        longest=np.maximum(before.longest, lengths),
        universe_run_bars=(before.universe_run_bars + more) * universe,
        universe_longest=np.maximum(before.universe_longest, ended),
        bars_since_partial_trading=before.bars_since_partial_trading + 1 if everywhere and not universe.any() else 0,
        last_bar=bar,
        book_fingerprint=book,
    )


def fingerprint_books(books: Books) -> Ints:
    """(S,) hashes that are equal for equal books, on every platform, as the sums are of integers; 0 where a symbol has no book.

    Two different books have the same hash with a probability of about 1 in 2^32 or less.
    """
    count, levels = books.bid_price.shape
    if not levels:
        return np.zeros(count, dtype=np.int64)
    bits = np.concatenate((books.bid_price, books.bid_size, books.ask_price, books.ask_size), axis=1).view(np.uint64)
    mixed = (bits ^ (bits >> np.uint64(32))) * _multipliers(4 * levels)
    number = (mixed ^ (mixed >> np.uint64(29))).sum(axis=1, dtype=np.uint64).view(np.int64)
    return np.where(np.isnan(books.bid_price[:, 0]) & np.isnan(books.ask_price[:, 0]), 0, number)


def is_universe_stale(way: int, runs: Staleness, own_fault: Bools, more: int = 0) -> bool:
    """Whether the whole universe is stale in this way for longer than its symbols' rates allow; `more` bars are known to follow.

    The symbols' log probabilities are summed and divided by the root of their number, as symbols are neither identical nor independent.
    """
    run = int(runs.universe_run_bars[way]) + more
    if run < MIN_BARS or run <= MIN_FACTOR * int(runs.universe_longest[way]):
        return False
    counted = (runs.run_bars[ABSENT] < runs.bars) & ~own_fault
    start, stay = _run_rates(runs)
    allowed = INCIDENT_LIKELIHOOD * float(np.sqrt(float(max(int(np.count_nonzero(counted)), 1))))
    return float((start[way] + (run - 1) * stay[way])[counted].sum()) < allowed


def find_stale_symbols(runs: Staleness) -> Bools:
    """(4, S) whether a symbol has been stale for longer than its own rates allow; for absence or lack of volume, only where it was not always so."""
    run = runs.run_bars
    frozen = int(run[REPEATED:].max()) >= MIN_FROZEN_BARS
    absent_long = runs.bars >= MIN_HISTORY and int(run[:REPEATED].max()) >= MIN_SYMBOL_BARS
    if not frozen and not absent_long:
        return np.zeros(run.shape, dtype=np.bool_)
    unusual = (run > MIN_SYMBOL_FACTOR * runs.longest) & (_likelihood(runs) < INCIDENT_LIKELIHOOD)
    unusual[:REPEATED] &= (run[:REPEATED] >= MIN_SYMBOL_BARS) & (2 * run[:REPEATED] < runs.bars) & absent_long
    unusual[REPEATED:] &= run[REPEATED:] >= MIN_FROZEN_BARS
    return unusual


def find_suspect_repeats(runs: Staleness) -> Bools:
    """(2, S) whether the newest bar, and the newest book, repeats although the symbol trades and seldom repeats."""
    repeating = runs.run_bars[REPEATED:] > 0
    return repeating & (_likelihood(runs)[REPEATED:] < SUSPECT_LIKELIHOOD) if repeating.any() else repeating


def _repeats(bar: Floats, last: Floats) -> Bools:
    """(S,) whether all prices and the volume equal those of the previous bar, or the volume is unknown in both."""
    same = bar == last
    if same[3].any():
        same[4] |= np.isnan(bar[4]) & np.isnan(last[4])
    return np.asarray(same.all(axis=0))


def _universe_stale(ways: Bools, counted: Bools) -> Bools:
    """(4,) whether nearly all of the `counted` symbols (S,) are stale in each way; in a halt, some of them may be absent."""
    share = (ways & counted).sum(axis=1) / max(int(np.count_nonzero(counted)), 1)
    halted = share[ABSENT] + share[EMPTY] > NEARLY_ALL and share[EMPTY] >= 0.5
    return np.array([share[ABSENT] > NEARLY_ALL, halted, share[REPEATED] > NEARLY_ALL, share[BOOK] > NEARLY_ALL])


def _likelihood(runs: Staleness) -> Floats:
    """(4, S) log probability of each current run."""
    start, stay = _run_rates(runs)
    return start + (runs.run_bars - 1) * stay


def _run_rates(runs: Staleness) -> tuple[Floats, Floats]:
    """(4, S) log probabilities that a run begins and that it continues, without the current run, and with half a count added to each.

    Exact repeats of a bar or a book although the symbol trades are rare from the first bar on; the rates of absence and lack of volume are learned.
    """
    run = runs.run_bars
    starts = np.maximum(runs.runs_begun - (run > 0), 0)
    stays = np.maximum(runs.runs_continued - np.maximum(run - 1, 0), 0)
    return np.log((starts + 0.5) / (runs.bars + _PRIOR_BARS)), np.log((stays + 0.5) / (starts + stays + _PRIOR_RUNS))


@cache
def _multipliers(count: int) -> np.ndarray:
    """Odd numbers of 64 bits, one for each position in the book (the increments of SplitMix64, Steele, Lea and Flood 2014)."""
    increments = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (increments ^ (increments >> np.uint64(31))) | np.uint64(1)
