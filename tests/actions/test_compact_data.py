"""Compacting: blocks of memory that are half empty or outdated shrink, and decisions stay the same bit for bit."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.actions.clear_caches import ACTION as CLEAR
from engine.actions.compact_data import ACTION
from engine.actions.resize_threads import ACTION as RESIZE
from engine.broker import open_account
from engine.domain.market import BackfilledBars
from engine.domain.trading_config import TradingConfig
from engine.feeds.recorded import RecordedFeed
from engine.feeds.simulated import SimulatedFeed
from engine.live.recorder import ParquetRecorder
from engine.service.windows import BUFFER_WINDOWS, COMPACT_BARS, MarketWindow, TrainingRows
from engine.window import WINDOW_BARS
from tests.actions.engines import desk
from tests.actions.makers import make_context
from tests.feeds.recordings import BAR, MINUTE, START, write
from tests.makers import simulated

OUTLIVED = """
import sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from engine.actions.compact_data import ACTION
from engine.domain.optimization import MemoryBlock
from engine.feeds.recorded import RecordedFeed
from tests.actions.makers import Plain, make_context
feed = RecordedFeed(sys.argv[1])
bars = feed.slices(None)
for _ in range(int(0.9 * len(feed))):
    last = next(bars)
at = last.at
del bars, last
class Real(Plain):
    def memory_blocks(self):
        return (feed.played(at),)
    def compact_memory(self):
        held = self.memory_blocks()
        feed.forget(at)
        return held
