"""A backup is whole, equal to one moment of the store, the owner's alone, and takes the place of nothing; where it fails it leaves nothing."""

from __future__ import annotations

import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.store import backup
from engine.store.database import path_from_url
from engine.store.errors import StoreError
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.store import made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made.filled(tmp_path_factory.mktemp("source"), 30)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For copies; whatever a test does, no half file is left in it."""
    copies = tmp_path / "copies"
    copies.mkdir()
    yield copies
    assert not [path.name for path in copies.iterdir() if path.name.startswith(".")]


def test_a_copy_is_taken_while_the_store_is_written_to_and_holds_what_was_committed(tmp_path: Path, folder: Path) -> None:
    url = made.empty(tmp_path / "store")
    writer, market = Writer(url), made.Market()
    made.begin(writer, market)
    ticks = list(market.ticks(4))
    for tick in ticks[:3]:
        writer.save(tick)
    with writer.write() as connection:  # in the middle of a transaction of the engine's
        connection.exec_driver_sql("DELETE FROM fills")
        connection.exec_driver_sql("UPDATE ticks SET digest = 'half'")
        copied = backup.back_up_store(url, folder / "copy.db")
    writer.save(ticks[3])
    writer.close()
    history = TickHistory(f"sqlite:///{folder}/copy.db")
    assert [tick.decisions_digest for tick in history.ticks(0, 9)] == [tick.decisions_digest for tick in ticks[:3]]
    history.close()
    assert (copied.tables > 20, copied.rows > 12, copied.bytes) == (True, True, (folder / "copy.db").stat().st_size)
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o600


def test_no_file_is_overwritten(source: str, folder: Path) -> None:
    (folder / "there").write_text("mine", encoding="utf-8")
    (folder / "nowhere").symlink_to(folder / "gone")
    for name in ("there", "nowhere"):
        with pytest.raises(StoreError, match="is there already"):
            backup.back_up_store(source, folder / name)
    with pytest.raises(StoreError, match="is there already"):
        backup.back_up_store(source, path_from_url(source))
    assert (folder / "there").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_is_one_line_and_leaves_no_half_file(source: str, folder: Path) -> None:
    free = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, free[1]))
    try:
        with pytest.raises(StoreError, match=r"does not fit: the copy of .* takes [\d,]+ bytes") as caught:
            backup.back_up_store(source, folder / "copy.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, free)
    assert "\n" not in str(caught.value)
    assert not list(folder.iterdir())


def test_a_damaged_store_is_said_to_be_that_and_gives_no_copy(source: str, tmp_path: Path, folder: Path) -> None:
    backup.back_up_store(source, tmp_path / "hurt.db")
    with (tmp_path / "hurt.db").open("r+b") as file:
        file.seek(4096 * 40)
        file.write(b"\xff" * 4096 * 6)
    with pytest.raises(StoreError, match="damaged"):
        backup.back_up_store(f"sqlite:///{tmp_path}/hurt.db", folder / "copy.db")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"no store" * 1000, None])
def test_what_is_no_store_gives_no_copy(tmp_path: Path, folder: Path, content: bytes | None) -> None:
    path = tmp_path / "other.db"
    if content is None:
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE mine (a)")
    else:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="not a Podium store"):
        backup.back_up_store(f"sqlite:///{path}", folder / "copy.db")


def test_a_copy_that_differs_in_one_value_is_found_out(source: str, tmp_path: Path) -> None:
    backup.back_up_store(source, tmp_path / "copy.db")
    with closing(sqlite3.connect(path_from_url(source))) as whole:
        assert backup._verify(whole, tmp_path / "copy.db", path_from_url(source)).rows > 0
        with closing(sqlite3.connect(tmp_path / "copy.db")) as copied, copied:
            copied.execute("UPDATE ticks SET equity = equity + 1e-9 WHERE tick = 7")
        with pytest.raises(StoreError, match=r"differs from the store .* in the table ticks"):
            backup._verify(whole, tmp_path / "copy.db", path_from_url(source))
