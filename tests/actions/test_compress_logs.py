"""Compressing logs: rotated files, completely or not at all, on a disk that may be full."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from engine.actions.compress_logs import ACTION, IDLE_SECONDS
from engine.actions.delete_temp import ACTION as DELETE_TEMP
from engine.files.owned_folders import TEMPORARY
from engine.service.clock import WallClock
from engine.service.logging import LOG, close_log, open_log
from tests.actions.hostile import OLD, PLAIN, aged, rotated, world
from tests.actions.makers import NOW, make_context

LIMITED = """
import resource, signal, sys
from pathlib import Path
from engine.actions.compress_logs import ACTION
from tests.actions.makers import make_context
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
try:
    print(ACTION.run(make_context(Path(sys.argv[1]))))
except OSError as error:
    print("failed:", error)
"""
FULL = """
mount -t tmpfs -o size=2m none "$1" && cp -r --preserve=timestamps "$2" "$1/logs" || exit 77
dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null
"$3" -c 'import sys
from pathlib import Path
from engine.actions.compress_logs import ACTION
from tests.actions.makers import make_context
try:
    print(ACTION.run(make_context(Path(sys.argv[1]))))
except OSError as error:
    print("failed:", error)' "$1"
ls "$1/logs"; cat "$1"/logs/*.log | cksum
"""


def unpacked(path: Path) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(path.read_bytes()) as reader:
        return reader.read()


def test_a_log_that_has_grown_for_real_shrinks_and_no_byte_is_lost(tmp_path: Path) -> None:
    """16 MB through the engine's own log: its rotation puts files away, which are compressed while the log goes on."""
    handler = open_log(tmp_path)
    try:
        for number in range(16_000):
            LOG.info("tick %s was decided and kept, %s", number, "as it should be, " * 55)
        handler.flush()
        logs = tmp_path / "logs"
        away = sorted(logs.glob("podium.log.*"))
        assert len(away) == 3
        content = {path.name: path.read_bytes() for path in away}
        before = sum(path.stat().st_size for path in logs.iterdir())
        assert not ACTION.run(make_context(tmp_path, now=WallClock().now())).done  # just written
        measured = ACTION.run(make_context(tmp_path, now=WallClock().now() + int((IDLE_SECONDS + 1) * 1e9)))
        assert measured.detail.startswith("compressed 3 log files, ")
        after = sum(path.stat().st_size for path in logs.iterdir())
        assert measured.amount == pytest.approx(before - after, abs=3 * 8_192)
        assert after < before - 13_000_000
        assert sorted(unpacked(path) for path in logs.glob("*.zst")) == sorted(content.values())
        LOG.info("and it goes on")
        handler.doRollover()
        assert b"and it goes on" in (logs / "podium.log.1").read_bytes()
    finally:
        close_log(handler)
        logging.getLogger("podium").setLevel(logging.NOTSET)


def test_the_log_being_written_small_ones_and_names_of_others_are_left(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    for name in ("podium.log", "podium.log.1.gz", "podium.log.old", "podium.log.9999", "other.log.1", "podium-1-1.log.zst"):
        aged(logs / name)
    aged(logs / "podium.log.1", b"short")
    aged(logs / "podium.log.2", at=NOW / 1e9 - IDLE_SECONDS + 1)
    aged(logs / "inner/podium.log.3")
    before = world(tmp_path)
    measured = ACTION.run(make_context(tmp_path))
    assert measured.detail == "nothing to compress: there is no rotated log file"
    assert world(tmp_path) == before


def test_what_a_kill_left_is_finished_by_the_next_run(tmp_path: Path) -> None:
    """Taken out of the rotation and half-written: the original is still there."""
    aged(tmp_path / "logs/podium-5-6.log", PLAIN + b"the end")
    aged(tmp_path / "logs/podium-5-6.log.zst.part", b"half")
    assert ACTION.run(make_context(tmp_path)).detail.startswith("compressed 1 log file, ")
    assert [path.name for path in (tmp_path / "logs").glob("podium*")] == ["podium-5-6.log.zst"]
    assert unpacked(tmp_path / "logs/podium-5-6.log.zst") == PLAIN + b"the end"
    assert (tmp_path / "logs/podium-5-6.log.zst").stat().st_mtime == OLD


def test_an_archive_is_never_written_over(tmp_path: Path) -> None:
    aged(tmp_path / "logs/podium-5-6.log", PLAIN)
    aged(tmp_path / "logs/podium-5-6.log.zst", b"another")
    before = world(tmp_path)
    with pytest.raises(OSError, match=r"no log file was compressed, and none was lost; 1 failed: .* already exists"):
        ACTION.run(make_context(tmp_path))
    assert world(tmp_path) == before


def test_a_disk_that_takes_no_more_ends_in_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """The process may write no file beyond 4 kB: the write fails half-way, as on a full disk."""
    rotated(tmp_path / "logs", 2)
    (tmp_path / "logs/podium.log.2").write_bytes(os.urandom(50_000))
    os.utime(tmp_path / "logs/podium.log.2", (OLD, OLD))
    before = sorted(path.read_bytes() for path in (tmp_path / "logs").iterdir())
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True, timeout=600)
    assert "File too large" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    left = [path for path in (tmp_path / "logs").iterdir() if path.suffix != ".zst"]
    whole = [*(path.read_bytes() for path in left), *(unpacked(path) for path in (tmp_path / "logs").glob("*.zst"))]
    assert sorted(whole) == before
    assert not list((tmp_path / "logs").glob("*.part"))


def test_a_full_disk_ends_in_one_line_and_loses_nothing(tmp_path: Path) -> None:
    """A file system of 2 MB of its own, filled to the last page; where none may be mounted the test before this one stands for it."""
    rotated(tmp_path / "logs", 2)
    small = tmp_path / "small"
    small.mkdir()
    words = ["unshare", "-rm", "sh", "-c", FULL, "sh", str(small), str(tmp_path / "logs"), sys.executable]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no file system may be mounted here")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("failed: no log file was compressed, and none was lost; 1 failed: podium.log.1: No space left on device")
    assert sum(name.startswith("podium") for name in lines) == 3
    assert not [name for name in lines if name.endswith((".part", ".zst"))]


def test_a_folder_that_may_not_be_written_ends_in_one_line(tmp_path: Path) -> None:
    import tempfile

    from tests.actions.test_delete_temp import unprivileged

    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        home = Path(folder)
        rotated(home / "logs")
        home.chmod(0o755)
        before = world(home)
        with unprivileged(), pytest.raises(OSError, match=r"none was lost; 2 failed: podium.log.1: Permission denied"):
            ACTION.run(make_context(home))
        assert world(home) == before


def test_temp_files_are_not_its_business_nor_logs_that_of_delete_temp(tmp_path: Path) -> None:
    rotated(tmp_path / "logs")
    left = aged(tmp_path / TEMPORARY.name / "podium.log.1")
    DELETE_TEMP.run(make_context(tmp_path))
    assert (tmp_path / "logs/podium.log.1").exists()
    ACTION.run(make_context(tmp_path))
    assert left.exists()
