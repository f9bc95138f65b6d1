"""What a recording holds is counted as a backtest counts it, and gaps are where bars are due and missing."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.__main__ import main
from engine.feeds._recording_survey import CELLS, NOTHING_DUE, _find_due, _measure_gaps, survey_recording
from engine.feeds.recorded import RecordedFeed

START, MINUTE = 1_704_067_200_000, 60_000  # ms


def write_bars(folder: Path, symbol: str, lines: list[str]) -> None:
    (folder / symbol).mkdir(parents=True)
    (folder / symbol / "bars.csv").write_text("\n".join(["ts,open,high,low,close,volume", *lines]) + "\n")


def bar(minute: int, low: float = 99.0) -> str:
    return f"{START + minute * MINUTE},100,103,{low},101,5"


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 300), min_size=2))
def test_gaps_are_the_runs_of_slots_without_a_bar(minutes: set[int]) -> None:
    opened = np.array(sorted(minutes), dtype=np.int64) * 60
    _, present = _find_due(opened, 60, None)
    expected = ["".join(" x"[minute in minutes] for minute in range(min(minutes), max(minutes) + 1)).split("x")][0]
    runs = [len(run) for run in expected if run]
    assert _measure_gaps(present) == (len(runs), sum(runs), max(runs, default=0))
    assert present.sum() == len(minutes)


def test_counts_are_those_of_a_backtest(tmp_path: Path) -> None:
    rows = [bar(minute) for minute in range(250) if minute not in {100, 101, 200}]
    write_bars(tmp_path, "AAA", [*rows[:50], rows[49], *rows[50:]])
    write_bars(tmp_path, "BBB", [*(bar(minute) for minute in range(120)), bar(120, low=102.0), *(bar(minute) for minute in range(121, 240))])
    (tmp_path / "AAA" / "trades.csv").write_text(f"ts,price,size,side\n{START},100,1,buy\n{START + 9 * MINUTE},100,2,sell\n")
    survey = survey_recording(tmp_path)
    counts = RecordedFeed(tmp_path).counts
    first, second = survey.symbols
    assert [file.kind for file in first.files] == ["bars", "trades"]
    bars = first.files[0]
    assert (bars.rows, bars.gaps, bars.missing, bars.longest_gap, bars.repeats) == (247, 2, 3, 2, counts[0].duplicate_bars) == (247, 2, 3, 2, 1)
    assert second.files[0].faulty == counts[1].faulty_bars == 1
    assert sum(file.rows + file.repeats + file.faulty for file in first.files) == counts[0].rows
    assert (survey.first, survey.last) == (START * 10**6, (START + 249 * MINUTE) * 10**6)
    trades = first.files[1].strip
    assert len(trades) == CELLS
    assert (trades[0], trades[-1], trades.count(100)) == (100, NOTHING_DUE, 2)
    assert any(0 <= value < 100 for value in bars.strip)


def test_nights_are_no_gaps_where_the_session_is_stated(tmp_path: Path) -> None:
    days = [bar(1_440 * day + 60 * 14 + minute) for day in range(3) for minute in range(60)]
    write_bars(tmp_path, "AAA", days)
    assert survey_recording(tmp_path).symbols[0].files[0].gaps == 2
    (tmp_path / "recording.toml").write_text('session = "14:00-15:00"\n')
    symbol = survey_recording(tmp_path).symbols[0]
    assert (symbol.files[0].gaps, symbol.session) == (0, "14:00-15:00")
    assert NOTHING_DUE in symbol.files[0].strip


def test_a_file_that_cannot_be_read_leaves_the_others_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bars(tmp_path, "AAA", [bar(0), bar(1)])
    write_bars(tmp_path, "BBB", ["no"])
    (tmp_path / "AAA" / "bars.csv.gz").write_bytes(b"x")
    survey = survey_recording(tmp_path)
    assert survey.symbols[0].files[0].error is None
    assert str(survey.symbols[1].files[0].error).startswith("BBB/bars.csv ")
    assert dict(survey.left_out) == {"AAA/bars.csv.gz": "it is compressed: extract it to bars.csv or bars.parquet"}
    assert main(["inspect", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  AAA/bars.csv: 2 bars, 2024-01-01 00:00:00 UTC to 2024-01-01 00:01:00 UTC"
    assert "BBB/bars.csv: cannot be read: " in lines[2]
    assert main(["inspect", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["symbols"][0]["symbol"] == "AAA"
    assert main(["inspect", str(tmp_path / "none")]) == 64


def test_a_few_long_bars_make_no_stripes(tmp_path: Path) -> None:
    write_bars(tmp_path, "AAA", [bar(1_440 * day) for day in range(30) if day not in {10, 11}])
    (strip,) = (symbol.files[0].strip for symbol in survey_recording(tmp_path).symbols)
    runs = [key for key, _ in groupby(strip)]
    assert runs == [100, 0, 100]
    assert strip.count(0) == pytest.approx(2 / 29 * CELLS, abs=1)
