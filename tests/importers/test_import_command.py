"""From a file to a finished backtest in two commands; what cannot be imported is one line with the remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from engine.__main__ import main
from engine.importers._times import AMBIGUOUS
from tests.importers.files import KLINES_MS

BARS = 130


def make_bars(count: int = BARS) -> list[tuple[float, float, float, float, float]]:
    """A random walk of open, high, low, close and volume."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))
    opened = np.concatenate([[100.0], close[:-1]])
    columns = (opened, np.maximum(opened, close) * 1.0005, np.minimum(opened, close) * 0.9995, close, rng.uniform(1, 50, count))
    return [tuple(round(float(value), 6) for value in row) for row in zip(*columns, strict=True)]  # type: ignore[misc]


def write_source(folder: Path, vendor: str) -> Path:
    """A file with BARS bars as a vendor writes it."""
    start, bars = 1_704_067_200, make_bars()
    if vendor == "freqtrade":
        dates = pa.array([(start + 300 * row) * 1000 for row in range(BARS)], pa.timestamp("ms", "UTC"))
        columns = dict(zip(("open", "high", "low", "close", "volume"), map(list, zip(*bars, strict=True)), strict=True))
        path = folder / "ETH_USDT-5m.feather"
        pyarrow.feather.write_feather(pa.table({"date": dates, **columns}), path)
        return path
    texts = [",".join(map(str, bar)) for bar in bars]
    if vendor == "binance":
        path, lines = (
            folder / "BTCUSDT-1m-2024-01-01.csv",
            [f"{start + 60 * row}000,{text},{start + 60 * row + 59}999,1,1,1,1,0" for row, text in enumerate(texts)],
        )
    elif vendor == "kraken":
        path, lines = folder / "XBTUSD_1.csv", [f"{start + 60 * row},{text},3" for row, text in enumerate(texts)]
    elif vendor == "yfinance":
        path, head = folder / "prices.csv", ["Price,Open,High,Low,Close,Volume", "Ticker,SPY,SPY,SPY,SPY,SPY", "Date,,,,,"]
        days = [datetime(2022, 1, 3, tzinfo=UTC) + timedelta(days=row) for row in range(3 * BARS)]
        lines = head + [f"{day:%Y-%m-%d},{text}" for day, text in zip([day for day in days if day.weekday() < 5][:BARS], texts, strict=True)]
    else:
        path, lines = (
            folder / "mine.txt",
            ["when|o|h|l|c|amount"] + [f"{45292 + row / 1440:.9f}|{text.replace(',', '|')}" for row, text in enumerate(texts)],
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    ("vendor", "symbol", "more"),
    [
        ("binance", "BTCUSDT", []), ("kraken", "XBTUSD", ["--interval", "1m"]), ("yfinance", "SPY", []), ("freqtrade", "ETH_USDT", []),
        ("generic", "GOLD", ["--symbol", "GOLD", "--columns", "ts=when,open=o,high=h,low=4,close=c,volume=amount"]),
    ],
)  # fmt: skip
def test_a_file_is_backtested_in_two_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], vendor: str, symbol: str, more: list[str]
) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    assert main(["import", str(write_source(tmp_path, vendor)), "--out", str(tmp_path / "out"), *more]) == 0
    notices = capsys.readouterr().err
    assert f"next: python -m engine backtest {tmp_path / 'out'}" in notices
    assert len([line for line in notices.splitlines() if line.startswith("  20")]) == 3
    assert main(["backtest", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["symbols"] == [symbol]
    assert report["data"][symbol]["rows"] == BARS
    assert not report["left_out"]


@pytest.mark.parametrize(
    ("name", "text", "more", "message"),
    [
        ("a.csv", "x,y\n1,2\n", [], "is of no known format: its columns are x, y; name them, as in --columns"),
        ("a.csv", KLINES_MS, ["--format", "binance-kline"], "--format binance-kline is unknown: did you mean binance-klines?"),
        ("a.csv", KLINES_MS, ["--format", "kraken-trades"], "is no Kraken trades: it has 12 columns without header"),
        ("a.csv", KLINES_MS, ["--timezone", "Europe/Berln"], "--timezone 'Europe/Berln' is no zone: did you mean Europe/Berlin?"),
        ("a.csv", KLINES_MS, ["--columns", "ts=1,open=3,high=2,low=4,close=5"], "so --columns names the wrong ones"),
        ("a.csv", KLINES_MS, ["--columns", "ts=1,opne=2"], "opne is no column of a recording"),
        ("a.csv", KLINES_MS, ["--columns", "ts=1,open=99"], "--columns open=99: "),
        ("a.csv", KLINES_MS, ["--interval", "5m"], "its bars are 60 s apart and not 300 s: correct --interval or leave it out"),
        ("a.csv", "", [], "a.csv is empty: get it again"),
        ("a.csv", "hello\nworld\n", [], "has no columns: separate them with a comma, semicolon or tab"),
        ("a.json", '{"a": 1}', [], "holds no list of bars or trades"),
        ("a.json", "[[1704067200,100.0,100.0,100.0,100.0,1.0]]", [], "may be coinbase"),
        ("a.gz", "\x1f\x8b", [], "get it again"),
        ("a.zip", "PK\x03\x04", [], "get it again"),
        ("2024.csv", "1,2\n3,4\n", [], "it has 2 columns without header, as 1, 2; name them"),
    ],
)
def test_what_cannot_be_imported_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, more: list[str], message: str
) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    assert main(["import", str(tmp_path / name), "--out", str(tmp_path / "out"), *more]) == 64
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("podium: ")]
    assert len(error) == 1
    assert message in error[0]
    assert not list((tmp_path / "out").glob("*"))


