"""Podium's folders in a home: created and marked, adopted from 0.3, refused where they belong to another program, closed to other users."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.cli import doctor
from engine.cli._arguments import open_output
from engine.cli.backtest import _counted
from engine.files import owned_folders, temporary_files
from engine.files.owned_folders import BACKTESTS, FOLDERS, LOGS, MARKER, TEMPORARY, FolderTaken
from engine.service.logging import LOG, close_log, open_log
from engine.settings import Settings, SettingsError
from engine.store import backtest_files
from engine.store.backtest_files import BacktestNotFound, StoredBacktest
from engine.store.connection import Store
from engine.store.database import prepare, url_from_path
from engine.store.trial_ledger import TrialLedger
from tests import economy
from tests.actions.engines import desk
from tests.actions.hostile import world

KILLED = (
    "import os, signal, sys; from engine.files import temporary_files; "
    "f = temporary_files.create_file(sys.argv[1], 'rows'); f.path.write_bytes(b'x' * 9000)"
)
ROOT = Path(__file__).resolve().parents[2]
OF_03 = ("logs/podium.log", "logs/podium.log.1", "logs/podium-17-4.log.zst", "backtests/trials.jsonl", "backtests/20260101-000000-7.json")


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def stored(number: int) -> StoredBacktest:
    return StoredBacktest(f"20260101-000000-{number}", "ada", "to see", 1, 2, {"market": "simulated"}, {"decisions": 1})


def test_a_home_is_made_and_each_folder_marked(tmp_path: Path) -> None:
    owned_folders.claim_folders(tmp_path / "home")
    owned_folders.claim_folders(tmp_path / "home")
    assert [(tmp_path / "home" / folder.name / MARKER).is_file() for folder in FOLDERS] == [True] * 3


def test_a_home_of_03_is_taken_over(tmp_path: Path) -> None:
    before = [written(tmp_path / name) for name in OF_03]
    owned_folders.claim_folders(tmp_path)
    assert all(path.exists() for path in before)
    assert all(owned_folders.is_marked(tmp_path / folder.name) for folder in FOLDERS)


@pytest.mark.parametrize("name", ["logs/nginx.log", "logs/podium.log.1.gz", "backtests/mine.json", "backtests/sub/x", f"{TEMPORARY.name}/old"])
def test_a_home_with_another_programs_files_in_these_folders_is_refused_and_nothing_changed(tmp_path: Path, name: str) -> None:
    written(tmp_path / name)
    before = world(tmp_path)
    with pytest.raises(
        SettingsError, match=r"holds files of another program \('.*'\): move them, or set PODIUM_HOME to a folder of its own"
    ) as caught:
        open_log(tmp_path)
    assert str(caught.value).isprintable()
    assert world(tmp_path) == before


def test_what_another_program_adds_later_stops_nothing_and_stays(tmp_path: Path) -> None:
    owned_folders.claim_folders(tmp_path)
    foreign = [written(tmp_path / name) for name in ("logs/nginx.log", "backtests/mine.draft", "backtests/.mine.out", "backtests/mine.damaged")]
    for path in foreign:
        os.utime(path, (1, 1))
    folder = tmp_path / BACKTESTS.name
    for number in range(10):
        backtest_files.save_backtest(folder, stored(number))
        backtest_files.quarantine_backtest(folder, stored(number).name, 5)
    backtest_files.remove_drafts(folder, 2**62)
    owned_folders.claim_folders(tmp_path)
    assert all(path.exists() for path in foreign)
    assert len(list(folder.glob("2026*.damaged"))) == 5


def test_no_link_in_the_folder_of_backtests_is_followed(tmp_path: Path) -> None:
    outside, folder = written(tmp_path / "outside"), tmp_path / "home" / BACKTESTS.name
    owned_folders.claim_folder(folder, BACKTESTS)
    for name in ("20260101-000000-7.draft", ".20260101-000000-8.out", "20260101-000000-9.json"):
        (folder / name).symlink_to(outside)
    (folder / "20260101-000000-6.draft").symlink_to(tmp_path / "absent")
    backtest_files.save_backtest(folder, stored(7))
    backtest_files.remove_drafts(folder, 2**62)
    assert outside.read_bytes() == b"x"
    assert backtest_files.list_backtests(folder) == ("20260101-000000-7",)


def test_nothing_is_moved_or_deleted_in_a_folder_without_a_marker(tmp_path: Path) -> None:
    folder = tmp_path / BACKTESTS.name
    foreign = [written(folder / name) for name in ("20260101-000000-7.json", "20260101-000000-8.draft", "notes")]
    before = world(tmp_path)
    backtest_files.remove_drafts(folder, 2**62)
    with pytest.raises(BacktestNotFound, match="was not made by Podium"):
        backtest_files.delete_backtest(folder, stored(7).name)
    with pytest.raises(BacktestNotFound, match="was not made by Podium"):
        backtest_files.quarantine_backtest(folder, stored(7).name, 0)
    with pytest.raises(FolderTaken):
        backtest_files.save_backtest(folder, stored(9))
    assert _counted(TrialLedger(folder))("a", "1", 0.1) == ()
    assert world(tmp_path) == before
    assert all(path.exists() for path in foreign)


@contextmanager
def open_umask() -> Iterator[None]:
    """New files are open to everybody who asks for no more."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def test_everything_in_a_home_is_closed_to_other_users(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    with economy.as_shipped(), open_umask():
        log = open_log(home)
        LOG.info("a line")
        log.doRollover()
        LOG.info("another")
        url = url_from_path(home / "podium.db")
        prepare(url)
        store = Store(url, None)
        with store.write() as connection:
            connection.exec_driver_sql("INSERT INTO meta VALUES ('a', 'b')")
        backtest_files.save_backtest(home / BACKTESTS.name, stored(1))
        TrialLedger(home / BACKTESTS.name).record("a", "1", 0.1)
        items = (temporary_files.create_file(str(home), "rows"), temporary_files.create_folder(str(home), "drill"))
        modes = {path: path.stat().st_mode for path in (home.parent, home, *home.rglob("*"))}
    for item in items:
        item.delete()
    store.close()
    close_log(log)
    assert {path.name for path in modes} >= {"podium.db", "podium.db-wal", "podium.db-shm", "podium.db.setup", "podium.log", "podium.log.1"}
    assert {path.name: oct(mode) for path, mode in modes.items() if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)} == {}


