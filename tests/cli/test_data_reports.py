"""What a backtest says of its recording: on stderr in a line, in its JSON by symbol, and exit 64 where it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.__main__ import main
from tests.feeds.recordings import BAR, MINUTE, START, TRADE, bar, write


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tmp_path / "recording"


def backtest(capsys: pytest.CaptureFixture[str], recording: Path, *words: str) -> tuple[dict[str, Any], list[str]]:
    """The JSON, and the lines on stderr."""
    assert main(["backtest", str(recording), "--no-training", "--json", *words]) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out), printed.err.splitlines()


def test_rows_and_files_that_were_left_out_are_in_the_json_and_in_one_line(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [bar(0), bar(0), bar(1, volume=0), (START + 2 * MINUTE, "nan", 1, 1, 1, 1), *(bar(i) for i in range(3, 103))]
    write(recording, "A", "bars", BAR, rows)
    write(recording, "A", "trades", TRADE, [(START + at, 10, 1, side) for at, side in ((1, "b"), (2, "S"), (3, ""))])
    write(recording, "B", "Bars", BAR, rows)
    report, lines = backtest(capsys, recording, "--to", "2024-01-01T00:03:00Z")
    counted = report["data"]["A"]
    contract = ("rows", "bars", "duplicates", "faulty", "without_volume", "signed_trades")
    assert [counted[name] for name in contract] == [107, 102, 1, 1, 1, 2]
    assert report["left_out"] == {"B": "Bars.csv: rename it to bars.csv"}
    assert lines == [
        "podium: of 107 rows, 1 duplicate row dropped; 1 faulty row left out; 1 bar without volume, on which nothing is opened; "
        "1 trade of unknown side; not read: B (Bars.csv: rename it to bars.csv)"
    ]


def test_a_recording_that_was_read_whole_says_nothing(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recording, "A", "bars", BAR, [bar(i) for i in range(3)])
    report, lines = backtest(capsys, recording)
    assert (report["data"]["A"]["rows"], report["left_out"], lines) == (3, {}, [])


def test_counts_over_several_symbols_say_whose_they_are(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recording, "A", "bars", BAR, [bar(0), bar(0), bar(1)])
    write(recording, "B", "bars", BAR, [bar(0), bar(0), bar(0), bar(1)])
    assert backtest(capsys, recording)[1] == ["podium: of 7 rows, 3 duplicate rows dropped (B 2, A 1)"]


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        ("nan", "the volume of A is unknown: volume features are blank, impact is that of an order of a whole bar's volume, and no order fills"),
        ("0", "the volume of A is 0 in every bar, so nothing can be traded"),
    ],
)
def test_a_volume_that_is_not_there_is_stated_once_with_what_follows(
    recording: Path, capsys: pytest.CaptureFixture[str], volume: str, words: str
) -> None:
    write(recording, "A", "bars", BAR, [(*bar(i)[:5], volume) for i in range(3)])
    report, lines = backtest(capsys, recording)
    assert (report["data"]["A"]["bars"], report["data"]["A"]["without_volume"]) == (3, 3)
    assert len(lines) == 1
    assert words in lines[0]


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (BAR, [bar(0), bar(1, -30.0)], "has negative prices in 1 of its 2 rows"),
        (BAR, [bar(0), (START + MINUTE, 0, 0, 0, 0, 1)], "has 1 faulty row of 2, more than 1 %"),
        (f"{BAR},symbol", [(*bar(0), "A"), (*bar(0), "B")], "holds 2 symbols in its column symbol"),
        (f"{BAR},volume", [(*bar(0), 1)], "has the column volume twice"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exit_64(
    recording: Path, capsys: pytest.CaptureFixture[str], header: str, rows: list[tuple[object, ...]], words: str
) -> None:
    write(recording, "A", "bars", header, rows)
    assert main(["backtest", str(recording), "--json"]) == 64
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"podium: {recording}/A/bars.csv {words}")


def test_a_table_of_no_symbol_is_one_line_and_exit_64(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recording, "A", "bars", BAR, [bar(0), bar(1)])
    (recording / "recording.toml").write_text("[symbols.B]\nlot = 1\n")
    assert main(["backtest", str(recording), "--json"]) == 64
    assert "[symbols.B] is of no symbol of this recording: there are A" in capsys.readouterr().err


def test_a_mark_of_byte_order_in_podium_toml_is_no_part_of_it(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recording, "A", "bars", BAR, [bar(i) for i in range(4)])
    Path("podium.toml").write_bytes(b'\xef\xbb\xbfinterval = "2m"\n')
    assert backtest(capsys, recording)[0]["ticks"] == 2


def test_the_simulated_market_has_no_files_to_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", "simulated", "--bars", "1", "--symbol-count", "1", "--no-training", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["data"], report["left_out"]) == ({}, {})


def test_the_engine_without_a_dashboard_says_it_too(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(recording, "A", "bars", BAR, [bar(0), bar(0), bar(1)])
    assert main(["run", "--path", str(recording), "--ticks", "1"]) == 0
    assert "podium: of 3 rows, 1 duplicate row dropped" in capsys.readouterr().err.splitlines()
