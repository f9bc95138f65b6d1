"""Parity: a recorded session is decided again bit for bit, and whatever was changed since is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from engine.domain.live import BarTiming, ClosedBar, StreamEvent, Trade
from engine.domain.market import BackfilledBars, MarketSnapshot
from engine.feeds._recorded_session import RecordingHeader
from engine.feeds._recording_files import BadRecording
from engine.live.recorder import ParquetRecorder
from engine.parity import check_parity, describe_input
from engine.service.resume import resume_engine
from engine.service.session_controls import recording_key
from engine.store import database
from engine.store.errors import NotStored
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.makers import Inline, Played, StoppedClock, play, settings, simulated

TICKS = 40
FEED = simulated(TICKS, symbols=2)
BARS = list(FEED.slices(None))


@dataclass
class SummingBuilder:
    """A bar builder whose volume is the sum of the trades so far; everything else is the simulated bar of that time."""

    volume: float = 0.0

    def add(self, event: StreamEvent) -> None:
        if isinstance(event, Trade):
            self.volume += event.size

    def close_bar(self, at: int, read_at: int, clock_offset: int) -> ClosedBar:
        bar = next(bar for bar in BARS if bar.at == at)
        snapshot = replace(bar, volume=bar.volume + self.volume)
        return ClosedBar(snapshot, BarTiming(at, read_at, clock_offset, np.zeros((2, 2))), np.array([1, 1]))


def make_builder(header: RecordingHeader) -> SummingBuilder:
    return SummingBuilder()


def decide(home: Path, bars: list[MarketSnapshot], *, restart: int | None = None, recorders: bool = True) -> str:
    """A store in which these bars are decided, recorded as those of a feed without messages."""
    url = f"sqlite:///{home / 'podium.db'}"
    database.prepare(url)
    for stop in (restart, None) if restart else (None,):
        writer, history = Writer(url), TickHistory(url)
        engine, session = resume_engine(settings(database_url=url), Played(FEED.info, bars), StoppedClock(), writer, history, training_pool=Inline())
        if recorders:
            engine.recorder = ParquetRecorder(home / "r", FEED.info, flush_seconds=None)
            writer.remember(recording_key(session), str(home / "r"))
        play(engine, stop)
        if engine.recorder is not None:
            engine.recorder.close()
        history.close()
        writer.close()
    return url


def record_messages(folder: Path, restart: int | None = None) -> list[MarketSnapshot]:
    """Record trades and the bars built from them; returns the bars."""
    built: list[MarketSnapshot] = []
    recorder, builder = ParquetRecorder(folder, FEED.info, has_messages=True, flush_seconds=None), SummingBuilder()
    for number, bar in enumerate(BARS):
        if number == restart:
            recorder.close()
            recorder, builder = ParquetRecorder(folder, FEED.info, has_messages=True, flush_seconds=None), SummingBuilder()
        for symbol in (0, 1):
            trade = Trade(symbol, bar.at - 5, bar.at - 3, 10.0, 0.1 * (number + 1), 1.0, str(number))
            recorder.add_event(trade)
            builder.add(trade)
        closed = builder.close_bar(bar.at, bar.at + 1, 2)
        recorder.add_bar(closed)
        built.append(closed.snapshot)
        if number % 7 == 0:
            recorder.flush()
    recorder.close()
    return built


def test_a_session_is_identical_across_a_restart(tmp_path: Path) -> None:
    history = TickHistory(decide(tmp_path, BARS, restart=25))
    result = check_parity(history)
    history.close()
    assert (result.identical, result.ticks, result.restarts, result.difference) == (True, TICKS, 1, None)


@pytest.mark.parametrize("restart", [None, 20])
def test_bars_are_built_again_from_the_messages(tmp_path: Path, restart: int | None) -> None:
    built = record_messages(tmp_path / "m", restart)
    history = TickHistory(decide(tmp_path, built, recorders=False))
    result = check_parity(history, None, make_builder, tmp_path / "m")
    history.close()
    assert (result.identical, result.ticks, result.restarts) == (True, TICKS, 0 if restart is None else 1)


def test_the_first_input_that_differs_is_named(tmp_path: Path) -> None:
    built = record_messages(tmp_path / "m")
    high = built[17].high.copy()
    high[1] = np.nextafter(high[1], np.inf)
    built[17] = replace(built[17], high=high)
    history = TickHistory(decide(tmp_path, built, recorders=False))
    result = check_parity(history, None, make_builder, tmp_path / "m")
    history.close()
    assert (result.identical, result.first_tick) == (False, 17)
    assert result.difference is not None
    assert result.difference.startswith(f"high of {FEED.info.symbols[1]}: ")


def test_a_changed_message_is_found(tmp_path: Path) -> None:
    built = record_messages(tmp_path / "m")
    history = TickHistory(decide(tmp_path, built, recorders=False))
    part = sorted((tmp_path / "m" / FEED.info.symbols[0] / "trades.parquet").iterdir())[2]  # bars 8 to 14
    table = pyarrow.parquet.read_table(part)
    sizes = table["size"].to_pylist()
    sizes[3] += 0.25
    pyarrow.parquet.write_table(table.set_column(2, "size", [sizes]), part)
    result = check_parity(history, None, make_builder, tmp_path / "m")
    history.close()
    assert (result.identical, result.first_tick) == (False, 11)
    assert result.difference is not None
    assert result.difference.startswith("volume of ")


@pytest.mark.parametrize("lost", ["trades.parquet", "session.parquet"])
def test_a_recording_with_a_gap_is_one_clear_line(tmp_path: Path, lost: str) -> None:
    built = record_messages(tmp_path / "m")
    history = TickHistory(decide(tmp_path, built, recorders=False))
    table = next(path for path in (tmp_path / "m").rglob(lost))
    sorted(table.iterdir())[2].unlink()
    with pytest.raises(NotStored, match="has a gap") as refusal:
        check_parity(history, None, make_builder, tmp_path / "m")
    history.close()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("part", "lost"), [(1, ("unwritten", 15, 25, 39)), (0, ("before", 25, 0, 24))])
def test_what_is_before_or_after_the_recording_is_counted_apart(tmp_path: Path, part: int, lost: tuple[object, ...]) -> None:
    history = TickHistory(decide(tmp_path, BARS, restart=25))
    sorted((tmp_path / "r" / "session.parquet").iterdir())[part].unlink()
    result = check_parity(history)
    history.close()
    assert (result.identical, result.ticks) == (True, TICKS - int(str(lost[1])))
    (span,) = result.unrecorded
    assert (span.cause, span.ticks, span.first_tick, span.last_tick) == lost


def test_a_recording_without_a_tick_of_the_session_is_not_identical(tmp_path: Path) -> None:
    history = TickHistory(decide(tmp_path, BARS))
    for part in (tmp_path / "r" / "session.parquet").iterdir():
        part.unlink()
    with pytest.raises((NotStored, BadRecording)) as refusal:
        check_parity(history)
    history.close()
    assert "\n" not in str(refusal.value)


def test_a_session_that_was_not_recorded_is_one_clear_line(tmp_path: Path) -> None:
    history = TickHistory(decide(tmp_path, BARS[:3], recorders=False))
    with pytest.raises(NotStored, match="was not recorded"):
        check_parity(history)
    with pytest.raises(BadRecording, match="no recorded session"):
        check_parity(history, None, make_builder, tmp_path)
    with pytest.raises(NotStored, match="has no session 9"):
        check_parity(history, 9)
    history.close()


def test_what_only_one_side_has_is_named_in_one_line() -> None:
    bar = replace(BARS[0], funding=np.linspace(0.0001, 0.0009, 40))
    assert describe_input(bar, BARS[0], FEED.info.symbols) == "funding: none then, some now"
    assert describe_input(BARS[0], bar, FEED.info.symbols) == "funding: some then, none now"
    filled = replace(BARS[0], backfilled=BackfilledBars(np.array([1]), np.zeros((5, 1, 2))))
    assert describe_input(BARS[0], filled, FEED.info.symbols) == "backfilled: some then, none now"
    assert describe_input(replace(bar, at=bar.at + 1), bar, FEED.info.symbols) == f"at: {bar.at} then, {bar.at + 1} now"


def test_nan_equals_nan_and_shapes_are_named() -> None:
    bar = replace(BARS[0], open=np.array([np.nan, 1.0]))
    other = replace(bar, open=np.array([np.nan, 2.0]))
    assert describe_input(other, bar, FEED.info.symbols).startswith(f"open of {FEED.info.symbols[1]}")
    assert describe_input(replace(bar, flow=np.empty((2, 0))), bar, FEED.info.symbols) == "flow: (2, 5) then, (2, 0) now"
