"""Every format is recognised from a small file, and read as its documentation says."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import zstandard

from engine.importers._format import ImportFault
from engine.importers._pipeline import ImportOptions, ImportReport, import_files
from engine.importers._recognition import list_formats
from tests.importers.files import CASES, KLINES_HEADER, KLINES_MS


def import_text(tmp_path: Path, name: str, content: str | bytes, **options: Any) -> ImportReport:
    """Import one file into tmp_path/out."""
    source = tmp_path / "in" / name
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    return import_files((source,), ImportOptions(tmp_path / "out", **options), lambda line: None)


def read_rows(tmp_path: Path, file: str) -> list[dict[str, Any]]:
    """The rows of a file of the recording, ts as ns."""
    table = pyarrow.parquet.read_table(tmp_path / "out" / file)
    assert table.schema.field("ts").type == pa.timestamp("ns", "UTC")
    rows: list[dict[str, Any]] = table.set_column(0, "ts", table["ts"].cast(pa.int64())).to_pylist()
    return rows


def nanoseconds(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


@pytest.mark.parametrize(("name", "text", "form", "symbol", "kind", "first", "rows", "values"), CASES, ids=[f"{case[2]} {case[0]}" for case in CASES])
def test_a_file_is_recognised_and_read(
    tmp_path: Path, name: str, text: str, form: str, symbol: str, kind: str, first: str, rows: int, values: dict[str, object]
) -> None:
    report = import_text(tmp_path, name, text)
    assert [part.format for part in report.sources] == [form]
    assert [part.file for part in report.symbols] == [f"{symbol}/{kind}.parquet"]
    read = read_rows(tmp_path, f"{symbol}/{kind}.parquet")
    assert (len(read), read[0]["ts"]) == (rows, nanoseconds(first))
    assert {key: read[0][key] for key in values} == values
    assert not report.sources[0].left_out


def test_every_format_has_a_name_of_its_own_and_a_file_here() -> None:
    names = [entry.name for entry in list_formats()]
    assert len(names) == len(set(names))
    elsewhere = {
        "lobster-books",
        "lobster-trades",
        "metatrader4",
        "metatrader5",
        "metatrader5-daily",
        "freqtrade-trades",
        "kraken-api-trades",
        "plain-list",
        "table-books",
        "table-trades",
    }
    assert set(names) - {case[2] for case in CASES} == elsewhere


MT4 = "2024.07.02,00:00,1.10420,1.10430,1.10410,1.10425,55\n"
MT5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n2024.07.02\t00:00:00\t1.1042\t1.1043\t1.1041\t1.10425\t55\t0\t2\n"


@pytest.mark.parametrize(("name", "text", "form"), [("EURUSD1.csv", MT4, "metatrader4"), ("EURUSD_M1_2024.csv", MT5, "metatrader5")])
def test_a_brokers_clock_needs_its_zone(tmp_path: Path, name: str, text: str, form: str) -> None:
    with pytest.raises(ImportFault, match="--timezone"):
        import_text(tmp_path, name, text)
    report = import_text(tmp_path, name, text, zone="Europe/Athens")
    assert (report.sources[0].format, report.symbols[0].file) == (form, "EURUSD/bars.parquet")
    row = read_rows(tmp_path, "EURUSD/bars.parquet")[0]
    assert row["ts"] == nanoseconds("2024-07-01T21:00")
    assert "volume" not in row


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("ETH_USDT-trades.json", '[[1704067200001,"7","limit","sell",42000.5,0.5,21000.25]]', "freqtrade-trades"),
        ("api.json", '[["42000.5","0.5",1704067200.001,"s","m","",7]]', "kraken-api-trades"),
        ("mine.csv", "time,price,qty,side\n2024-01-01 00:00:00.001,42000.5,0.5,SELL\n", "table-trades"),
    ],
)
def test_trades_are_read(tmp_path: Path, name: str, text: str, form: str) -> None:
    report = import_text(tmp_path, name, text, symbol="ETH/USDT")
    assert report.sources[0].format == form
    row = read_rows(tmp_path, "ETH-USDT/trades.parquet")[0]
    assert row == {"ts": nanoseconds("2024-01-01T00:00:00.001"), "price": 42000.5, "size": 0.5, "side": "sell"}


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("BTCUSDT-1m-2024-01-01.csv", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".zst", zstandard.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zip", zipped), ("", zipped)],
)
def test_packed_files_are_read(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    report = import_text(tmp_path, f"BTCUSDT-1m-2024-01-01.csv{suffix}", pack(KLINES_MS.encode()))
    assert (report.symbols[0].file, report.symbols[0].rows) == ("BTCUSDT/bars.parquet", 2)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    text = (KLINES_HEADER + KLINES_MS).replace("ignore", "größe").replace("\n", end)
    report = import_text(tmp_path, "BTCUSDT-1m-2024-01-01.csv", text.encode(encoding))
    assert (report.sources[0].format, report.symbols[0].rows) == ("binance-klines", 2)
    assert read_rows(tmp_path, "BTCUSDT/bars.parquet")[0]["open"] == 42283.58


@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_freqtrades_tables_are_read(tmp_path: Path, suffix: str) -> None:
    date = pa.array([1704067200000, 1704067500000], pa.timestamp("ms", "UTC"))
    columns = {"open": [1.0, 2.0], "high": [2.0, 3.0], "low": [1.0, 2.0], "close": [2.0, 3.0], "volume": [5.0, 6.0]}
    source = tmp_path / f"ETH_USDT_USDT-5m-futures.{suffix}"
    write = pyarrow.feather.write_feather if suffix == "feather" else pyarrow.parquet.write_table
    write(pa.table({"date": date, **columns}), source)
    report = import_files((source,), ImportOptions(tmp_path / "out"), lambda line: None)
    assert (report.sources[0].format, report.symbols[0].file) == ("freqtrade", "ETH_USDT_USDT/bars.parquet")
    assert report.symbols[0].spacing_seconds == 300.0
    assert read_rows(tmp_path, "ETH_USDT_USDT/bars.parquet")[1] == {
        "ts": nanoseconds("2024-01-01T00:05"), "open": 2.0, "high": 3.0, "low": 2.0, "close": 3.0, "volume": 6.0,
    }  # fmt: skip


def test_lobsters_two_files_become_books_and_trades(tmp_path: Path) -> None:
    stem = "AAPL_2012-06-21_34200000_57600000"
    messages = "34200.004241176,1,16113575,18,5853300,1\n34200.025551909,4,16113798,18,5859100,-1\n34200.1,5,0,5,5859000,1\n"
    books = "5859400,200,5853300,18\n5859200,18,5853300,18\n9999999999,0,5853300,18\n"
    (tmp_path / f"{stem}_orderbook_1.csv").write_text(books)
    with pytest.raises(ImportFault, match=r"has no times: name AAPL_2012-06-21_34200000_57600000_message_1\.csv"):
        import_files((tmp_path / f"{stem}_orderbook_1.csv",), ImportOptions(tmp_path / "out"), lambda line: None)
    (tmp_path / f"{stem}_message_1.csv").write_text(messages)
    sources = tuple(tmp_path / f"{stem}_{kind}_1.csv" for kind in ("message", "orderbook"))
    report = import_files(sources, ImportOptions(tmp_path / "out"), lambda line: None)
    assert [(part.file, part.rows) for part in report.symbols] == [("AAPL/books.parquet", 2), ("AAPL/trades.parquet", 2)]
    assert report.sources[0].left_out == {"a best bid and ask that are missing or crossed": 1}
    first = read_rows(tmp_path, "AAPL/books.parquet")[0]
    assert first == {"ts": nanoseconds("2012-06-21T13:30:00.004241176"), "bid_px_0": 585.33, "bid_sz_0": 18.0, "ask_px_0": 585.94, "ask_sz_0": 200.0}
    trades = read_rows(tmp_path, "AAPL/trades.parquet")
    assert [(row["price"], row["size"], row["side"]) for row in trades] == [(585.91, 18.0, "buy"), (585.9, 5.0, "sell")]