def test_rows_of_killed_engines_go_at_the_next_start(tmp_path: Path) -> None:
    owned_folders.claim_folders(tmp_path)
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", f"{KILLED}; os.kill(os.getpid(), signal.SIGKILL)", str(tmp_path)], check=False)
        assert killed.returncode == -signal.SIGKILL
    foreign = written(tmp_path / TEMPORARY.name / "old")
    used = temporary_files.create_file(str(tmp_path), "rows")
    assert len(list((tmp_path / TEMPORARY.name).glob("rows-*"))) == 3
    with desk(tmp_path):
        assert list((tmp_path / TEMPORARY.name).glob("rows-*")) == [used.path]
    used.delete()
    assert foreign.exists()


def test_every_kind_of_temporary_item_is_known_to_the_sweep() -> None:
    sources = [path.read_text(encoding="utf-8") for folder in ("engine", "pages") for path in (ROOT / folder).rglob("*.py")]
    kinds = {kind for source in sources for kind in re.findall(r'temporary_files\.create_\w+\([^"]*(?:"")?[^"]*"(\w+)"\)', source)}
    assert kinds >= {"drill", "report", "export", "bundle"}
    assert [kind for kind in kinds if TEMPORARY.files.fullmatch(f"{kind}-0123456789abcdef") is None] == []


def test_rows_of_killed_backtests_go_at_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_HOME", str(tmp_path))
    owned_folders.claim_folders(tmp_path)
    left = written(tmp_path / TEMPORARY.name / "rows-0123456789abcdef")
    assert main(["backtest", "simulated", "--bars", "3", "--symbol-count", "1", "--no-training", "--json"]) == 0
    assert not left.exists()


def test_where_the_home_cannot_be_written_rows_go_to_a_folder_of_this_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written(tmp_path / "home")
    rows = temporary_files.create_file(str(tmp_path / "home"), "rows")
    assert rows.path.parent == tmp_path / f"podium-{os.getuid()}"
    assert owned_folders.is_marked(rows.path.parent)
    rows.delete()


def test_a_folder_of_another_user_in_the_systems_temporary_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"podium-{os.getuid()}").symlink_to("theirs")
    with pytest.raises(FolderTaken, match="belongs to another user: set TMPDIR to another folder"):
        temporary_files.create_file("", "rows")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_the_log_is_the_only_folder_that_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "home" / LOGS.name).symlink_to(tmp_path / "disk")
    close_log(open_log(tmp_path / "home"))
    assert owned_folders.is_marked(tmp_path / "disk")


def test_doctor_names_another_programs_files_and_what_others_can_read(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path), database_url=url_from_path(tmp_path / "podium.db"))
    close_log(open_log(tmp_path))
    assert doctor._home(tmp_path) == ("ok", f"data folder {tmp_path}")
    assert list(doctor._open_to_others(settings)) == []
    (tmp_path / LOGS.name / "podium.log").chmod(0o644)
    ((level, sentence),) = doctor._open_to_others(settings)
    assert (level, sentence.endswith(f"chmod 600 {tmp_path}/logs/podium.log*")) == ("note", True)
    (tmp_path / LOGS.name / MARKER).unlink()
    written(tmp_path / LOGS.name / "nginx.log")
    level, sentence = doctor._home(tmp_path)
    assert (level, "holds files of another program ('nginx.log')" in sentence) == ("wrong", True)


def test_an_export_writes_over_no_file_but_the_one_that_is_meant(tmp_path: Path) -> None:
    out, foreign = tmp_path / "x.csv", written(tmp_path / ".x.csv.draft")
    with open_umask(), open_output(out) as draft:
        assert draft is not None
        draft.write_text("a", encoding="utf-8")
    assert (out.read_text(encoding="utf-8"), foreign.read_bytes()) == ("a", b"x")
    assert stat.S_IMODE(out.stat().st_mode) == 0o666, "an export follows the user's umask"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".x.csv.draft", "x.csv"]
