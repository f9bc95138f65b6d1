"""How often and how long each symbol is quiet by itself (absent, without volume, repeating its bar or its book), and how unlikely a run of it is."""

from __future__ import annotations

import numpy as np

from engine.domain.incidents import Staleness
from engine.domain.record import Bools, Floats, Ints

ABSENT, EMPTY, REPEATED, BOOK = WAYS = range(4)  # the ways of being quiet
NEARLY_ALL = 0.89  # share of the universe that is quiet together
AT_LEAST = 2  # bars of the whole universe
TIMES = 2  # how often longer than ever before
LONE_BARS, LONE_TIMES = 12, 3  # the same for one symbol that is absent or has no volume
MIN_FROZEN_BARS = 3  # the same for one symbol whose bar or book repeats although it trades
LEARNT = 2_000  # bars in sessions before one symbol is judged by its absence or its lack of volume
UNLIKELY = float(np.log(1e-5))  # of a run, from the symbols' own habits
DOUBTFUL = float(np.log(1e-2))  # of a run of repeats: not traded on, and no incident yet
_STARTS, _STAYS = np.array([[1.0], [1.0], [100.0], [100.0]]), np.array([[1.0], [1.0], [10.0], [10.0]])  # bars and runs known before the first


def initial_runs(symbols: int) -> Staleness:
    """Before the first bar."""
    none, shared = np.zeros((len(WAYS), symbols), dtype=np.int64), np.zeros(len(WAYS), dtype=np.int64)
    return Staleness(0, False, none, none, none, none, none, shared, shared, 0, np.full((5, symbols), np.nan), none[0])


