"""Runs of stale bars by hand: what is counted, at which rates, and how unlikely a run is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.incidents import Staleness
from engine.domain.record import Bools, Floats
from engine.evidence import staleness
from engine.evidence.staleness import ABSENT, BOOK, EMPTY, REPEATED, initial_runs, update_runs

NO_BOOK = np.zeros(3, dtype=np.int64)
NOBODY = np.zeros(3, dtype=bool)


def bars(number: int, *, empty: tuple[int, ...] = (), absent: tuple[int, ...] = ()) -> tuple[Floats, Bools]:
    """(5, S) the bar of this number, unlike every other, and which symbols traded."""
    bar = np.full((5, 3), 100.0 + number)
    bar[1], bar[4] = 101.0 + number, 10.0
    for symbol in empty:
        bar[:4, symbol], bar[4, symbol] = 100.0, 0.0
    for symbol in absent:
        bar[:, symbol] = np.nan
    return bar, bar[4] > 0.0


def play(runs: Staleness, count: int, *, first: int = 0, own_fault: Bools = NOBODY, everywhere: bool = False, **parts: tuple[int, ...]) -> Staleness:
    for number in range(first, first + count):
        bar, fresh = bars(number, **parts)
        runs = update_runs(runs, number, fresh, bar, NO_BOOK, own_fault, everywhere=everywhere)
    return runs


def test_bars_are_counted_and_a_run_has_its_length_beginning_and_habit() -> None:
    runs = play(initial_runs(3), 5)
    assert (runs.bars, runs.any_run, bool(runs.run_bars.any())) == (5, False, False)
    runs = play(runs, 3, first=5, empty=(1,))
    assert (runs.bars, runs.any_run, runs.run_bars[EMPTY].tolist(), int(runs.run_since[EMPTY, 1])) == (8, True, [0, 3, 0], 5)
    assert (runs.runs_begun[EMPTY].tolist(), runs.runs_continued[EMPTY].tolist(), bool(runs.longest.any())) == ([0, 1, 0], [0, 2, 0], False)
    runs = play(runs, 1, first=8)
    assert (runs.any_run, bool(runs.run_bars.any()), runs.longest[EMPTY].tolist()) == (False, False, [0, 3, 0])
    runs = play(runs, 2, first=9, absent=(0,))
    assert runs.run_bars[:, 0].tolist() == [2, 0, 0, 0]
    assert runs.runs_begun[ABSENT].tolist() == [1, 0, 0]


def test_bars_within_a_fault_are_no_habit_but_a_third_of_a_symbols_own() -> None:
    fault = np.array([False, True, False])
    runs = play(play(initial_runs(3), 1), 7, first=1, empty=(1,), own_fault=fault)
    assert (int(runs.run_bars[EMPTY, 1]), bool(runs.runs_begun.any()), bool(runs.runs_continued.any())) == (7, False, False)
    assert play(runs, 1, first=8, own_fault=fault).longest[EMPTY, 1] == 2
    assert play(runs, 1, first=8).longest[EMPTY, 1] == 7
    wide = play(play(initial_runs(3), 1), 3, first=1, empty=(0, 1, 2), everywhere=True)
    assert (bool(wide.runs_begun.any()), wide.universe_run_bars.tolist()) == (False, [0, 3, 0, 0])
    assert play(wide, 1, first=4, everywhere=True).universe_longest.tolist() == [0, 0, 0, 0]
    assert play(wide, 1, first=4).universe_longest.tolist() == [0, 3, 0, 0]


def test_partial_trading_is_counted_while_a_fault_of_the_universe_is_open_and_the_universe_is_not_stale() -> None:
    runs = play(play(initial_runs(3), 1), 2, first=1, empty=(0, 1, 2), everywhere=True)
    assert runs.bars_since_partial_trading == 0
    runs = play(runs, 2, first=3, empty=(0, 1), everywhere=True)
    assert runs.bars_since_partial_trading == 2
    assert play(runs, 1, first=5, empty=(0, 1)).bars_since_partial_trading == 0
    assert play(runs, 1, first=5, empty=(0, 1, 2), everywhere=True).bars_since_partial_trading == 0


def known(**parts: object) -> Staleness:
    """A hundred bars; two symbols that are absent now for 3 and for 0 bars, after 4 and 6 runs with 5 and 2 continuing bars."""
    two = np.zeros((4, 2), dtype=np.int64)
    run, begun, continued = two.copy(), two.copy(), two.copy()
    run[ABSENT], begun[ABSENT], continued[ABSENT] = (3, 0), (4, 6), (5, 2)
    run[REPEATED], begun[REPEATED], continued[REPEATED] = (4, 0), (1, 0), (3, 0)
    state = replace(initial_runs(2), bars=100, run_bars=run, runs_begun=begun, runs_continued=continued)
    return replace(state, **parts)  # type: ignore[arg-type]


def test_a_run_is_as_likely_as_the_others_of_its_symbol_were() -> None:
    """Without the present one the first symbol began 3 runs in 100 bars, and continued 3 times of 6; exact repeats have a prior of 100 bars."""
    likelihood = staleness._likelihood(known())
    start, stay = math.log(3.5 / 101.0), math.log(3.5 / 7.0)
    assert likelihood[ABSENT, 0] == pytest.approx(start + 2.0 * stay)
    assert likelihood[ABSENT, 1] == pytest.approx(math.log(6.5 / 101.0) - math.log(2.5 / 9.0))
    assert likelihood[REPEATED].tolist() == pytest.approx([math.log(0.5 / 200.0) + 3.0 * math.log(0.05), math.log(0.5 / 200.0) - math.log(0.05)])
    assert likelihood[BOOK, 0] == pytest.approx(math.log(0.5 / 200.0) - math.log(0.05))


def test_a_symbol_is_stale_beyond_three_times_its_longest_run_where_that_is_unlikely() -> None:
    runs = known()
    assert staleness.find_stale_symbols(runs)[REPEATED].tolist() == [True, False]
    assert not staleness.find_stale_symbols(runs)[ABSENT].any()
    for longest, stale in ((1, True), (2, False)):
        assert staleness.find_stale_symbols(replace(runs, longest=np.full((4, 2), longest)))[REPEATED, 0] == stale
    long_known = replace(runs, bars=2_000, run_bars=np.array([[12, 11], [0, 0], [0, 0], [2, 2]]), runs_begun=runs.runs_begun * 0 + 1)
    assert staleness.find_stale_symbols(long_known).tolist() == [[True, False], [False] * 2, [False] * 2, [False] * 2]
    assert not staleness.find_stale_symbols(replace(long_known, bars=1_999)).any()
    assert not staleness.find_stale_symbols(replace(long_known, run_bars=np.array([[1_000, 0], [0, 0], [0, 0], [0, 0]]))).any()  # mostly so


@pytest.mark.parametrize(
    ("run", "longest", "begun", "stale"),
    [(5, 0, 0, False), (6, 0, 0, True), (6, 3, 0, False), (7, 3, 0, True), (6, 0, 60, False)],
)
def test_the_universe_is_stale_beyond_twice_its_longest_run_where_that_is_unlikely(run: int, longest: int, begun: int, stale: bool) -> None:
    """Of each of two symbols log(0.5 / 101) + (n - 1) log(0.5) for n bars, which is to be below log(1e-5) times the root of 2: from 6 bars on."""
    runs = known(
        run_bars=np.zeros((4, 2), dtype=np.int64),
        runs_begun=np.full((4, 2), begun),
        runs_continued=np.full((4, 2), begun),
        universe_run_bars=np.array([0, run, 0, 0]),
        universe_longest=np.array([0, longest, 0, 0]),
    )
    assert staleness.is_universe_stale(EMPTY, runs, np.zeros(2, dtype=bool)) is stale
    assert staleness.is_universe_stale(EMPTY, replace(runs, universe_run_bars=np.zeros(4, dtype=np.int64)), np.zeros(2, dtype=bool), run) is stale


def test_nearly_all_of_the_counted_symbols_make_the_universe() -> None:
    ways = np.zeros((4, 10), dtype=bool)
    ways[ABSENT, :9], ways[EMPTY, 9] = True, True
    everybody = np.ones(10, dtype=bool)
    assert staleness._universe_stale(ways, everybody).tolist() == [True, False, False, False]
    ways[ABSENT, :5], ways[EMPTY, :5] = False, True
    assert staleness._universe_stale(ways, everybody).tolist() == [False, True, False, False]
    ways[EMPTY] = np.arange(10) < 4
    ways[ABSENT] = ~ways[EMPTY]
    assert staleness._universe_stale(ways, everybody).tolist() == [False] * 4
    repeated = np.zeros((4, 10), dtype=bool)
    repeated[REPEATED, :8] = repeated[BOOK, :8] = True
    assert staleness._universe_stale(repeated, everybody).tolist() == [False] * 4
    assert staleness._universe_stale(repeated, np.arange(10) < 8).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("high", "low", "volume", "repeats"),
    [(101.0, 99.0, 10.0, True), (101.0, 99.0, np.nan, True), (100.0, 100.0, np.nan, False), (100.0, 100.0, 10.0, True), (100.0, 99.0, 0.0, True)],
)
def test_a_bar_repeats_where_it_traded_or_moved_within(high: float, low: float, volume: float, repeats: bool) -> None:
    """Its close is 100: a bar that only fell and came back has moved as one that rose."""
    bar = np.repeat(np.array([[100.0], [high], [low], [100.0], [volume]]), 3, axis=1)
    runs = initial_runs(3)
    for number in range(2):
        runs = update_runs(runs, number, np.ones(3, dtype=bool), bar, NO_BOOK, NOBODY, everywhere=False)
    assert runs.run_bars[REPEATED].tolist() == [int(repeats)] * 3
