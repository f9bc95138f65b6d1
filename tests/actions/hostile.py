"""Folders full of entries that an action must not follow, move or delete, and a way to check that nothing has changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from engine.files.owned_folders import FOLDERS, MARKER, MARKER_TEXT, TEMPORARY

OLD = 1_500_000_000  # s: years before any test
HOSTILE = (
    b"new\nline",
    b"podium.log.1\n",
    b"podium.log.1\x01",
    b"..hidden",
    b"-rf",
    b"$(touch x)",
    b"`x`",
    b"*",
    b" ",
    b"\xff\xfe.log.zst",
    "\u202epodium.log.1".encode(),
    "podium.log.\u0661".encode(),
    b"podium-1-1.log.zst.exe",
    b"x" * 255,
)
PLAIN = b"2026-01-01 INFO all is well with the engine and its models\n" * 2_000  # 120 kB, and it packs well


def world(folder: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Every entry below a folder with its mode, links and content, nothing followed."""
    entries: dict[str, tuple[int, int, bytes | str]] = {}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(parent, name)  # noqa: PTH118 a hostile name may be no sound Path
            status = os.lstat(path)
            content: bytes | str = ""
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)  # noqa: PTH115
            elif stat.S_ISREG(status.st_mode):
                content = Path(path).read_bytes()
            entries[path] = (status.st_mode, status.st_nlink, content)
    return entries


def aged(path: Path, content: bytes = PLAIN, at: float = OLD) -> Path:
    """A file of long ago; a folder of Podium's that it lies in carries the marker."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name in {folder.name for folder in FOLDERS}:
        (path.parent / MARKER).write_bytes(MARKER_TEXT)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def rotated(logs: Path, count: int = 2) -> list[Path]:
    """A log being written and those the rotation has put away."""
    aged(logs / "podium.log")
    return [aged(logs / f"podium.log.{number}") for number in range(1, count + 1)]


def around(outside: Path, home: Path) -> None:
    """Sentinels outside the folder, and in each of its own what leads to them."""
    sentinels = [aged(outside / name) for name in ("podium.log.1", "deep/podium.log.2", "x.part", "backtests/20200101-000000-7.draft", "tmp/old")]
    aged(outside / "podium.db")
    for index, name in enumerate(("a", "b", "c", "d", "e", "f")):
        aged(outside / "sentinels" / name, bytes([index]) * 5_000)
    rotated(home / "logs")
    aged(home / "backtests/20200101-000000-7.draft")
    aged(home / "backtests/20200101-000000-7.json")
    aged(home / TEMPORARY.name / "rows-0123456789abcdef")
    for folder in (home / "logs", home / TEMPORARY.name, home / "backtests"):
        _traps(folder, outside, sentinels)


def _traps(folder: Path, outside: Path, sentinels: list[Path]) -> None:
    (folder / "podium.log.3").symlink_to(sentinels[0])
    (folder / "podium.log.4").symlink_to(outside)
    (folder / "podium-1-1.log").symlink_to(sentinels[0])
    (folder / "podium-1-2.log.zst").symlink_to(sentinels[1])
    (folder / "20200101-000000-8.draft").symlink_to(sentinels[3])
    (folder / "up").symlink_to("..")
    (folder / "loop").symlink_to("loop")
    (folder / "round").symlink_to(".")
    (folder / "podium.log.5").mkdir()
    os.mkfifo(folder / "podium.log.6")
    (folder / "podium.log.7").hardlink_to(_named(outside, folder.name))
    for name in HOSTILE:
        path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 as above
        Path(os.fsdecode(path)).write_bytes(PLAIN)
        os.utime(path, (OLD, OLD))
    for link in ("podium.log.3", "podium.log.4", "podium-1-1.log", "podium-1-2.log.zst", "20200101-000000-8.draft", "up", "loop", "round"):
        os.utime(folder / link, (OLD, OLD), follow_symlinks=False)


def _named(outside: Path, name: str) -> Path:
    """A file outside that has a second name in one of the folders."""
    return aged(outside / "linked" / name)
