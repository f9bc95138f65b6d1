"""audit verify, and the exports of the command line in the trail."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from engine.__main__ import main
from engine.store.read.reader import Reader
from tests.store import made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("whole"), ticks=40)


@pytest.fixture
def url(whole: str, tmp_path: Path) -> str:
    with closing(sqlite3.connect(whole.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(tmp_path / "podium.db")) as copy:
        source.backup(copy)
    return f"sqlite:///{tmp_path / 'podium.db'}"


def verify(url: str, *flags: str) -> int:
    return main(["audit", "verify", "--store", url, *flags])


def test_a_sound_trail_is_exit_0_with_its_head(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(url) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("sound: rows 1 to ")
    assert verify(url, "--head", line.rpartition(" ")[2]) == 0


def test_a_changed_row_is_exit_1_and_named(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store, store:
        store.execute("DROP TRIGGER audit_unchanged")
        store.execute("UPDATE audit SET who = 'eve' WHERE id = 2")
    assert verify(url) == 1
    assert capsys.readouterr().out == "row 2 is changed: its digest is not that of the row and the one before\n"


@pytest.mark.parametrize(
    ("flags", "words"),
    [(("--head", "12"), "is not the head of an audit trail"), (("--head", ""), "is not the head"), (("again",), "unrecognized")],
)
def test_a_wrong_use_is_one_line(url: str, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], words: str) -> None:
    assert verify(url, *flags) == 64
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def exports(url: str) -> list[tuple[str, str, dict[str, object]]]:
    frame = Reader(url).view("audit")
    return [(str(row.subject), str(row.origin), orjson.loads(str(row.after))) for row in frame[frame["kind"] == "export"].itertuples()]


def test_every_export_is_entered_with_what_was_taken(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for line in (
        f"export decisions --symbol ETH --limit 5 --out {out}/a.csv", f"export fills --address q=buy --out {out}/b.parquet", f"backup {out}/c.db",
    ):  # fmt: skip
        main([*line.split(), "--store", url])
    capsys.readouterr()
    entered = exports(url)
    assert [(subject, origin) for subject, origin, _ in entered] == [(name, "command line") for name in ("decisions", "fills", "backup")]
    assert entered[0][2] == {"format": "csv", "limit": 5, "rows": 5, "symbol": "ETH"}
    assert entered[1][2]["address"] == "q=buy"
    assert verify(url) == 0


def test_what_is_not_written_is_not_entered_as_an_export(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "nosuch", "--store", url]) == 64
    assert exports(url) == []


@pytest.fixture
def full(url: str) -> str:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as store, store:
        store.execute("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END")
    return url


def test_a_person_at_the_terminal_has_the_export_with_a_notice_where_the_trail_cannot_be_written(
    full: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "equity", "--limit", "1", "--store", full]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("tick,at,equity")
    assert "this export is not in the audit trail" in captured.err


def test_an_export_for_the_dashboard_is_refused_there(full: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "equity", "--limit", "1", "--store", full, "--by", "ann", "--origin", "dashboard"]) == 64
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "nothing was exported" in captured.err
