"""Deleting temporary files: what is old, in Podium's own folder, and nothing else in the world."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.actions.delete_temp import ACTION, OLDEST, OLDEST_PARTIAL
from tests.actions.hostile import world
from tests.actions.makers import NOW, room

HOSTILE = (
    b"new\nline",
    b"..hidden",
    b"-rf",
    b"$(touch x)",
    b"`x`",
    b"*",
    b" ",
    b"a;b",
    b"\xff\xfe",
    "\u202ename".encode(),
    b"..\\..\\etc",
    b"con.tmp.part" * 18,
)


def aged(path: Path, seconds: float, size: int = 8_192) -> Path:
    """A file not written to for so long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    at = NOW / 1e9 - seconds
    os.utime(path, (at, at))
    return path


def test_old_files_go_recent_ones_stay_and_bytes_are_counted(tmp_path: Path) -> None:
    old, deep = aged(tmp_path / "tmp/old", OLDEST + 1), aged(tmp_path / "tmp/a/b/c/old", OLDEST * 100, size=100_000)
    recent = aged(tmp_path / "tmp/recent", OLDEST - 1)
    measured = ACTION.do(room(tmp_path))
    assert (old.exists(), deep.exists(), recent.exists()) == (False, False, True)
    assert measured.unit == "bytes"
    assert 8_192 + 100_000 <= measured.amount <= 8_192 + 100_000 + 2 * 4_096
    assert measured.detail.startswith("deleted 2 files, ")


def test_an_unfinished_write_goes_sooner_but_not_one_under_way(tmp_path: Path) -> None:
    left, under_way = aged(tmp_path / "tmp/left.part", OLDEST_PARTIAL + 1), aged(tmp_path / "tmp/now.tmp", OLDEST_PARTIAL - 1)
    ACTION.do(room(tmp_path))
    assert (left.exists(), under_way.exists()) == (False, True)


def test_nothing_outside_the_folder_is_touched_whatever_lies_in_it(tmp_path: Path) -> None:
    """The sentinel tree: files outside that links, hard links, and names in the folder lead to."""
    home, outside = tmp_path / "home", tmp_path / "outside"
    sentinels = [aged(outside / name, OLDEST * 10) for name in ("sentinel", "deep/sentinel", "x.part")]
    aged(home / "podium.db", OLDEST * 10)
    aged(home / "models/old.tmp", OLDEST * 10)
    temp = home / "tmp"
    temp.mkdir(parents=True)
    (temp / "link").symlink_to(sentinels[0])
    (temp / "folder").symlink_to(outside)
    (temp / "up").symlink_to("..")
    (temp / "loop").symlink_to(".")
    (temp / "dangling.tmp").symlink_to(tmp_path / "absent")
    os.mkfifo(temp / "pipe.tmp")
    for link in ("link", "folder", "up", "loop", "dangling.tmp"):
        os.utime(temp / link, (0, 0), follow_symlinks=False)
    for name in HOSTILE:
        aged(temp / os.fsdecode(name), OLDEST * 10)
    aged(temp / "sub" / os.fsdecode(HOSTILE[0]) / "..." / "old", OLDEST * 10)
    before = {path: entry for path, entry in world(tmp_path).items() if not path.startswith(str(temp))}
    measured = ACTION.do(room(home))
    after = {path: entry for path, entry in world(tmp_path).items() if not path.startswith(str(temp))}
    assert after == before
    assert measured.detail.startswith(f"deleted {len(HOSTILE) + 1} files"), measured.detail
    assert measured.detail.isprintable()
    left = {path for path, entry in world(temp).items() if stat.S_ISREG(entry[0])}
    assert not left
    assert (temp / "link").is_symlink()


def test_a_second_name_of_a_file_elsewhere_goes_but_no_bytes_are_claimed(tmp_path: Path) -> None:
    kept = aged(tmp_path / "outside", OLDEST * 2, size=1_000_000)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/name").hardlink_to(kept)
    measured = ACTION.do(room(tmp_path))
    assert kept.read_bytes() == b"x" * 1_000_000
    assert measured.amount == 0.0
    assert "1 file, 0 bytes" in measured.detail


def test_a_temporary_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    victim = aged(tmp_path / "outside/old", OLDEST * 2)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/tmp").symlink_to(tmp_path / "outside")
    with pytest.raises(ValueError, match="cannot be swept"):
        ACTION.do(room(tmp_path / "home"))
    assert victim.exists()


def test_a_temporary_folder_outside_home_is_refused(tmp_path: Path) -> None:
    victim = aged(tmp_path / "other/old", OLDEST * 2)
    with pytest.raises(ValueError, match="is not the temporary folder"):
        ACTION.do(replace(room(tmp_path / "home"), temp=tmp_path / "other"))
    assert victim.exists()


def test_a_dry_run_says_what_would_go_and_touches_nothing(tmp_path: Path) -> None:
    aged(tmp_path / "tmp/a/old", OLDEST * 2)
    before = world(tmp_path)
    measured = ACTION.do(room(tmp_path, dry_run=True))
    assert world(tmp_path) == before
    assert not measured.done
    assert measured.detail.startswith("dry run: would delete 1 file, 8,192 bytes")


@pytest.mark.parametrize("made", [False, True])
def test_with_nothing_to_delete_it_declines(tmp_path: Path, made: bool) -> None:
    if made:
        aged(tmp_path / "tmp/recent", 1.0)
    measured = ACTION.do(room(tmp_path))
    assert (measured.done, measured.amount) == (False, 0.0)
    assert measured.detail.startswith("nothing to delete; ")


def test_folders_too_deep_are_told_and_left(tmp_path: Path) -> None:
    deep = tmp_path / "tmp" / "/".join(["d"] * 40)
    old = aged(deep / "old", OLDEST * 2)
    aged(tmp_path / "tmp/old", OLDEST * 2)
    measured = ACTION.do(room(tmp_path))
    assert old.exists()
    assert "deleted 1 file," in measured.detail
    assert "32 folders deep" in measured.detail


def test_what_cannot_be_deleted_is_told_and_stops_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        home = Path(folder)
        aged(home / "tmp/locked/old", OLDEST * 2)
        free = aged(home / "tmp/z/old", OLDEST * 2)
        hidden = home / "tmp/hidden"
        hidden.mkdir()
        for path in (home, home / "tmp", free.parent):
            path.chmod(0o777)
        (home / "tmp/locked").chmod(0o555)
        hidden.chmod(0o000)
        with unprivileged():
            told = ACTION.do(room(home)).detail
        hidden.chmod(0o755)
        assert not free.exists()
        assert (home / "tmp/locked/old").exists()
    assert told.startswith("deleted 1 file,")
    assert "2 could not be: 'hidden': Permission denied, 'old': Permission denied" in told


@contextmanager
def unprivileged() -> Iterator[None]:
    """Where the test runs as root, as another user for a moment: root may read and delete everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)
