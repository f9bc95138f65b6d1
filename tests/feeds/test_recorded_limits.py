"""Limits of a recording: memory, links that lead out of it, names and numbers that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from engine.__main__ import main
from engine.feeds._recording_files import BadRecording, read_bars
from engine.feeds._recording_folder import require_memory
from engine.feeds.recorded import RecordedFeed
from tests.feeds.recordings import BAR, BOOK, MINUTE, SECOND, START, TRADE, bar, write

OPENS = [START + i * MINUTE for i in range(60)]


def repeated(folder: Path, rows: int) -> Path:
    """One bar, repeated: its file takes a few kB, whatever the rows."""
    names = BAR.split(",")[1:]
    file = folder / "A" / "bars.parquet"
    file.parent.mkdir()
    table = pa.table({"ts": np.full(rows, START), **{name: np.ones(rows) for name in names}})
    pyarrow.parquet.write_table(table, file)
    return file


def test_rows_are_counted_before_they_are_read_and_refused_where_memory_does_not_hold_them(tmp_path: Path) -> None:
    file = repeated(tmp_path, 100_000)
    assert file.stat().st_size < 20_000
    takes = 100_000 * 6 * 56
    require_memory([file], free=2.0 * takes)
    with pytest.raises(
        BadRecording, match=r"about [0-9.]+ MB .* half of the free memory: name fewer symbols or split it by time; .*\(100,000 rows\)"
    ):
        require_memory([file], free=2.0 * takes - 2)
    require_memory([file])
    other = write(tmp_path, "B", "bars", BAR, [bar(i) for i in range(1_000)])
    with pytest.raises(BadRecording, match=r"A/bars\.parquet"):
        require_memory([file, other], free=2.0 * takes)


def test_a_recording_beyond_the_memory_that_is_free_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = write(tmp_path, "A", "bars", BAR, [bar(0), bar(1)])
    os.truncate(file, 2 * 10**12)  # sparse: it takes no room
    with pytest.raises(BadRecording, match=r"takes about 16\.0 TB to read .* its largest file is .*A/bars\.csv \(2\.0 TB\)"):
        RecordedFeed(tmp_path)


def test_identical_repeats_are_dropped_without_looking_at_each(tmp_path: Path) -> None:
    rows = read_bars(repeated(tmp_path, 300_000))
    assert (len(rows.opened), rows.duplicates) == (1, 299_999)


def test_links_out_of_the_recording_are_not_followed(tmp_path: Path) -> None:
    recording, outside = tmp_path / "recording", tmp_path / "outside"
    write(recording, "A", "bars", BAR, [bar(0), bar(1)])
    write(outside, "B", "bars", BAR, [bar(0), bar(1)])
    (recording / "LINK").symlink_to(recording / "A")
    (tmp_path / "other name").symlink_to(recording)
    assert RecordedFeed(tmp_path / "other name").info.symbols == ("A", "LINK")
    (recording / "B").symlink_to(outside / "B")
    with pytest.raises(BadRecording, match="recording/B is a link that leads out of the recording and is not followed: copy what it leads to into"):
        RecordedFeed(recording)
    assert RecordedFeed(recording, symbols=("A",)).info.symbols == ("A",)
    (recording / "B").unlink()
    (recording / "C").mkdir()
    (recording / "C" / "bars.csv").symlink_to(outside / "B" / "bars.csv")
    with pytest.raises(BadRecording, match=r"recording/C/bars\.csv is a link that leads out"):
        RecordedFeed(recording)
    (recording / "C" / "bars.csv").unlink()
    (recording / "D").symlink_to(outside)
    (recording / "E").symlink_to("E")
    left_out = RecordedFeed(recording).left_out
    assert {left_out["D"], left_out["E"]} == {"a link that leads out of the recording: it is not followed"}
    (outside / "secret").write_text("password = 7")
    (recording / "recording.toml").symlink_to(outside / "secret")
    with pytest.raises(BadRecording, match=r"recording/recording\.toml is a link that leads out"):
        RecordedFeed(recording)


@pytest.mark.parametrize("name", [b"A\xff", b"A\nB", b"A\x1b[31m"])
def test_a_name_that_cannot_be_shown_is_refused_in_one_line(tmp_path: Path, name: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1)])
    os.rename(os.fsencode(tmp_path / "A"), os.fsencode(tmp_path) + b"/" + name)  # noqa: PTH104 - of bytes
    assert main(["backtest", str(tmp_path), "--json"]) == 64
    line = capfd.readouterr().err
    assert "cannot be shown as a name (not UTF-8, or with control characters): rename the folder" in line
    assert line.count("\n") == 1
    assert line.isascii()


FAR = {
    "prices too large": ("bars", BAR, [(at, 1e307, 1e307, 1e307, 1e307, 1) for at in OPENS], "row 1 has the open 1e+307, outside of 1e-15 to 1e+15"),
    "prices too small": ("bars", BAR, [(at, *[1e-300] * 4, 1) for at in OPENS], "row 1 has the open 1e-300, outside of 1e-15 to 1e+15"),
    "volumes": ("bars", BAR, [(at, 1, 1, 1, 1, 1.7e308) for at in OPENS], "row 1 has the volume 1.7e+308, outside of 1e-15 to 1e+20"),
    "sizes of trades": ("trades", TRADE, [(at, 1, 1.7e308, "buy") for at in OPENS], "row 1 has the size 1.7e+308"),
    "sizes of books": ("books", BOOK, [(at, 1, 1e300, 2, 1e300) for at in OPENS], "row 1 has the bid_sz_0 1e+300"),
    "prices of books": ("books", BOOK, [(at, 1e300, 1, 2e300, 1) for at in OPENS], "row 1 has the bid_px_0 1e+300"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "header", "rows", "message"), FAR.values(), ids=FAR.keys())
def test_numbers_near_the_end_of_what_a_double_holds_are_refused(
    tmp_path: Path, kind: str, header: str, rows: list[tuple[object, ...]], message: str
) -> None:
    write(tmp_path, "A", kind, header, rows)
    with pytest.raises(BadRecording) as refused:
        RecordedFeed(tmp_path)
    assert message in str(refused.value)


def test_one_number_beyond_reach_makes_one_row_faulty(tmp_path: Path) -> None:
    bars = [bar(i) for i in range(200)]
    bars[50] = (bars[50][0], 1e307, 1e307, 1e307, 1e307, 1)
    write(tmp_path, "A", "bars", BAR, bars)
    feed = RecordedFeed(tmp_path)
    assert feed.counts[0].faulty_bars == 1
    assert max(float(snapshot.close[0]) for snapshot in feed.slices(None) if snapshot.fresh[0]) == 10.0


def test_tiny_prices_are_read_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "PEPE", "bars", BAR, [(at, 1.2e-8, 1.3e-8, 1.1e-8, 1.2e-8, 4e14) for at in OPENS])
    assert next(RecordedFeed(tmp_path).slices(None)).close[0] == 1.2e-8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("multiplier = 1" + "0" * 400, "multiplier is 1000000000000000000000000000000000000000: make it a number above 0 and at most 1e+09"),
        ("tick = 1e308", "tick is 1e+308: make it a number of at least 0 and at most 1e+15"),
        ("fee_bps = 1e308", "fee_bps is 1e+308: make it a number of at least 0 and at most 10000"),
        ("multiplier = 1e9", "A: price x size reaches 1e+38, too large to calculate with: correct its multiplier in recording.toml"),
        ("tick = " + "[" * 5_000, "recording.toml cannot be read"),
        ("lot = " + "1" * 5_000, "recording.toml cannot be read"),
    ],
)
def test_numbers_of_recording_toml_beyond_reach_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "A", "bars", BAR, [(at, 1e9, 1e9, 1e9, 1e9, 1e20) for at in OPENS])
    (tmp_path / "recording.toml").write_text(text)
    with pytest.raises(BadRecording) as refused:
        RecordedFeed(tmp_path)
    assert message in str(refused.value)


def test_a_time_of_receipt_beyond_nanoseconds_is_refused(tmp_path: Path) -> None:
    times = {"ts": pa.array([START // 1_000], pa.timestamp("us")), "ts_recv": pa.array([2**60], pa.timestamp("us"))}
    (tmp_path / "A").mkdir()
    table = pa.table({**times, **{name: pa.array([float(i + 1)]) for i, name in enumerate(("bid_px_0", "bid_sz_0", "ask_px_0", "ask_sz_0"))}})
    pyarrow.parquet.write_table(table, tmp_path / "A" / "books.parquet")
    with pytest.raises(BadRecording, match=r"books\.parquet: ts_recv has a time beyond the reach of ns"):
        RecordedFeed(tmp_path, interval=60 * SECOND)


def test_the_name_of_a_file_that_is_left_out_can_be_shown(tmp_path: Path) -> None:
    write(tmp_path, "A", "bars", BAR, [bar(0), bar(1)])
    Path(os.fsdecode(os.fsencode(tmp_path / "A") + b"/b\xffrs\n.csv")).touch()
    name, reason = RecordedFeed(tmp_path).left_out.popitem()
    assert name == r"A/b\udcffrs\n.csv"
    assert reason.isprintable()
