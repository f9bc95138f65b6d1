"""The same bars in any dialect of delimited text are the same recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.importers.test_formats import import_text, read_rows
from tests.importers.test_import_command import make_bars

HEAD = "ts,open,high,low,close,volume\n"
ROWS = "".join(f"2024-01-01T00:{row:02d}:00Z,{','.join(map(str, bar))}\n" for row, bar in enumerate(make_bars(8)))
COUNTS = "".join(f"{1_704_067_200_000 + 60_000 * row},{','.join(map(str, bar))}\n" for row, bar in enumerate(make_bars(8)))
DIALECTS = {
    "plain": HEAD + ROWS,
    "url on top": "https://example.org\n" + HEAD + ROWS,
    "title and empty lines": "Prices, in USD\n\n\n" + HEAD + "\n" + ROWS.replace("\n", "\n\n"),
    "sep line": "sep=,\n" + HEAD + ROWS,
    "semicolon": (HEAD + ROWS).replace(",", ";"),
    "semicolon and decimal comma": (HEAD + ROWS).replace(",", ";").replace(".", ","),
    "tab": (HEAD + ROWS).replace(",", "\t"),
    "pipe": (HEAD + ROWS).replace(",", "|"),
    "spaces in header": HEAD.replace(",", ", ") + ROWS,
    "capitals": "Date,Open,High,Low,Close,Volume\n" + ROWS,
    "quotes": HEAD + "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\n" for line in ROWS.splitlines()),
    "no header": COUNTS,
    "trailing separator": (HEAD + ROWS).replace("\n", ",\n"),
    "carriage returns": (HEAD + ROWS).replace("\n", "\r\n"),
    "newest first": HEAD + "\n".join(ROWS.splitlines()[::-1]),
    "an index": "," + HEAD + "".join(f"{row},{line}\n" for row, line in enumerate(ROWS.splitlines())),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_is_read(tmp_path: Path, dialect: str) -> None:
    report = import_text(tmp_path, "BTCUSDT.csv", DIALECTS[dialect])
    rows = read_rows(tmp_path, "BTCUSDT/bars.parquet")
    assert [tuple(row[name] for name in ("open", "high", "low", "close", "volume")) for row in rows] == make_bars(8)
    assert [row["ts"] for row in rows] == [(1_704_067_200 + 60 * row) * 10**9 for row in range(8)]
    assert report.sources[0].left_out == {}
