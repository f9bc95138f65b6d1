"""Nothing of a recording is dropped silently: rows are counted, files are named, and doubtful files are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.feeds._recording_files import BadRecording
from engine.feeds.recorded import RecordedFeed
from tests.feeds.recordings import BAR, BOOK, MINUTE, SECOND, START, TRADE, bar, minutes, write

PRICES_ONLY = "ts,open,high,low,close"


def written(folder: Path, symbol: str = "A", count: int = 3) -> Path:
    """A recording of sound bars."""
    return write(folder, symbol, "bars", BAR, [bar(i) for i in range(count)])


def refusal(folder: Path, **wanted: tuple[str, ...]) -> str:
    with pytest.raises(BadRecording) as refused:
        RecordedFeed(folder, **wanted)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    rows = [bar(0), bar(0), *(bar(i) for i in range(1, 199)), (START + 199 * MINUTE, "nan", 1, 1, 1, 1), bar(200, volume=0)]
    write(tmp_path, "A", "bars", BAR, rows)
    trades = [(START + at, 10, 1, side) for at, side in ((1, "buy"), (2, "sell"), (3, "none"), (400 * MINUTE, "buy"))]
    write(tmp_path, "A", "trades", TRADE, trades)
    write(tmp_path, "A", "books", BOOK, [(START, 9, 1, 11, 1), (START + SECOND, 12, 1, 11, 1)])
    (counts,) = RecordedFeed(tmp_path).counts
    assert (counts.rows, counts.bars, counts.duplicate_bars, counts.faulty, counts.without_volume) == (202 + 4 + 2, 200, 1, 1, 1)
    assert (counts.signed_trades, counts.unsigned_trades, counts.trades_without_bar, counts.faulty_books) == (3, 1, 1, 1)


def test_bars_outside_the_session_are_counted(tmp_path: Path) -> None:
    written(tmp_path, count=10)
    (tmp_path / "recording.toml").write_text('session = "00:02-00:05"\n')
    (counts,) = RecordedFeed(tmp_path).counts
    assert (counts.bars, counts.outside_session) == (3, 7)


@pytest.mark.parametrize(("faulty", "refused"), [(2, False), (3, True)])
def test_above_one_percent_of_faulty_bars_the_recording_is_refused(tmp_path: Path, faulty: int, refused: bool) -> None:
    bad = [(START + i * MINUTE, 10, 9, 9.5, 10, 1) for i in range(faulty)]
    write(tmp_path, "A", "bars", BAR, [*bad, *(bar(i) for i in range(faulty, 200))])
    if not refused:
        assert RecordedFeed(tmp_path).counts[0].faulty_bars == faulty
        return
    assert "A/bars.csv has 3 faulty rows of 200, more than 1 %: 3 have an open or close outside of low to high, the first is row 1" in refusal(
        tmp_path
    )


def test_above_one_percent_of_faulty_trades_the_recording_is_refused(tmp_path: Path) -> None:
    rows = [(START + i * SECOND, 10, 0 if i in {5, 7} else 1, "buy") for i in range(100)]
    write(tmp_path, "A", "trades", TRADE, rows)
    assert "A/trades.csv has 2 faulty rows of 100, more than 1 %: 2 have a size that is missing, not finite, 0 or below" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("kind", "header", "row"),
    [
        ("bars", BAR, (START + 9 * MINUTE, 1, 1, -3, 1, 1)),
        ("trades", TRADE, (START + 9 * MINUTE, -3, 1, "buy")),
        ("books", BOOK, (START + 9 * MINUTE, -3, 1, 1, 1)),
    ],
)
def test_negative_prices_are_refused_with_the_reason(tmp_path: Path, kind: str, header: str, row: tuple[object, ...]) -> None:
    sound = {"bars": bar(0), "trades": (START, 1, 1, "buy"), "books": (START, 1, 1, 2, 1)}[kind]
    write(tmp_path, "A", kind, header, [sound, row])
    line = refusal(tmp_path)
    assert f"A/{kind}.csv has negative prices in 1 of its 2 rows, first -3 in row 2: log returns need positive prices" in line


def test_an_empty_level_of_a_book_may_have_any_price(tmp_path: Path) -> None:
    write(tmp_path, "A", "books", BOOK, [(START, 9, 1, 11, 1), (START + SECOND, -9_999_999_999, 0, 11, 1)])  # as LOBSTER writes a side without orders
    assert RecordedFeed(tmp_path).counts[0].faulty_books == 1


@pytest.mark.parametrize(("kind", "header"), [("bars", f"{BAR},symbol"), ("trades", f"{TRADE},Ticker"), ("books", f"{BOOK},instrument_id")])
def test_two_symbols_in_one_file_are_refused(tmp_path: Path, kind: str, header: str) -> None:
    row = {"bars": (1, 1, 1, 1, 1), "trades": (1, 1, "buy"), "books": (1, 1, 2, 1)}[kind]
    name = header.rpartition(",")[2]
    write(tmp_path, "A", kind, header, [(START + at * MINUTE, *row, symbol) for at, symbol in enumerate((7, 8, 7))])
    line = refusal(tmp_path)
    assert f"A/{kind}.csv holds 2 symbols in its column {name} (7 in 2 rows, 8 in 1 rows): split it by {name} into SYMBOL/{kind}.csv" in line


@pytest.mark.parametrize("further", ["bid_px_2,bid_sz_2,ask_px_2,ask_sz_2", "bid_px_1,bid_sz_1,ask_px_1,ask_size_1"])
def test_levels_of_a_book_that_would_not_be_read_are_refused(tmp_path: Path, further: str) -> None:
    write(tmp_path, "A", "books", f"{BOOK},{further}", [(START, 9, 1, 11, 1, 8, 1, 12, 1)])
    assert f"A/books.csv has {further[:8]}, but level 1 is not whole: count the levels from 0" in refusal(tmp_path)


def test_a_column_that_names_one_symbol_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", f"{BAR},symbol", [(*bar(i), "BTC/USD") for i in range(3)])
    assert len(RecordedFeed(tmp_path)) == 3


@pytest.mark.parametrize("header", [f"{BAR},volume", f"{BAR},ts", f"{BAR},symbol,symbol"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, header: str, suffix: str) -> None:
    names = header.split(",")
    rows = [[*bar(i), *([1] * (len(names) - 6))] for i in range(2)]
    file = write(tmp_path, "A", "bars", header, rows)
    if suffix == ".parquet":
        file.unlink()
        columns = [pa.array(values) for values in zip(*rows, strict=True)]
        pyarrow.parquet.write_table(pa.Table.from_arrays(columns, names=names), file.with_suffix(suffix))
    assert re.search(rf"A/bars\{suffix} has the column {names[-1]} twice: rename the one that is not meant", refusal(tmp_path))


def test_a_column_that_is_not_used_may_be_there_twice(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", f"{BAR},ignore,ignore", [(*bar(i), 0, 0) for i in range(3)])
    assert len(RecordedFeed(tmp_path)) == 3


@pytest.mark.parametrize(("header", "volume"), [(BAR, ("",)), (BAR, ("nan",)), (PRICES_ONLY, ())])
def test_bars_of_unknown_volume_are_read_and_are_fresh(tmp_path: Path, header: str, volume: tuple[str, ...]) -> None:
    write(tmp_path, "A", "bars", header, [(*bar(i)[:5], *volume) for i in range(6)])
    for interval in (MINUTE, 3 * MINUTE):
        feed = RecordedFeed(tmp_path, interval=interval)
        slices = list(feed.slices(None))
        assert [bool(snapshot.fresh[0]) for snapshot in slices] == [True] * (6 * MINUTE // interval)
        assert np.isnan([snapshot.volume[0] for snapshot in slices]).all()
        assert (feed.counts[0].volume, feed.counts[0].without_volume) == ("unknown", len(slices))


def test_a_volume_that_is_missing_in_some_bars_is_faulty(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), (*bar(1)[:5], "")])
    assert "1 faulty row of 2, more than 1 %: 1 has a volume that is missing" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["Vol", "vol", "Volume BTC", "quote_volume"])
def test_a_volume_under_another_name_is_not_taken_for_an_unknown_one(tmp_path: Path, name: str) -> None:
    write(tmp_path, "A", "bars", f"{PRICES_ONLY},{name}", [bar(0), bar(1)])
    assert f"has no column volume, but {name!r}: rename it to volume" in refusal(tmp_path)


def test_a_volume_of_0_in_every_bar_is_reported(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(i, volume=0.0) for i in range(3)])
    (counts,) = RecordedFeed(tmp_path).counts
    assert (counts.volume, counts.without_volume) == ("zero", 3)


LEFT_OUT = [
    ("B/bars.csv.gz", "B", "bars.csv.gz: it is compressed: extract it to bars.csv or bars.parquet"),
    ("B/Bars.csv", "B", "Bars.csv: rename it to bars.csv"),
    ("B/BARS.CSV", "B", "BARS.CSV: rename it to bars.csv"),
    ("B/trade.parquet", "B", "trade.parquet: rename it to trades.parquet"),
    ("B/B-1m.csv", "B", "B-1m.csv: its name says nothing of its kind: rename it to bars, books or trades, with .csv"),
    ("B/bars.feather", "B", "bars.feather: not a .csv or .parquet: write it as bars, books or trades"),
    ("B/day=1/part.parquet", "B", "day=1: a folder inside a symbol's folder: write its files as one file bars.parquet"),
    ("B/bars.parquet/part.parquet", "B", "bars.parquet: a folder inside a symbol's folder"),
    ("A/bars.parquet.bak", "A/bars.parquet.bak", "not a .csv or .parquet"),
    ("A/January.csv", "A/January.csv", "its name says nothing of its kind"),
    ("C.csv", "C.csv", "it is outside any symbol's folder: move it to C/bars.csv"),
    ("notes.txt", "notes.txt", "it is outside any symbol's folder"),
]


@pytest.mark.parametrize(("file", "name", "reason"), LEFT_OUT, ids=[case[0] for case in LEFT_OUT])
def test_files_that_are_not_read_are_named_with_a_remedy(tmp_path: Path, file: str, name: str, reason: str) -> None:
    written(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"x")
    feed = RecordedFeed(tmp_path)
    assert list(feed.left_out) == [name]
    assert reason in feed.left_out[name]
    assert feed.info.symbols == ("A",)


def test_a_csv_beside_a_parquet_of_the_same_kind_is_named(tmp_path: Path) -> None:
    written(tmp_path)
    write(tmp_path, "A", "bars", BAR, [bar(i) for i in range(5)], ".parquet")
    written(tmp_path)
    feed = RecordedFeed(tmp_path)
    assert feed.left_out == {"A/bars.csv": "bars.parquet is read instead: keep one of the two in this folder"}
    assert minutes(feed.slices(None)) == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_link_that_leads_nowhere_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "B").mkdir()
    (tmp_path / "C").mkdir()
    (tmp_path / "C" / "bars.csv").symlink_to(tmp_path / "gone.csv")
    assert RecordedFeed(tmp_path).left_out == {"B": "the folder is empty", "C": "bars.csv: a link that leads nowhere: correct it"}


def test_hidden_files_and_notes_are_not_named(tmp_path: Path) -> None:
    written(tmp_path)
    for name in (".DS_Store", "README.md", "LICENSE", "recording.toml"):
        (tmp_path / name).write_text("")
    assert RecordedFeed(tmp_path).left_out == {}


def test_symbols_that_were_not_requested_are_not_mentioned(tmp_path: Path) -> None:
    written(tmp_path)
    written(tmp_path, "B")
    for symbol in "AB":
        (tmp_path / symbol / "more.csv").write_text("")
    assert list(RecordedFeed(tmp_path, symbols=("B",)).left_out) == ["B/more.csv"]
    assert list(RecordedFeed(tmp_path).left_out) == ["A/more.csv", "B/more.csv"]


def test_a_symbol_that_is_asked_for_and_left_out_is_refused_with_the_reason(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "Bars.csv").write_text("")
    assert refusal(tmp_path, symbols=("B",)).endswith("has no symbol 'B': it has A; B is left out (Bars.csv: rename it to bars.csv)")


def test_a_recording_without_symbols_names_its_contents(tmp_path: Path) -> None:
    (tmp_path / "B").mkdir()
    (tmp_path / "B" / "B-1m.csv").write_text("")
    assert "; B is left out (B-1m.csv: its name says nothing of its kind: rename it" in refusal(tmp_path)


def test_a_table_of_a_symbol_that_is_not_there_is_refused(tmp_path: Path) -> None:
    written(tmp_path, "BTCUSDT")
    written(tmp_path, "ETHUSDT")
    toml = tmp_path / "recording.toml"
    toml.write_text("[symbols.BTCUSD]\nlot = 1\n")
    assert "[symbols.BTCUSD] is of no symbol of this recording: did you mean BTCUSDT?" in refusal(tmp_path)
    toml.write_text("[symbols.XYZ]\nlot = 1\n")
    assert "[symbols.XYZ] is of no symbol of this recording: there are BTCUSDT, ETHUSDT" in refusal(tmp_path)
    toml.write_text("[symbols.BTCUSDT]\nlot = 1\n")
    assert RecordedFeed(tmp_path, symbols=("ETHUSDT",)).info.rules.lots == ()  # a table of a symbol that is there and not asked for is no fault


def test_a_mark_of_byte_order_in_recording_toml_is_no_part_of_it(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "recording.toml").write_bytes(b"\xef\xbb\xbftick = 0.5\n")
    assert RecordedFeed(tmp_path).info.tick_size == (0.5,)
