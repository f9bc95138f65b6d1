"""The newest result of parity for each session, stored beside the backtests, so that the pages show it until it is measured again."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.files import owned_folders, private_files
from engine.files.owned_folders import BACKTESTS

PARITY_FILE = "parity.json"
MAX_PARITY_BYTES = 1_000_000
MAX_SESSIONS = 200  # beyond which the oldest results go
MAX_TEXT = 600  # letters of a difference or an error
_NUMBERS = ("session", "compared_at", "ticks", "history_ticks", "late_trades", "revised_candles", "restarts", "unrecorded_ticks")


@dataclass(frozen=True, slots=True)
class StoredParity:
    """The result of deciding a session again, or why it could not be."""

    session: int
    compared_at: int  # ns UTC
    ticks: int = 0
    history_ticks: int = 0
    first_tick: int | None = None  # the first that differs
    difference: str | None = None  # the input that differs; None where all is identical
    late_trades: int = 0
    revised_candles: int = 0
    restarts: int = 0
    unrecorded_ticks: int = 0  # of the session that its recording lacks: not compared
    error: str | None = None  # why nothing could be compared


def save_parity(folder: Path, result: StoredParity) -> None:
    """Store the result of a session in place of the one before; raises OSError or FolderTaken."""
    owned_folders.claim_folder(folder, BACKTESTS)
    results = read_parity(folder) | {result.session: result}
    newest = sorted(results.values(), key=lambda stored: stored.compared_at)[-MAX_SESSIONS:]
    draft = (folder / PARITY_FILE).with_suffix(".draft")
    draft.unlink(missing_ok=True)  # of a run that was killed
    try:
        with os.fdopen(private_files.create_private_file(draft), "wb") as file:
            file.write(orjson.dumps([asdict(stored) for stored in newest]))
        draft.replace(folder / PARITY_FILE)
    finally:
        draft.unlink(missing_ok=True)


def read_parity(folder: Path) -> dict[int, StoredParity]:
    """The stored results by session; without those that cannot be read."""
    try:
        with (folder / PARITY_FILE).open("rb") as file:
            rows = orjson.loads(file.read(MAX_PARITY_BYTES))
    except (OSError, ValueError):
        return {}
    results = [stored for row in rows if (stored := _read_row(row)) is not None] if isinstance(rows, list) else []
    return {stored.session: stored for stored in results}


def _read_row(row: Any) -> StoredParity | None:
    try:
        numbers = {
            name: int(row[name])
            for name in ("session", "compared_at", "ticks", "history_ticks", "late_trades", "revised_candles", "restarts", "unrecorded_ticks")
        }
        texts = {name: None if row[name] is None else str(row[name])[:MAX_TEXT] for name in ("difference", "error")}
        return StoredParity(**numbers, **texts, first_tick=None if row["first_tick"] is None else int(row["first_tick"]))  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        return None
