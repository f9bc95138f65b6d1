"""Stored backtests: a JSON file each, up to a maximum number, written atomically."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

MAX_FILES = 60  # beyond which the oldest are deleted
MAX_BYTES = 8_000_000  # bytes of one file
_NAME = re.compile(r"\d{8}-\d{6}-\d{1,18}", re.ASCII)
_WORDS = ("name", "by", "reason")
_KEYS_OF_04 = {"honest_rate": "clean_rate", "regret": "declined", "naive_return": "benchmark_return"}
_MODELS_OF_04 = {"fourier": "random_fourier_features", "prototypes": "kmeans_prototypes"}
_GATES_OF_04 = {
    "sound phases": "no degraded phase", "sane book": "valid book", "models heard": "active models", "known territory": "in distribution",
    "edge over cost": "edge above cost", "worth trading": "minimum trade", "room in limits": "risk limits",
}  # fmt: skip


class BacktestNotFound(ValueError):
    """There is no such backtest, or its file cannot be read; the message is one line."""


@dataclass(frozen=True, slots=True)
class StoredBacktest:
    """A backtest with its requester and reason; the report is the object of `backtest --json`."""

    name: str  # of the file: the time of the request and the number of its command
    by: str
    reason: str
    at: int  # ns UTC, requested
    finished: int  # ns UTC
    arguments: dict[str, str]  # the command's arguments
    report: dict[str, Any]


def backtest_folder(home: Path) -> Path:
    """The folder of backtests in Podium's home."""
    return home / BACKTESTS.name


def save_backtest(folder: Path, backtest: StoredBacktest) -> None:
    """Store a backtest and delete the oldest beyond MAX_FILES; raises OSError or FolderTaken."""
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
    """The names of the stored backtests, newest first; () without a folder."""
    if not folder.is_dir():
        return ()
    return tuple(sorted((file.stem for file in _plain(folder, ".json")), key=_order, reverse=True))


def quarantine_backtest(folder: Path, name: str, most: int) -> None:
    """Rename an unreadable backtest for inspection, and keep the newest `most` of these. Raises OSError or BacktestNotFound."""
    _require_own(folder)
    file = _file(folder, name)
    file.replace(file.with_suffix(".damaged"))
    for old in _plain(folder, ".damaged")[:-most]:
        old.unlink(missing_ok=True)


def _plain(folder: Path, suffix: str) -> list[Path]:
    """The regular files (no links) with a backtest's name and this suffix, sorted by name."""
    return sorted(file for file in folder.glob(f"*{suffix}") if _NAME.fullmatch(file.stem) and file.is_file() and not file.is_symlink())


def read_backtest(folder: Path, name: str) -> StoredBacktest:
    """Read a backtest, also of 0.4; raises BacktestNotFound."""
    file = _file(folder, name)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise BacktestNotFound(f"{file} is larger than any backtest: delete it")
        stored = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        raise BacktestNotFound(f"no backtest {name} is kept in {folder}") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise BacktestNotFound(f"{file} cannot be read ({' '.join(str(error).split())[:120]}): delete it") from None
    stored = _of_today(stored)
    if not _is_complete(stored):
        raise BacktestNotFound(f"{file} is no backtest: delete it")
    arguments = {str(key): str(value) for key, value in stored["arguments"].items()}
    return StoredBacktest(name, stored["by"], stored["reason"], int(stored["at"]), int(stored["finished"]), arguments, stored["report"])


def read_backtests(folder: Path) -> tuple[tuple[StoredBacktest, ...], tuple[str, ...]]:
    """All stored backtests, newest first; and an error line for each that cannot be read."""
    backtests: list[StoredBacktest] = []
    errors: list[str] = []
    for name in list_backtests(folder):
        try:
            backtests.append(read_backtest(folder, name))
        except BacktestNotFound as error:
            errors.append(str(error))
    return tuple(backtests), tuple(errors)


def delete_backtest(folder: Path, name: str) -> None:
    """Delete a backtest; raises BacktestNotFound."""
    _require_own(folder)
    try:
        _file(folder, name).unlink()
    except FileNotFoundError:
        raise BacktestNotFound(f"no backtest {name} is kept in {folder}") from None


def remove_drafts(folder: Path, before: int) -> None:
    """Delete partial files that a killed engine left before that time (ns UTC): only in Podium's marked folder, and only with its own names."""
    if owned_folders.is_marked(folder):
        outputs = [file for file in folder.glob(".*.out") if _NAME.fullmatch(file.stem[1:]) and file.is_file() and not file.is_symlink()]
        for file in (*_plain(folder, ".draft"), *outputs):
            if file.stat().st_mtime_ns < before:
                file.unlink(missing_ok=True)


def read_folder_version(folder: Path) -> int:
    """A number that changes with the stored backtests; 0 without a folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _file(folder: Path, name: str) -> Path:
    """The file of a backtest, always directly in the folder; raises BacktestNotFound for an invalid name."""
    if not _NAME.fullmatch(name):
        raise BacktestNotFound(f"{name[:60]!r} is no backtest's name: it is a date, a time and a number, such as 20260131-120000-7")
    return folder / f"{name}.json"


def _require_own(folder: Path) -> None:
    if folder.is_dir() and not owned_folders.is_marked(folder):
        raise BacktestNotFound(f"{folder} was not made by Podium (it has no {owned_folders.MARKER} file): nothing in it is moved or deleted")


def _order(name: str) -> tuple[str, int]:
    return name[:15], int(name[16:])


def _of_today(stored: Any) -> Any:
    """A backtest of 0.4 under today's names: of its arguments, of the report's figures, gates and models."""
    if not isinstance(stored, dict) or "asked" not in stored:
        return stored
    report = stored.get("report")
    if isinstance(report, dict):
        report = {_KEYS_OF_04.get(key, key): value for key, value in report.items()}
        for table, names in (("binding_gates", _GATES_OF_04), ("declined", _GATES_OF_04), ("skill", _MODELS_OF_04), ("portfolio", _KEYS_OF_04)):
            if isinstance(report.get(table), dict):
                report[table] = {names.get(key, key): value for key, value in report[table].items()}
    return {key: value for key, value in stored.items() if key != "asked"} | {"arguments": stored["asked"], "report": report}


def _is_complete(stored: Any) -> bool:
    if not isinstance(stored, dict):
        return False
    texts = all(isinstance(stored.get(key), str) for key in _WORDS)
    times = all(isinstance(stored.get(key), int) for key in ("at", "finished"))
    return texts and times and isinstance(stored.get("arguments"), dict) and isinstance(stored.get("report"), dict)