def update_runs(before: Staleness, opens: int, fresh: Bools, bar: Floats, book: Ints, lone: Bools, *, everywhere: bool) -> Staleness:
    """After a bar (5, S) of a session and the fingerprint (S,) of the book at its close.

    What belongs to a fault, of the universe or of the `lone` symbols, teaches nothing about the usual. A bar repeats where its prices and volume are
    those before although it traded, or moved within the bar; without either a market is merely still. A book says something only by bars in which the
    symbol traded: a trade takes from it. In others it may well stand still, and its run neither grows nor ends.
    """
    traded = bar[4] > 0.0
    standing = (book == before.book_fingerprint) & (book != 0)
    repeated = _repeats(bar, before.last_bar) & (traded | (bar[1] > bar[2]))
    untouched = standing & traded & ~repeated
    if not before.any_run and fresh.all() and not (repeated | untouched).any():
        return Staleness(
            before.bars + 1, False, before.run_bars, before.run_since, before.runs_begun, before.runs_continued, before.longest, before.universe_run_bars, before.universe_longest, 0,
            bar, book,
        )  # fmt: skip
    absent = np.isnan(bar[3])
    ways = np.stack((absent, ~fresh & ~absent, repeated, untouched))
    going = before.run_bars > 0
    lasting = ways.copy()
    lasting[BOOK] |= standing & going[BOOK]
    run = (before.run_bars + ways) * lasting
    usual = ~lone & (not everywhere)
    begins, over = ways & ~going, going & ~lasting
    lengths = np.where(over & usual, before.run_bars, np.where(over & lone, before.run_bars // LONE_TIMES, 0))
    counted = (run[ABSENT] <= before.bars) & ~lone
    together = _together(lasting, counted)
    more = np.array([True, True, True, _together(ways, counted)[BOOK]])
    ended = np.where(together | everywhere, 0, before.universe_run_bars)
    return Staleness(
        bars=before.bars + 1,
        any_run=bool(run.any() or together.any()),
        run_bars=run,
        run_since=np.where(begins, opens, before.run_since),
        runs_begun=before.runs_begun + (begins & usual),
        runs_continued=before.runs_continued + (ways & going & usual),
        longest=np.maximum(before.longest, lengths),
        universe_run_bars=(before.universe_run_bars + more) * together,
        universe_longest=np.maximum(before.universe_longest, ended),
        bars_since_partial_trading=before.bars_since_partial_trading + 1 if everywhere and not together.any() else 0,
        last_bar=bar,
        book_fingerprint=book,
    )


def _repeats(bar: Floats, last: Floats) -> Bools:
    """(S,) whether all prices and the volume are those of the bar before, or the volume is as unknown as it was."""
    same = bar == last
    if same[3].any():
        same[4] |= np.isnan(bar[4]) & np.isnan(last[4])
    return np.asarray(same.all(axis=0))


def _together(ways: Bools, counted: Bools) -> Bools:
    """(4,) whether nearly all of the symbols that count are quiet in this way; of a halt, a part of them may be absent."""
    share = (ways & counted).sum(axis=1) / max(int(np.count_nonzero(counted)), 1)
    halted = share[ABSENT] + share[EMPTY] > NEARLY_ALL and share[EMPTY] >= 0.5
    return np.array([share[ABSENT] > NEARLY_ALL, halted, share[REPEATED] > NEARLY_ALL, share[BOOK] > NEARLY_ALL])


def is_universe_stale(way: int, quiet: Staleness, lone: Bools, more: int = 0) -> bool:
    """Whether the whole universe is quiet in this way for longer than its symbols' habits allow; `more` bars are known to follow.

    The symbols' log probabilities are summed and divided by the root of their number: they are neither one nor independent.
    """
    run = int(quiet.universe_run_bars[way]) + more
    if run < AT_LEAST or run <= TIMES * int(quiet.universe_longest[way]):
        return False
    counted = (quiet.run_bars[ABSENT] < quiet.bars) & ~lone
    start, stay = _habits(quiet)
    allowed = UNLIKELY * float(np.sqrt(float(max(int(np.count_nonzero(counted)), 1))))
    return float((start[way] + (run - 1) * stay[way])[counted].sum()) < allowed


def find_stale_symbols(quiet: Staleness) -> Bools:
    """(4, S) where a symbol has been quiet for longer than its own habits allow; in absence or without volume, where it was not always so."""
    run = quiet.run_bars
    frozen = int(run[REPEATED:].max()) >= MIN_FROZEN_BARS
    gone = quiet.bars >= LEARNT and int(run[:REPEATED].max()) >= LONE_BARS
    if not frozen and not gone:
        return np.zeros(run.shape, dtype=np.bool_)
    told = (run > LONE_TIMES * quiet.longest) & (_likelihood(quiet) < UNLIKELY)
    told[:REPEATED] &= (run[:REPEATED] >= LONE_BARS) & (2 * run[:REPEATED] < quiet.bars) & gone
    told[REPEATED:] &= run[REPEATED:] >= MIN_FROZEN_BARS
    return told


def find_suspect_repeats(quiet: Staleness) -> Bools:
    """(2, S) where the newest bar, and where the newest book, repeats although the symbol trades and it is not its habit."""
    repeating = quiet.run_bars[REPEATED:] > 0
    return repeating & (_likelihood(quiet)[REPEATED:] < DOUBTFUL) if repeating.any() else repeating


def _likelihood(quiet: Staleness) -> Floats:
    """(4, S) log probability of each run under way."""
    start, stay = _habits(quiet)
    return start + (quiet.run_bars - 1) * stay


def _habits(quiet: Staleness) -> tuple[Floats, Floats]:
    """(4, S) log probabilities that a quiet run begins and that it goes on, this run left out, with half a count of each where nothing was seen.

    A bar or a book that repeats exactly although the symbol trades is rare from the first bar on; absence and bars without volume must be known.
    """
    run = quiet.run_bars
    starts = np.maximum(quiet.runs_begun - (run > 0), 0)
    stays = np.maximum(quiet.runs_continued - np.maximum(run - 1, 0), 0)
    return np.log((starts + 0.5) / (quiet.bars + _STARTS)), np.log((stays + 0.5) / (starts + stays + _STAYS))
