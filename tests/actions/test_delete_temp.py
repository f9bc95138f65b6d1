"""Deleting temporary files: those that a killed process left in Podium's own folder, and no others."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.actions.delete_temp import ACTION
from engine.files import owned_folders, temporary_files
from engine.files.owned_folders import MARKER, MARKER_TEXT, TEMPORARY
from tests.actions.hostile import HOSTILE, aged, world
from tests.actions.makers import make_context

LEFT = "rows-0123456789abcdef"  # a name that Podium gives


def folder_in(home: Path) -> Path:
    """The marked folder for temporary files."""
    path = home / TEMPORARY.name
    owned_folders.claim_folder(path, TEMPORARY)
    return path


def left_in(home: Path, name: str = LEFT, size: int = 8_192) -> Path:
    """A file as a killed process leaves it: nobody has it locked."""
    path = folder_in(home) / name
    path.write_bytes(b"x" * size)
    return path


def test_files_and_folders_of_killed_processes_go_and_their_bytes_are_counted(tmp_path: Path) -> None:
    rows = left_in(tmp_path)
    drill = folder_in(tmp_path) / "drill-00000000000000aa"
    aged(drill / "logs/podium.log", b"x" * 100_000)
    measured = ACTION.run(make_context(tmp_path))
    assert (rows.exists(), drill.exists()) == (False, False)
    assert measured.unit == "bytes"
    assert 108_192 <= measured.amount <= 108_192 + 4 * 4_096
    assert measured.detail.startswith("deleted 2 left by killed processes, ")


def test_what_a_living_process_uses_stays_until_it_deletes_it(tmp_path: Path) -> None:
    rows, drill = temporary_files.create_file(str(tmp_path), "rows"), temporary_files.create_folder(str(tmp_path), "drill")
    measured = ACTION.run(make_context(tmp_path))
    assert (measured.done, rows.path.exists(), drill.path.exists()) == (False, True, True)
    assert "left alone: 2 in use" in measured.detail
    for item in (rows, drill, rows):
        item.delete()
    assert [path.name for path in folder_in(tmp_path).iterdir()] == [MARKER]


@pytest.mark.parametrize("name", ["tmp", TEMPORARY.name])
def test_the_files_of_another_program_stay_whatever_their_age(tmp_path: Path, name: str) -> None:
    """A home that is shared: `tmp` was Podium's before, and a folder that carries no marker is somebody's own."""
    foreign = [aged(tmp_path / name / other) for other in ("old", "old.part", "deep/old", LEFT)]
    (tmp_path / name / MARKER).unlink(missing_ok=True)
    try:
        ACTION.run(make_context(tmp_path))
    except ValueError as error:
        assert str(error).endswith(f"{TEMPORARY.name} was not made by Podium (it has no {MARKER} file): nothing in it is deleted")  # noqa: PT017
    assert all(path.exists() for path in foreign)


def test_in_its_own_folder_only_names_that_podium_gives_go(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    sentinels = [aged(outside / name) for name in ("sentinel", "deep/sentinel")]
    folder = folder_in(home)
    for number, target in enumerate((*sentinels, outside, Path(".."), tmp_path / "absent")):
        (folder / f"rows-000000000000000{number}").symlink_to(target)
    os.mkfifo(folder / "rows-00000000000000ff")
    (folder / "rows-00000000000000fe").hardlink_to(aged(outside / "linked"))
    for name in (*HOSTILE, b"rows-0123456789ABCDEF", b"rows-0123456789abcdef.part", b"rows-1", b"old.tmp"):
        aged(folder / os.fsdecode(name))
    inside = folder / "drill-00000000000000aa"
    inside.mkdir()
    (inside / "link").symlink_to(outside)
    (inside / "linked").hardlink_to(outside / "linked")
    left_in(home)
    before = world(tmp_path)
    measured = ACTION.run(make_context(home))
    after = world(tmp_path)
    deleted = {Path(path).relative_to(folder).as_posix() for path in set(before) - set(after)}
    assert deleted == {LEFT, "drill-00000000000000aa", "drill-00000000000000aa/link", "drill-00000000000000aa/linked"}
    assert {path: entry[2] for path, entry in before.items() if path in after} == {path: entry[2] for path, entry in after.items()}
    assert measured.detail.startswith("deleted 2 left by killed processes, ")
    assert measured.detail.isprintable()


@pytest.mark.parametrize(
    "make", [lambda marker: marker.symlink_to("real"), lambda marker: marker.mkdir(), lambda marker: marker.write_bytes(b"mine")]
)
def test_a_marker_that_is_none_marks_nothing(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / TEMPORARY.name
    folder.mkdir()
    (folder / "real").write_bytes(MARKER_TEXT)
    (folder / LEFT).write_bytes(b"mine")
    make(folder / MARKER)
    with pytest.raises(ValueError, match="was not made by Podium"):
        ACTION.run(make_context(tmp_path))
    assert (folder / LEFT).read_bytes() == b"mine"


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    victim = left_in(tmp_path / "outside")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / TEMPORARY.name).symlink_to(victim.parent)
    with pytest.raises(OSError, match="cannot be read"):
        ACTION.run(make_context(tmp_path / "home"))
    assert victim.exists()


def test_a_temporary_folder_outside_home_is_refused(tmp_path: Path) -> None:
    victim = left_in(tmp_path / "other")
    with pytest.raises(ValueError, match="is not the temporary folder"):
        ACTION.run(replace(make_context(tmp_path / "home"), temp=victim.parent))
    assert victim.exists()


def test_a_dry_run_says_what_would_go_and_touches_nothing(tmp_path: Path) -> None:
    left_in(tmp_path)
    before = world(tmp_path)
    measured = ACTION.run(make_context(tmp_path, dry_run=True))
    assert world(tmp_path) == before
    assert not measured.done
    assert measured.detail.startswith("dry run: would delete 1 left by killed processes, 8.2 kB")


@pytest.mark.parametrize("made", [False, True])
def test_with_nothing_to_delete_it_declines(tmp_path: Path, made: bool) -> None:
    if made:
        folder_in(tmp_path)
    measured = ACTION.run(make_context(tmp_path))
    assert (measured.done, measured.amount) == (False, 0.0)
    assert measured.detail.startswith("nothing to delete: ")


def test_folders_too_deep_are_named_and_left(tmp_path: Path) -> None:
    deep = folder_in(tmp_path) / "drill-00000000000000aa" / "/".join(["d"] * 40)
    protected = aged(deep / "old")
    left_in(tmp_path)
    measured = ACTION.run(make_context(tmp_path))
    assert protected.exists()
    assert "deleted 1 left" in measured.detail
    assert "1 failed: drill-00000000000000aa: too deep" in measured.detail


def test_what_cannot_be_deleted_is_named_and_stops_nothing() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own is closed to other users
        home = Path(name)
        free, locked = left_in(home), folder_in(home) / "drill-00000000000000aa"
        aged(locked / "old")
        for path in (home, folder_in(home)):
            path.chmod(0o777)
        for path in (free, folder_in(home) / MARKER):
            path.chmod(0o666)
        locked.chmod(0o555)
        with unprivileged():
            detail = ACTION.run(make_context(home)).detail
        assert (free.exists(), (locked / "old").exists()) == (False, True)
    assert detail.startswith("deleted 1 left by killed processes,")
    assert "1 failed: drill-00000000000000aa: Permission denied" in detail


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
