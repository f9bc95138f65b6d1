"""CSV files as other programs write them: read where there is one way to read them, else refused with the reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from engine.feeds._recording_files import BadRecording, read_bars, read_trades
from tests.feeds.recordings import MINUTE, START

HEADER = "ts,open,high,low,close,volume"
ROWS = [f"2024-01-01T00:{minute:02d}:00Z,10.5,11.5,9.5,10.25,1.5" for minute in range(3)]
PLAIN = "\n".join([HEADER, *ROWS, ""])


def bars_file(folder: Path, content: str | bytes) -> Path:
    file = folder / "A" / "bars.csv"
    file.parent.mkdir()
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


READ = {
    "semicolon": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "bar": PLAIN.replace(",", "|"),
    "byte-order mark": PLAIN.encode("utf-8-sig"),
    "spaces in the header": PLAIN.replace(HEADER, HEADER.replace(",", ", ")),
    "spaces everywhere": PLAIN.replace(",", ", "),
    "capitals": PLAIN.replace(HEADER, "TS,Open,High,Low,Close,Volume"),
    "quotes": PLAIN.replace(HEADER, '"ts";"open";"high";"low";"close";"volume"').replace(",", ";"),
    "Windows' line ends": PLAIN.replace("\n", "\r\n"),
    "sep= line": "sep=,\n" + PLAIN,
    "sep= line of a semicolon": '"sep=;"\r\n' + PLAIN.replace(",", ";"),
    "sep= line after a mark": ("sep=;\n" + PLAIN.replace(",", ";")).encode("utf-8-sig"),
    "a title": "https://www.example.org\n" + PLAIN,
    "a column more": PLAIN.replace(HEADER, HEADER + ",Trade Count").replace("1.5\n", "1.5,7\n"),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ.keys())
def test_unambiguous_files_are_read(tmp_path: Path, content: str | bytes) -> None:
    rows = read_bars(bars_file(tmp_path, content))
    assert rows.opened.tolist() == [START + i * MINUTE for i in range(3)]
    assert rows.values.tolist() == [[value] * 3 for value in (10.5, 11.5, 9.5, 10.25, 1.5)]


REFUSED = {
    "decimal commas": (PLAIN.replace(",", ";").replace(".", ","), "row 1 has the open '10,5': a decimal comma, so write it with a point, as 10.5"),
    "decimal commas and points": (
        PLAIN.replace(",", ";").replace("10.5;", "1.010,5;"), "row 1 has the open '1.010,5': a decimal comma, so write it with a point, as 1010.5",
    ),
    "commas between thousands": (PLAIN.replace("10.5", '"1,010.5"'), "row 1 has the open '1,010.5': write it without commas, as 1010.5"),
    "commas for both": (PLAIN.replace(".", ","), "has a line of 11 cells under a header of 6 (2024-01-01T00:00:00Z,10,5,11,5"),
    "a longer line": (PLAIN + ROWS[0] + ",7\n", "has a line of 7 cells under a header of 6 (2024-01-01T00:00:00Z,10.5,11.5,9.5"),
    "no header": ("\n".join(ROWS), "has no header, its first line holds data: put the names of its columns above it, such as ts,open"),
    "no header, in ms": ("1704067200000;1;1;1;1;1\n", "put the names of its columns above it, such as ts;open"),
    "other names": (
        PLAIN.replace(HEADER, "Date,Open,High,Low,Close,Volume"),
        "lacks ts: its columns are Date, open, high, low, close, volume; rename Date to ts where it is the bar's open or the event's time in UTC",
    ),
    "letters for names": (PLAIN.replace(HEADER, "t,o,h,l,c,volume"), "rename t to ts, o to open, h to high, l to low, c to close where"),
    "UTF-16": (PLAIN.encode("utf-16"), "is no UTF-8 text, it may be UTF-16: save it as CSV in UTF-8"),
    "packed": (gzip.compress(PLAIN.encode()), "is compressed with gzip and is no CSV: extract it"),
    "Latin 1": (PLAIN.replace("volume", "volume,größe").replace("1.5\n", "1.5,1\n").encode("latin-1"), "has names of columns that are no UTF-8"),
    "long names": ("\n".join([",".join("n" * 300 + str(i) for i in range(99)), ""]), "lacks ts, open"),
    "two names that differ in capitals": (PLAIN.replace(HEADER, "ts,Open,OPEN,low,close,volume"), "lacks open, high"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_ambiguous_files_are_refused_with_the_reason(tmp_path: Path, content: str | bytes, message: str) -> None:
    file = bars_file(tmp_path, content)
    with pytest.raises(BadRecording) as refused:
        read_bars(file)
    line = str(refused.value)
    assert message in line
    assert "\n" not in line
    assert len(line) < 600


def test_a_refusal_of_trades_names_the_columns_to_rename(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text("time,price,qty,side\n2024-01-01T00:00:00Z,1,1,buy\n")
    with pytest.raises(BadRecording, match=r"lacks ts, size: its columns are time, price, qty, side; rename time to ts, qty to size where it is"):
        read_trades(tmp_path / "trades.csv")
