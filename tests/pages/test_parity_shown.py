"""The page Backtests shows whether recorded sessions are the same when they are decided again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.store.parity_file import PARITY_FILE, StoredParity, read_parity, save_parity
from pages.ui import jobs
from tests.pages.hostile import hostile
from tests.pages.stores import store
from tests.pages.test_data import press, wait_for
from tests.pages.test_pages import run, text
from tests.test_parity import BARS, decide

AT = 1_767_225_600 * 10**9


def remember(folder: Path, **facts: str) -> None:
    with closing(sqlite3.connect(folder / "podium.db")) as connection, connection:
        for number, path in facts.items():
            connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (f"recording of session {number.strip('s')}", path))


def test_results_survive_each_other_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "backtests"
    assert read_parity(folder) == {}
    first, second = StoredParity(1, AT, 40), StoredParity(2, AT + 1, 7, first_tick=3, difference="volume of AAA", unrecorded_ticks=2)
    save_parity(folder, first)
    save_parity(folder, second)
    assert read_parity(folder) == {1: first, 2: second}
    save_parity(folder, StoredParity(1, AT + 2, error="no"))
    assert read_parity(folder)[1].error == "no"
    assert sorted(path.name for path in folder.iterdir()) == [".podium", PARITY_FILE]
    for damaged in (b"", b"{", b'{"a": 1}', b"[1, {}]", b'[{"session": "x"}]'):
        (folder / PARITY_FILE).write_bytes(damaged)
        assert read_parity(folder) == {}


def test_the_page_shows_the_result_of_each_recorded_session(full_store: str, tmp_path: Path) -> None:
    with store("full", full_store, tmp_path) as url:
        assert "Recorded sessions" not in text(run("07_backtests.py", url))
        remember(tmp_path, s1="/data/r", s2=f"/data/{hostile()}", s7="/data/x", s9="/data/y")
        for result in (
            StoredParity(1, AT, 1_240, late_trades=3, restarts=1, unrecorded_ticks=5),
            StoredParity(2, AT, 40, first_tick=12, difference=f"volume of {hostile()}: 1.0 then, 2.0 now"),
            StoredParity(7, AT, error="the recording has a gap"),
        ):
            save_parity(tmp_path / "backtests", result)
        app = run("07_backtests.py", url)
    shown = text(app)
    assert not app.exception
    assert "identical, 1,240 ticks; 5 ticks not recorded" in shown
    assert "tick 12 differs first, in volume of" in shown
    assert "not compared: the recording has a gap" in shown
    assert "not compared yet" in shown
    assert "<img" not in shown
    assert "<script" not in shown
    assert [str(box.value) for box in app.selectbox if box.label == "Session"] == ["9"]


def test_the_button_decides_a_session_again_and_the_result_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs.get_jobs.cache_clear()
    url = decide(tmp_path, BARS)
    assert main(["parity", "--store", url]) == 0
    assert "identical, 40 ticks" in capsys.readouterr().out
    stored = read_parity(tmp_path / "backtests")[1]
    assert (stored.ticks, stored.difference, stored.error) == (40, None, None)
    (tmp_path / "backtests" / PARITY_FILE).unlink()
    press(run("07_backtests.py", url), "Decide again")
    wait_for(lambda: jobs.get_jobs().running_key("parity") is None)
    assert read_parity(tmp_path / "backtests")[1].ticks == 40
    assert "<b>Done.</b><span>session 1: identical, 40 ticks" in text(run("07_backtests.py", url))


def test_a_recording_that_is_not_there_is_said_and_stored(tmp_path: Path) -> None:
    url = decide(tmp_path, BARS[:5])
    remember(tmp_path, s1=str(tmp_path / "nowhere"))
    assert main(["parity", "--store", url]) == 64
    assert "there is no recorded session at" in str(read_parity(tmp_path / "backtests")[1].error)