measured = ACTION.run(make_context(Path("."), actuators=Real()))
again = ACTION.run(make_context(Path("."), actuators=Real()))
print(int(measured.amount), measured.done, again.done, feed.played(at).held)
print(measured.detail)
"""


def recording(folder: Path, count: int, symbols: int = 2) -> Path:
    import pyarrow as pa
    import pyarrow.parquet

    for index in range(symbols):
        price = 100.0 + np.random.default_rng([index]).normal(size=count).cumsum() * 0.01
        file = folder / f"SYM{index}" / "bars.parquet"
        file.parent.mkdir(parents=True)
        at = pa.array(START + np.arange(count) * MINUTE, pa.timestamp("ns", "UTC"))
        columns = {"ts": at, "open": price, "high": price + 0.1, "low": price - 0.1, "close": price, "volume": np.ones(count)}
        pyarrow.parquet.write_table(pa.table(columns), file)
    return folder


def test_bars_that_were_played_leave_the_memory_and_the_next_run_declines(tmp_path: Path) -> None:
    """In a process of its own, so that what others freed is not counted: nine tenths of a recording of 200,000 bars."""
    folder = recording(tmp_path, 100_000)
    done = subprocess.run([sys.executable, "-c", OUTLIVED, str(folder)], capture_output=True, text=True, check=True, timeout=600)
    words, detail = done.stdout.splitlines()
    freed, ran, again, left = words.split()
    assert (ran, again) == ("True", "False")
    assert int(freed) > 5_000_000, detail
    assert int(left) < 2_000_000
    assert detail.startswith("freed 90,000 rows of the recording (")


def test_a_recording_plays_on_unchanged_after_its_played_bars_are_freed(tmp_path: Path) -> None:
    whole, short = (RecordedFeed(recording(tmp_path / name, 500)) for name in ("a", "b"))
    times = [bar.at for bar in whole.slices(None)]
    at = times[199]
    whole._lags = short._lags = np.arange(1_000.0).reshape(500, 2)  # how far each bar's clocks are apart
    block = short.played(at)
    assert block.rows == 200
    short.forget(at)
    assert short.played(at).rows == 0
    assert short.played(at).held == block.needed
    assert [bar.digest() for bar in short.slices(at)] == [bar.digest() for bar in whole.slices(at)]
    assert len(short) == len(whole)
    for later in (times[200], times[499]):
        np.testing.assert_array_equal(short.clock_lags(later), whole.clock_lags(later))


def test_the_funding_and_past_bars_of_a_recorded_session_leave_the_memory_with_their_bars(tmp_path: Path) -> None:
    simulation = simulated(60, symbols=2)
    recorder = ParquetRecorder(tmp_path, simulation.info, flush_seconds=None)
    bars = []
    for number, bar in enumerate(simulation.slices(None)):
        filled = BackfilledBars(np.array([bar.at - MINUTE]), np.full((5, 1, 2), float(number)))
        rates = np.array([0.0001 * number, np.nan]) if number > 4 else None
        bars.append(replace(bar, funding=rates, backfilled=filled if number % 5 == 0 else None))
        recorder.add_snapshot(bars[-1], bar.at)
    recorder.close()
    feed = RecordedFeed(tmp_path)
    assert [bar.digest() for bar in feed.slices(None)] == [bar.digest() for bar in bars]
    at = bars[29].at
    feed.forget(at)
    assert [bar.digest() for bar in feed.slices(at)] == [bar.digest() for bar in bars[30:]]
    assert feed._grid.funding.shape == (30, 2)
    assert min(feed._backfilled) == bars[30].at


@pytest.mark.parametrize("begins", [0, 100, 350])
def test_a_compact_window_gives_the_same_inputs_for_as_long_as_one_likes(begins: int) -> None:
    feed = SimulatedFeed(symbol_count=3)
    plain, small = MarketWindow(feed.info), MarketWindow(feed.info)
    account = open_account(1_000.0, 3)
    assert plain.memory_block().held > 3 * plain.memory_block().needed
    for tick, bar in zip(range(2 * WINDOW_BARS), feed.slices(None), strict=False):
        plain.append(bar)
        small.append(bar)
        if tick in {begins, begins + 100}:
            small.compact()
        if tick % 50 == 0 or tick in {349, 350, 351, 375, 376}:
            assert small.build_inputs(tick, account, TradingConfig(), ()).digest() == plain.build_inputs(tick, account, TradingConfig(), ()).digest()
    assert small.memory_block().held * BUFFER_WINDOWS * WINDOW_BARS == plain.memory_block().held * COMPACT_BARS
    assert small.memory_block().rows == 0


def test_rows_are_trained_on_alike_whether_they_were_compacted_or_not() -> None:
    plain, small = _filled(1_100), _filled(1_100)
    block = small.memory_block()
    assert block.rows == 2_048 - 1_100 - 1_100 // 8 - 1
    small.compact()
    assert small.memory_block().held == block.needed < 0.7 * block.held
    for rows in (plain, small):
        _fill(rows, 1_100, 1_400)
    assert plain.memory_block().held > 1.3 * small.memory_block().held  # it grows again, by little at a time
    for rows in (plain, small):
        _fill(rows, 1_400, 4_000)  # to its most, and round
    assert plain.training_set(3_999, (1, 3), 0).digest() == small.training_set(3_999, (1, 3), 0).digest()
    assert small.memory_block() == plain.memory_block()
    assert small.memory_block().rows == 0  # a full block needs all of it


def test_a_young_block_is_left_as_it_would_be_filled_soon() -> None:
    assert _filled(10).memory_block().rows == 0


def _filled(count: int) -> TrainingRows:
    rows = TrainingRows(2, ("a", "b"), 2_500)
    _fill(rows, 0, count)
    return rows


def _fill(rows: TrainingRows, first: int, end: int) -> None:
    from engine.domain.tick import TrainingRow

    for tick in range(first, end):
        random = np.random.default_rng([tick])
        rows.append(TrainingRow(tick, random.normal(size=(2, 2)).astype(np.float32), random.normal(size=2), np.ones(2)))


@pytest.mark.parametrize("threads", [0, 2])
def test_a_decision_is_the_same_to_the_bit_whatever_was_compacted_cleared_and_resized_before_it(tmp_path: Path, threads: int) -> None:
    with desk(tmp_path / "plain", sim_symbols=24) as plain, desk(tmp_path / "tuned", threads=threads, sim_symbols=24) as tuned:
        for tick in range(12):
            if tick in {3, 7}:
                for action in (ACTION, CLEAR, RESIZE):
                    measured = action.run(make_context(tmp_path, actuators=tuned.actuators))
                    if tick == 3 and action is ACTION:
                        assert measured.done, measured.detail
                        assert "rows of the window" in measured.detail
                    if tick == 7 and action is ACTION:
                        assert not measured.done, measured.detail  # once is enough
            first, second = plain._step(), tuned._step()
            assert first is not None
            assert second is not None
            assert first.decisions_digest == second.decisions_digest
            assert first.phase_digests == second.phase_digests


def test_written_recordings_are_read_as_before(tmp_path: Path) -> None:
    """A recording by hand with a gap: what is forgotten is told by time, not by row."""
    write(tmp_path, "A", "bars", BAR, [(START + index * MINUTE, 10, 11, 9, 10, 1) for index in (0, 1, 2, 30, 31)])
    feed = RecordedFeed(tmp_path)
    at = [bar.at for bar in feed.slices(None)]
    feed.forget(at[2])
    assert [bar.at for bar in feed.slices(at[2])] == at[3:]
