"""Recorded bars: one clock, gaps as gaps, nothing carried forward, and faults refused or counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.feeds._recording_files import BadRecording
from engine.feeds.recorded import FEED, RecordedFeed
from engine.settings import Settings
from tests.feeds.recordings import BAR, BOOK, MINUTE, START, TRADE, bar, closes, minutes, write

NAN = float("nan")


def test_a_bar_is_delivered_at_its_close(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0, 10.0, 3.0), bar(1, 11.0, 4.0)])
    feed = RecordedFeed(tmp_path)
    first, second = feed.slices(None)
    assert minutes([first, second]) == [1.0, 2.0]
    assert [first.open[0], first.high[0], first.low[0], first.close[0], first.volume[0]] == [10.0, 11.0, 9.0, 10.0, 3.0]
    assert (feed.info.interval, feed.info.levels, feed.info.has_flow, feed.info.simulated) == (MINUTE, 0, False, False)
    assert (first.flow.shape, first.ofi.shape, first.books.bid_price.shape) == ((1, 0), (1, 0), (1, 0))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_symbols_share_one_clock_and_a_missing_bar_is_missing(tmp_path: Path, suffix: str) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i, 10.0 + i) for i in (0, 1, 2, 4)], suffix)
    write(tmp_path, "B", "bars", BAR, [bar(i, 20.0 + i) for i in (1, 2, 3, 4)], suffix)
    slices = list(RecordedFeed(tmp_path).slices(None))
    np.testing.assert_array_equal(closes(slices), [[10, NAN], [11, 21], [12, 22], [NAN, 23], [14, 24]])
    assert [snapshot.fresh.tolist() for snapshot in slices] == [[True, False], [True, True], [True, True], [False, True], [True, True]]
    assert np.isnan(slices[0].volume[1])


@pytest.mark.parametrize(("silent", "expected"), [(1, 1), (12, 12), (13, 13), (14, 13), (500, 13)])
def test_a_long_silence_of_all_is_cut_to_thirteen_empty_bars(tmp_path: Path, silent: int, expected: int) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1), bar(2), bar(3 + silent), bar(4 + silent)])
    write(tmp_path, "B", "bars", BAR, [bar(1), bar(2), bar(4 + silent), bar(5 + silent)])
    slices = list(RecordedFeed(tmp_path).slices(None))
    empty = [snapshot for snapshot in slices if not snapshot.fresh.any()]
    assert minutes(empty) == [4.0 + i for i in range(expected)]
    assert minutes(slices)[-3:] == [4.0 + silent, 5.0 + silent, 6.0 + silent]
    assert np.isnan(closes(empty)).all()


def test_a_bar_without_volume_keeps_its_price_and_is_not_fresh(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1, volume=0.0), bar(2)])
    feed = RecordedFeed(tmp_path)
    assert [(snapshot.close[0], bool(snapshot.fresh[0])) for snapshot in feed.slices(None)] == [(10.0, True), (10.0, False), (10.0, True)]
    assert feed.counts[0].without_volume == 1


def test_bars_are_joined_into_longer_ones(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i, 10.0 + i, 1.0 + i) for i in range(10) if i != 3])
    feed = RecordedFeed(tmp_path, interval=5 * MINUTE)
    first, second = feed.slices(None)
    assert (feed.info.interval, minutes([first, second])) == (5 * MINUTE, [5.0, 10.0])
    assert [first.open[0], first.high[0], first.low[0], first.close[0], first.volume[0]] == [10.0, 15.0, 9.0, 14.0, 11.0]
    assert second.volume[0] == 40.0


def test_reading_resumes_after_a_time(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i, 10.0 + i) for i in (0, 1, 2, 5, 40)])
    feed = RecordedFeed(tmp_path)
    whole = list(feed.slices(None))
    for place, snapshot in enumerate(whole):
        for moment in (snapshot.at, snapshot.at + 7):
            assert [rest.digest() for rest in feed.slices(moment)] == [rest.digest() for rest in whole[place + 1 :]]


def test_a_part_of_the_time_can_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i) for i in range(10)])
    assert minutes(RecordedFeed(tmp_path, since=START + 3 * MINUTE, until=START + 6 * MINUTE).slices(None)) == [4.0, 5.0, 6.0]
    with pytest.raises(BadRecording, match="no bar in the requested time"):
        RecordedFeed(tmp_path, since=START + 30 * MINUTE)


def test_a_symbol_silent_most_of_the_time_does_not_change_the_clock(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i) for i in (0, 1, 4, 5, 9, 13, 14, 19)])  # median spacing is 4
    assert RecordedFeed(tmp_path).info.interval == MINUTE


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_whole_numbers_follows_from_their_size(tmp_path: Path, unit: int) -> None:
    write(tmp_path, "A", "bars", BAR, [((START + i * MINUTE) // unit, 1, 1, 1, 1, 1) for i in range(3)])
    assert minutes(RecordedFeed(tmp_path).slices(None)) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "text", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00", "2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00.000000000Z"]
)
def test_iso_times_are_read_and_are_utc_unless_they_say_otherwise(tmp_path: Path, text: str) -> None:
    write(tmp_path, "A", "bars", BAR, [(text, 1, 1, 1, 1, 1)])
    assert minutes(RecordedFeed(tmp_path, interval=MINUTE).slices(None)) == [1.0]


def test_an_identical_repeat_is_dropped_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1), bar(1), bar(1), bar(2)])
    feed = RecordedFeed(tmp_path)
    assert [snapshot.volume[0] for snapshot in feed.slices(None)] == [1.0, 1.0, 1.0]
    assert feed.counts[0].duplicate_bars == 2


@pytest.mark.parametrize(
    "values",
    ["inf,11,9,10,1", "10,11,9,nan,1", "10,11,9,10,", "0,0,0,0,1", "10,11,9,10,-1", "10,9,9,10,1", "10,11,10.5,10,1", ",,,,"],
)
def test_a_faulty_bar_is_missing_and_counted(tmp_path: Path, values: str) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), (START + MINUTE, *values.split(",")), *(bar(i) for i in range(2, 100))])
    feed = RecordedFeed(tmp_path)
    snapshot = closes(feed.slices(None))[:, 0]
    assert feed.counts[0].faulty_bars == 1
    np.testing.assert_array_equal(np.isnan(snapshot), [False, True, *[False] * 98])


def test_a_stray_bar_off_the_clock_is_faulty_but_a_second_clock_is_refused(tmp_path: Path) -> None:
    rows = sorted([*(bar(i) for i in range(300)), bar(100.5)], key=lambda row: str(row[0]))
    write(tmp_path, "A", "bars", BAR, rows)
    feed = RecordedFeed(tmp_path)
    assert (len(feed), feed.counts[0].faulty_bars) == (300, 1)
    write(tmp_path, "B", "bars", BAR, [bar(i + 0.5) for i in range(200)])
    with pytest.raises(BadRecording, match="200 of 200 bars of B open off the clock"):
        RecordedFeed(tmp_path)


REFUSED = [
    ("a row back in time", "bars", BAR, [bar(1), bar(0)], r"bars\.csv: row 2 goes back in time"),
    ("two bars for one time", "bars", BAR, [bar(0), bar(1, 10), bar(1, 11)], r"bars\.csv: row 3 is a second and different bar of 2024-01-01T00:01"),
    ("no rows", "bars", BAR, [], r"bars\.csv is empty"),
    ("missing columns", "bars", "ts,open,close", [(START, 1, 1)], r"bars\.csv lacks high, low:"),
    ("a word for a time", "bars", BAR, [("2024-01-01", 1, 1, 1, 1, 1), ("yesterday", 1, 1, 1, 1, 1)], r"row 2 has the ts 'yesterday'"),
    ("no time", "bars", BAR, [bar(0), ("", 1, 1, 1, 1, 1)], r"row 2 has no ts"),
    ("a word for a price", "bars", BAR, [bar(0), (START + MINUTE, "ten", 1, 1, 1, 1)], r"row 2 has the open 'ten'"),
    ("a negative price", "bars", BAR, [bar(0, 0.5), bar(1)], r"has negative prices in 1 of its 2 rows, first -0\.5 in row 1"),
    ("no sound bar", "bars", BAR, [(START, 0, 0, 0, 0, 1)], r"bars\.csv has no valid row: 1 has a price of 0"),
    ("trades back in time", "trades", TRADE, [(START + 1, 1, 1, "buy"), (START, 1, 1, "buy")], r"trades\.csv: row 2 goes back"),
    ("trades without a side", "trades", "ts,price,size", [(START, 1, 1)], r"trades\.csv lacks side"),
    ("books back in time", "books", BOOK, [(START + 1, 1, 1, 2, 1), (START, 1, 1, 2, 1)], r"books\.csv: row 2 goes back"),
    ("only crossed books", "books", BOOK, [(START, 2, 1, 1, 1)], "best bid above its best ask in 1 of its 1 rows"),
    ("only one-sided books", "books", BOOK, [(START, "", "", 1, 1)], "neither a valid trade nor a valid book"),
]


@pytest.mark.parametrize(("kind", "header", "rows", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_bad_files_are_refused_in_one_line(tmp_path: Path, kind: str, header: str, rows: list[tuple[object, ...]], message: str) -> None:
    write(tmp_path, "A", kind, header, rows)
    with pytest.raises(BadRecording, match=message) as refused:
        RecordedFeed(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "bars.parquet").write_bytes(b"nonsense")
    with pytest.raises(BadRecording, match=r"A/bars\.parquet cannot be read"):
        RecordedFeed(tmp_path)


def test_folders_that_are_no_recording_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRecording, match="there is no recording at"):
        RecordedFeed(tmp_path / "nowhere")
    with pytest.raises(BadRecording, match="holds no symbol"):
        RecordedFeed(tmp_path)
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1)])
    with pytest.raises(BadRecording, match="is the folder of one symbol"):
        RecordedFeed(tmp_path / "A")
    with pytest.raises(BadRecording, match="has no symbol 'B': it has A"):
        RecordedFeed(tmp_path, symbols=("B",))
    with pytest.raises(BadRecording, match="needs a folder"):
        FEED.open(Settings("", "", feed="recorded"))


def test_bars_of_different_lengths_need_an_interval(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i) for i in range(10)])
    write(tmp_path, "B", "bars", BAR, [bar(i) for i in (0, 5)])
    with pytest.raises(BadRecording, match=r"differ in length \(A 1m, B 5m\)"):
        RecordedFeed(tmp_path)
    with pytest.raises(BadRecording, match="90s cannot be made of A's bars of 1m"):
        RecordedFeed(tmp_path, symbols=("A",), interval=90 * 10**9)
    np.testing.assert_array_equal(closes(RecordedFeed(tmp_path, interval=5 * MINUTE).slices(None)), [[10, 10], [10, 10]])


def test_symbols_come_in_the_order_asked_for_and_the_settings_reach_the_feed(tmp_path: Path) -> None:
    for symbol, close in (("A", 1.5), ("B", 2.5), ("C", 3.5)):
        write(tmp_path, symbol, "bars", BAR, [bar(0, close), bar(1, close)])
    feed = FEED.open(Settings("", "", feed="recorded", feed_path=str(tmp_path), symbols=("C", "A"), spread_bps=3.0))
    assert (feed.info.symbols, feed.info.fee_bps, feed.info.spread_bps) == (("C", "A"), 10.0, 3.0)
    assert feed.info.label == f"recorded: {tmp_path.name}"
    np.testing.assert_array_equal(next(feed.slices(None)).close, [3.5, 1.5])


def test_a_recording_has_no_signal_to_switch(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1)])
    with pytest.raises(ValueError, match="only the simulated market has a switch"):
        RecordedFeed(tmp_path).switch_signal(0.1, START)
