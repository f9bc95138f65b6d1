"""Sources are joined in order of time; repeats, contradictions and rows left out are counted or refused, and nothing is lost in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.importers._format import ImportFault
from engine.importers._pipeline import ImportOptions, ImportReport, import_files
from engine.importers._staging import Staged
from tests.importers.files import KLINES_MS
from tests.importers.test_formats import import_text, read_rows

START = 1_704_067_200_000  # ms, 2024-01-01
NAME = "BTCUSDT-1m-2024-01-01.csv"


def write_bars(path: Path, minutes: list[int], close: float = 101.0) -> Path:
    """A file of bars, one per minute after START."""
    rows = [f"{START + 60_000 * minute},100,103,99,{close},{minute + 1}\n" for minute in minutes]
    path.write_text("ts,open,high,low,close,volume\n" + "".join(rows))
    return path


def read_minutes(tmp_path: Path, symbol: str) -> list[int]:
    return [(row["ts"] // 10**6 - START) // 60_000 for row in read_rows(tmp_path, f"{symbol}/bars.parquet")]


def run_import(tmp_path: Path, *files: Path, lines: list[str] | None = None, symbol: str | None = "BTC") -> ImportReport:
    return import_files(files, ImportOptions(tmp_path / "out", symbol=symbol), (lines if lines is not None else []).append)


def test_overlapping_sources_are_joined_and_repeats_counted(tmp_path: Path) -> None:
    files = [write_bars(tmp_path / "b.csv", [3, 4, 5, 6]), write_bars(tmp_path / "a.csv", [0, 1, 2, 3, 4])]
    report = run_import(tmp_path, *files)
    assert read_minutes(tmp_path, "BTC") == [0, 1, 2, 3, 4, 5, 6]
    assert report.symbols[0].left_out == {"a repeat of a row that is there": 2}


def test_a_later_source_replaces_a_bar_and_it_is_counted(tmp_path: Path) -> None:
    files = [write_bars(tmp_path / "a.csv", [0, 1], close=101.0), write_bars(tmp_path / "b.csv", [1, 2], close=102.0)]
    lines: list[str] = []
    run_import(tmp_path, *files, lines=lines)
    assert [row["close"] for row in read_rows(tmp_path, "BTC/bars.parquet")] == [101.0, 102.0, 102.0]
    assert "  1 row left out: a bar that a later source has with other values" in lines


def test_two_different_bars_of_a_time_in_a_source_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    file = write_bars(tmp_path / "a.csv", [0, 1, 2])
    file.write_text(file.read_text() + f"{START + 120_000},100,103,99,100,9\n")
    with pytest.raises(ImportFault, match=r"BTC: there are two different bars of 2024-01-01T00:02:00.000Z in one source: keep one of the two"):
        run_import(tmp_path, file)
    assert not (tmp_path / "out").exists()


def test_newest_first_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_bars(tmp_path / "in" / "1.csv", [9, 8, 7, 6, 5])
    write_bars(tmp_path / "in" / "2.csv", [4, 3, 2, 1, 0])
    run_import(tmp_path, tmp_path / "in")
    assert read_minutes(tmp_path, "BTC") == list(range(10))


def test_symbols_in_a_column_are_split(tmp_path: Path) -> None:
    text = "timestamp,symbol,open,high,low,close\n" + "".join(f"{START + 60_000 * (n // 2)},{'AB'[n % 2]}/X,1,2,1,2\n" for n in range(6))
    report = import_text(tmp_path, "both.csv", text)
    assert [(part.file, part.rows) for part in report.symbols] == [("A-X/bars.parquet", 3), ("B-X/bars.parquet", 3)]


def test_rows_left_out_are_counted_by_reason_and_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    file = write_bars(tmp_path / "a.csv", list(range(400)))
    bad = ["nonsense,1,2,1,2,3", f"{START + 10**8},,2,1,2,3", f"{START + 10**8},1,2,1"]
    file.write_text(file.read_text() + "\n".join(bad) + "\n")
    report = run_import(tmp_path, file, lines=lines)
    assert report.sources[0].rows == 403
    assert report.sources[0].left_out == {
        "a time that cannot be read": 1, "a price that is missing, not finite or not above 0": 1,
        "another number of cells than the first rows have": 1,
    }  # fmt: skip
    assert report.symbols[0].rows + sum(report.sources[0].left_out.values()) == report.sources[0].rows
    assert "  1 row of 403 has a time that cannot be read" in lines


def test_a_file_with_many_unusable_rows_is_refused(tmp_path: Path) -> None:
    file = write_bars(tmp_path / "a.csv", list(range(100)))
    file.write_text(file.read_text() + "nonsense,1,2,1,2,3\n" * 3)
    with pytest.raises(ImportFault, match=r"3 of 103 rows cannot be used, 3 with a time that cannot be read"):
        run_import(tmp_path, file)


def test_trades_with_ids_are_joined_and_without_ids_refused_where_they_overlap(tmp_path: Path) -> None:
    for name, ids in (("a", [1, 2, 3]), ("b", [3, 4])):
        rows = "".join(f"{START + number},100,1,buy,{number}\n" for number in ids)
        (tmp_path / f"{name}.csv").write_text("ts,price,size,side,id\n" + rows + rows[-20:][:0])
    files = (tmp_path / "a.csv", tmp_path / "b.csv")
    report = run_import(tmp_path, *files)
    assert (report.symbols[0].rows, report.symbols[0].left_out) == (4, {"a repeat of a row that is there": 1})
    for file in (tmp_path / "c.csv", tmp_path / "d.csv"):
        file.write_text(f"ts,price,size\n{START},1,1\n{START + 5},1,1\n")
    with pytest.raises(ImportFault, match=r"two sources of trades overlap from 2024-01-01T00:00:00.000Z and have no ids"):
        run_import(tmp_path, tmp_path / "c.csv", tmp_path / "d.csv", symbol="OTHER")


def test_trades_alike_of_one_time_are_all_kept(tmp_path: Path) -> None:
    report = import_text(tmp_path, "t.csv", f"ts,price,size,side\n{START},1,1,buy\n{START},1,1,buy\n", symbol="X")
    assert report.symbols[0].rows == 2


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    import_text(tmp_path, NAME, KLINES_MS)
    before = (tmp_path / "out/BTCUSDT/bars.parquet").read_bytes()
    with pytest.raises(ImportFault, match=r"BTCUSDT/bars.parquet is there already: remove it, or give another --out"):
        import_text(tmp_path, NAME, KLINES_MS)
    assert (tmp_path / "out/BTCUSDT/bars.parquet").read_bytes() == before


def test_the_recording_says_where_it_is_from(tmp_path: Path) -> None:
    report = import_text(tmp_path, NAME, KLINES_MS)
    text = (tmp_path / "out/recording.toml").read_text()
    assert report.sources[0].sha256 in text
    assert "Binance klines" in text
    import_text(tmp_path, "XBTUSD_1.csv", "1381095240,122.0,122.5,121.9,122.4,0.1,1\n")
    document = orjson.loads((tmp_path / "out/import.json").read_bytes())
    assert [entry["sources"][0]["format"] for entry in document] == ["binance-klines", "kraken-ohlcvt"]
    assert (tmp_path / "out/recording.toml").read_text() == text


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=12), min_size=1, max_size=8), st.data())
def test_any_batches_of_any_sources_are_merged_in_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("staged")
    staged = Staged("X", "bars", folder)
    value = {at: float(at) for batch in batches for at in batch}
    for batch in batches:
        table = pa.table({"ts": pa.array(batch, pa.int64()), "close": [value[at] for at in batch]})
        staged.add(table, data.draw(st.integers(0, 2)))
    staged.write(folder / "bars.parquet")
    merged = pa.parquet.read_table(folder / "bars.parquet")
    assert merged["ts"].cast(pa.int64()).to_pylist() == sorted(value)
    assert staged.rows + staged.left_out.total() == sum(map(len, batches))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(2, 7), st.booleans())
def test_the_order_of_trades_of_one_time_is_that_of_the_source(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], size: int, is_backward: bool
) -> None:
    folder = tmp_path_factory.mktemp("staged")
    staged = Staged("X", "trades", folder)
    times = sorted(times)
    times = [-1, *times, 100]  # the first batch shows the direction
    numbers = np.arange(len(times))
    rows = list(zip(times, numbers.tolist(), strict=True))
    rows = rows[::-1] if is_backward else rows
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        staged.add(pa.table({"ts": pa.array([at for at, _ in part], pa.int64()), "price": [number for _, number in part]}), 0)
    staged.write(folder / "trades.parquet")
    assert pa.parquet.read_table(folder / "trades.parquet")["price"].to_pylist() == numbers.tolist()