def test_bars_with_their_ends_are_moved_to_their_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "X.csv").write_text("until,a,b,c,d\n2024-01-01 00:05,1,2,1,2\n2024-01-01 00:10,2,3,2,3\n")
    main(["import", str(tmp_path / "X.csv"), "--out", str(tmp_path / "out"), "--columns", "end=until,open=a,high=b,low=c,close=d", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["symbols"][0]["first"] == "2024-01-01T00:00:00.000Z"
    assert report["sources"][0]["rows"] == 2


def test_wall_clock_hours_that_are_doubtful_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [datetime(2024, 10, 26, tzinfo=UTC) + timedelta(minutes=5 * row) for row in range(1000)]
    (tmp_path / "X.csv").write_text("date,open,high,low,close\n" + "".join(f"{at:%Y-%m-%d %H:%M},1,2,1,2\n" for at in times))
    main(["import", str(tmp_path / "X.csv"), "--out", str(tmp_path / "out"), "--timezone", "Europe/Berlin", "--json"])
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sources"][0]["left_out"] == {AMBIGUOUS: 12}
    assert f"12 rows of 1,000 have {AMBIGUOUS}" in captured.err


def test_a_table_of_two_symbols_becomes_a_file_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = [
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume",
        "Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT",
        "Date,,,,,,,,,,",
    ]
    rows = [f"2024-01-0{day},10,20,11,21,9,19,10,20,100,200" for day in (2, 3, 4)]
    (tmp_path / "prices.csv").write_text("\n".join([*head, *rows]) + "\n")
    assert main(["import", str(tmp_path / "prices.csv"), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().err
    assert "AAPL/bars.parquet: 3 bars" in shown
    assert "MSFT/bars.parquet: 3 bars" in shown
    assert [pyarrow.parquet.read_table(tmp_path / "out" / name / "bars.parquet")["close"].to_pylist() for name in ("AAPL", "MSFT")] == [
        [10.0] * 3, [20.0] * 3,
    ]  # fmt: skip


GROUPED_BY_TICKER = (
    "Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,BRK.1,BRK.1,BRK.1,BRK.1,BRK.1\n"
    "Price,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume\n"
    "Date,,,,,,,,,,\n"
    "2024-01-02,10,11,9,10.5,100,,,,,\n"
    "2024-01-03,11,12,10,11.5,110,20,21,19,20.5,200\n"
)


@pytest.mark.parametrize("first", ["Ticker", ""])
def test_a_table_grouped_by_ticker_becomes_a_file_for_each(tmp_path: Path, first: str) -> None:
    content = GROUPED_BY_TICKER if first else GROUPED_BY_TICKER.replace("Ticker", "").replace("Price", "")
    (tmp_path / "prices.csv").write_text(content)
    assert main(["import", str(tmp_path / "prices.csv"), "--out", str(tmp_path / "out")]) == 0
    read = {name: pyarrow.parquet.read_table(tmp_path / "out" / name / "bars.parquet")["open"].to_pylist() for name in ("AAPL", "BRK.1")}
    assert read == {"AAPL": [10.0, 11.0], "BRK.1": [20.0]}


def test_a_file_with_a_header_and_no_row_is_refused_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.csv").write_text("Date,Open,High,Low,Close,Volume\n")
    assert main(["import", str(tmp_path / "empty.csv"), "--out", str(tmp_path / "out")]) == 64
    assert "empty.csv has a header and no row below it: get it again" in capsys.readouterr().err
