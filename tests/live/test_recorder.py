"""The recorder: a recording plays as it was decided on, a kill loses only what was not written, a full disk stops nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from engine.domain.live import BarTiming, BookUpdate, Candle, ClosedBar, StreamFault, Trade
from engine.domain.market import BackfilledBars
from engine.domain.ports import FeedInfo
from engine.feeds._recorded_session import read_bars_decided_on
from engine.feeds._recording_files import BadRecording
from engine.feeds._recording_survey import survey_recording
from engine.feeds.recorded import RecordedFeed
from engine.live import recorder as recorders
from engine.live.recorder import ParquetRecorder, open_recorder
from engine.settings import SettingsError
from tests.makers import MINUTE, START, engine, play, settings, simulated
from tests.makers import bar as snapshot_of

LIVE = FeedInfo("live", "kraken", ("BTC/USD", "ETH/USD:USD"), MINUTE, 2, True, False, 10.0, 2.0, (0.1, 0.01))
ROOT = Path(__file__).parents[2]


def record(folder: Path, **more: object) -> ParquetRecorder:
    return ParquetRecorder(folder, LIVE, exchange="kraken", has_messages=True, flush_seconds=None, **more)  # type: ignore[arg-type]


def trade(at: int, sequence: int = 0, symbol: int = 0) -> Trade:
    return Trade(symbol, START + at, START + at + 5, 100.0 + sequence, 1.0, 1.0, str(sequence))


def book(at: int, symbol: int = 0) -> BookUpdate:
    return BookUpdate(symbol, START + at, START + at + 7, np.array([[99.0, 98.0], [1.0, np.nan], [101.0, 102.0], [3.0, 4.0]]))


def closed(number: int) -> ClosedBar:
    at = START + number * MINUTE
    snapshot = snapshot_of(at, price=(100.0, 50.0))
    return ClosedBar(snapshot, BarTiming(at, at + 500, 3, np.array([[1.0, np.nan], [2.0, 3.0]])), np.array([1, 0]))


def rows(folder: Path) -> int:
    return sum(pyarrow.dataset.dataset(path).count_rows() for path in folder.rglob("*.parquet") if path.is_dir())


def test_a_backtest_on_the_recording_of_a_simulated_feed_decides_the_same_bit_for_bit(tmp_path: Path) -> None:
    feed = simulated(150, symbols=3)
    recorder = ParquetRecorder(tmp_path / "r", feed.info, flush_seconds=None)
    for number, bar in enumerate(feed.slices(None)):
        recorder.add_snapshot(bar, bar.at)
        if number % 40 == 0:
            recorder.flush()
    recorder.close()
    again = RecordedFeed(tmp_path / "r")
    assert [bar.digest() for bar in again.slices(None)] == [bar.digest() for bar in feed.slices(None)]
    assert [tick.decisions_digest for tick in play(engine(again))] == [tick.decisions_digest for tick in play(engine(feed))]
    assert again.left_out == {}
    assert [count.bars for count in again.counts] == [150, 150, 150]


def test_what_an_exchange_states_is_no_incident_of_a_recording(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    for kind, detail in (("funding", "0.0001 per 8 h"), ("clock", "5 ns"), ("missing", str(START)), ("silent", "no message for 20 s")):
        recorder.add_event(StreamFault(1, "candles", kind, START, detail))
    recorder.add_event(trade(1))
    recorder.add_bar(closed(1))
    recorder.close()
    assert [symbol.incidents for symbol in survey_recording(tmp_path / "r").symbols] == [(), (("candles: silent", 1),)]


def test_some_symbols_and_a_later_start_play_as_they_were_decided_on(tmp_path: Path) -> None:
    feed = simulated(60, symbols=3)
    recorder = ParquetRecorder(tmp_path / "r", feed.info, flush_seconds=None)
    bars = list(feed.slices(None))
    for bar in bars:
        recorder.add_snapshot(bar, bar.at)
    recorder.close()
    again = list(RecordedFeed(tmp_path / "r", symbols=feed.info.symbols[2:0:-1], since=bars[20].at).slices(None))
    assert [bar.at for bar in again] == [bar.at for bar in bars[21:]]
    np.testing.assert_array_equal(again[0].flow, bars[21].flow[[2, 1]])
    hourly = RecordedFeed(tmp_path / "r", interval=5 * MINUTE)  # built from bars and books
    assert len(hourly) == 12
    assert next(hourly.slices(None)).close.tolist() == bars[4].close.tolist()


def test_pandas_and_pyarrow_read_the_parts_as_one_table(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    for number in range(5):
        recorder.add_event(trade(number * 10**9, number))
        recorder.flush()
    table = pd.read_parquet(tmp_path / "r" / "BTC-USD" / "trades.parquet")
    assert table["price"].tolist() == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert table["sequence"].tolist() == [1, 2, 3, 4, 5]
    assert table["id"].tolist() == ["0", "1", "2", "3", "4"]
    assert str(table["ts"].dt.tz) == "UTC"
    assert table["ts"].astype("int64").tolist() == [START + number * 10**9 for number in range(5)]


def test_messages_have_one_order_over_all_tables_and_starts(tmp_path: Path) -> None:
    events = (
        trade(1),
        book(2),
        Candle(1, START, START + 3, (1.0, 2.0, 0.5, 1.5, 9.0)),
        StreamFault(-1, "book", "gap", START + 4, "lost"),
        book(5, 1),
    )
    for _ in range(2):
        recorder = record(tmp_path / "r")
        for event in events:
            recorder.add_event(event)
        recorder.add_bar(closed(1))
        recorder.close()
    numbers = [
        number
        for table in ("BTC-USD/trades", "BTC-USD/books", "ETH-USD-USD/books", "candles", "faults")
        for number in pd.read_parquet(tmp_path / "r" / f"{table}.parquet")["sequence"].tolist()
    ]
    assert sorted(numbers) == list(range(1, 11))
    assert [(bar.run, bar.first_sequence, bar.sequence) for bar in read_bars_decided_on(tmp_path / "r", recorder.header)] == [(1, 1, 5), (2, 6, 10)]


def test_a_bar_is_read_as_it_was_recorded_bit_for_bit(tmp_path: Path) -> None:
    recorder, original = record(tmp_path / "r"), closed(1)
    filled = BackfilledBars(np.array([START - MINUTE]), np.arange(10.0).reshape(5, 1, 2))
    original = replace(original, snapshot=replace(original.snapshot, backfilled=filled, trades_after_arrival=np.arange(8.0).reshape(2, 4)))
    original = replace(original, snapshot=replace(original.snapshot, funding=np.array([np.nan, -0.0003])))
    recorder.add_bar(original)
    recorder.close()
    (bar,) = read_bars_decided_on(tmp_path / "r", recorder.header)
    assert bar.snapshot.digest() == original.snapshot.digest()
    assert (bar.read_at, bar.clock_offset, bar.sources) == (original.timing.read_at, 3, (1, 0))


def test_a_session_of_an_earlier_version_has_no_funding(tmp_path: Path) -> None:
    recorder, original = record(tmp_path / "r"), closed(1)
    recorder.add_bar(original)
    recorder.close()
    (part,) = (tmp_path / "r" / "session.parquet").iterdir()
    pq.write_table(pq.read_table(part).drop_columns(["funding"]), part)
    (bar,) = read_bars_decided_on(tmp_path / "r", recorder.header)
    assert bar.snapshot.funding is None
    assert bar.snapshot.digest() == original.snapshot.digest()


def test_trades_received_out_of_order_are_read_in_order_of_time(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    for number, seconds in enumerate((1, 70, 40, 130)):
        recorder.add_event(trade(seconds * 10**9, number))
        recorder.flush()
    recorder.close()
    bars = list(RecordedFeed(tmp_path / "r").slices(None))
    assert [bar.close[0] for bar in bars] == [102.0, 101.0, 103.0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_kill_loses_only_what_was_not_written(tmp_path: Path) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from tests.live.test_recorder import closed, record, trade
        recorder = record(Path({str(tmp_path / "r")!r}))
        for number in range(1, 10_000):
            recorder.add_event(trade(number, number))
            if number % 100 == 0:
                recorder.add_bar(closed(number))
                recorder.flush()
                print(number, flush=True)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        printed = [int(process.stdout.readline()) for _ in range(5)][-1]
        os.kill(process.pid, signal.SIGKILL)
        printed = max([printed, *map(int, process.stdout.read().split())])
    table = pd.read_parquet(tmp_path / "r" / "BTC-USD" / "trades.parquet")
    assert table["sequence"].tolist() == list(range(1, len(table) + 1))
    assert printed <= len(table) <= printed + 100
    again = record(tmp_path / "r")  # goes on where the files end
    again.add_event(trade(1))
    again.close()
    assert pd.read_parquet(tmp_path / "r" / "BTC-USD" / "trades.parquet")["sequence"].tolist()[-1] == len(table) + 1
    assert not list((tmp_path / "r").rglob("*.draft"))


class NoSpace:
    """A table on a full disk."""

    def __init__(self, table: object, folder: Path) -> None:
        self.table, self.folder = table, folder

    def write(self, rows: object) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_stops_nothing_and_is_reported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "MAX_ROWS", 10)
    reports: list[str] = []
    recorder = record(tmp_path / "r", report=reports.append)
    tables = dict(recorder._tables)
    recorder._tables.update({name: NoSpace(table, table.folder) for name, table in tables.items()})  # type: ignore[misc]
    for number in range(12):
        recorder.add_event(trade(number, number))
        recorder.flush()
    assert len(reports) == 1
    assert "No space left on device" in reports[0]
    assert (recorder.lost_rows, recorder.gaps) == (2, 1)
    recorder._tables.update(tables)  # space again
    recorder.add_event(trade(12, 12))
    recorder.flush()
    recorder.add_event(trade(13, 13))
    recorder.close()
    assert recorder.problem is None
    assert pd.read_parquet(tmp_path / "r" / "BTC-USD" / "trades.parquet")["sequence"].tolist() == [*range(1, 11), 14]
    assert (recorder.lost_rows, recorder.gaps) == (3, 1)


def test_the_size_limit_deletes_the_oldest_parts_and_nothing_else(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r", retention=(None, 1))
    foreign = tmp_path / "r" / "BTC-USD" / "trades.parquet" / "mine.parquet"
    for number in range(recorders.RETENTION_FLUSHES + 1):
        recorder.add_event(trade(number, number))
        recorder.flush()
        if number == 0:
            foreign.write_bytes(b"mine")
    assert recorder.deleted_parts == recorders.RETENTION_FLUSHES
    assert [part.name for part in sorted(foreign.parent.iterdir())] == ["mine.parquet", f"part-{recorders.RETENTION_FLUSHES + 1:06d}.parquet"]


@pytest.mark.parametrize(
    ("entry", "text", "message"),
    [
        ("notes.txt", "x", "holds other files"),
        (recorders.MARKER, '{"feed": "recorded"}', "holds the recording of another market (feed recorded, not live)"),
        (recorders.MARKER, "{", "is damaged"),
    ],
)  # fmt: skip
def test_a_folder_with_something_else_is_refused_and_left_as_it_was(tmp_path: Path, entry: str, text: str, message: str) -> None:
    (tmp_path / entry).write_text(text)
    with pytest.raises(BadRecording) as refusal:
        record(tmp_path)
    assert message in str(refusal.value)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(entry, text)]


def test_the_terms_of_a_symbol_are_those_of_the_feed(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    recorder.add_event(trade(1))
    recorder.add_event(trade(1, 0, 1))
    recorder.close()
    info = RecordedFeed(tmp_path / "r").info
    assert info.symbols == ("BTC-USD", "ETH-USD-USD")
    assert (info.tick_size, info.fees_bps) == ((0.1, 0.01), (10.0, 10.0))
    text = (tmp_path / "r" / "recording.toml").read_text()
    assert 'exchange = "kraken"' in text
    assert 'name = "ETH/USD:USD"' in text


def test_a_part_that_is_none_is_reported_as_left_out(tmp_path: Path) -> None:
    recorder = record(tmp_path / "r")
    recorder.add_event(trade(1))
    recorder.close()
    (tmp_path / "r" / "BTC-USD" / "trades.parquet" / "more.parquet").write_bytes(b"x")
    reasons = RecordedFeed(tmp_path / "r").left_out
    assert list(reasons) == ["BTC-USD/trades.parquet/more.parquet", "ETH-USD-USD"]


def test_settings_without_a_folder_record_nothing_and_a_bad_folder_is_refused(tmp_path: Path) -> None:
    assert open_recorder(settings(), LIVE) is None
    (tmp_path / "file").write_text("x")
    with pytest.raises((BadRecording, SettingsError)):
        open_recorder(settings(record=str(tmp_path / "file" / "below")), LIVE)
    with pytest.raises(BadRecording, match="is a file"):
        open_recorder(settings(record=str(tmp_path / "file")), LIVE)


def test_the_thread_writes_without_being_called(tmp_path: Path) -> None:
    recorder = ParquetRecorder(tmp_path / "r", LIVE, has_messages=True, flush_seconds=0.01)
    recorder.add_event(trade(1))
    recorder.close()
    assert rows(tmp_path / "r") == 1


def test_a_recording_goes_on_where_it_ended_and_another_seed_is_refused(tmp_path: Path) -> None:
    feed = simulated(30, symbols=2)
    bars = list(feed.slices(None))
    for start, end in ((0, 20), (10, 30)):  # the second start plays ten bars again
        recorder = ParquetRecorder(tmp_path / "r", feed.info, flush_seconds=None, detail="seed 7")
        assert recorder.last_bar_at == (bars[19].at if start else None)
        for bar in bars[start:end]:
            recorder.add_snapshot(bar, bar.at)
        recorder.close()
    assert [bar.digest() for bar in RecordedFeed(tmp_path / "r").slices(None)] == [bar.digest() for bar in bars]
    assert rows(tmp_path / "r") == 30 * (1 + 2 * 2)
    with pytest.raises(BadRecording, match="another market"):
        ParquetRecorder(tmp_path / "r", feed.info, flush_seconds=None, detail="seed 8")
