"""The log on a full disk and after its file was deleted: no traceback on the terminal, and lost lines are counted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.service.logging import LOG, close_log, open_log
from tests.store import made

ROOT = Path(__file__).parents[2]
FULL_DISK = """
mount -t tmpfs -o size=3m none "$1" && mkdir "$1/home" && cp "$2" "$1/home/podium.db" || exit 77
dd if=/dev/zero of="$1/filler" bs=4k 2>/dev/null
export PODIUM_HOME="$1/home"
"$3" -m engine run --ticks 3; echo "run: $?"
"$3" -m engine status; echo "status: $?"
"$3" -m engine backup "$1/copy.db"; echo "backup: $?"
ls -A "$1"
"""


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder of logs in which the log is a device that is always full."""
    logs = tmp_path / "logs"
    close_log(open_log(tmp_path))
    (logs / "podium.log").unlink()
    (logs / "podium.log").symlink_to("/dev/full")
    yield logs
    handler = open_log(tmp_path)
    close_log(handler)


def fail(what: str) -> None:
    try:
        raise ValueError(what)
    except ValueError:
        LOG.exception("a job failed")


def test_a_full_disk_gives_one_line_on_the_terminal_and_the_log_says_what_it_misses(full: Path, capfd: pytest.CaptureFixture[str]) -> None:
    open_log(full.parent)
    for number in range(3):
        fail(f"for reason {number}")
    output = capfd.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert "cannot be written, lines are lost until it can ([Errno 28] No space left on device); the first: a job failed" in line
    (full / "podium.log").unlink()
    LOG.info("there is room again")
    first, second = (full / "podium.log").read_text(encoding="utf-8").splitlines()
    assert first.endswith("there is room again")
    assert second.endswith("3 lines before this one are lost: [Errno 28] No space left on device")
    assert capfd.readouterr().err == ""


def test_a_log_that_was_deleted_is_begun_anew_where_it_can_be_seen(tmp_path: Path) -> None:
    handler = open_log(tmp_path)
    LOG.info("before")
    shutil.rmtree(tmp_path / "logs")
    LOG.info("after")
    close_log(handler)
    assert (tmp_path / "logs" / "podium.log").read_text(encoding="utf-8").splitlines()[0].endswith("after")


def test_a_start_on_a_full_disk_says_so_and_shows_what_the_store_holds(tmp_path: Path) -> None:
    made.filled(tmp_path, 30)
    (tmp_path / "disk").mkdir()
    script = ["unshare", "-rm", "sh", "-c", FULL_DISK, "sh", str(tmp_path / "disk"), str(tmp_path / "podium.db"), sys.executable]
    ran = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip("no file system can be mounted here")
    assert "Traceback" not in ran.stderr
    assert "the disk is full: free space" in ran.stderr
    assert "run: 64" in ran.stdout
    assert "the disk of the store is full: the engine continues when there is space" in ran.stdout
    assert "last tick    29" in ran.stdout
    assert "does not fit" in ran.stderr or "No space left" in ran.stderr
    assert ran.stdout.splitlines()[-2:] == ["filler", "home"]  # no half file
