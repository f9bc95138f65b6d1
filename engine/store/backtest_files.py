"""Backtests that are kept: a JSON file each, a bounded number of them, each written whole or not at all."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

MAX_FILES = 60  # files; the oldest go
MAX_BYTES = 8_000_000  # bytes of one file
_NAME = re.compile(r"\d{8}-\d{6}-\d{1,18}", re.ASCII)
_WORDS = ("name", "by", "reason")


class BacktestNotFound(ValueError):
    """There is no such backtest, or its file cannot be read: one line."""


@dataclass(frozen=True, slots=True)
class StoredBacktest:
    """A backtest with who asked for it and why; the report is the JSON object of the contract."""

    name: str  # of the file: when it was asked for, and the number of its command
    by: str
    reason: str
    at: int  # ns UTC, asked for
    finished: int  # ns UTC
    arguments: dict[str, str]  # the command's arguments
    report: dict[str, Any]


def backtest_folder(home: Path) -> Path:
    """Where Podium's folder keeps them."""
    return home / BACKTESTS.name


def save_backtest(folder: Path, backtest: StoredBacktest) -> None:
    """Keeps a backtest and drops the oldest beyond the number that is kept; raises OSError or FolderTaken."""
    draft = _file(folder, backtest.name).with_suffix(".draft")
    owned_folders.claim_folder(folder, BACKTESTS)
    draft.unlink(missing_ok=True)  # of a run that was killed
    try:
        with os.fdopen(private_files.create_private_file(draft), "wb") as file:
            file.write(orjson.dumps(asdict(backtest)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(_file(folder, backtest.name))
    finally:
        draft.unlink(missing_ok=True)
    for name in list_backtests(folder)[MAX_FILES:]:
        _file(folder, name).unlink(missing_ok=True)


def list_backtests(folder: Path) -> tuple[str, ...]:
    """The backtests that are kept, newest first; () where the folder is not there yet."""
    if not folder.is_dir():
        return ()
    return tuple(sorted((file.stem for file in _plain(folder, ".json")), key=_order, reverse=True))


def quarantine_backtest(folder: Path, name: str, most: int) -> None:
    """Renames one that cannot be read, to be looked at; of those set aside the newest `most` stay. Raises OSError or NotKept."""
    _demand_own(folder)
    file = _file(folder, name)
    file.replace(file.with_suffix(".damaged"))
    for old in _plain(folder, ".damaged")[:-most]:
        old.unlink(missing_ok=True)


def _plain(folder: Path, suffix: str) -> list[Path]:
    """The plain files with a backtest's name and this suffix, sorted by name; no links."""
    return sorted(file for file in folder.glob(f"*{suffix}") if _NAME.fullmatch(file.stem) and file.is_file() and not file.is_symlink())


def read_backtest(folder: Path, name: str) -> StoredBacktest:
    """One of them; raises NotKept."""
    file = _file(folder, name)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BacktestNotFound(f"{file} is larger than any backtest: delete it")
        told = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        raise BacktestNotFound(f"no backtest {name} is kept in {folder}") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise BacktestNotFound(f"{file} cannot be read ({' '.join(str(error).split())[:120]}): delete it") from None
    if not _is_whole(told):
        raise BacktestNotFound(f"{file} is no backtest: delete it")
    return StoredBacktest(
        name,
        told["by"],
        told["reason"],
        int(told["at"]),
        int(told["finished"]),
        {str(key): str(one) for key, one in told["asked"].items()},
        told["report"],
    )


def read_backtests(folder: Path) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:
    """All of them, newest first; and a line for each that cannot be read."""
    found: list[StoredBacktest] = []
    trouble: list[str] = []
    for name in list_backtests(folder):
        try:
            found.append(read_backtest(folder, name))
        except BacktestNotFound as error:
            trouble.append(str(error))
    return tuple(found), tuple(trouble)


def delete_backtest(folder: Path, name: str) -> None:
    """Deletes one of them; raises NotKept where there is none."""
    _demand_own(folder)
    try:
        _file(folder, name).unlink()
    except FileNotFoundError:
        raise BacktestNotFound(f"no backtest {name} is kept in {folder}") from None


def remove_drafts(folder: Path, before: int) -> None:
    """Drops what a killed engine left half-written before that time (ns UTC). Only in Podium's marked folder, and only what it names so itself."""
    if owned_folders.is_marked(folder):
        outputs = [file for file in folder.glob(".*.out") if _NAME.fullmatch(file.stem[1:]) and file.is_file() and not file.is_symlink()]
        for file in (*_plain(folder, ".draft"), *outputs):
            if file.stat().st_mtime_ns < before:
                file.unlink(missing_ok=True)


def read_folder_version(folder: Path) -> int:
    """Changes with what is kept; 0 where nothing is."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _file(folder: Path, name: str) -> Path:
    """Its file, always directly in the folder; raises NotKept for what is no name."""
    if not _NAME.fullmatch(name):
        raise BacktestNotFound(f"{name[:60]!r} is no backtest's name: it is a date, a time and a number, such as 20260131-120000-7")
    return folder / f"{name}.json"


def _demand_own(folder: Path) -> None:
    if folder.is_dir() and not owned_folders.is_marked(folder):
        raise BacktestNotFound(f"{folder} was not made by Podium (it has no {owned_folders.MARKER} file): nothing in it is moved or deleted")


def _order(name: str) -> tuple[str, int]:
    return name[:15], int(name[16:])


def _is_whole(told: object) -> bool:
    if not isinstance(told, dict):
        return False
    texts = all(isinstance(told.get(key), str) for key in _WORDS)
    times = all(isinstance(told.get(key), int) for key in ("at", "finished"))
    return texts and times and isinstance(told.get("asked"), dict) and isinstance(told.get("report"), dict)
